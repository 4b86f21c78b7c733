// Ids that are spelled in two ways; see id_match.h.
#include "prepare/id_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/vocabulary.h"

const char *const id_rule_names[ID_RULE_COUNT] = {"exact", "spaces", "case", "zeros", "number", "digits"};
const char *const id_rule_texts[ID_RULE_COUNT] = {
    "as they are",        "without spaces and quotes around them",
    "in lower case",      "without leading zeros",
    "as decimal numbers", "by their last digits alone"};

struct id_match {
  id_rule rule;
  const intern *names;
  const uint8_t *take;
  intern *keys;   // what the rule makes of the names; NULL: ID_EXACT
  int32_t *first; // [keys] a name that has the key
  int32_t *next;  // [names] another one, -1: none
  size_t first_cap;
  char key[MAX_NAME_BYTES + 1];
};

// ---- rules ---------------------------------------------------------------------------------------------------

// A part of an id.
typedef struct span {
  const char *p;
  size_t n;
} span;

static span without(span s, const char *set) { // at both ends
  while (s.n > 0 && strchr(set, s.p[0]) != NULL) s = (span){s.p + 1, s.n - 1};
  while (s.n > 0 && strchr(set, s.p[s.n - 1]) != NULL) s.n--;
  return s;
}

static span without_zeros(span s) {
  while (s.n > 1 && s.p[0] == '0') s = (span){s.p + 1, s.n - 1};
  return s;
}

// Digits, of which zeros behind a point and in front do not count; other texts stay as they are.
static span as_number(span s) {
  const size_t whole = strspn(s.p, "0123456789");
  if (whole == 0 || whole > s.n) return s;
  const char *rest = s.p + whole;
  const size_t zeros = *rest == '.' ? 1 + strspn(rest + 1, "0") : 0;
  return whole + zeros == s.n ? without_zeros((span){s.p, whole}) : s;
}

static span last_digits(span s) {
  size_t end = s.n, begin;
  while (end > 0 && (s.p[end - 1] < '0' || s.p[end - 1] > '9')) end--;
  for (begin = end; begin > 0 && s.p[begin - 1] >= '0' && s.p[begin - 1] <= '9';) begin--;
  return end > begin ? without_zeros((span){s.p + begin, end - begin}) : s;
}

static const char *make_key(id_match *m, const char *id) {
  span s = without((span){id, strlen(id)}, " \t\r\n\"'");
  if (m->rule == ID_ZEROS) s = without_zeros(s);
  if (m->rule == ID_NUMBER) s = as_number(s);
  if (m->rule == ID_DIGITS) s = last_digits(s);
  if (s.n > MAX_NAME_BYTES) s.n = MAX_NAME_BYTES;
  memcpy(m->key, s.p, s.n);
  m->key[s.n] = '\0';
  for (char *p = m->key; m->rule == ID_CASE && *p != '\0'; p++)
    if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
  return m->key;
}

// ---- the index -----------------------------------------------------------------------------------------------

static status add_name(id_match *m, int32_t name) {
  int32_t key;
  const int32_t before = intern_count(m->keys);
  TRY(intern_add(m->keys, make_key(m, intern_text(m->names, name)), &key));
  TRY(mem_grow(&m->first, &m->first_cap, (size_t)intern_count(m->keys), sizeof *m->first, "an index of ids"));
  m->next[name] = key < before ? m->first[key] : -1;
  m->first[key] = name;
  return OK;
}

status id_match_new(id_match **out, id_rule rule, const intern *names, const uint8_t *take) {
  const int32_t n = intern_count(names);
  id_match *m;
  *out = NULL;
  TRY(mem_new(&m, 1, sizeof *m, "an index of ids"));
  m->rule = rule;
  m->names = names;
  m->take = take;
  status rc = OK;
  if (rule != ID_EXACT) {
    TRY_GOTO(intern_new(&m->keys), bad);
    TRY_GOTO(mem_new(&m->next, (size_t)n, sizeof *m->next, "an index of ids"), bad);
    for (int32_t i = n - 1; i >= 0; i--) // so that the first name of a key is found first
      if (take[i] != 0) TRY_GOTO(add_name(m, i), bad);
  }
  *out = m;
  return OK;
bad:
  id_match_free(m);
  return rc;
}

void id_match_free(id_match *m) {
  if (m == NULL) return;
  intern_free(m->keys);
  free(m->first);
  free(m->next);
  free(m);
}

int32_t id_match_find(id_match *m, const char *id) {
  if (m->keys == NULL) {
    const int32_t name = intern_find(m->names, id);
    return name >= 0 && m->take[name] != 0 ? name : -1;
  }
  const int32_t key = intern_find(m->keys, make_key(m, id));
  return key >= 0 ? m->first[key] : -1;
}

int32_t id_match_next(const id_match *m, int32_t name) {
  return m->next != NULL ? m->next[name] : -1;
}

// ---- what would match ----------------------------------------------------------------------------------------

static bool all_digits(const char *id) {
  return id[strspn(id, "0123456789")] == '\0';
}

// Prefixes on both sides would make the same of x1 and y1.
static bool convincing(const id_match *m, const char *id, const char *name) {
  return m->rule != ID_DIGITS || all_digits(id) || all_digits(name);
}

static int64_t count_hits(id_match *m, const intern *ids, char *example_id, char *example_name) {
  int64_t hits = 0;
  for (int32_t i = 0; i < intern_count(ids); i++) {
    const int32_t name = id_match_find(m, intern_text(ids, i));
    if (name < 0 || !convincing(m, intern_text(ids, i), intern_text(m->names, name))) continue;
    if (hits++ > 0) continue;
    snprintf(example_id, MAX_NAME_BYTES + 1, "%s", intern_text(ids, i));
    snprintf(example_name, MAX_NAME_BYTES + 1, "%s", intern_text(m->names, name));
  }
  return hits;
}

status id_match_suggest(const intern *ids, const intern *names, const uint8_t *unmatched, id_rule *rule,
                        int64_t *hits, char *example_id, char *example_name) {
  char id[MAX_NAME_BYTES + 1], name[MAX_NAME_BYTES + 1];
  *rule = ID_EXACT;
  *hits = 0;
  for (int k = ID_SPACES; k < ID_RULE_COUNT; k++) {
    id_match *m;
    TRY(id_match_new(&m, (id_rule)k, names, unmatched));
    const int64_t these = count_hits(m, ids, id, name);
    id_match_free(m);
    // digits alone say little: they must fit nearly always
    if (these <= *hits || (k == ID_DIGITS && these * 2 < intern_count(ids))) continue;
    *hits = these;
    *rule = (id_rule)k;
    strcpy(example_id, id);
    strcpy(example_name, name);
  }
  return OK;
}
