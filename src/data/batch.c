// Composing a packed batch; see batch.h.
#include "data/batch.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/vocabulary.h"

// ---- life ----------------------------------------------------------------------------------------------------

size_t batch_live_bytes(const batch *b) {
  for (int32_t i = N_BATCH_FIELDS; i-- > 0;) {
    const size_t n = batch_elements(&batch_fields[i], b->live);
    if (n > 0) return batch_offset(b->caps, i) + n * batch_fields[i].size;
  }
  return 0;
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
  batch_place(&b->arrays, caps, b->memory);
  *out = b;
  return OK;
}

void batch_free(batch *b) {
  if (b == NULL) return;
  free(b->memory);
  free(b);
}

void batch_copy(batch *to, const batch *from) {
  const batch_arrays arrays = to->arrays;
  char *const memory = to->memory;
  memcpy(memory, from->memory, batch_live_bytes(from));
  *to = *from;
  to->arrays = arrays;
  to->memory = memory;
}

void batch_clear(batch *b) {
  b->live = (batch_counts){.tokens = 0};
  b->epoch = b->index = b->examples = 0;
  b->cu_seqlens[0] = 0;
  b->stage = BATCH_OPEN;
}

// ---- order ---------------------------------------------------------------------------------------------------

// May `call` write now? Its name is kept if it is the first that may not.
static bool is_open(batch *b, const char *call) {
  if (b->stage == BATCH_OPEN) return true;
  if (b->misused == NULL) {
    b->misused = call;
    b->misused_when = b->stage;
  }
  return false;
}

status batch_ready(const batch *b) {
  if (b->misused != NULL)
    return fail(ERR_INTERNAL, "%s was called %s", b->misused,
                b->misused_when == BATCH_NEW ? "before batch_clear" : "after batch_finish");
  if (b->stage != BATCH_FINISHED) return fail(ERR_INTERNAL, "a batch was used before batch_finish");
  return OK;
}

// ---- sequences -----------------------------------------------------------------------------------------------

bool batch_has_room(const batch *b, int32_t n) {
  return b->stage == BATCH_OPEN && n >= 1 && n <= b->caps.tokens - b->cu_seqlens[b->seqs] &&
         b->seqs < b->caps.seqs && batch_work(n) <= b->caps.work - b->n_work;
}

bool batch_end_sequence(batch *b, int32_t n, int64_t seq_id) {
  if (!is_open(b, "batch_end_sequence") || !batch_has_room(b, n)) return false;
  batch_put_sequence(&b->arrays, &b->live, n, seq_id);
  return true;
}

static bool append(batch *b, const seq_layout *layout, const batch_input *a, const batch_input *second,
                   bool query, int64_t seq_id, seq_plan *plan) {
  const int32_t begin = b->tokens;
  if (!sequence_plan(plan, layout, a->n, second != NULL ? second->n : NO_SECOND, query) ||
      !batch_has_room(b, plan->rows))
    return false;
  sequence_write(plan, layout, a, second, b->ids + begin, b->types + begin, b->positions + begin);
  return batch_end_sequence(b, plan->rows, seq_id);
}

bool batch_add(batch *b, const seq_layout *layout, const batch_input *a, const batch_input *second,
               int64_t seq_id, int32_t *first, int32_t *kept) {
  const int32_t begin = b->tokens;
  seq_plan plan;
  if (!is_open(b, "batch_add") || !append(b, layout, a, second, false, seq_id, &plan)) return false;
  if (first != NULL) *first = begin + plan.first;
  if (kept != NULL) *kept = plan.kept;
  return true;
}

static bool add_row(batch *b, const char *call, int32_t row, int32_t label, float weight, float next_weight,
                    float copy_weight) {
  if (!is_open(b, call) || b->n_masked == b->caps.masked || row < 0 || row >= b->tokens) return false;
  b->masked[b->n_masked] = row;
  b->labels[b->n_masked] = label;
  b->weights[b->n_masked] = weight;
  b->next_weights[b->n_masked] = next_weight;
  b->copy_weights[b->n_masked] = copy_weight;
  b->label_logq[b->n_masked++] = 0.0f;
  return true;
}

bool batch_add_masked(batch *b, int32_t row, int32_t label, float weight) {
  return add_row(b, "batch_add_masked", row, label, weight, 0.0f, 0.0f);
}

bool batch_add_next(batch *b, int32_t row, int32_t label, float weight) {
  return add_row(b, "batch_add_next", row, label, 0.0f, weight, 0.0f);
}

void batch_set_causal(batch *b) {
  if (is_open(b, "batch_set_causal") && b->seqs > 0) b->prefix_len[b->seqs - 1] = 0;
}

// ---- copy ----------------------------------------------------------------------------------------------------

static int32_t written_token(const int32_t *copy, int32_t n, int32_t i) {
  return i < n ? copy[i] : TOKEN_SEP;
}

bool batch_add_copy(batch *b, const copy_layout *layout, const copy_source *source, const int32_t *copy,
                    int32_t n, const float *weights, int64_t seq_id) {
  const int32_t begin = b->tokens;
  copy_plan p;
  if (!is_open(b, "batch_add_copy") || !copy_plan_make(&p, layout, source, n) || !batch_has_room(b, p.rows) ||
      p.written > b->caps.masked - b->n_masked)
    return false;
  copy_write_source(&p, layout, source, b->ids + begin, b->types + begin, b->positions + begin);
  for (int32_t row = p.source; row < p.rows; row++) {
    b->ids[begin + row] = copy[row - p.source];
    b->types[begin + row] = copy_row_type(layout);
    b->positions[begin + row] = copy_row_position(&p, row);
  }
  batch_end_sequence(b, p.rows, seq_id);
  b->prefix_len[b->seqs - 1] = p.source;
  for (int32_t i = 0; i < p.written; i++)
    add_row(b, "batch_add_copy", begin + p.source - 1 + i, written_token(copy, n, i), 0.0f, 0.0f,
            weights != NULL ? weights[i] : 1.0f);
  return true;
}

bool batch_add_query(batch *b, const seq_layout *layout, const batch_input *history, int64_t seq_id,
                     int32_t label) {
  const int32_t begin = b->tokens;
  seq_plan plan;
  if (!is_open(b, "batch_add_query") || b->n_masked == b->caps.masked ||
      !append(b, layout, history, NULL, true, seq_id, &plan))
    return false;
  const float weight = label >= 0 ? 1.0f : 0.0f;
  if (layout->asks == ASKS_MASKED) return batch_add_masked(b, begin + plan.asked, label, weight);
  batch_set_causal(b);
  return batch_add_next(b, begin + plan.asked, label, weight);
}

bool batch_add_negative(batch *b, int32_t token, float logq) {
  if (!is_open(b, "batch_add_negative") || b->n_negatives == b->caps.negatives) return false;
  b->negatives[b->n_negatives] = token;
  b->negative_logq[b->n_negatives++] = logq;
  return true;
}

bool batch_add_targets(batch *b, int32_t n, const int32_t *labels, const float *weights) {
  if (!is_open(b, "batch_add_targets") || n > b->caps.targets - b->n_targets) return false;
  for (int32_t i = 0; i < n; i++) {
    b->targets[b->n_targets] = labels[i];
    b->target_weights[b->n_targets++] = weights[i];
  }
  return true;
}

void batch_finish(batch *b) {
  if (!is_open(b, "batch_finish")) return;
  batch_list_work(&b->arrays, &b->live);
  b->stage = BATCH_FINISHED;
}
