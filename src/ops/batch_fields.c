// The packed batch as a table; see batch_fields.h.
#include "ops/batch_fields.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

enum { ALIGNED = 256 }; // as backend memory is

#define IS_REAL(type) _Generic((type)0, float : true, default : false)
#define FIELD(c_type, field, of, per, plus, holds, from, below, words) \
  {.name = #field,                                                     \
   .text = words,                                                      \
   .at = offsetof(batch_view, field),                                  \
   .size = sizeof(c_type),                                             \
   .real = IS_REAL(c_type),                                            \
   .kind = BATCH_##holds,                                              \
   .count = BATCH_COUNT_##of,                                          \
   .each = per,                                                        \
   .more = plus},
const batch_field batch_fields[N_BATCH_FIELDS] = {BATCH_FIELDS(FIELD)};
#undef FIELD
#define COUNT(name, live, text) text,
static const char *const batch_count_texts[N_BATCH_COUNTS] = {BATCH_COUNTS(COUNT)};
#undef COUNT
_Static_assert(sizeof(batch_view) == sizeof(batch_arrays), "a view and the arrays it shows differ");
_Static_assert(sizeof(batch_counts) == N_BATCH_COUNTS * sizeof(int32_t),
               "counts are not one behind the other");
_Static_assert(BATCH_COUNT_work == N_BATCH_COUNTS - 1, "files leave the last count out, which is work");

void batch_ranges(const batch_limits *limit, batch_range out[N_BATCH_FIELDS]) {
#define FIELD(type, name, count, each, more, kind, first, end, text) {.from = first, .below = end},
  const batch_range all[N_BATCH_FIELDS] = {BATCH_FIELDS(FIELD)};
#undef FIELD
  memcpy(out, all, sizeof all);
}

int32_t *batch_count(batch_counts *n, int32_t count) {
  return (int32_t *)(void *)n + count;
}

size_t batch_elements(const batch_field *f, batch_counts n) {
  return (size_t)f->each * (size_t)*batch_count(&n, f->count) + (size_t)f->more;
}

void *batch_array(const void *pointers, const batch_field *f) {
  void *array;
  memcpy(&array, (const char *)pointers + f->at, sizeof array);
  return array;
}

const char *batch_exceeds(batch_counts n, batch_counts caps) {
  for (int32_t i = 0; i < N_BATCH_COUNTS; i++)
    if (*batch_count(&n, i) > *batch_count(&caps, i)) return batch_count_texts[i];
  return NULL;
}

// ---- memory --------------------------------------------------------------------------------------------------

size_t batch_offset(batch_counts caps, int32_t field) {
  size_t at = 0;
  caps.work = batch_max_work(caps);
  for (int32_t i = 0; i < field; i++)
    at += (batch_elements(&batch_fields[i], caps) * batch_fields[i].size + ALIGNED - 1) / ALIGNED * ALIGNED;
  return at;
}

size_t batch_bytes(batch_counts caps) {
  return batch_offset(caps, N_BATCH_FIELDS);
}

void batch_place(void *pointers, batch_counts caps, void *memory) {
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    char *at = (char *)memory + batch_offset(caps, i);
    memcpy((char *)pointers + batch_fields[i].at, &at, sizeof at);
  }
}

// ---- layout --------------------------------------------------------------------------------------------------

int32_t batch_work(int32_t n) {
  return (n + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK;
}

int32_t batch_max_work(batch_counts caps) {
  return caps.work > 0 ? caps.work : caps.seqs + caps.tokens / ATTENTION_BLOCK;
}

// Labels of a sequence, where there are none yet.
static void clear_labels(batch_arrays *a, int32_t seq) {
#define FIELD(type, name, count, each, more, kind, from, below, text) \
  if (BATCH_COUNT_##count == BATCH_COUNT_seqs && BATCH_##kind == BATCH_LABEL) a->name[seq] = -1;
  BATCH_FIELDS(FIELD)
#undef FIELD
}

void batch_put_sequence(batch_arrays *a, batch_counts *live, int32_t n, int64_t seq_id) {
  const int32_t seq = live->seqs++, begin = seq > 0 ? a->cu_seqlens[seq] : 0;
  for (int32_t i = 0; i < n; i++) a->seq_of[begin + i] = seq;
  a->seq_ids[seq] = seq_id;
  a->prefix_len[seq] = n;
  clear_labels(a, seq);
  a->cu_seqlens[0] = 0;
  live->tokens = a->cu_seqlens[seq + 1] = begin + n;
  live->work += batch_work(n);
}

void batch_list_work(batch_arrays *a, batch_counts *live) {
  live->work = 0;
  for (int32_t s = 0; s < live->seqs; s++) {
    const int32_t n = a->cu_seqlens[s + 1] - a->cu_seqlens[s];
    for (int32_t first = 0; first < n; first += ATTENTION_BLOCK) {
      a->work[2 * live->work] = s;
      a->work[2 * live->work++ + 1] = first;
    }
  }
}

// ---- checks --------------------------------------------------------------------------------------------------

static int64_t element(const void *array, size_t i, size_t size) {
  return size == sizeof(int64_t) ? ((const int64_t *)array)[i] : ((const int32_t *)array)[i];
}

static status check_range(const void *array, const batch_field *f, size_t n, batch_range may) {
  for (size_t i = 0; i < n; i++) {
    const int64_t x = element(array, i, f->size);
    if (x < may.from || x >= may.below)
      return fail(ERR_FORMAT, "%s (%s) has %lld at %zu, which is out of range", f->name, f->text,
                  (long long)x, i);
  }
  return OK;
}

static status check_distinct(const int32_t *rows, const batch_field *f, size_t n, int32_t tokens) {
  bool *seen;
  if (n == 0) return OK;
  TRY(mem_new(&seen, (size_t)tokens, sizeof *seen, "rows of a batch"));
  size_t i = 0;
  for (; i < n && !seen[rows[i]]; i++) seen[rows[i]] = true;
  free(seen);
  return i == n ? OK : fail(ERR_FORMAT, "%s (%s) has row %d twice", f->name, f->text, rows[i]);
}

// Sequences follow each other without a gap, and what is derived from them agrees.
static status check_layout(const batch_arrays *a, batch_counts live, const batch_limits *limit) {
  if (a->cu_seqlens[0] != 0 || a->cu_seqlens[live.seqs] != live.tokens)
    return fail(ERR_FORMAT, "cu_seqlens does not go from 0 to the number of tokens");
  for (int32_t s = 0; s < live.seqs; s++) {
    const int64_t n = (int64_t)a->cu_seqlens[s + 1] - a->cu_seqlens[s];
    if (n < 1 || n > limit->positions)
      return fail(ERR_FORMAT, "cu_seqlens has a sequence of %lld tokens", (long long)n);
    for (int32_t row = a->cu_seqlens[s]; row < a->cu_seqlens[s + 1]; row++)
      if (a->seq_of[row] != s) return fail(ERR_FORMAT, "seq_of has %d at %d, not %d", a->seq_of[row], row, s);
    if (a->prefix_len[s] > n)
      return fail(ERR_FORMAT, "prefix_len has %d of %lld tokens", a->prefix_len[s], (long long)n);
  }
  return OK;
}

static status check_work(const batch_arrays *a, batch_counts live) {
  int32_t i = 0;
  for (int32_t s = 0; s < live.seqs; s++)
    for (int32_t first = 0; first < a->cu_seqlens[s + 1] - a->cu_seqlens[s]; first += ATTENTION_BLOCK, i++)
      if (i >= live.work || a->work[2 * i] != s || a->work[2 * i + 1] != first)
        return fail(ERR_FORMAT, "work does not list the blocks of sequence %d", s);
  return i == live.work ? OK : fail(ERR_FORMAT, "work lists %d items, there are %d", live.work, i);
}

status batch_check(const batch_arrays *a, batch_counts live, const batch_limits *limits) {
  batch_limits limit = *limits;
  limit.tokens = live.tokens;
  limit.seqs = live.seqs;
  batch_range ranges[N_BATCH_FIELDS];
  batch_ranges(&limit, ranges);
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const size_t n = batch_elements(f, live);
    if (f->real) continue; // a loss that is not a number is what a saved step is looked at for
    TRY(check_range(batch_array(a, f), f, n, ranges[i]));
    if (f->kind == BATCH_ROW) TRY(check_distinct(batch_array(a, f), f, n, live.tokens));
  }
  TRY(check_layout(a, live, &limit));
  return check_work(a, live);
}
