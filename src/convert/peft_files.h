// Adapters in the layout of Hugging Face's peft: a folder with adapter_config.json and adapter_model.safetensors.
#ifndef SOUK_CONVERT_PEFT_FILES_H
#define SOUK_CONVERT_PEFT_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include "model/checkpoint.h"

extern const char peft_config_file[], peft_model_file[]; // their names

// Is this factor, of a tuned word table, the transposed of peft's?
bool peft_is_turned(const char *name);

// Writes both files of a checkpoint tuned with lora or adalora into DIR, which is there. ERR_UNSUPPORTED: it is tuned in another
// way, or trains parameters of the base too, for which the layout has no place. *bytes: of both. NULL: it is
// a folder of a bundle, which has the head that writes copy, if that is the adapter's own.
status peft_files_write(const char *dir, const checkpoint *c, uint64_t *bytes);
// The same into a directory of its own, which appears whole; an existing one is replaced only with `force`.
status peft_export(const char *checkpoint_dir, const char *out, bool force, uint64_t *bytes);

// A folder of peft's becomes the checkpoint `out`, step 0, whose base is the checkpoint `base_dir`. Tensors that have no place in
// the encoder are refused. peft writes a tuned table itself beside its adapter: it must be the base's.
status peft_import(const char *peft_dir, const char *base_dir, const char *out, bool force);

#endif
