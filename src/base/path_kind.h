// What kind of thing a path is, judged by a quick look at its content. A command that was given the wrong thing can
// then say what it is, which command takes it, and what is needed instead.
#ifndef SOUK_BASE_PATH_KIND_H
#define SOUK_BASE_PATH_KIND_H

#include <stdbool.h>
#include "base/status.h"

typedef enum path_kind {
  PATH_NOTHING = 0,          // not there
  PATH_DATASET = 1 << 0,     // what souk prepare makes
  PATH_SHARDS = 1 << 1,      // a directory of HDF5 files of another program
  PATH_RUN = 1 << 2,         // a directory of souk pretrain, with a checkpoint or none yet
  PATH_CHECKPOINT = 1 << 3,  // one of the run's, or what souk import makes
  PATH_STEP = 1 << 4,        // a step that was not finite, with what souk replay needs: a checkpoint and more
  PATH_BUNDLE = 1 << 5,      // what souk export makes
  PATH_MARKETPLACE = 1 << 6, // what souk synth makes
  PATH_HUGGING_FACE = 1 << 7, // config.json or model.safetensors
  PATH_EMPTY = 1 << 8,        // a directory with nothing in it
  PATH_DIRECTORY = 1 << 9,    // any other directory
  PATH_FILE = 1 << 10,        // any other file, also a pipe; in `wanted` it means files of all kinds
  PATH_CONFIG = 1 << 11,      // only used in `wanted`: a text file that does not look like a log
  PATH_DAMAGED = 1 << 12,     // a manifest that cannot be understood; the command that reads it reports why
  PATH_LOG =
      1 << 13, // a file whose name is that of a log: .csv, .tsv, .jsonl, also with .gz, .zst, .xz, .bz2
  PATH_METRICS = 1 << 14, // a run's metrics.jsonl
  PATH_BINARY = 1 << 15,  // a file that is no text
  PATH_SWEEP = 1 << 16,   // a directory of souk sweep
} path_kind;

path_kind path_kind_of(const char *path);
// Does the directory hold files of a run, among others?
bool path_holds_run(const char *dir);
// The checkpoint of a run that its file `pointer` ("best" or "last") names. ERR_NOT_FOUND: there is no such file;
// ERR_FORMAT: what it holds cannot be the name of a directory in the run's.
enum { POINTER_BYTES = 256 };
status path_read_pointer(char name[POINTER_BYTES], const char *run, const char *pointer);
const char *path_kind_name(path_kind kind); // "a data set"
// OK if the path is of one of the wanted kinds (or damaged, for the reader to say so). Else ERR_NOT_FOUND or ERR_ARGUMENT and
// a sentence: "DIR is a bundle (souk-infer answers from it), but a run or a checkpoint is needed; souk pretrain makes one".
status path_check(const char *path, unsigned wanted);
// What a file's name says of its form, without regard to case and to .gz, .zst, .xz or .bz2 at its end.
typedef enum path_form {
  FORM_OTHER,
  FORM_CSV,
  FORM_TSV,
  FORM_JSONL
} path_form; // .json and .ndjson are FORM_JSONL
path_form path_form_of(const char *path);
// Checks the place of a new output: nothing, an empty directory, or one of the kinds that may be written into.
status path_check_place(const char *path, unsigned allowed);

#endif
