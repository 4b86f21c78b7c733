// Rows of json: a pull parser that takes the values at the wanted paths from the text and builds no tree. Texts are decoded
// in place and numbers stay as they are written.
//
// As strict as format/jtree.h, but for two things that Python writes: NaN and the infinities are unknown values, and a row
// that begins like a Python dict ({'a' or {u'a') is read by Python's grammar.
//
// A path is matched a key at a time: for each level there is the list of columns whose path has led here, with the rest of
// their paths. Of two keys of an object that both begin a path, "a.b" and "a" for a.b.c, the longer one counts.
#include <string.h>
#include "base/memory.h"
#include "format/item_attributes.h"
#include "format/json_text.h"
#include "format/utf8.h"
#include "prepare/log_internal.h"

enum { DEPTH = 32 };
static const char NOT_JSON[] = "not valid json", TWICE[] = "a json key that appears twice",
                  NO_ATTRIBUTE[] = "attributes of which one is neither a text nor a number";

// The columns whose paths have led to a value. rest: "" where it is the value itself.
typedef struct paths {
  int n;
  struct {
    int column;
    const char *rest;
    bool through; // this list is passed through, a value of it at a time
  } at[MAX_COLUMNS];
} paths;

typedef struct json_row {
  log_parser *p;
  log_row *out;
  char *begin, *at, *end;
  const char *why; // constant
  status rc;
  bool python;
  int depth, lists;         // open brackets; lists that are passed through
  int32_t element, in_list; // place in the outermost of them, from 0; number of the innermost
  int32_t lists_seen;
  int32_t elements; // of the outermost lists; -1: none so far
  int64_t found;    // bits of findings: each counts a row once
  const char *last; // the value that was read last, of last_bytes; NULL: null and the like
  size_t last_bytes;
  uint64_t written; // columns whose texts are made of objects: their list values are names and values in turn
} json_row;

static bool value(json_row *r, const paths *here);

static bool wrong(json_row *r, const char *why) {
  if (r->why == NULL) r->why = why;
  return false;
}

static void skip_space(json_row *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static bool next_is(const json_row *r, char c) {
  return r->at < r->end && *r->at == c;
}

static bool expect(json_row *r, char c) {
  if (!next_is(r, c)) return wrong(r, NOT_JSON);
  r->at++;
  return true;
}

static void found(json_row *r, log_finding finding) {
  r->found |= INT64_C(1) << finding;
}

// ---- values that were found ----------------------------------------------------------------------------------

// A value of a list; at is NULL where there is none.
static bool add_list_value(json_row *r, int column, const char *at, size_t bytes) {
  log_parser *const p = r->p;
  const list_value value_at = {.at = at != NULL ? (uint32_t)(at - r->begin) : 0,
                               .bytes = at != NULL ? (uint32_t)bytes : NO_VALUE,
                               .element = r->element,
                               .list = r->in_list,
                               .next = -1};
  list_value *last = p->first[column] >= 0 ? &p->values[p->last[column]] : NULL;
  if (last != NULL && last->bytes == NO_VALUE &&
      last->element == r->element) { // instead of one that was forgotten
    *last = value_at;
    return true;
  }
  if (p->n_values == MAX_LIST_VALUES) return wrong(r, "lists of more than 1048576 values");
  r->rc = append_value(p, column, value_at);
  return r->rc == OK || wrong(r, NOT_JSON);
}

// at NULL: null, or something that is no value.
static bool take(json_row *r, const paths *here, char *at, size_t bytes) {
  r->last = at;
  r->last_bytes = bytes;
  for (int i = 0; i < here->n; i++) {
    const int column = here->at[i].column;
    bool is_value = at != NULL && bytes > 0 && here->at[i].rest[0] == '\0';
    if (is_value && (bytes <= PLACEHOLDER_BYTES || r->p->plan->n_missing > 0))
      is_value = !means_no_value(r->p, column, at, bytes);
    if (is_value) r->p->counts.seen |= UINT64_C(1) << column;
    if ((r->written >> column & 1) != 0) return wrong(r, NO_ATTRIBUTE);
    if ((r->p->listed >> column & 1) != 0) {
      if (!add_list_value(r, column, is_value ? at : NULL, bytes)) return false;
    } else {
      r->out->text[column] = is_value ? at : NULL;
      r->out->bytes[column] = (uint32_t)bytes;
    }
  }
  return true;
}

static void take_structure(json_row *r, const paths *here) {
  for (int i = 0; i < here->n; i++) {
    const int column = here->at[i].column;
    if (here->at[i].rest[0] == '\0' && (r->p->plan->objects >> column & 1) == 0)
      count_finding(r->p, FOUND_STRUCTURE + column);
  }
}

// ---- texts and numbers ---------------------------------------------------------------------------------------

static bool is_plain(unsigned char c) {
  return c >= 0x20 && c != '"' && c != '\\';
}

static bool json_text(json_row *r, char **text, size_t *bytes) {
  char *p = r->at + 1;
  while (p < r->end && is_plain((unsigned char)*p)) p++;
  if (p < r->end && *p == '"') { // nothing to decode; UTF-8 was checked for the whole row
    *text = r->at + 1;
    *bytes = (size_t)(p - *text);
    r->at = p + 1;
    return true;
  }
  char *to = r->at + 1;
  const char *at = r->at;
  *text = to;
  const char *why = json_decode(&at, r->end, &to);
  if (why != NULL) return wrong(r, why);
  r->at = r->begin + (at - r->begin);
  *bytes = (size_t)(to - *text);
  return true;
}

static bool at_text(const json_row *r) {
  if (r->at == r->end) return false;
  if (!r->python) return *r->at == '"';
  const char *p = r->at;
  if (*p == 'u' && p + 1 < r->end) p++;
  return *p == '"' || *p == '\'';
}

static bool text(json_row *r, char **at, size_t *bytes) {
  if (!r->python) return json_text(r, at, bytes);
  if (*r->at == 'u') r->at++;
  return python_text(&r->at, r->end, at, bytes) || wrong(r, NOT_JSON);
}

static bool is_digit(const json_row *r) {
  return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool digits(json_row *r) {
  if (!is_digit(r)) return wrong(r, NOT_JSON);
  while (is_digit(r)) r->at++;
  return true;
}

static bool number(json_row *r, const paths *here) {
  char *const start = r->at;
  if (next_is(r, '-')) r->at++;
  if (next_is(r, '0')) {
    r->at++;
    if (is_digit(r)) return wrong(r, NOT_JSON);
  } else if (!digits(r)) {
    return false;
  }
  if (next_is(r, '.')) {
    r->at++;
    if (!digits(r)) return false;
  }
  if (next_is(r, 'e') || next_is(r, 'E')) {
    r->at++;
    if (next_is(r, '+') || next_is(r, '-')) r->at++;
    if (!digits(r)) return false;
  }
  const size_t bytes = (size_t)(r->at - start);
  if (r->python && next_is(r, 'L')) r->at++; // a long integer of Python 2
  return take(r, here, start, bytes);
}

static bool word(json_row *r, const char *text_of) {
  const size_t n = strlen(text_of);
  if ((size_t)(r->end - r->at) < n || memcmp(r->at, text_of, n) != 0) return false;
  r->at += n;
  return true;
}

// true, false, null, and what Python calls them.
static bool literal(json_row *r, const paths *here) {
  static const char *const unknown[2][3] = {{"NaN", "Infinity", "-Infinity"}, {"nan", "inf", "-inf"}};
  char *const start = r->at;
  if (word(r, r->python ? "True" : "true") || word(r, r->python ? "False" : "false")) {
    *start = *start == 'T' ? 't' : *start == 'F' ? 'f' : *start;
    return take(r, here, start, (size_t)(r->at - start));
  }
  if (word(r, r->python ? "None" : "null")) return take(r, here, NULL, 0);
  for (int i = 0; i < 3; i++) {
    if (!word(r, unknown[r->python][i])) continue;
    if (here->n > 0) found(r, FOUND_UNKNOWN);
    return take(r, here, NULL, 0);
  }
  if (*r->at == '-' || is_digit(r)) return number(r, here);
  return wrong(r, NOT_JSON);
}

// ---- objects -------------------------------------------------------------------------------------------------

// A longer key has come: what a shorter one gave does not count.
static void forget(json_row *r, int column) {
  log_parser *const p = r->p;
  list_value *last =
      (p->listed >> column & 1) != 0 && p->first[column] >= 0 ? &p->values[p->last[column]] : NULL;
  if (r->lists == 0) p->listed &= ~(UINT64_C(1) << column);
  if (r->lists > 0 && last != NULL && last->element == r->element) last->bytes = NO_VALUE;
  r->out->text[column] = NULL;
}

// The columns that the key leads on; longest[i]: of the keys of this object that led column i of `here` on.
static bool follow_key(json_row *r, const paths *here, size_t *longest, const char *key, size_t bytes,
                       paths *next) {
  next->n = 0;
  for (int i = 0; i < here->n; i++) {
    const char *rest = here->at[i].rest;
    if (bytes == 0 || strncmp(rest, key, bytes) != 0 || (rest[bytes] != '\0' && rest[bytes] != '.')) continue;
    if (longest[i] == bytes) return wrong(r, TWICE);
    if (longest[i] > bytes) continue;
    if (longest[i] > 0) forget(r, here->at[i].column);
    longest[i] = bytes;
    next->at[next->n].column = here->at[i].column;
    next->at[next->n].through = false;
    next->at[next->n++].rest = rest + bytes + (rest[bytes] == '.');
  }
  return true;
}

// The columns whose text the whole object is: bits.
static uint64_t object_texts(const json_row *r, const paths *here) {
  uint64_t columns = 0;
  for (int i = 0; i < here->n; i++)
    if (here->at[i].rest[0] == '\0') columns |= UINT64_C(1) << here->at[i].column;
  return columns & r->p->plan->objects;
}

// Adds the member whose value has just been read to the text of a column.
static bool add_member(json_row *r, int column, const char *key, size_t bytes) {
  const uint64_t bit = UINT64_C(1) << column;
  if ((r->written & bit) == 0) {
    if ((r->p->listed & bit) != 0 && r->p->first[column] >= 0) return wrong(r, NO_ATTRIBUTE);
    r->p->first[column] = -1;
    r->p->listed |= bit;
    r->written |= bit;
  }
  r->p->counts.seen |= bit;
  return add_list_value(r, column, key, bytes) && add_list_value(r, column, r->last, r->last_bytes);
}

// first: what the value began with.
static bool add_members(json_row *r, uint64_t columns, char first, const char *key, size_t bytes) {
  if (columns == 0) return true;
  const bool text = first == '"' || first == '\'' || first == 'u';
  if (r->last == NULL || !(text || first == '-' || (first >= '0' && first <= '9')))
    return wrong(r, NO_ATTRIBUTE);
  for (int i = 0; i < r->p->plan->n; i++)
    if ((columns >> i & 1) != 0 && !add_member(r, i, key, bytes)) return false;
  return true;
}

static bool members(json_row *r, const paths *here) {
  const uint64_t texts = object_texts(r, here);
  size_t longest[MAX_COLUMNS];
  memset(longest, 0, (size_t)here->n * sizeof *longest);
  paths next;
  for (bool begins = true;; begins = false) {
    char *key;
    size_t bytes;
    skip_space(r);
    if (next_is(r, '}') && (begins || r->python)) break;
    if (!at_text(r)) return wrong(r, NOT_JSON);
    if (!text(r, &key, &bytes) || !follow_key(r, here, longest, key, bytes, &next)) return false;
    skip_space(r);
    if (!expect(r, ':')) return false;
    skip_space(r);
    const char first = r->at < r->end ? *r->at : '\0';
    if (!value(r, &next) || !add_members(r, texts, first, key, bytes)) return false;
    skip_space(r);
    if (next_is(r, '}')) break;
    if (!expect(r, ',')) return false;
  }
  r->at++;
  return true;
}

// ---- lists ---------------------------------------------------------------------------------------------------

// Does the rest of a path begin with a number? Then it picks a value of the list: *index, and *rest behind it.
static bool picks(const char **rest, int32_t *index) {
  const char *p = *rest;
  int64_t k = 0;
  while (*p >= '0' && *p <= '9' && k < INT32_MAX / 10) k = 10 * k + (*p++ - '0');
  if (p == *rest || (*p != '\0' && *p != '.')) return false;
  *index = (int32_t)k;
  *rest = p + (*p == '.');
  return true;
}

// The columns of value i.
static void follow_index(const paths *here, int32_t i, paths *next) {
  next->n = 0;
  for (int k = 0; k < here->n; k++) {
    const char *rest = here->at[k].rest;
    int32_t index;
    if (!here->at[k].through && (!picks(&rest, &index) || index != i)) continue;
    next->at[next->n].column = here->at[k].column;
    next->at[next->n].through = false;
    next->at[next->n++].rest = rest;
  }
}

// Which columns the list is passed through for. A column whose path has met no list until now becomes one of many values.
static bool pass_through(json_row *r, paths *here, bool *any) {
  *any = false;
  for (int k = 0; k < here->n; k++) {
    const char *rest = here->at[k].rest;
    int32_t index;
    here->at[k].through = !picks(&rest, &index);
    if (!here->at[k].through) continue;
    *any = true;
    const int column = here->at[k].column;
    if (r->lists == 0 || (r->p->listed >> column & 1) == 0) r->p->first[column] = -1;
    r->p->listed |= UINT64_C(1) << column;
  }
  if (*any && r->lists > 0 && !r->p->plan->joins) return wrong(r, "a list in a list");
  r->lists += *any;
  return true;
}

static bool list_values(json_row *r, char close, const paths *here, bool through, int32_t *count) {
  paths next;
  for (*count = 0;; ++*count) {
    skip_space(r);
    if (next_is(r, close) && (*count == 0 || r->python)) break;
    if (through && r->lists == 1) r->element = *count;
    follow_index(here, *count, &next);
    if (!value(r, &next)) return false;
    skip_space(r);
    if (next_is(r, close)) {
      ++*count;
      break;
    }
    if (!expect(r, ',')) return false;
  }
  r->at++;
  return true;
}

static bool list(json_row *r, const paths *path) {
  paths here = *path;
  bool through;
  const int32_t outer = r->in_list;
  int32_t count;
  const char close = *r->at++ == '(' ? ')' : ']';
  if (!pass_through(r, &here, &through)) return false;
  r->in_list = r->lists_seen++;
  if (!list_values(r, close, &here, through, &count)) return false;
  r->in_list = outer;
  if (!through) return true;
  if (--r->lists > 0) return true;
  if (r->elements >= 0 && r->elements != count && !r->p->plan->joins)
    return wrong(r, "lists of different lengths");
  r->elements = count;
  return true;
}

static bool value(json_row *r, const paths *here) {
  char *at;
  size_t bytes;
  if (at_text(r)) return text(r, &at, &bytes) && take(r, here, at, bytes);
  if (r->at == r->end) return wrong(r, NOT_JSON);
  const bool object = *r->at == '{';
  if (!object && *r->at != '[' && !(r->python && *r->at == '(')) return literal(r, here);
  if (++r->depth > DEPTH) return wrong(r, "json that is nested too deeply");
  if (object) {
    take_structure(r, here);
    r->at++;
    if (!members(r, here)) return false;
  } else if (!list(r, here)) {
    return false;
  }
  r->depth--;
  return true;
}

// ---- the row -------------------------------------------------------------------------------------------------

static bool is_text(const list_value *v) {
  return v->bytes != NO_VALUE && v->bytes > 0;
}

// Room for the values of a listed column with what comes between them; *n: how many there are.
static size_t joined_bytes(const log_parser *p, int column, size_t *n) {
  const size_t a = strlen(p->plan->join[column].values), b = strlen(p->plan->join[column].lists);
  size_t bytes = 0;
  *n = 0;
  for (int32_t i = p->first[column]; i >= 0; i = p->values[i].next) {
    if (!is_text(&p->values[i])) continue;
    bytes += p->values[i].bytes + (a > b ? a : b);
    ++*n;
  }
  return bytes;
}

static status join_values(json_row *r, int column) {
  log_parser *const p = r->p;
  const log_join *const join = &p->plan->join[column];
  char *text, *to;
  size_t n;
  int32_t list = -1;
  const size_t bytes = joined_bytes(p, column, &n);
  r->out->text[column] = NULL;
  if (n == 0) return OK;
  TRY(new_text(p, bytes + 1, &text));
  to = text;
  for (int32_t i = p->first[column]; i >= 0; i = p->values[i].next) {
    const list_value *v = &p->values[i];
    if (!is_text(v)) continue;
    if (to > text) to = stpcpy(to, v->list == list ? join->values : join->lists);
    memcpy(to, r->begin + v->at, v->bytes);
    to += v->bytes;
    list = v->list;
  }
  *to = '\0';
  r->out->text[column] = text;
  r->out->bytes[column] = (uint32_t)(to - text);
  if (n > 1) found(r, FOUND_JOINED);
  return OK;
}

// The text of an object: names and values in turn.
static status join_members(json_row *r, int column) {
  log_parser *const p = r->p;
  size_t room = 1, put = 0;
  char *text;
  for (int32_t i = p->first[column]; i >= 0; i = p->values[i].next)
    room += p->values[i].bytes + ITEM_ATTRIBUTE_MARKS;
  TRY(new_text(p, room, &text));
  for (int32_t i = p->first[column]; i >= 0;) {
    const list_value *const name = &p->values[i], *const value = &p->values[name->next];
    put += item_attribute_write(text + put, put == 0, r->begin + name->at, name->bytes, r->begin + value->at,
                                value->bytes);
    i = value->next;
  }
  text[put] = '\0';
  r->out->text[column] = text;
  r->out->bytes[column] = (uint32_t)put;
  return OK;
}

static status finish(json_row *r) {
  log_parser *const p = r->p;
  for (int i = 0; i < p->plan->n; i++)
    if ((p->listed >> i & 1) == 0 && r->out->text[i] != NULL)
      r->begin[r->out->text[i] - r->begin + r->out->bytes[i]] = '\0';
  if (p->plan->joins) {
    for (int i = 0; i < p->plan->n; i++)
      if ((p->listed >> i & 1) != 0) TRY((r->written >> i & 1) != 0 ? join_members(r, i) : join_values(r, i));
    p->listed = 0;
  }
  if (p->listed != 0) {
    found(r, r->elements > 0 ? FOUND_LIST : FOUND_EMPTY_LIST);
    p->elements = r->elements;
  }
  for (int i = 0; i < FOUND_STRUCTURE; i++)
    if ((r->found >> i & 1) != 0) count_finding(p, i);
  return OK;
}

// Does it begin as Python writes a dict, with a key in single quotes?
static bool begins_python(const json_row *r) {
  const char *p = r->at + 1;
  while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  if (p < r->end && *p == 'u') return p + 1 < r->end && (p[1] == '\'' || p[1] == '"');
  return p < r->end && *p == '\'';
}

status split_json(log_parser *p, char *row, size_t bytes, log_row *out) {
  json_row r = {.p = p, .out = out, .begin = row, .at = row, .end = row + bytes, .elements = -1};
  paths root = {.n = 0};
  if (!p->ascii && !utf8_valid_bytes(row, bytes)) {
    out->reject = LOG_NOT_UTF8;
    return OK;
  }
  p->n_values = 0;
  skip_space(&r);
  const bool object = next_is(&r, '{');
  r.python = object && begins_python(&r);
  if (r.python) found(&r, FOUND_PYTHON);
  for (int i = 0; object && i < p->plan->n; i++) {
    if (p->plan->names[i] == NULL) continue;
    root.at[root.n].column = i;
    root.at[root.n++].rest = p->plan->names[i];
  }
  bool good = value(&r, &root);
  skip_space(&r);
  if (good && r.at != r.end) good = wrong(&r, NOT_JSON);
  if (r.rc != OK) return r.rc;
  if (good && object) return finish(&r);
  out->reject = good ? "not a json object" : r.why;
  p->listed = 0;
  return OK;
}
