// Hidden dropout: 16 channels of a row share a Philox counter; counters are made in groups so that the generator
// runs over full vectors even when rows are short. Stochastic depth: one counter a sequence, whose rows are neighbours.
#include <omp.h>
#include <string.h>
#include "base/philox.h"
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { GROUP = 64 };

// ROWS_MASKED: row i is token index[i].
static void drop_rows(const op_ctx *ctx, const batch_view *batch, dropout drop, rows_kind kind,
                      const int32_t *index, int32_t hidden, int64_t begin, int64_t end, float *x) {
  if (drop.threshold == 0) return;
  const simd_table *k = simd();
  const float scale = dropout_scale(drop.threshold);
  const int32_t blocks = (hidden + 15) / 16;
  uint32_t c0[GROUP], c2[GROUP], c3[GROUP];
  uint8_t bytes[16 * GROUP];
  int64_t row = begin;
  int32_t block = 0;
  while (row < end) {
    const int64_t first_row = row;
    const int32_t first_block = block;
    size_t n = 0;
    for (; n < GROUP && row < end; n++) {
      const bool is_sequence = kind == ROWS_SEQS;
      const int64_t token = kind == ROWS_MASKED ? index[row] : row;
      const int64_t s = is_sequence ? row : batch->seq_of[token];
      const uint64_t id = (uint64_t)batch->seq_ids[s];
      c0[n] = (uint32_t)id;
      c2[n] = (is_sequence ? 0 : (uint32_t)(token - batch->cu_seqlens[s])) | (uint32_t)(id >> 32) << 16;
      c3[n] = (uint32_t)block;
      if (++block == blocks) {
        block = 0;
        row++;
      }
    }
    k->philox(ctx->state.seed, STREAM_DROPOUT + drop.site, c0, (uint32_t)ctx->state.step, c2, c3, bytes, n);
    int64_t r = first_row;
    int32_t b = first_block;
    for (size_t i = 0; i < n;) { // runs of blocks of one row
      const int32_t run = (int32_t)(n - i) < blocks - b ? (int32_t)(n - i) : blocks - b;
      const int32_t from = b * 16, to = (b + run) * 16 < hidden ? (b + run) * 16 : hidden;
      k->dropout(bytes + 16 * i, drop.threshold, scale, x + (r - begin) * hidden + from, (size_t)(to - from));
      i += (size_t)run;
      b += run;
      if (b == blocks) {
        b = 0;
        r++;
      }
    }
  }
}

void cpu_dropout_rows(const op_ctx *ctx, const batch_view *batch, dropout drop, rows_kind kind,
                      int32_t hidden, int64_t begin, int64_t end, float *x) {
  drop_rows(ctx, batch, drop, kind, NULL, hidden, begin, end, x);
}

enum { BLOCK_ROWS = 32 };

// Rows that are added to y are dropped in a buffer of the thread's.
size_t cpu_drop_scratch(const drop_params *p, int32_t threads) {
  return p->y_add ? (size_t)threads * BLOCK_ROWS * (size_t)p->hidden * sizeof(float) : 0;
}

status cpu_drop(op_ctx *ctx, const drop_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t block = 0; block < (n + BLOCK_ROWS - 1) / BLOCK_ROWS; block++) {
    const int64_t begin = block * BLOCK_ROWS, end = begin + BLOCK_ROWS < n ? begin + BLOCK_ROWS : n;
    const size_t count = (size_t)(end - begin) * H;
    const float *x = (const float *)p->x + (size_t)begin * H;
    float *y = (float *)p->y + (size_t)begin * H, *to = y;
    if (p->y_add) to = (float *)(void *)ctx->scratch + (size_t)omp_get_thread_num() * BLOCK_ROWS * H;
    if (to != x) memcpy(to, x, count * sizeof *to);
    drop_rows(ctx, p->batch, p->drop, p->n.kind, p->index, p->hidden, begin, end, to);
    if (p->y_add) simd()->add(to, y, count);
  }
  return OK;
}

static bool path_is_kept(const op_ctx *ctx, dropout path, int64_t sequence) {
  const uint64_t id = (uint64_t)sequence;
  const philox_out r = philox4x32(ctx->state.seed, STREAM_PATH + path.site, (uint32_t)id,
                                  (uint32_t)ctx->state.step, (uint32_t)(id >> 32), 0);
  return (r.v[0] & 255u) >= path.threshold;
}

void cpu_path_rows(const op_ctx *ctx, const batch_view *batch, dropout path, int32_t hidden, int64_t begin,
                   int64_t end, float *x) {
  if (path.threshold == 0) return;
  const float scale = dropout_scale(path.threshold);
  for (int64_t row = begin; row < end;) {
    const int32_t s = batch->seq_of[row];
    const int64_t stop = batch->cu_seqlens[s + 1] < end ? batch->cu_seqlens[s + 1] : end;
    const size_t n = (size_t)(stop - row) * (size_t)hidden;
    float *const at = x + (row - begin) * hidden;
    if (path_is_kept(ctx, path, batch->seq_ids[s]))
      for (size_t i = 0; i < n; i++) at[i] *= scale;
    else
      memset(at, 0, n * sizeof *at);
    row = stop;
  }
}
