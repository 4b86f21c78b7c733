// What a file or directory holds, as json: recognised by content, not by name.
//
// Knows data sets, shards, vocabularies, item attributes, generated marketplaces, checkpoints, runs and their
// metrics, TensorBoard event files, bundles, safetensors, .npy, HDF5 of any kind, json, and logs and
// catalogues (csv, tsv, jsonl, compressed or plain). It reads what others wrote, so callers that do not trust a
// file call it in a child process (child.h).
#ifndef SOUK_INSPECT_INSPECT_H
#define SOUK_INSPECT_INSPECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct inspect_request {
  const char *path;
  bool verify;  // checksums of all files of a directory
  int64_t rows; // sequences, rows, tokens shown
} inspect_request;

// *out: an object with "kind" and further fields that depend on it; owned by the caller. Kind "text": none of the
// above. ERR_FORMAT for a file that is damaged or of no known kind.
status inspect(const inspect_request *q, json_t **out);

// The parts, of which inspect() chooses one.
status inspect_directory(const inspect_request *q, json_t *out);
status inspect_hdf5(const inspect_request *q, json_t *out);
status inspect_safetensors(const inspect_request *q, json_t *out);
status inspect_text(const inspect_request *q, json_t *out);
// Adds "kind" and "bytes".
status inspect_begin(json_t *out, const char *kind, const char *path);
status read_json(const char *path, json_t **out);

#endif
