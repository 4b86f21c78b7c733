// Was a checkpoint trained on this data set? If not, what is held out here may have been trained on.
//
// A checkpoint names its data set by the checksum of the manifest, so another split of the same log is another data set.
// Where a user wants to evaluate it there all the same (later events, say), the data are read in the checkpoint's vocabulary, by
// name. How often each item occurred in its training is in its vocab.tsv: compared with the counts of the parts here,
// that tells whether it was trained on one of them.
#ifndef SOUK_EVAL_TRAINED_ON_H
#define SOUK_EVAL_TRAINED_ON_H

#include "data/dataset.h"
#include "eval/queries.h"
#include "model/checkpoint.h"

typedef enum trained_parts {
  TRAINED_HERE,            // on this data set: on its train part
  TRAINED_LIKE_TRAIN,      // on another, which counts every item as the train part here
  TRAINED_LIKE_VALIDATION, // as the train and validation parts here
  TRAINED_LIKE_ALL,        // as all three parts here
  TRAINED_OTHERWISE        // none of these
} trained_parts;

typedef struct trained_on {
  trained_parts parts;
  const checkpoint *c;
  int64_t events;        // training events of the items, by the checkpoint's counts
  int64_t more_often;    // items that it counts more often than the train part here
  int64_t unknown_items; // items here that the checkpoint does not know: [UNK]
} trained_on;

// ERR_ARGUMENT, naming both, unless the checkpoint was trained on this data set.
status checkpoint_check_data(const checkpoint *c, const dataset *d);
// The same; but with `other` another data set is compared, with a warning, and d reads in the checkpoint's vocabulary from
// then on. c must outlive *out.
status trained_on_compare(trained_on *out, const checkpoint *c, dataset *d, bool other);

// A model of a final training (data.final) has seen the answers of the validation part: ERR_ARGUMENT for that part. For any
// other, the counts of d become those of what the model was trained on, so that "cold" means what it has never seen.
status trained_on_settle(const trained_on *t, dataset *d, eval_part part);

extern const char
    *const trained_parts_names[]; // "here", "train", "train and validation", "all parts", "otherwise"
enum { TRAINED_TEXT = 512 };
// "on another data set, "x" (leave_one_out, checksum 0123456789ab), ..." for people; returns buf.
const char *trained_on_describe(const trained_on *t, char buf[TRAINED_TEXT]);

// "from parameters that were trained on other data: "x" (checksum 0123456789ab)" where the run began so (train.init), else
// ""; returns buf.
enum { EARLIER_TEXT = 512 };
const char *trained_on_earlier(const trained_on *t, char buf[EARLIER_TEXT]);

#endif
