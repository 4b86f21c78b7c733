// A checkpoint is a directory: manifest.json and parts in logical tensor coordinates; it exists only when its
// manifest does (written last, by rename). Parts: model.h5 (one dataset a parameter, by name), optimizer.h5 (m/NAME,
// v/NAME) and, of a run that averages its weights, average.h5 (NAME: what the average differs by from the parameter, over a
// scale that the manifest has; ops/ops.h); of one that is tuned with adalora, importance.h5 (ipt/NAME, unc/NAME: train/rank_budget.h); of a model whose item vectors have content, content.h5 (item_content.h); of one that has mined hard negatives anew, mined.h5 (data/hard_negatives.h). The manifest holds schema "souk.checkpoint", version 1, the run's configuration (yaml text), the
// model configuration, the data set's name, checksum and vocabulary file, the training state, and size and
// SHA-256 of every part. vocab.tsv is copied in, so that a checkpoint can be exported without the data set.
#ifndef SOUK_MODEL_CHECKPOINT_H
#define SOUK_MODEL_CHECKPOINT_H

#include "base/path_kind.h"
#include "data/dataset.h"
#include "model/item_content.h"
#include "model/model.h"
#include "model/train_state.h"

// A checkpoint may leave out what is frozen and name another that keeps it, its base: the manifest then has "base": its
// directory (the absolute path, and the path from this checkpoint's directory, which is tried first), the SHA-256 of its
// model.h5, and the names of the parameters that are read from there.
// The base may have a base itself, and so on, up to so many in all. What it is tuned by is folded into what others take from it.
enum { CHECKPOINT_MOST_BASES = 8 };
typedef struct checkpoint_base {
  char dir[OPTION_STRING]; // absolute; "": none
  char sha256[65];         // of its model.h5
} checkpoint_base;

// What is written: every parameter, and of the trainable ones the moments.
typedef struct checkpoint_content {
  const model_config *model;
  const param_set *params;
  param_values values; // host memory, laid out as `params` says; m NULL: parameters only
  const train_state *state;
  const char *config_yaml;
  const dataset *data; // its vocabulary and catalogue.jsonl come along
  json_t *labels;      // what its labels are; NULL: as the data set says now
  // One that this one is made of without its data set, so that `data` is a vocabulary only: what it keeps of the data set
  // (tokenizer, labels, catalogue.jsonl, texts.safetensors) comes along. NULL: there is none.
  const struct checkpoint *heir_of;
  const item_content *items; // of a model whose item vectors have content; NULL: one of ids
  const checkpoint_base
      *base; // which keeps the frozen parameters, so that they are not written; NULL: written
  // One more part, for what only some checkpoints hold; NULL: none. Writes PATH; called without the HDF5 lock.
  const char *extra_name;
  status (*extra)(const void *self, const char *path);
  const void *extra_self;
  // What the manifest does not list, a mix: written into DIR, which holds all else by then and gets its name afterwards, so that the
  // checkpoint is there with it or not at all. NULL: nothing.
  status (*beside)(const void *self, const char *dir);
  const void *beside_self;
  // The kind of directory that may be replaced, as in out_dir_open; unset: any.
  path_kind over;
  bool force;
} checkpoint_content;

// A checkpoint opened for reading; everything but the tensors has been checked.
typedef struct checkpoint {
  char dir[OPTION_STRING];
  const char *name;    // in messages: dir, but where it was made of what the user named (train.init_from)
  char created_by[64]; // "souk 0.1.0"; empty: not in the manifest
  model_config model;
  train_state state;
  char *config_yaml; // the run's configuration
  dataset_info data; // what was trained on (name, checksum, ranges, event types)
  bool has_optimizer, has_catalogue;
  json_t *averaged;  // names of the parameters that have an average; NULL: none
  bool raw;          // set by who wants the parameters as they are: checkpoint_load() then takes no averages
  json_t *files;     // that its manifest lists
  json_t *tokenizer; // settings of a Hugging Face tokenizer (data/tokenizer.h); NULL: none
  json_t *labels;    // what its labels are (data/label_set.h); NULL: it has none
  char model_sha256[65]; // of model.h5
  int64_t model_bytes;   // its size, and that of the base's
  // Where the frozen parameters are when they are not here; opened and verified with this one. NULL: all are here.
  struct checkpoint *base;
  json_t *from_base;        // names of the parameters that are read from there
  struct h5_reader *reader; // of its parts
} checkpoint;

// Writes to a temporary directory, the manifest last, and renames it to DIR when everything is on disk. An existing
// DIR is replaced (but see `over`); after an error it is unchanged, and no temporary is left.
status checkpoint_write(const char *dir, const checkpoint_content *c);
status checkpoint_open(checkpoint **out, const char *dir); // verifies checksums
void checkpoint_close(checkpoint *c);                      // NULL is safe
// How many others it builds on: its base, the base's base and so on.
int checkpoint_bases(const checkpoint *c);
// Is this parameter's value in the base?
bool checkpoint_takes_from_base(const checkpoint *c, const char *name);
// Has it a head of its own that writes copy (objectives/copy.c), which is not its base's?
bool checkpoint_has_copy_head(const checkpoint *c);
// Does the parameter belong to an objective that the checkpoint was not trained for, or to the tuning of a base that the
// checkpoint is, so that it has no value there?
bool checkpoint_lacks(const checkpoint *c, const param *p);
// Warns of each objective (of the one named `only`, unless NULL) whose parameters were never trained, neither in this run nor
// where it began, so that what comes out of them means nothing.
void checkpoint_warn_untrained(const checkpoint *c, const char *only);
// The same of the objective whose head ranks items.
void checkpoint_warn_untrained_ranking(const checkpoint *c);
// Reads the parameters into a model of the same shape, and the content of its items, where they have any. What the checkpoint lacks stays as it is. with_optimizer: the weights
// as they were trained, with their moments and, where the set averages and the checkpoint has them, averages: to train on.
// Without: averaged weights where there are any, unless c->raw. What comes from a base is what the run began from: averaged, if
// the base has averages, in either case.
status checkpoint_load(const checkpoint *c, model *m, bool with_optimizer);

#endif
