// Finding backends. The CPU's is part of the program; the CUDA backend is a shared object, libsouk_cuda.so, that is
// loaded when it is first asked for: from SOUK_CUDA_BACKEND if that names one, else beside the program, else from
// ../lib/souk. It stays loaded.
#ifndef SOUK_OPS_BACKEND_H
#define SOUK_OPS_BACKEND_H

#include "ops/ops.h"

// What a loadable backend is given: the program's function that records error messages, since the backend has none of
// its own.
typedef struct backend_host {
  status (*fail)(status code, const char *format, ...);
} backend_host;

// A loadable backend exports one function of this type, souk_backend_N, where N is OPS_VERSION. The table is static.
typedef const backend *backend_entry(const backend_host *host);

#endif
