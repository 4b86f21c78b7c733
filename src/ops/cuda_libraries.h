// Loading the CUDA backend together with the toolkit's libraries that it needs (libcudart, libcublasLt). The loader finds
// them if a distribution or ldconfig put them in its way; a runfile, pip and conda do not, so their folders are searched.
#ifndef SOUK_OPS_CUDA_LIBRARIES_H
#define SOUK_OPS_CUDA_LIBRARIES_H

#include "base/status.h"

// dlopen of `path`. If a library is not found, the sentence has its name and where it was looked for.
status cuda_library_open(void **out, const char *path);

#endif
