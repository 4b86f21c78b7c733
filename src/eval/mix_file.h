// The mix of a checkpoint, in CHECKPOINT/mix:
//
//   mix.json            schema "souk.mix", version 1, created_by, model_sha256 of the checkpoint, "mix": the settings
//                       (format/mix.h), "files": sizes and SHA-256
//   train.safetensors   the counts of the train part, which the weights were learned with
//   final.safetensors   optional: the counts of the train and validation parts, for the same weights
#ifndef SOUK_EVAL_MIX_FILE_H
#define SOUK_EVAL_MIX_FILE_H

#include <limits.h>

#include "format/mix.h"
#include "model/checkpoint.h"

// Writes the mix of a checkpoint; an earlier one is replaced. last: a table of all that may be learned from before the test part;
// NULL: there is none.
status mix_save(const checkpoint *c, const mix *x, const mix_table *last);

// Does the checkpoint have a mix, and one with final counts? Only a look at what is there.
bool mix_is_there(const checkpoint *c, bool final);
// Opens the mix of a checkpoint with the counts of train or, if it is final, of train and validation; ERR_NOT_FOUND: there is none.
status mix_open(mix **out, const checkpoint *c, bool final);
// The path of its table, and its settings as json; the caller frees it with json_decref.
status mix_table_path(const checkpoint *c, bool final, char path[PATH_MAX]);
status mix_settings_json(const mix *x, json_t **out);

#endif
