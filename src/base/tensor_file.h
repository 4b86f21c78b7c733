// Writing safetensors files (format/safetensors.h).
#ifndef SOUK_BASE_TENSOR_FILE_H
#define SOUK_BASE_TENSOR_FILE_H

#include "base/file.h"
#include "format/safetensors.h"

// Opens a file of these tensors and writes what comes before their data, which the caller writes in the same order. metadata as in
// safetensors_header.
status tensor_file_begin(out_file **f, const char *path, tensor *list, int32_t n, const char *metadata);

#endif
