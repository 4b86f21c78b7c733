// Names and temperatures of labels; see label_set.h.
#include "data/label_set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

status label_set_new(label_set *l, const char *task, bool single, const char *const *names, int32_t n) {
  *l = (label_set){.single = single};
  snprintf(l->task, sizeof l->task, "%s", task);
  if (n > MOST_LABELS)
    return fail(ERR_ARGUMENT, "there are %d labels, and at most %d are possible", n, MOST_LABELS);
  TRY(mem_new(&l->names, (size_t)n, sizeof *l->names, "labels"));
  TRY(mem_new(&l->temperatures, (size_t)n + 1, sizeof *l->temperatures, "labels"));
  for (; l->n < n; l->n++) {
    TRY(mem_strdup(&l->names[l->n], names[l->n]));
    l->temperatures[l->n] = 1;
  }
  return OK;
}

void label_set_free(label_set *l) {
  for (int32_t i = 0; i < l->n; i++) free(l->names[i]);
  free(l->names);
  free(l->temperatures);
  *l = (label_set){.n = 0};
}

int32_t label_find(const label_set *l, const char *name) {
  for (int32_t i = 0; i < l->n; i++)
    if (strcmp(l->names[i], name) == 0) return i;
  return -1;
}

static int32_t label_temperatures(const label_set *l) {
  return l->single ? 1 : l->n;
}

json_t *label_set_to_json(const label_set *l) {
  json_t *names = json_array(), *temperatures = json_array();
  int bad = 0;
  for (int32_t i = 0; i < l->n; i++) bad |= json_array_append_new(names, json_string(l->names[i]));
  for (int32_t i = 0; i < label_temperatures(l); i++)
    bad |= json_array_append_new(temperatures, json_real(l->temperatures[i]));
  json_t *j = bad != 0
                  ? NULL
                  : json_pack("{s:s,s:s,s:O,s:O}", "task", l->task, "kind", l->single ? "single" : "several",
                              "names", names, "temperature", temperatures);
  json_decref(names);
  json_decref(temperatures);
  return j;
}

static status bad_field(const char *path, const char *name, const char *what) {
  return fail(ERR_FORMAT, "%s: field \"labels.%s\" %s", path, name, what);
}

static status read_names(label_set *l, const json_t *names, const char *task, bool single, const char *path) {
  const char *all[MOST_LABELS];
  const size_t n = json_array_size(names);
  if (n < (single ? 2u : 1u) || n > MOST_LABELS) return bad_field(path, "names", "is no list of labels");
  for (size_t i = 0; i < n; i++) {
    all[i] = json_string_value(json_array_get(names, i));
    if (all[i] == NULL || all[i][0] == '\0') return bad_field(path, "names", "has a label without a name");
    for (size_t k = 0; k < i; k++)
      if (strcmp(all[i], all[k]) == 0) return bad_field(path, "names", "has a name twice");
  }
  return label_set_new(l, task, single, all, (int32_t)n);
}

static status read_fields(label_set *l, const json_t *j, const char *path) {
  const char *task = json_string_value(json_object_get(j, "task")),
             *kind = json_string_value(json_object_get(j, "kind"));
  const json_t *temperatures = json_object_get(j, "temperature");
  if (task == NULL || (strcmp(task, "pair") != 0 && strcmp(task, "classify") != 0))
    return bad_field(path, "task", "is neither \"pair\" nor \"classify\"");
  const bool single = kind != NULL && strcmp(kind, "single") == 0;
  if (kind == NULL || (!single && strcmp(kind, "several") != 0))
    return bad_field(path, "kind", "is neither \"single\" nor \"several\"");
  TRY(read_names(l, json_object_get(j, "names"), task, single, path));
  if (json_array_size(temperatures) != (size_t)label_temperatures(l))
    return bad_field(path, "temperature", "has the wrong length");
  for (int32_t i = 0; i < label_temperatures(l); i++) {
    const double t = json_number_value(json_array_get(temperatures, (size_t)i));
    if (!(t > 0) || !isfinite(t)) return bad_field(path, "temperature", "has a number that is not above 0");
    l->temperatures[i] = t;
  }
  return OK;
}

status label_set_from_json(label_set *l, const json_t *j, const char *path) {
  *l = (label_set){.n = 0};
  const status rc = read_fields(l, j, path);
  if (rc != OK) label_set_free(l);
  return rc;
}
