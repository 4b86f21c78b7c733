/* plugin_main LIBRARY [FAULT]: kernels and the simulator in a shared object that a C program loads with dlopen, as the
 * CUDA backend is. Runs `good`, or the fault of that number. The program itself knows nothing of CUDA. */
#include "faults.h"
#include "tap.h"
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

enum { N = 256 };
static void *library;
static void *symbol(const char *name) {
  void *p = dlsym(library, name);
  if (!p) {
    printf("Bail out! %s: %s\n", name, dlerror());
    exit(3);
  }
  return p;
}
#define CALL(name) ((__typeof__(&name))symbol(#name))

static float *in, *out, values[N];
static unsigned *counter;
static int run(int fault) {
  float got[N];
  int same = 1;
  if (CALL(fault_launch)(NULL, fault, 0, out, in, counter) != cudaSuccess ||
      CALL(cudaDeviceSynchronize)() != cudaSuccess)
    return 0;
  if (CALL(cudaMemcpy)(got, out, sizeof got, cudaMemcpyDeviceToHost) != cudaSuccess) return 0;
  for (int i = 0; i < N; i++) same = same && got[i] == values[i];
  return same;
}
static void *thread_main(void *result) {
  *(int *)result = 1;
  for (int i = 0; i < 20; i++) *(int *)result &= run(FAULT_good);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    printf("Bail out! %s\n", dlerror());
    return 3;
  }
  for (int i = 0; i < N; i++) values[i] = (float)(i + 1);
  MUST(CALL(cudaMalloc)((void **)&in, sizeof values));
  MUST(CALL(cudaMalloc)((void **)&out, sizeof values));
  MUST(CALL(cudaMalloc)((void **)&counter, sizeof *counter));
  MUST(CALL(cudaMemset)(counter, 0, sizeof *counter));
  MUST(CALL(cudaMemset)(out, 0, sizeof values));
  MUST(CALL(cudaMemcpy)(in, values, sizeof values, cudaMemcpyHostToDevice));
  tap_ok(run(argc > 2 ? atoi(argv[2]) : FAULT_good), "a kernel in a loaded library");
  int results[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) MUST(pthread_create(&threads[i], NULL, thread_main, &results[i]));
  for (int i = 0; i < 2; i++) MUST(pthread_join(threads[i], NULL));
  tap_ok(results[0] && results[1], "launched from two host threads");
  MUST(CALL(cudaFree)(in));
  MUST(CALL(cudaFree)(out));
  MUST(CALL(cudaFree)(counter));
  return tap_end();
}
