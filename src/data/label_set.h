// What a model's labels are called, and how sure it is to be taken: field "labels" of checkpoints and bundles (docs/formats.md).
//
//   {"task": "pair"|"classify", "kind": "single"|"several", "names": [...], "temperature": [...]}
//
// single: a row has one of the labels, and there is one temperature; several: each label holds or does not, and has its own. Logits
// are divided by the temperature before they become probabilities.
#ifndef SOUK_DATA_LABEL_SET_H
#define SOUK_DATA_LABEL_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

enum { MOST_LABELS = 4096 };

typedef struct label_set {
  char task[16];
  bool single;
  int32_t n;
  char **names;         // [n] all different, not empty
  double *temperatures; // single [1], several [n]
} label_set;

status label_set_new(label_set *l, const char *task, bool single, const char *const *names, int32_t n);
void label_set_free(label_set *l); // safe on a zeroed one
// -1: there is no such label.
int32_t label_find(const label_set *l, const char *name);
json_t *label_set_to_json(const label_set *l); // new; NULL: no memory
// ERR_FORMAT names `path` and the field. Fields that are not above are left to others.
status label_set_from_json(label_set *l, const json_t *j, const char *path);

#endif
