// Rows without labels that a teacher labels (labels.unlabelled), and the check on held-out rows that it may.
#ifndef SOUK_CMD_LABELLED_PSEUDO_H
#define SOUK_CMD_LABELLED_PSEUDO_H

#include "train/config.h"

// Appends to *train the rows of labels.unlabelled that the teacher (labels.teacher, or else train.init) is sure of. `student` has the same
// rows as the run reads them. ERR_ARGUMENT where the teacher's labels are not these, and where what it is sure of in labels.valid is
// right less often than labels.pseudo_precision. *about gets "pseudo": what was taken.
status labelled_add_pseudo(labelled_rows *train, const labelled_rows *student, const label_set *labels,
                           const run_config *c, json_t *about);

#endif
