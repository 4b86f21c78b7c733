// From a checkpoint to a bundle (docs/bundle.md): Hugging Face files that other tools load directly, and further
// files for souk-infer.
#ifndef SOUK_CONVERT_EXPORT_H
#define SOUK_CONVERT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct export_result {
  int64_t step;
  int32_t items, dimension;
  uint64_t bytes; // of all files
} export_result;

typedef struct export_config {
  bool force;    // an existing bundle is replaced; a directory that is no bundle never is
  bool with_mix; // takes the checkpoint's mix along if it has one, with final counts if it has those
  bool raw;      // the weights as they were trained, though the checkpoint has averages
  // Runs or checkpoints that are tuned on top of this one, with peft of any kind: "RUN,NAME=RUN"; each becomes the folder
  // adapters/NAME of the bundle, NAME being its path's last part where none is given. NULL or "": none.
  const char *adapters;
  const char *
      lexicons; // folder of lexicon-en.txt and lexicon-zh.txt, which a bundle that writes copy carries; NULL: none
} export_config;

// Writes the bundle of a checkpoint's directory to a temporary directory and renames it when it is complete. result may be NULL.
status export_bundle(const char *checkpoint, const char *bundle, const export_config *c,
                     export_result *result);

#endif
