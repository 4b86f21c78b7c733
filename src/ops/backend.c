// Finding backends; see backend.h.
#include "ops/backend.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/program.h"
#include "ops/cuda_libraries.h"

const char *const device_names[] = {"auto", "cpu", "cuda"};

#define CUDA_LIBRARY "libsouk_cuda.so"
static const char entry_name[] = "souk_backend_11";
_Static_assert(OPS_VERSION == 11, "the entry's name carries the version of the op table");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const backend *cuda;

// The first existing file among the places where the library may be.
static status find_library(char path[PATH_MAX]) {
  const char *named = getenv("SOUK_CUDA_BACKEND");
  if (named != NULL && named[0] != '\0') {
    snprintf(path, PATH_MAX, "%s", named);
    return OK;
  }
  static const char *const places[] = {CUDA_LIBRARY, "../lib/souk/" CUDA_LIBRARY, NULL};
  if (program_file(path, places)) return OK;
  return fail(ERR_UNSUPPORTED, "--device cuda: there is no CUDA backend (" CUDA_LIBRARY
                               ") beside this program; build it with make CUDA=1, or use --device cpu");
}

static status load_cuda(const backend **out) {
  char path[PATH_MAX];
  TRY(find_library(path));
  void *library;
  TRY(cuda_library_open(&library, path));
  void *symbol = dlsym(library, entry_name);
  if (symbol == NULL) {
    dlclose(library);
    return fail(ERR_UNSUPPORTED, "%s is not a CUDA backend of this version of Souk: it does not export %s",
                path, entry_name);
  }
  backend_entry *entry;
  memcpy(&entry, &symbol, sizeof entry);
  const backend_host host = {.fail = fail};
  const backend *be = entry(&host);
  if (be == NULL || be->version != OPS_VERSION)
    return fail(ERR_UNSUPPORTED, "%s is a backend of another version of the op table than %d", path,
                OPS_VERSION);
  *out = be;
  return OK;
}

static status find_cuda(const backend **out) {
  pthread_mutex_lock(&lock);
  const status rc = cuda == NULL ? load_cuda(&cuda) : OK;
  *out = rc == OK ? cuda : NULL;
  pthread_mutex_unlock(&lock);
  return rc;
}

status backend_find(const backend **out, const char *name) {
  *out = NULL;
  if (strcmp(name, "cpu") == 0) {
    *out = &backend_cpu;
    return OK;
  }
  if (strcmp(name, "cuda") == 0) return find_cuda(out);
  if (strcmp(name, "auto") != 0)
    return fail(ERR_ARGUMENT, "unknown device \"%s\"; known are cpu, cuda and auto", name);
  if (find_cuda(out) != OK || (*out)->probe(0) != OK) *out = &backend_cpu;
  return OK;
}

status backend_makes(const backend *be, matmul_kind matmul) {
  if (matmul == MATMUL_FP32 || be->tf32) return OK;
  return fail(ERR_UNSUPPORTED, "--matmul %s: the %s backend multiplies in fp32", matmul_names[matmul],
              be->name);
}
