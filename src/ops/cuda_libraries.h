// Loading the CUDA backend together with the toolkit's libraries that it needs (libcudart, libcublasLt). The loader
// finds them if a distribution installed them or ldconfig knows them. NVIDIA's runfile, pip and conda put them
// elsewhere, so those folders are searched.
#ifndef SOUK_OPS_CUDA_LIBRARIES_H
#define SOUK_OPS_CUDA_LIBRARIES_H

#include "base/status.h"

// dlopen of `path`. If a library is not found, the error has its name and the places that were searched.
status cuda_library_open(void **out, const char *path);

#endif
