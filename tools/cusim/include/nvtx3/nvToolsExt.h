/* cusim: NVTX ranges. Reports name the range in which a kernel was launched. C and C++. */
#ifndef CUSIM_NVTOOLSEXT_H
#define CUSIM_NVTOOLSEXT_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
typedef uint64_t nvtxRangeId_t;
int nvtxRangePushA(const char *message); /* the level of the new range, from 0 */
int nvtxRangePop(void);                  /* the level of the range that ends */
void nvtxMarkA(const char *message);
nvtxRangeId_t nvtxRangeStartA(const char *message);
void nvtxRangeEnd(nvtxRangeId_t id);
void nvtxNameOsThreadA(uint32_t threadId, const char *name);
#define nvtxRangePush    nvtxRangePushA
#define nvtxMark         nvtxMarkA
#define nvtxRangeStart   nvtxRangeStartA
#define nvtxNameOsThread nvtxNameOsThreadA
#ifdef __cplusplus
}
#endif
#endif
