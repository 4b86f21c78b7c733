// cuBLASLt against double-precision references: types, transposes, leading dimensions, alpha and beta, batches,
// every epilogue; and what it refuses. NCCL over forked processes.
#include "tap.h"
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <nccl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

uint64_t chance = 88172645463325252ull;
float uniform() {
  chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
  return static_cast<float>(static_cast<double>(chance >> 11) / 9007199254740992.0 * 2 - 1);
}
cublasLtHandle_t handle;
void *workspace;
constexpr size_t WORKSPACE = 1 << 20;

// A matrix in device memory with a host copy in float; `gap` unused elements after each column.
struct matrix {
  cudaDataType type;
  int rows, cols, ld, batch;
  size_t stride;
  std::vector<float> v;
  void *p = nullptr;
  matrix(cudaDataType t, int r, int c, int gap = 0, int b = 1)
      : type(t), rows(r), cols(c), ld(r + gap), batch(b),
        stride(static_cast<size_t>(ld) * static_cast<size_t>(c)) {
    v.resize(stride * static_cast<size_t>(b));
    for (float &x : v) x = type == CUDA_R_16BF ? __bfloat162float(__float2bfloat16(uniform())) : uniform();
    MUST(cudaMalloc(&p, bytes()));
    upload();
  }
  matrix(const matrix &) = delete;
  ~matrix() { MUST(cudaFree(p)); }
  size_t bytes() const { return v.size() * (type == CUDA_R_16BF ? 2 : 4); }
  float &at(int i, int j, int b = 0) {
    return v[static_cast<size_t>(b) * stride + static_cast<size_t>(j) * static_cast<size_t>(ld) +
             static_cast<size_t>(i)];
  }
  void upload() {
    std::vector<uint16_t> narrow;
    for (float x : v) narrow.push_back(__bfloat16_as_ushort(__float2bfloat16(x)));
    MUST(cudaMemcpy(p, type == CUDA_R_16BF ? static_cast<const void *>(narrow.data()) : v.data(), bytes(),
                    cudaMemcpyHostToDevice));
  }
  void download() {
    std::vector<uint16_t> narrow(v.size());
    MUST(cudaMemcpy(type == CUDA_R_16BF ? static_cast<void *>(narrow.data()) : v.data(), p, bytes(),
                    cudaMemcpyDeviceToHost));
    if (type == CUDA_R_16BF)
      for (size_t i = 0; i < v.size(); i++) v[i] = __bfloat162float(__ushort_as_bfloat16(narrow[i]));
  }
  cublasLtMatrixLayout_t layout() const {
    cublasLtMatrixLayout_t l;
    const int64_t s = static_cast<int64_t>(stride);
    const int32_t n = batch;
    MUST(cublasLtMatrixLayoutCreate(&l, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), ld));
    MUST(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &n, sizeof n));
    MUST(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &s, sizeof s));
    return l;
  }
};

double gelu(double x) {
  return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}
double dgelu(double x) {
  return (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5;
}

struct problem {
  const char *name;
  cudaDataType ab, d;
  int m, n, k;
  bool ta, tb;
  uint32_t epilogue;
  float alpha, beta;
  int gap, batch;
  cublasComputeType_t compute;
};
cublasStatus_t run(const problem &q, matrix &A, matrix &B, matrix &C, matrix &D, matrix &bias, matrix &aux,
                   const void *bias_p, size_t given, const void *a_p) {
  cublasLtMatmulDesc_t d;
  cublasLtMatmulPreference_t pref;
  cublasLtMatmulHeuristicResult_t result;
  int count = 0;
  const cublasOperation_t oa = q.ta ? CUBLAS_OP_T : CUBLAS_OP_N, ob = q.tb ? CUBLAS_OP_T : CUBLAS_OP_N;
  const int64_t aux_ld = aux.ld;
  const uint32_t align = 4;
  const size_t most = WORKSPACE;
  MUST(cublasLtMatmulDescCreate(&d, q.compute, CUDA_R_32F));
  MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_TRANSA, &oa, sizeof oa));
  MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_TRANSB, &ob, sizeof ob));
  MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_EPILOGUE, &q.epilogue, sizeof q.epilogue));
  MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias.p, sizeof bias.p));
  MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &aux.p, sizeof aux.p));
  MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &aux_ld, sizeof aux_ld));
  MUST(cublasLtMatmulPreferenceCreate(&pref));
  MUST(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
                                            sizeof most));
  MUST(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &align,
                                            sizeof align));
  cublasLtMatrixLayout_t la = A.layout(), lb = B.layout(), lc = C.layout(), ld = D.layout();
  cublasStatus_t s = cublasLtMatmulAlgoGetHeuristic(handle, d, la, lb, lc, ld, pref, 1, &result, &count);
  if (bias_p)
    MUST(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias_p, sizeof bias_p));
  if (s == CUBLAS_STATUS_SUCCESS && count == 1)
    s = cublasLtMatmul(handle, d, &q.alpha, a_p ? a_p : A.p, la, B.p, lb, &q.beta, q.beta != 0 ? C.p : D.p,
                       lc, D.p, ld, &result.algo, workspace, given, nullptr);
  for (cublasLtMatrixLayout_t l : {la, lb, lc, ld}) cublasLtMatrixLayoutDestroy(l);
  cublasLtMatmulDescDestroy(d);
  cublasLtMatmulPreferenceDestroy(pref);
  return s;
}
void matmul(const problem &q) {
  matrix A(q.ab, q.ta ? q.k : q.m, q.ta ? q.m : q.k, q.gap, q.batch),
      B(q.ab, q.tb ? q.n : q.k, q.tb ? q.k : q.n, q.gap, q.batch);
  matrix C(q.d, q.m, q.n, q.gap, q.batch), D(q.d, q.m, q.n, q.gap, q.batch),
      bias(q.d, q.epilogue & 512 ? q.n : q.m, 1), aux(q.d, q.m, q.n, (8 - q.m % 8) % 8);
  const std::vector<float> bias_before = bias.v;
  matrix *const aux_in = &aux;
  MUST(run(q, A, B, C, D, bias, aux, nullptr, WORKSPACE, nullptr));
  const std::vector<float> aux_before = aux_in->v;
  D.download();
  bias.download();
  aux.download();
  double e = 0;
  auto see = [&](double got, double wanted, double scale) {
    const double x = fabs(got - wanted) / (scale + fabs(wanted));
    if (!(x <= e)) e = x == x ? x : INFINITY;
  };
  std::vector<double> gradient(bias.v.size());
  for (int b = 0; b < q.batch; b++)
    for (int j = 0; j < q.n; j++)
      for (int i = 0; i < q.m; i++) {
        double s = 0;
        for (int p = 0; p < q.k; p++)
          s += static_cast<double>(q.ta ? A.at(p, i, b) : A.at(i, p, b)) *
               (q.tb ? B.at(j, p, b) : B.at(p, j, b));
        s *= q.alpha;
        if (q.beta != 0) s += q.beta * C.at(i, j, b);
        if (q.epilogue & 4) s += bias_before[static_cast<size_t>(i)];
        if (q.epilogue & 2) s = s > 0 ? s : 0;
        if ((q.epilogue & 160) == 160) see(aux.at(i, j), s, 1);
        if (q.epilogue & 32) s = gelu(s);
        if (q.epilogue & 64) s *= dgelu(aux_before[static_cast<size_t>(j * aux.ld + i)]);
        if (q.epilogue & 16) gradient[static_cast<size_t>(i)] += s;
        see(D.at(i, j, b), s, 1);
      }
  for (int i = 0; i < q.m && (q.epilogue & 256); i++)
    for (int p = 0; p < q.k; p++) gradient[static_cast<size_t>(i)] += q.ta ? A.at(p, i) : A.at(i, p);
  for (int j = 0; j < q.n && (q.epilogue & 512); j++)
    for (int p = 0; p < q.k; p++) gradient[static_cast<size_t>(j)] += q.tb ? B.at(j, p) : B.at(p, j);
  if (q.epilogue & (16 | 256 | 512))
    for (size_t i = 0; i < gradient.size(); i++) see(bias.v[i], gradient[i], 4);
  const bool narrow = q.d == CUDA_R_16BF, fast = q.compute != CUBLAS_COMPUTE_32F;
  if (e >= (narrow ? 0.005 : fast ? 5e-3 : 1e-5)) printf("# error %g\n", e);
  tap_ok(e < (narrow ? 0.005 : fast ? 5e-3 : 1e-5) && (!fast || e > 1e-6), q.name);
}
void refusals() {
  const problem q = {
      "", CUDA_R_32F, CUDA_R_32F,        16, 24, 64, false, false, CUBLASLT_EPILOGUE_BIAS, 1, 0,
      0,  1,          CUBLAS_COMPUTE_32F};
  matrix A(CUDA_R_32F, 16, 64), B(CUDA_R_32F, 64, 24), C(CUDA_R_32F, 16, 24), D(CUDA_R_32F, 16, 24),
      bias(CUDA_R_32F, 32, 1), aux(CUDA_R_32F, 16, 24), narrow(CUDA_R_16BF, 64, 24),
      odd(CUDA_R_32F, 16, 64, 1);
  tap_ok(run(q, A, B, C, D, bias, aux, nullptr, 0, nullptr) == CUBLAS_STATUS_INVALID_VALUE,
         "a workspace smaller than the algorithm's is refused");
  tap_ok(run(q, A, B, C, D, bias, aux, static_cast<float *>(bias.p) + 1, WORKSPACE, nullptr) ==
             CUBLAS_STATUS_NOT_SUPPORTED,
         "a bias less aligned than the heuristic was told is refused");
  tap_ok(run(q, odd, B, C, D, bias, aux, nullptr, WORKSPACE, static_cast<char *>(odd.p) + 2) ==
             CUBLAS_STATUS_NOT_SUPPORTED,
         "so is an operand");
  tap_ok(run(q, A, narrow, C, D, bias, aux, nullptr, WORKSPACE, nullptr) == CUBLAS_STATUS_NOT_SUPPORTED,
         "operands of different types are refused");
  tap_ok(run(q, B, B, C, D, bias, aux, nullptr, WORKSPACE, nullptr) == CUBLAS_STATUS_INVALID_VALUE,
         "shapes that do not match are refused");
  problem other = q;
  other.epilogue = CUBLASLT_EPILOGUE_GELU_AUX;
  matrix low(CUDA_R_32F, 20, 24), C2(CUDA_R_32F, 20, 24), D2(CUDA_R_32F, 20, 24), A2(CUDA_R_32F, 20, 64);
  tap_ok(run(other, A2, B, C2, D2, bias, low, nullptr, WORKSPACE, nullptr) == CUBLAS_STATUS_INVALID_VALUE,
         "an auxiliary leading dimension that is no multiple of 8 is refused");
  other.epilogue = 1024;
  tap_ok(run(other, A, B, C, D, bias, aux, nullptr, WORKSPACE, nullptr) == CUBLAS_STATUS_NOT_SUPPORTED,
         "an unknown epilogue is refused");
  cublasLtMatmulDesc_t d;
  uint64_t wide = 1;
  tap_ok(cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_16BF) == CUBLAS_STATUS_NOT_SUPPORTED,
         "a scale type other than fp32 is refused");
  MUST(cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  tap_ok(cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_TRANSA, &wide, sizeof wide) ==
             CUBLAS_STATUS_INVALID_VALUE,
         "an attribute of the wrong size is refused");
  cublasLtMatmulDescDestroy(d);
}

// ---- NCCL ----------------------------------------------------------------------------------------------------------
enum { RANKS_GOOD, RANKS_ONE_DIES, RANKS_COUNTS_DIFFER };
int rank_main(ncclUniqueId id, int ranks, int rank, int wrong) {
  constexpr size_t N = 300000; // more than one chunk
  ncclComm_t c;
  MUST(ncclCommInitRank(&c, ranks, id, rank));
  std::vector<float> x(N), y(N), all(N * static_cast<size_t>(ranks));
  for (size_t i = 0; i < N; i++) x[i] = static_cast<float>(i % 1000) + static_cast<float>(rank);
  float *d, *g;
  MUST(cudaMalloc(&d, N * sizeof(float)));
  MUST(cudaMalloc(&g, all.size() * sizeof(float)));
  MUST(cudaMemcpy(d, x.data(), N * sizeof(float), cudaMemcpyHostToDevice));
  if (wrong == RANKS_ONE_DIES && rank == 1) _exit(7);
  MUST(ncclAllReduce(d, d, wrong == RANKS_COUNTS_DIFFER && rank == 1 ? N - 1 : N, ncclFloat, ncclSum, c,
                     nullptr));
  MUST(cudaMemcpy(y.data(), d, N * sizeof(float), cudaMemcpyDeviceToHost));
  int bad = 0;
  for (size_t i = 0; i < N; i++)
    bad += y[i] != static_cast<float>(ranks) * static_cast<float>(i % 1000) +
                       static_cast<float>(ranks * (ranks - 1) / 2);
  MUST(ncclAllGather(d, g, N, ncclFloat, c, nullptr));
  MUST(cudaMemcpy(all.data(), g, all.size() * sizeof(float), cudaMemcpyDeviceToHost));
  for (size_t i = 0; i < all.size(); i++) bad += all[i] != y[i % N];
  MUST(ncclReduceScatter(g, d, N, ncclFloat, ncclAvg, c, nullptr));
  MUST(cudaMemcpy(x.data(), d, N * sizeof(float), cudaMemcpyDeviceToHost));
  for (size_t i = 0; i < N; i++) bad += x[i] != y[i];
  if (rank == 1) MUST(cudaMemset(d, 0, N * sizeof(float)));
  MUST(ncclBroadcast(d, d, N, ncclFloat, 0, c, nullptr));
  MUST(cudaMemcpy(x.data(), d, N * sizeof(float), cudaMemcpyDeviceToHost));
  for (size_t i = 0; i < N; i++) bad += x[i] != y[i];
  MUST(cudaFree(d));
  MUST(cudaFree(g));
  ncclCommDestroy(c);
  return bad != 0;
}
int failures(int ranks, int wrong) { // how many ranks do not end well
  ncclUniqueId id;
  MUST(ncclGetUniqueId(&id));
  fflush(stdout);
  for (int r = 0; r < ranks; r++)
    if (fork() == 0) {
      if (wrong) { // their reports are wanted, not shown
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(9);
      }
      _exit(rank_main(id, ranks, r, wrong));
    }
  int bad = 0, status;
  for (int r = 0; r < ranks; r++)
    if (wait(&status) > 0 && status != 0) bad++;
  return bad;
}

} // namespace

int main() {
  // Before this process has used the runtime: each rank must have one of its own.
  tap_ok(failures(2, RANKS_GOOD) == 0 && failures(3, RANKS_GOOD) == 0,
         "NCCL: all-reduce, all-gather, reduce-scatter, broadcast over 2 and 3 processes");
  tap_ok(failures(2, RANKS_ONE_DIES) == 2, "NCCL: the others notice when a rank dies");
  tap_ok(failures(2, RANKS_COUNTS_DIFFER) == 2, "NCCL: calls that do not match are reported");
  MUST(cublasLtCreate(&handle));
  MUST(cudaMalloc(&workspace, WORKSPACE));
  const cudaDataType F = CUDA_R_32F, H = CUDA_R_16BF;
  const cublasComputeType_t full = CUBLAS_COMPUTE_32F;
  const problem problems[] = {
      {"fp32, nn", F, F, 37, 21, 19, false, false, 1, 1, 0, 0, 1, full},
      {"fp32, tn, alpha and beta, gaps", F, F, 40, 33, 300, true, false, 1, 0.5f, -2, 3, 1, full},
      {"fp32, nt, accumulating, batch of 3", F, F, 17, 30, 12, false, true, 1, 1, 1, 1, 3, full},
      {"fp32, tt, bias", F, F, 24, 18, 90, true, true, CUBLASLT_EPILOGUE_BIAS, 1, 0, 0, 1, full},
      {"fp32, GELU_AUX_BIAS", F, F, 40, 50, 32, true, false, CUBLASLT_EPILOGUE_GELU_AUX_BIAS, 1, 0, 0, 1,
       full},
      {"fp32, DGELU_BGRAD", F, F, 40, 30, 24, false, false, CUBLASLT_EPILOGUE_DGELU_BGRAD, 1, 0, 0, 1, full},
      {"fp32, BGRADB, accumulating", F, F, 32, 48, 80, false, true, CUBLASLT_EPILOGUE_BGRADB, 1, 1, 0, 1,
       full},
      {"fp32, BGRADA", F, F, 32, 20, 60, true, false, CUBLASLT_EPILOGUE_BGRADA, 1, 0, 0, 1, full},
      {"fp32, ReLU and bias", F, F, 16, 10, 30, true, false, CUBLASLT_EPILOGUE_RELU_BIAS, 1, 0, 0, 1, full},
      {"tf32", F, F, 33, 20, 64, true, false, 1, 1, 0, 0, 1, CUBLAS_COMPUTE_32F_FAST_TF32},
      {"bf16, nn", H, H, 72, 40, 56, false, false, 1, 1, 0, 0, 1, full},
      {"bf16, GELU_AUX_BIAS", H, H, 128, 50, 64, true, false, CUBLASLT_EPILOGUE_GELU_AUX_BIAS, 1, 0, 0, 1,
       full},
      {"bf16, DGELU_BGRAD", H, H, 64, 70, 48, false, false, CUBLASLT_EPILOGUE_DGELU_BGRAD, 1, 0, 0, 1, full},
      {"bf16 to fp32, BGRADB", H, F, 48, 64, 80, false, true, CUBLASLT_EPILOGUE_BGRADB, 1, 0, 0, 1, full},
  };
  for (const problem &q : problems) matmul(q);
  refusals();
  MUST(cudaFree(workspace));
  cublasLtDestroy(handle);
  return tap_end();
}
