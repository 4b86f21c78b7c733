// NCCL: collectives between processes, one a rank, over one POSIX shared-memory segment.
//
// Every rank owns a slot; a collective goes through the slots in chunks. Ranks add in a fixed order, so all get the
// same bits. Calls that do not match, dead ranks and ranks that never come are reported instead of waited for
// (CUSIM_NCCL_TIMEOUT seconds).
#include "cusim.h"
#include "cuda_bf16.h"
#include "nccl.h"
#include <algorithm>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

using namespace cusim;

namespace {

constexpr size_t CHUNK = 1 << 20, HEADER = 65536;
constexpr int MAX_RANKS = 64;
enum collective { ALL_REDUCE, REDUCE_SCATTER, ALL_GATHER, BROADCAST };
const char *const names[] = {"ncclAllReduce", "ncclReduceScatter", "ncclAllGather", "ncclBroadcast"};

struct collective_call { // what a rank is about to do
  int what, type, op, root;
  size_t count;
};
struct segment {
  std::atomic<int> arrived, generation, aborted;
  pid_t pid[MAX_RANKS];
  collective_call calls[MAX_RANKS];
};
static_assert(sizeof(segment) <= HEADER, "");

size_t size_of(int type) {
  static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return sizes[type];
}
double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
double patience() {
  const char *s = getenv("CUSIM_NCCL_TIMEOUT");
  return s ? atof(s) : 60.0;
}

} // namespace

struct ncclComm {
  segment *shared;
  char *slots;
  size_t bytes;
  int rank, ranks;
  unsigned long long sequence = 0;
  ncclResult_t error = ncclSuccess;
};

static bool barrier(ncclComm *c) { // false: somebody is missing, reported
  segment *s = c->shared;
  const int generation = s->generation;
  if (s->arrived.fetch_add(1) + 1 == c->ranks) {
    s->arrived = 0;
    s->generation++;
    return true;
  }
  const double start = now();
  for (int spins = 1; s->generation == generation; spins++) {
    if (s->aborted) return false;
    sched_yield();
    if (spins % 256) continue;
    for (int r = 0; r < c->ranks; r++)
      if (r != c->rank && s->pid[r] && kill(s->pid[r], 0) != 0 && errno == ESRCH) {
        s->aborted = 1;
        report("NCCL rank %d: rank %d (process %d) is gone", c->rank, r, static_cast<int>(s->pid[r]));
        return false;
      }
    if (now() - start > patience()) {
      s->aborted = 1;
      report("NCCL rank %d: no answer for %.0f s in collective %llu: the ranks disagree on what to call",
             c->rank, patience(), c->sequence);
      return false;
    }
  }
  return !s->aborted;
}

template <class T> static void combine(T *a, const T *b, size_t n, int op) {
  for (size_t i = 0; i < n; i++) {
    if (op == ncclProd)
      a[i] = static_cast<T>(a[i] * b[i]);
    else if (op == ncclMax)
      a[i] = std::max(a[i], b[i]);
    else if (op == ncclMin)
      a[i] = std::min(a[i], b[i]);
    else
      a[i] = static_cast<T>(a[i] + b[i]);
  }
}
template <class T> static void reduce_as(ncclComm *c, size_t offset, size_t n, int op, void *out) {
  std::vector<T> sum(n);
  memcpy(sum.data(), c->slots + offset, n * sizeof(T));
  for (int r = 1; r < c->ranks; r++)
    combine(sum.data(), reinterpret_cast<const T *>(c->slots + static_cast<size_t>(r) * CHUNK + offset), n,
            op);
  if (op == ncclAvg)
    for (T &v : sum) v = static_cast<T>(v / static_cast<T>(c->ranks));
  memcpy(out, sum.data(), n * sizeof(T));
}
static void reduce_bf16(ncclComm *c, size_t offset, size_t n, int op, void *out) {
  std::vector<float> sum(n), part(n);
  for (int r = 0; r < c->ranks; r++) {
    const uint16_t *slot =
        reinterpret_cast<const uint16_t *>(c->slots + static_cast<size_t>(r) * CHUNK + offset);
    for (size_t i = 0; i < n; i++) part[i] = bf16_float(slot[i]);
    if (r)
      combine(sum.data(), part.data(), n, op);
    else
      sum = part;
  }
  for (size_t i = 0; i < n; i++)
    static_cast<uint16_t *>(out)[i] =
        bf16_bits(op == ncclAvg ? sum[i] / static_cast<float>(c->ranks) : sum[i]);
}
static void reduce_slots(ncclComm *c, size_t offset, size_t n, int type, int op, void *out) {
  switch (type) {
  case ncclInt8:
    return reduce_as<int8_t>(c, offset, n, op, out);
  case ncclUint8:
    return reduce_as<uint8_t>(c, offset, n, op, out);
  case ncclInt32:
    return reduce_as<int32_t>(c, offset, n, op, out);
  case ncclUint32:
    return reduce_as<uint32_t>(c, offset, n, op, out);
  case ncclInt64:
    return reduce_as<int64_t>(c, offset, n, op, out);
  case ncclUint64:
    return reduce_as<uint64_t>(c, offset, n, op, out);
  case ncclFloat32:
    return reduce_as<float>(c, offset, n, op, out);
  case ncclFloat64:
    return reduce_as<double>(c, offset, n, op, out);
  default:
    return reduce_bf16(c, offset, n, op, out);
  }
}

static bool calls_match(ncclComm *c) {
  const collective_call &mine = c->shared->calls[c->rank];
  for (int r = 0; r < c->ranks; r++) {
    const collective_call &other = c->shared->calls[r];
    if (other.what == mine.what && other.type == mine.type && other.op == mine.op &&
        other.root == mine.root && other.count == mine.count)
      continue;
    c->shared->aborted = 1;
    report("NCCL collective %llu: rank %d calls %s (count %zu, type %d, op %d, root %d), rank %d calls %s "
           "(count %zu, type %d, op %d, root %d)",
           c->sequence, c->rank, names[mine.what], mine.count, mine.type, mine.op, mine.root, r,
           names[other.what], other.count, other.type, other.op, other.root);
    return false;
  }
  return true;
}
static bool exchange(ncclComm *c, const collective_call &k, const char *send, char *receive) {
  const size_t size = size_of(k.type), ranks = static_cast<size_t>(c->ranks),
               rank = static_cast<size_t>(c->rank);
  char *mine = c->slots + rank * CHUNK;
  const size_t step = k.what == REDUCE_SCATTER ? CHUNK / size / ranks : CHUNK / size;
  for (size_t o = 0; o < k.count; o += step) {
    const size_t n = std::min(step, k.count - o);
    if (k.what == REDUCE_SCATTER)
      for (size_t r = 0; r < ranks; r++)
        memcpy(mine + r * n * size, send + (r * k.count + o) * size, n * size);
    else if (k.what != BROADCAST || c->rank == k.root)
      memcpy(mine, send + o * size, n * size);
    if (!barrier(c)) return false;
    if (k.what == ALL_REDUCE)
      reduce_slots(c, 0, n, k.type, k.op, receive + o * size);
    else if (k.what == REDUCE_SCATTER)
      reduce_slots(c, rank * n * size, n, k.type, k.op, receive + o * size);
    else if (k.what == BROADCAST)
      memcpy(receive + o * size, c->slots + static_cast<size_t>(k.root) * CHUNK, n * size);
    else
      for (size_t r = 0; r < ranks; r++)
        memcpy(receive + (r * k.count + o) * size, c->slots + r * CHUNK, n * size);
    if (!barrier(c)) return false;
  }
  return true;
}
static void run(ncclComm *c, const collective_call &k, const void *send, void *receive) {
  if (c->error) return;
  const size_t bytes = k.count * size_of(k.type), ranks = static_cast<size_t>(c->ranks);
  if (race && (k.what != BROADCAST || c->rank == k.root))
    race->range(send, bytes * (k.what == REDUCE_SCATTER ? ranks : 1), false, true, names[k.what]);
  c->sequence++;
  c->shared->calls[c->rank] = k;
  if (!barrier(c) || !calls_match(c) ||
      !exchange(c, k, static_cast<const char *>(send), static_cast<char *>(receive))) {
    c->error = ncclRemoteError;
    set_sticky(cudaErrorUnknown);
    return;
  }
  if (race) race->range(receive, bytes * (k.what == ALL_GATHER ? ranks : 1), true, false, names[k.what]);
}
static ncclResult_t post(api &api, ncclComm_t c, const collective_call &k, const void *send, void *receive,
                         cudaStream_t stream) {
  if (!c || k.type < ncclInt8 || k.type > ncclBfloat16 || k.type == ncclFloat16 || k.op < ncclSum ||
      k.op > ncclAvg || k.root < 0 || k.root >= c->ranks)
    return ncclInvalidArgument;
  const size_t ranks = static_cast<size_t>(c->ranks), bytes = k.count * size_of(k.type);
  const size_t send_bytes = bytes * (k.what == REDUCE_SCATTER ? ranks : 1),
               receive_bytes = bytes * (k.what == ALL_GATHER ? ranks : 1);
  const bool sends = k.what != BROADCAST || c->rank == k.root;
  if (k.count && ((sends && !device_range(send, send_bytes)) || !device_range(receive, receive_bytes))) {
    report("%s at %s: send buffer of %zu bytes is %s; receive buffer of %zu bytes is %s", names[k.what],
           place(api.caller).c_str(), send_bytes, describe(send).c_str(), receive_bytes,
           describe(receive).c_str());
    return ncclInvalidArgument;
  }
  if (stream_submit(
          api, stream, [=] { run(c, k, send, receive); }, names[k.what]) != cudaSuccess)
    return ncclUnhandledCudaError;
  return c->error;
}

const char *ncclGetErrorString(ncclResult_t r) {
  static const char *const texts[] = {"no error",
                                      "unhandled cuda error",
                                      "unhandled system error",
                                      "internal error",
                                      "invalid argument",
                                      "invalid usage",
                                      "remote process exited or there was a network error",
                                      "NCCL operation in progress"};
  return r >= ncclSuccess && r <= ncclInProgress ? texts[r] : "unknown result code";
}
ncclResult_t ncclGetVersion(int *version) {
  *version = 22800;
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  memset(id, 0, sizeof *id);
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  snprintf(id->internal, sizeof id->internal, "/cusim.%d.%lx", static_cast<int>(getpid()),
           static_cast<unsigned long>(t.tv_nsec));
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t *out, int ranks, ncclUniqueId id, int rank) {
  *out = nullptr;
  if (ranks < 1 || ranks > MAX_RANKS || rank < 0 || rank >= ranks) return ncclInvalidArgument;
  ncclComm *c = new ncclComm();
  c->ranks = ranks;
  c->rank = rank;
  c->bytes = HEADER + static_cast<size_t>(ranks) * CHUNK;
  id.internal[sizeof id.internal - 1] = 0;
  const int fd = shm_open(id.internal, O_CREAT | O_RDWR, 0600);
  const bool sized = fd >= 0 && ftruncate(fd, static_cast<off_t>(c->bytes)) == 0;
  void *m = sized ? mmap(nullptr, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (fd >= 0) close(fd);
  if (m == MAP_FAILED) {
    delete c;
    return ncclSystemError;
  }
  c->shared = static_cast<segment *>(m);
  c->slots = static_cast<char *>(m) + HEADER;
  c->shared->pid[rank] = getpid();
  const bool met = barrier(c);
  if (rank == 0) shm_unlink(id.internal); // everyone has mapped it: nothing is left behind, whatever happens
  if (!met) {
    munmap(m, c->bytes);
    delete c;
    return ncclRemoteError;
  }
  *out = c;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t c) {
  if (!c) return ncclInvalidArgument;
  c->shared->aborted = 1;
  munmap(c->shared, c->bytes);
  delete c;
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t c) {
  if (!c) return ncclInvalidArgument;
  const cudaError_t e = cudaDeviceSynchronize();
  c->shared->pid[c->rank] = 0;
  munmap(c->shared, c->bytes);
  delete c;
  return e == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}
ncclResult_t ncclCommCount(const ncclComm_t c, int *count) {
  *count = c->ranks;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t c, int *rank) {
  *rank = c->rank;
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *e) {
  *e = c->error;
  return ncclSuccess;
}
ncclResult_t ncclGroupStart(void) {
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd(void) {
  return ncclSuccess;
}
ncclResult_t ncclAllReduce(const void *send, void *receive, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t c, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  return post(api, c, {ALL_REDUCE, type, op, 0, count}, send, receive, stream);
}
ncclResult_t ncclReduceScatter(const void *send, void *receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t c, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  return post(api, c, {REDUCE_SCATTER, type, op, 0, count}, send, receive, stream);
}
ncclResult_t ncclAllGather(const void *send, void *receive, size_t count, ncclDataType_t type, ncclComm_t c,
                           cudaStream_t stream) {
  CUSIM_API(API_WORK);
  return post(api, c, {ALL_GATHER, type, 0, 0, count}, send, receive, stream);
}
ncclResult_t ncclBroadcast(const void *send, void *receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t c, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  return post(api, c, {BROADCAST, type, 0, root, count}, send, receive, stream);
}
