// An adapter's folder in a bundle (docs/bundle.md): in the layout of Hugging Face's peft where that has a form for it, else in one
// of Souk's own.
#ifndef SOUK_CONVERT_ADAPTER_FILES_H
#define SOUK_CONVERT_ADAPTER_FILES_H

#include "model/checkpoint.h"

// An adapter computes what it was trained to compute on its own base only, whose queries its run asked in the same way and scored by the
// same settings. ERR_ARGUMENT or ERR_UNSUPPORTED: this one cannot go into a bundle of the base.
status adapter_files_check(const checkpoint *base, const checkpoint *of);

extern const char adapter_labels_file[];

// Writes adapter_config.json and adapter_model.safetensors of a tuned checkpoint into DIR, which is there: lora and adalora
// (peft_files.h), adapter and bias. Where it has labels also labels.json, {"temperature": [...]}, since its own validation measured how
// sure they are to be taken. ERR_UNSUPPORTED: it is tuned in another way, or trains parameters of the base too, for which a folder has
// no place.
status adapter_files_write(const char *dir, const checkpoint *c);

#endif
