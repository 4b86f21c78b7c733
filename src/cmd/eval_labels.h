// souk eval RUN --labels FILE.
#ifndef SOUK_CMD_EVAL_LABELS_H
#define SOUK_CMD_EVAL_LABELS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct eval_labels_how {
  const char *where, *labels, *data; // run; labelled rows; data set ("": the run's)
  const char *figures, *plot;        // files for json and for a picture of calibration; "": none
  int which, device;
  bool raw, json; // weights as they were trained; json in place of tables
  int32_t threads;
} eval_labels_how;

status eval_labels(const eval_labels_how *how);

#endif
