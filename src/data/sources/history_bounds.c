// How many rows the examples of histories take, and how large their batches can become; see history_internal.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/batch_bounds.h"
#include "data/sources/history_internal.h"

static int32_t bounded(const history_source *b, int32_t rows) {
  return rows < b->layout.max_positions ? rows : b->layout.max_positions;
}

int32_t history_rows(const history_source *b, int32_t n) {
  return bounded(b, n + sequence_specials(&b->layout, b->c.next_session, false) + (b->part == PART_VALID));
}

int32_t history_rows_of_next(const history_source *b, int32_t n) {
  return n > 1 || b->layout.cls_sep ? bounded(b, n - 1 + sequence_specials(&b->layout, false, false)) : 0;
}

// The kinds of examples that predict successors: a window each and, of a share of them, a [MASK] alone.
static size_t next_kinds_of(const history_source *b, const double *windows, double alone, example_kind *to) {
  size_t kinds = 0;
  for (int32_t n = b->w.length; n >= 1 && b->copies > b->masked_copies; n--) {
    const int32_t rows = history_rows_of_next(b, n);
    if (rows > 0 && windows[n] > 0)
      to[kinds++] = (example_kind){.count = windows[n], .rows = rows, .masked = n < rows ? n : rows};
    if (!b->layout.cls_sep && windows[n] > 0)
      to[kinds++] = (example_kind){.count = windows[n] * alone, .rows = 1, .masked = 1};
  }
  return kinds;
}

// The kinds of examples that windows give, `windows[n]` of them with n items: copies masked at random, and `last`
// copies of each with only the last item masked, of which a share `crop` is cut to 2..n items; and those that predict successors.
static size_t kinds_of(const history_source *b, const double *windows, double last, double crop, double alone,
                       example_kind *to) {
  size_t kinds = next_kinds_of(b, windows, alone, to);
  if (b->masked_copies == 0) return kinds;
  double cut = 0; // last copies that are cut to n items
  const int32_t room = b->layout.max_positions - (b->layout.cls_sep ? 2 : 0);
  for (int32_t n = b->w.length; n >= 1; n--) {
    if (n > 2) cut += windows[n] * last * crop / (n - 1);
    const example_kind drawn = {.count = windows[n] * (double)b->c.dupe_factor,
                                .rows = history_rows(b, n),
                                .maskable = n < room ? n : room};
    const example_kind one = {.count = windows[n] * last * (n > 2 ? 1 - crop : 1) + (n > 1 ? cut : 0),
                              .rows = history_rows(b, n),
                              .masked = 1};
    if (drawn.count > 0) to[kinds++] = drawn;
    if (one.count > 0) to[kinds++] = one;
  }
  return kinds;
}

// windows[n]: how many windows of n items these sequences have.
static void count_windows(const history_source *b, int64_t first, int64_t stop, double *windows) {
  memset(windows, 0, ((size_t)b->w.length + 1) * sizeof *windows);
  for (int64_t s = first; s < min64(stop, history_sequences(b)); s++) {
    const int32_t n = b->trains.lengths[s], count = window_count(n, b->w.length, b->w.stride);
    for (int32_t w = 0; w < count; w++) {
      int32_t begin, end;
      window_at(n, b->w.length, b->w.stride, w, &begin, &end);
      windows[end - begin]++;
    }
  }
}

static size_t add_extra(const history_source *b, const history_extra *extra, const double *windows,
                        size_t kinds, example_kind *to) {
  double all = 0;
  if (extra == NULL) return kinds;
  for (int32_t n = 1; n <= b->w.length; n++) all += windows[n];
  if (extra->alone) kinds = 0;
  return kinds + extra->kinds(extra->self, windows, all, to + kinds);
}

static status add_blocks(const history_source *b, const history_extra *extra, batch_bounds *to,
                         double *windows, example_kind *kinds) {
  const double cold = 1.0 / COLD_STARTS;
  size_t n;
  for (int64_t block = 0; b->base.blocks > HISTORY_GROUP && block < b->base.blocks; block++) {
    count_windows(b, block * HISTORY_BLOCK, (block + 1) * HISTORY_BLOCK, windows);
    n = kinds_of(b, windows, b->c.last_copies, b->c.crop, cold, kinds);
    TRY(bounds_add_block(to, kinds, add_extra(b, extra, windows, n, kinds)));
  }
  count_windows(b, 0, history_sequences(b), windows);
  n = kinds_of(b, windows, ceil(b->c.last_copies), 0, 1, kinds);
  bounds_add_total(to, kinds, add_extra(b, extra, windows, n, kinds));
  n = kinds_of(b, windows, b->c.last_copies, b->c.crop, cold, kinds);
  return bounds_set_all(to, kinds, add_extra(b, extra, windows, n, kinds));
}

status history_find_caps(history_source *b, const history_extra *extra) {
  const data_config *c = &b->c;
  const int32_t longest = b->layout.max_positions;
  const int64_t tokens = c->batch_tokens > longest ? c->batch_tokens : longest;
  const int64_t seqs = c->batch_sequences > 0 ? min64(c->batch_sequences, tokens) : tokens;
  if (b->part == PART_VALID) {
    b->base.caps = (batch_caps){.tokens = (int32_t)tokens, .seqs = (int32_t)seqs, .masked = (int32_t)seqs};
    return OK;
  }
  batch_bounds bounds = {.masking = token_masking(&b->c)};
  double *windows = NULL;
  example_kind *kinds = NULL;
  status rc;
  TRY_GOTO(mem_new(&windows, (size_t)b->w.length + 1, sizeof *windows, "the bounds of batches"), done);
  const size_t most = 4 * (size_t)b->w.length + (extra != NULL ? extra->most : 0);
  TRY_GOTO(mem_new(&kinds, most, sizeof *kinds, "the bounds of batches"), done);
  TRY_GOTO(add_blocks(b, extra, &bounds, windows, kinds), done);
  b->base.caps = bounds_caps(&bounds, tokens, seqs, longest);
  b->base.caps.negatives = (int32_t)c->negatives;
done:
  bounds_free(&bounds);
  free(windows);
  free(kinds);
  return rc;
}
