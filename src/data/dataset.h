// A data set to train on: a prepared one, shards of masked examples from elsewhere, or only a vocabulary.
//
// A prepared data set is a directory with manifest.json, vocab.tsv, report.json and shards shard-00000.h5 ...
//
// A sequence is the whole history of one user, oldest first. Two cuts divide it: tokens [0, valid_from) train,
// [valid_from, test_from) validation, [test_from, n) test; split.h says by which rule. Leave-one-out: the last item is the
// test target, the one before the validation target; users with fewer than three items only train (both cuts at n).
// Sequences that do not keep to the split of the manifest are an error wherever their events are read.
// Windows for long histories are a pure function of a train part's length, window and stride (dataset_windows);
// the manifest records the defaults chosen by prepare.
//
// A shard (HDF5, chunked, shuffle + deflate, no times, attributes "schema" = "souk.shard" and "version" = 1):
//   tokens int32 [N], events uint8 [N] (index in event_types; 0 none), times int64 [N] (since 1970 in the
//   manifest's time_unit, or the row number where the log has no time), sessions int32 [N] (index of the session in its sequence, from 0),
//   offsets int64 [S+1], valid_from int32 [S], test_from int32 [S], users int64 [S] (line in users.tsv, from 0).
// User names: users.tsv, one a line, escaped as in vocab.tsv. docs/formats.md has all files.
#ifndef SOUK_DATA_DATASET_H
#define SOUK_DATA_DATASET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "data/sources/nvidia_shards.h"
#include "data/split.h"
#include "data/vocab.h"

enum { MAX_EVENT_TYPES = 64, EVENT_NAME = 64 };

// What souk prepare calls a data set and how long its windows are by default, and what a manifest that does not say has.
// A stride that is not said is half a window.
#define DATASET_NAME "data"
enum { DATASET_WINDOW = 50 };

// What a data set's times count, from 1970 on: the coarsest unit that holds them all.
#define TIME_UNITS "seconds|milliseconds|microseconds|nanoseconds"
typedef enum time_unit {
  TIME_UNIT_SECONDS,
  TIME_UNIT_MILLISECONDS,
  TIME_UNIT_MICROSECONDS,
  TIME_UNIT_NANOSECONDS,
  TIME_UNIT_COUNT
} time_unit;
extern const char *const time_unit_names[TIME_UNIT_COUNT];
int64_t time_unit_per_second(time_unit unit); // 1, 1000, ...

typedef struct dataset_info {
  char name[128];
  int64_t sequences, tokens; // in all
  int64_t train_tokens;
  int64_t valid_targets, test_targets; // events of those parts
  data_split split;
  int32_t longest; // longest sequence
  int32_t vocab_size;
  int32_t range_end[RANGE_COUNT];
  int32_t n_event_types;                         // including "none": token types of a segment; at least 1
  char event_types[MAX_EVENT_TYPES][EVENT_NAME]; // [0] is "none"
  int32_t window, stride;                        // defaults for training windows
  bool has_time;
  time_unit time_unit;
  int32_t shards;
  char checksum[65]; // SHA-256 of manifest.json without its created_by: the identity of the data set
} dataset_info;

typedef struct sequence {
  int64_t index; // in the data set
  int64_t user;
  int32_t n;
  int32_t valid_from, test_from;
  const int32_t *tokens;
  const uint8_t *events;
  const int64_t *times;
  const int32_t *sessions;
} sequence;

typedef struct dataset dataset;

// Opens and validates; with verify, the checksums of all files first. Several threads may read one data set. A directory
// without a manifest but with shards in NVIDIA's layout (nvidia_shards.h) opens too; its sequences are examples that bring
// their masks: there are lengths of them, but no blocks to read.
status dataset_open(dataset **out, const char *dir, bool verify);
nvidia_shards *dataset_premasked(const dataset *d); // NULL for any other data set; owned by d
// A data set of no sequences, for checkpoints whose training was done elsewhere: name, checksum and event types from
// *info, the ranges from v. Takes v over, also after an error. Its directory is "".
status dataset_of_vocab(dataset **out, const dataset_info *info, vocab *v);
// Settings of the tokenizer that its words come from (tokenizer.h), which checkpoints keep; owned by d, NULL: none.
json_t *dataset_tokenizer(const dataset *d);
// Gives it others; the caller keeps its reference. NULL is safe: nothing is changed.
void dataset_set_tokenizer(dataset *d, json_t *settings);
// Labelled rows, which runs train on in place of its sequences; borrowed, NULL: none. And field "labels" of the checkpoints that
// are written of it (label_set.h, and where the rows came from); the caller keeps its reference. One thread at a time may set it,
// any may ask, and a reference that was asked for is the caller's.
const struct labelled_rows *dataset_labelled(const dataset *d);
void dataset_set_labelled(dataset *d, const struct labelled_rows *rows);
json_t *dataset_labels(const dataset *d); // new reference
void dataset_set_labels(dataset *d, json_t *labels);
void dataset_close(dataset *d); // NULL is safe
const dataset_info *dataset_get_info(const dataset *d);
const vocab *dataset_vocab(const dataset *d);
const char *dataset_dir(const dataset *d);
// Does its manifest list this file? Data sets from elsewhere have none.
bool dataset_lists(const dataset *d, const char *name);
// Copies a file that the manifest lists, catalogue.jsonl for one, into another directory, as file_list_copy does.
// ERR_NOT_FOUND: none is listed, or there.
status dataset_copy_file(const dataset *d, const char *name, const char *to_dir);
// Blocks are in another vocabulary from now on, v, which is taken over, also after an error: tokens are found in it by range
// and name, and those that it does not have are [UNK]; event types likewise, by the names of *info, and unknown ones are none.
// What *info says of the vocabulary and of event types replaces what the data set says. For prepared data sets.
status dataset_read_as(dataset *d, vocab *v, const dataset_info *info);
// Length of every sequence's train part and whole, and where its test part begins, in order; owned by d. [sequences]
const int32_t *dataset_train_lengths(const dataset *d);
const int32_t *dataset_lengths(const dataset *d);
const int32_t *dataset_test_from(const dataset *d);
// The targets of the validation or test part in sequence `index`: events [*from, *to), none if *from >= *to.
void dataset_targets(const dataset *d, int64_t index, bool test, int32_t *from, int32_t *to);
int64_t dataset_count_targets(const dataset *d, bool test); // of all sequences
int64_t dataset_count_users(const dataset *d, bool test);   // sequences with targets
// Counts the items of the first lengths[i] events of each sequence, in place of the counts that its vocabulary has. Not for
// data sets from elsewhere.
status dataset_count_again(dataset *d, const int32_t *lengths);

// Bytes of memory: of its lengths and offsets; and of the process that reads HDF5, while it reads a shard.
double dataset_index_bytes(const dataset *d);
double dataset_reader_bytes(const dataset *d);

// A block of consecutive sequences read into memory.
typedef struct sequence_block sequence_block;
status block_read(sequence_block **out, dataset *d, int64_t first, int64_t count);
void block_free(sequence_block *b);                             // NULL is safe
double block_bytes(const dataset_info *info, double sequences); // of a block of so many average ones
int64_t block_count(const sequence_block *b);
void block_get(const sequence_block *b, int64_t i, sequence *s); // i from 0; pointers live as long as b

// Number of windows of a train part of n tokens, and the i-th of them, [*begin, *end). The windows are laid from
// the end: the last covers the last `window` tokens, each earlier one starts `stride` before; n <= window has one.
int32_t window_count(int32_t n, int32_t window, int32_t stride);
void window_at(int32_t n, int32_t window, int32_t stride, int32_t i, int32_t *begin, int32_t *end);

#endif
