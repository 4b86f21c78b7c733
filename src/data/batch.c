// Composing a packed batch; see batch.h.
#include "data/batch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "ops/ops.h"

enum { ALIGNED = 256 }; // as device memory is

int32_t batch_work(int32_t n) {
  return (n + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK;
}

int32_t batch_max_work(batch_caps caps) {
  return caps.work > 0 ? caps.work : caps.seqs + caps.tokens / ATTENTION_BLOCK;
}

// ---- memory --------------------------------------------------------------------------------------------------

#define IS_REAL(type) _Generic((type)0, float : true, default : false)
#define FIELD(type, name, per) \
  {#name, offsetof(batch, name), offsetof(batch_view, name), sizeof(type), IS_REAL(type), per},
const batch_field batch_fields[N_BATCH_FIELDS] = {BATCH_FIELDS(FIELD)};
#undef FIELD

batch_caps batch_live(const batch *b) {
  return (batch_caps){.tokens = b->tokens,
                      .seqs = b->seqs,
                      .masked = b->n_masked,
                      .negatives = b->n_negatives,
                      .work = b->n_work};
}

size_t batch_elements(const batch_field *f, batch_caps n) {
  switch (f->per) {
  case PER_TOKEN:
    return (size_t)n.tokens;
  case PER_BORDER:
    return (size_t)n.seqs + 1;
  case PER_SEQ:
    return (size_t)n.seqs;
  case PER_ITEM:
    return 2 * (size_t)n.work;
  case PER_MASKED:
    return (size_t)n.masked;
  case PER_NEGATIVE:
    break;
  }
  return (size_t)n.negatives;
}

// Where field i begins; i = N_BATCH_FIELDS: how much there is in all.
static size_t place(batch_caps caps, size_t i) {
  size_t at = 0;
  caps.work = batch_max_work(caps);
  for (size_t k = 0; k < i; k++)
    at += (batch_elements(&batch_fields[k], caps) * batch_fields[k].size + ALIGNED - 1) / ALIGNED * ALIGNED;
  return at;
}

size_t batch_bytes(batch_caps caps) {
  return place(caps, N_BATCH_FIELDS);
}

void *batch_array(const batch *b, const batch_field *f) {
  void *array;
  memcpy(&array, (const char *)b + f->at, sizeof array);
  return array;
}

size_t batch_live_bytes(const batch *b) {
  for (size_t i = N_BATCH_FIELDS; i-- > 0;) {
    const size_t n = batch_elements(&batch_fields[i], batch_live(b));
    if (n > 0) return place(b->caps, i) + n * batch_fields[i].size;
  }
  return 0;
}

void batch_view_at(batch_view *v, batch_caps caps, void *memory) {
  for (size_t i = 0; i < N_BATCH_FIELDS; i++) {
    const char *at = (const char *)memory + place(caps, i);
    memcpy((char *)v + batch_fields[i].in_view, &at, sizeof at);
  }
}

status batch_new(batch **out, batch_caps caps) {
  *out = NULL;
  if (caps.tokens < 1 || caps.seqs < 1 || caps.masked < 1 || caps.negatives < 0)
    return fail(ERR_ARGUMENT, "a batch needs room for at least one token, sequence and masked row");
  batch *b;
  TRY(mem_new(&b, 1, sizeof *b, "a batch"));
  b->caps = caps;
  b->caps.work = batch_max_work(caps);
  const status rc = mem_new(&b->memory, batch_bytes(caps), 1, "a batch");
  if (rc != OK) {
    batch_free(b);
    return rc;
  }
  for (size_t i = 0; i < N_BATCH_FIELDS; i++) {
    const char *at = b->memory + place(caps, i);
    memcpy((char *)b + batch_fields[i].at, &at, sizeof at);
  }
  *out = b;
  return OK;
}

void batch_free(batch *b) {
  if (b == NULL) return;
  free(b->memory);
  free(b);
}

void batch_copy(batch *to, const batch *from) {
  const batch kept = *to;
  memcpy(to->memory, from->memory, batch_live_bytes(from));
  *to = *from;
  to->memory = kept.memory;
  for (size_t i = 0; i < N_BATCH_FIELDS; i++)
    memcpy((char *)to + batch_fields[i].at, (const char *)&kept + batch_fields[i].at, sizeof(void *));
}

void batch_clear(batch *b) {
  b->tokens = b->seqs = b->n_masked = b->n_negatives = b->n_work = b->cls_count = 0;
  b->epoch = b->index = 0;
  b->mask_weight = 0;
  b->cu_seqlens[0] = 0;
}

// ---- sequences -----------------------------------------------------------------------------------------------

bool batch_has_room(const batch *b, int32_t n) {
  return b->tokens + n <= b->caps.tokens && b->seqs < b->caps.seqs &&
         b->n_work + batch_work(n) <= batch_max_work(b->caps);
}

void batch_end_sequence(batch *b, int32_t n, int64_t seq_id) {
  const int32_t seq = b->seqs++, begin = b->cu_seqlens[seq];
  for (int32_t i = 0; i < n; i++) b->seq_of[begin + i] = seq;
  b->seq_ids[seq] = seq_id;
  b->prefix_len[seq] = n;
  b->cls_labels[seq] = -1;
  b->tokens = b->cu_seqlens[seq + 1] = begin + n;
  b->n_work += batch_work(n);
}

static bool append(batch *b, const seq_layout *layout, const batch_input *a, const batch_input *second,
                   bool query, int64_t seq_id, seq_plan *plan) {
  const int32_t begin = b->tokens;
  if (!sequence_plan(plan, layout, a->n, second != NULL ? second->n : NO_SECOND, query) ||
      !batch_has_room(b, plan->rows))
    return false;
  sequence_write(plan, layout, a, second, b->ids + begin, b->types + begin, b->positions + begin);
  batch_end_sequence(b, plan->rows, seq_id);
  return true;
}

bool batch_add(batch *b, const seq_layout *layout, const batch_input *a, const batch_input *second,
               int64_t seq_id, int32_t *first, int32_t *kept) {
  const int32_t begin = b->tokens;
  seq_plan plan;
  if (!append(b, layout, a, second, false, seq_id, &plan)) return false;
  if (first != NULL) *first = begin + plan.first;
  if (kept != NULL) *kept = plan.kept;
  return true;
}

bool batch_add_masked(batch *b, int32_t row, int32_t label, float weight) {
  if (b->n_masked == b->caps.masked) return false;
  b->masked[b->n_masked] = row;
  b->labels[b->n_masked] = label;
  b->weights[b->n_masked] = weight;
  b->label_logq[b->n_masked++] = 0.0f;
  b->mask_weight += weight;
  return true;
}

bool batch_add_query(batch *b, const seq_layout *layout, const batch_input *history, int64_t seq_id,
                     int32_t label) {
  const int32_t begin = b->tokens;
  seq_plan plan;
  if (b->n_masked == b->caps.masked || !append(b, layout, history, NULL, true, seq_id, &plan)) return false;
  return batch_add_masked(b, begin + plan.mask, label, label >= 0 ? 1.0f : 0.0f);
}

void batch_finish(batch *b) {
  b->n_work = 0;
  for (int32_t s = 0; s < b->seqs; s++) {
    const int32_t n = b->cu_seqlens[s + 1] - b->cu_seqlens[s];
    for (int32_t first = 0; first < n; first += ATTENTION_BLOCK) {
      b->work[2 * b->n_work] = s;
      b->work[2 * b->n_work++ + 1] = first;
    }
  }
}
