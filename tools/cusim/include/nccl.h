/* cusim: NCCL's collectives, one process a rank, over POSIX shared memory. C and C++. */
#ifndef CUSIM_NCCL_H
#define CUSIM_NCCL_H
#include "cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif
enum { NCCL_UNIQUE_ID_BYTES = 128 };
typedef struct ncclComm *ncclComm_t;
typedef struct {
  char internal[128];
} ncclUniqueId;
typedef enum {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7
} ncclResult_t;
typedef enum { ncclSum = 0, ncclProd = 1, ncclMax = 2, ncclMin = 3, ncclAvg = 4 } ncclRedOp_t;
typedef enum {
  ncclInt8 = 0,
  ncclUint8 = 1,
  ncclInt32 = 2,
  ncclUint32 = 3,
  ncclInt64 = 4,
  ncclUint64 = 5,
  ncclFloat16 = 6,
  ncclFloat32 = 7,
  ncclFloat = 7,
  ncclFloat64 = 8,
  ncclBfloat16 = 9
} ncclDataType_t;

const char *ncclGetErrorString(ncclResult_t result);
CUSIM_CHECKED ncclResult_t ncclGetVersion(int *version);
CUSIM_CHECKED ncclResult_t ncclGetUniqueId(ncclUniqueId *uniqueId);
CUSIM_CHECKED ncclResult_t ncclCommInitRank(ncclComm_t *comm, int nranks, ncclUniqueId commId, int rank);
ncclResult_t ncclCommDestroy(ncclComm_t comm);
ncclResult_t ncclCommAbort(ncclComm_t comm);
CUSIM_CHECKED ncclResult_t ncclCommCount(const ncclComm_t comm, int *count);
CUSIM_CHECKED ncclResult_t ncclCommUserRank(const ncclComm_t comm, int *rank);
CUSIM_CHECKED ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *asyncError);
CUSIM_CHECKED ncclResult_t ncclGroupStart(void);
CUSIM_CHECKED ncclResult_t ncclGroupEnd(void);
CUSIM_CHECKED ncclResult_t ncclAllReduce(const void *sendbuff, void *recvbuff, size_t count,
                                         ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                                         cudaStream_t stream);
CUSIM_CHECKED ncclResult_t ncclReduceScatter(const void *sendbuff, void *recvbuff, size_t recvcount,
                                             ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                                             cudaStream_t stream);
CUSIM_CHECKED ncclResult_t ncclAllGather(const void *sendbuff, void *recvbuff, size_t sendcount,
                                         ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream);
CUSIM_CHECKED ncclResult_t ncclBroadcast(const void *sendbuff, void *recvbuff, size_t count,
                                         ncclDataType_t datatype, int root, ncclComm_t comm,
                                         cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
