// The list of option data.mix; see data_mix.h.
#include "data/data_mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const mix_part_names[MIX_PARTS] = {"histories", "texts", "pairs", "item_pairs"};

static int find_part(const char *name, size_t bytes) {
  for (int i = 0; i < MIX_PARTS; i++)
    if (strlen(mix_part_names[i]) == bytes && memcmp(name, mix_part_names[i], bytes) == 0) return i;
  return -1;
}

// "texts 0.3"; the text ends at its comma or its end.
static status parse_part(data_mix *m, bool named[MIX_PARTS], const char *text, size_t bytes,
                         const char *where) {
  const size_t name = strcspn(text, " ,");
  const int part = find_part(text, name < bytes ? name : bytes);
  if (part < 0)
    return fail(ERR_ARGUMENT, "%s: \"%.*s\" is none of histories, texts, pairs and item_pairs", where,
                (int)bytes, text);
  if (named[part]) return fail(ERR_ARGUMENT, "%s: %s comes twice", where, mix_part_names[part]);
  named[part] = true;
  m->weight[part] = 1;
  if (name >= bytes) return OK;
  char *end;
  m->weight[part] = strtod(text + name, &end);
  if (end == text + name || end != text + bytes || !(m->weight[part] >= 0 && m->weight[part] <= 1e6))
    return fail(ERR_ARGUMENT, "%s: the weight of %s is not a number from 0 to 1000000", where,
                mix_part_names[part]);
  return OK;
}

status data_mix_parse(data_mix *m, const char *text, const char *where) {
  bool named[MIX_PARTS] = {false};
  double sum = 0;
  *m = (data_mix){{0}};
  if (text[0] == '\0') text = DATA_MIX;
  for (const char *at = text; *at != '\0';) {
    at += strspn(at, " ");
    size_t bytes = strcspn(at, ",");
    const char *next = at + bytes + (at[bytes] == ',');
    while (bytes > 0 && at[bytes - 1] == ' ') bytes--;
    TRY(parse_part(m, named, at, bytes, where));
    at = next;
  }
  for (int i = 0; i < MIX_PARTS; i++) sum += m->weight[i];
  return sum > 0
             ? OK
             : fail(ERR_ARGUMENT, "%s: a list like \"histories 1, texts 0.3, pairs 0.2\" is wanted", where);
}

bool data_mix_is_plain(const data_mix *m) {
  for (int i = MIX_TEXTS; i < MIX_PARTS; i++)
    if (m->weight[i] > 0) return false;
  return m->weight[MIX_HISTORIES] > 0;
}

// Weights count by their ratios.
bool data_mix_same(const data_mix *a, const data_mix *b) {
  double sum_a = 0, sum_b = 0;
  for (int i = 0; i < MIX_PARTS; i++) sum_a += a->weight[i], sum_b += b->weight[i];
  for (int i = 0; i < MIX_PARTS; i++)
    if (fabs(a->weight[i] / sum_a - b->weight[i] / sum_b) > 1e-12) return false;
  return true;
}
