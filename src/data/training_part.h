// Which events of each history a run may train on: those of the train part or, in a final training (data.final), everything
// before the test part.
//
// A final training comes last: once the options are chosen on the validation part, the same is trained with that part, too,
// as the best published figures are. Nothing is left then that a validation of the run could ask about, unless some users
// are held out of it: of those only the train part is trained on. Which users these are depends on the data set alone, so
// that two runs hold out the same ones, and those of a smaller number are among those of a larger.
//
// Everything that trains asks here, and so does everything that says what a run has trained on.
#ifndef SOUK_DATA_TRAINING_PART_H
#define SOUK_DATA_TRAINING_PART_H

#include "data/dataset.h"

// What a run was told.
typedef struct training_choice {
  bool final;
  int64_t final_users; // held out of a final training; 0: none
} training_choice;

typedef struct training_part {
  const int32_t *
      lengths; // [sequences] the first so many events of each may be trained on; owned by the data set or `own`
  int32_t *own;  // NULL: not needed
  int64_t *held; // [n_held] sequences that are held out, ascending; NULL: none
  int64_t n_held;
  int64_t events; // that may be trained on, in all
} training_part;

// d must outlive *out, which is freed with training_part_free, also after an error. ERR_ARGUMENT: the data set has no
// validation part that a final training could add, or all of its users are held out.
status training_part_make(training_part *out, const dataset *d, const training_choice *c);
void training_part_free(training_part *p); // NULL is safe
// What training_part_make says of a choice without looking at users: ERR_ARGUMENT for one that makes no sense.
status training_choice_check(const training_choice *c, const dataset *d);
double training_part_bytes(const training_part *p, const dataset *d); // of memory besides the data set's

// Makes the counts of the data set's items those of the events that may be trained on, which is what a count in a vocabulary
// means: negatives are drawn by it, and a checkpoint keeps it. Reads the data set, in a final training only.
status training_part_count(const training_part *p, dataset *d, const training_choice *c);

#endif
