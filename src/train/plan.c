// What a run will take; see plan.h and docs/training.md.
//
// Time is estimated from two measured rates, the peak (peak.h) and that of copying memory, as if nothing
// overlapped: matmuls at a share of the peak that grows with the width (PRODUCT_SHARE H / (H + HALF_WIDTH)), attention
// (small matmuls and exponentials) at ATTENTION_SHARE of it, plus every pass over activations, logits and optimiser
// state at the speed of memory. The three were fitted to runs from 2 layers x 64 to 6 x 768; see docs/training.md for
// how well they do.
#include "train/plan.h"

#include <cblas.h>
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "data/user_context.h"
#include "train/copy_validation.h"
#include "train/mining.h"
#include "train/peak.h"
#include "train/optimizer.h"
#include "train/saver.h"
#include "train/step_queue.h"
#include "train/validation.h"
#include "model/item_vectors.h"
#include "model/objective.h"

static const double PRODUCT_SHARE = 0.78, HALF_WIDTH = 40, ATTENTION_SHARE = 0.13;
enum { SAMPLED_BATCHES = 32 };
// Measured: pages of code, of libhdf5 and of the heap that only a training run touches, 3 to 5.5 MiB by run and machine: the kernel
// decides how many pages of a library are resident around the one that is touched.
static const double TRAINING_CODE_BYTES = 4.5 * (1 << 20);

// ---- this machine --------------------------------------------------------------------------------------------

static double copy_rate(int32_t threads) {
  enum { N = 8 << 20, TRIES = 4 };
  const int32_t n = threads_or_all(threads);
  float *a;
  if (mem_new(&a, 2 * (size_t)N, sizeof *a, "the bandwidth measurement") != OK) return 0;
  double best = 1e30;
  for (int t = 0; t < TRIES; t++) {
    const double start = now_seconds();
#pragma omp parallel for num_threads(n) schedule(static)
    for (int64_t i = 0; i < N; i++) a[N + i] = a[i] + 1.0f;
    const double seconds = now_seconds() - start;
    if (seconds < best) best = seconds;
  }
  free(a);
  return 2.0 * N * sizeof(float) / best; // read and written
}

// Products on every thread as the model's widest layer has them, after which BLAS has the buffers that it will have in training.
static status touch_blas(int32_t threads, int32_t hidden) {
  enum { ROWS = 768, MOST = 768 }; // larger ones need no larger buffers
  const int32_t n = threads_or_all(threads), wide = hidden < MOST / 4 ? 4 * hidden : MOST;
  const int64_t floats = (int64_t)wide * wide + 2 * (int64_t)ROWS * wide;
  float *a;
  TRY(mem_new(&a, (size_t)(n * floats), sizeof *a, "the measurement of BLAS buffers"));
  openblas_set_num_threads(1);
#pragma omp parallel num_threads(n)
  {
    float *w = a + omp_get_thread_num() * floats, *x = w + (int64_t)wide * wide;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, ROWS, wide, wide, 1.0f, x, wide, w, wide, 0.0f,
                x + (int64_t)ROWS * wide, wide);
  }
  free(a);
  return OK;
}

status machine_measure(machine *m, int32_t threads, int32_t hidden) {
  m->base_bytes = (double)mem_now_bytes();
  m->peak_flops = measure_peak(threads);
  TRY(touch_blas(threads, hidden));
  m->blas_bytes = (double)mem_now_bytes() - m->base_bytes;
  if (m->blas_bytes < 0) m->blas_bytes = 0;
  m->bytes_per_s = copy_rate(threads);
  if (!(m->bytes_per_s > 0)) return fail(ERR_MEMORY, "%s", fail_message());
  return OK;
}

// ---- memory --------------------------------------------------------------------------------------------------

__attribute__((format(printf, 4, 5))) static void add(run_plan *p, const char *name, double bytes,
                                                      const char *note, ...) {
  if (!(bytes > 0)) return;
  plan_line *l = &p->lines[p->n++];
  l->name = name;
  l->bytes = bytes;
  l->device = false;
  va_list args;
  va_start(args, note);
  vsnprintf(l->note, sizeof l->note, note, args);
  va_end(args);
}

static void add_passing(run_plan *p, const char *name, double bytes) {
  p->passing[p->n_passing++] = (plan_line){.name = name, .bytes = bytes};
}

// Returns the host's bytes among them.
static double add_model(run_plan *p, const run_config *c, const model_memory *m, batch_caps caps,
                        bool on_host) {
  const int32_t first = p->n;
  double host_bytes = 0;
  add(p, "parameters", (double)m->params.weights, "%lld", (long long)(m->parameters - m->frozen_parameters));
  add(p, "frozen parameters", (double)m->params.frozen, "%lld: no gradients, moments or snapshot",
      (long long)m->frozen_parameters);
  add(p, "gradients", (double)m->params.gradients, "fp32");
  add(p, "moments", (double)m->params.moments, "both of the optimiser");
  add(p, "averaged weights", (double)m->params.averages, "optim.ema; what they differ by from the weights");
  add(p, "importance of ranks", (double)m->params.importance, "adalora; with a copy of the gradients");
  add(p, "optimiser's table", (double)m->optimizer, "what is updated in which order, and its sums");
  add(p, "compute copies", (double)m->params.copies, "of the parameters");
  add(p, "row flags", (double)m->params.row_flags, "of touched item rows");
  add(p, "activations", (double)m->activations, "kept for the backward pass");
  add(p, "activation gradients", (double)m->activation_gradients, "shared by all layers");
  if (p->labelled)
    add(p, "batch on the device", (double)m->batch, "%d tokens, %d labelled rows at most", caps.tokens,
        caps.seqs);
  else
    add(p, "batch on the device", (double)m->batch, "%d tokens, %d sequences, %d masked rows at most",
        caps.tokens, caps.seqs, caps.masked);
  add(p, "scratch of ops", (double)m->scratch, "of the op that needs most");
  for (int32_t i = first; i < p->n; i++) p->lines[i].device = !on_host;
  if (c->train.background)
    add(p, "snapshot", (double)snapshot_bytes(&m->params, on_host),
        "for checkpoints; train.background = false: none");
  for (int32_t i = first; i < p->n; i++)
    if (!p->lines[i].device) host_bytes += p->lines[i].bytes;
  return host_bytes;
}

// The base of a leash is a second model that is not trained, of this one's shape without what is tuned (leash_base.c).
static status add_leash(run_plan *p, const run_config *c, const model_config *mc, const model_run *mr,
                        const backend *be) {
  model_config base = *mc;
  model_run run = *mr;
  model_memory m;
  if (!(c->data.copy.leash > 0)) return OK;
  snprintf(base.objectives, sizeof base.objectives, "copy");
  TRY(peft_from_json(&base.peft, NULL, NULL));
  run.training = run.averages = run.row_sparse = false;
  run.base_objectives = run.freeze = NULL;
  TRY(model_plan(&m, be->name, &base, &run));
  add(p, "base of the leash",
      (double)(m.params.weights + m.params.frozen + m.params.copies + m.activations + m.batch + m.scratch),
      "copy.leash; its parameters and activations");
  p->lines[p->n - 1].device = !be->host_memory;
  return OK;
}

static void add_data(run_plan *p, const run_config *c, const dataset *d, const batcher *b, bool on_host) {
  const batcher_memory m = batcher_get_memory(b);
  const int64_t copies = step_queue_copies(c->train.accumulate, on_host);
  add(p, "batches ahead", m.batches + (double)copies * (double)batch_bytes(batcher_caps(b)),
      "two of the batcher, %lld of steps", (long long)copies);
  add(p, "index of the data set", dataset_index_bytes(d) + m.index, "lengths, offsets, windows");
  add(p, "sequences of a group", m.sequence_bytes, "of %.0f", m.sequences);
  add(p, "examples of a group", m.example_bytes, "%.0f, %.0f bytes each", m.examples,
      m.examples > 0 ? m.example_bytes / m.examples : 0);
  add(p, "vocabulary", (double)vocab_used_bytes(dataset_vocab(d)), "%d tokens",
      dataset_get_info(d)->vocab_size);
  add(p, "sampling tables", m.tables, "of negatives");
  add(p, "texts of items", m.texts, "data.mix");
}

// What a data set says of items, beside what data.mix reads of it, and the model's copy.
static status add_content(run_plan *p, const run_config *c, dataset *d, bool mixed) {
  const item_texts *t;
  const item_features *f;
  if (c->model.items == ITEMS_ID) return OK;
  TRY(dataset_item_texts(d, &t));
  TRY(dataset_item_features(d, &f));
  const double texts = item_texts_bytes(t);
  const double features =
      f != NULL ? (double)f->items * ((double)f->width * sizeof *f->rows + sizeof *f->present) : 0;
  add(p, "content of items", (mixed ? 1 : 2) * texts + 2 * features,
      "texts and features, of the data set and of the model");
  return OK;
}

static status add_users(run_plan *p, dataset *d) {
  const user_context *context;
  TRY(dataset_user_context(d, &context));
  add(p, "what is known of users", user_context_bytes(context), "attributes, searches, domains");
  return OK;
}

// Lists are made before the model is allocated, which takes `later` bytes, by one whose parameters take `weights`; and anew by the model
// itself, beside those that there are.
static void add_mining(run_plan *p, const run_config *c, const dataset *d, batch_caps caps, double weights,
                       double later) {
  const dataset_info *info = dataset_get_info(d);
  if (c->data.hard_negatives == 0) return;
  const double lists = mining_list_bytes(info->sequences),
               pass = mining_pass_bytes(info->range_end[RANGE_ITEMS] - info->range_end[RANGE_ATTRIBUTES],
                                        (int32_t)c->model.hidden);
  const double first = c->train.init[0] != '\0' ? weights + pass - later : 0,
               anew = c->data.hard_every > 0 ? lists + pass + (double)batch_bytes(caps) : 0;
  add(p, "hard negatives", lists, "a list a history");
  if (fmax(first, anew) > 0) add_passing(p, "ranking for hard negatives", fmax(first, anew));
}

// The rows of copy once more, for validations.
static status add_copy(run_plan *p, const run_config *c, dataset *d, batch_caps caps) {
  copy_validator v;
  if (c->train.eval_every == 0) return OK;
  TRY(copy_validator_open(&v, d, c));
  add(p, "validation rows", copy_examples_bytes(v.examples), "of copy");
  add_passing(p, "a validation", (double)batch_bytes(caps));
  copy_validator_close(&v);
  return OK;
}

// Questions are kept between validations, the other memory of a validation is not. Questions are chosen before the
// model is allocated, which takes `later` bytes.
static status add_validation(run_plan *p, const run_config *c, dataset *d, batch_caps caps, double later) {
  const char *why;
  if (run_writes_copy(c)) return add_copy(p, c, d, caps);
  if (!run_validates(c, d, &why)) return OK;
  ranking_config rc;
  const objective_metric *metric;
  TRY(rank_validator_config(&rc, &metric, c, d));
  const query_memory m = ranking_memory(d, &rc, (int32_t)c->model.hidden, threads_or_all(c->train.threads));
  add(p, "validation questions", m.held, "%.0f users", m.users);
  add_passing(p, "a validation", m.pass + (double)batch_bytes(caps));
  if (m.opening > later) add_passing(p, "choosing the questions", m.opening - later);
  return OK;
}

// Rows are read before the model is allocated, which takes `later` bytes.
static void add_labelled(run_plan *p, const labelled_memory *l, batch_caps caps, double later) {
  add(p, "tokeniser", l->words, "of texts");
  add(p, "texts of items", l->texts, "of pairs");
  add(p, "validation rows", l->valid_rows, "labels.valid");
  if (l->valid_rows > 0) add_passing(p, "a validation", l->valid_pass + (double)batch_bytes(caps));
  if (l->reading > later) add_passing(p, "reading labelled rows", l->reading - later);
}

// ---- work ----------------------------------------------------------------------------------------------------

// Composes the first batches of the run, for their mean sizes.
static status sample_batches(run_plan *p, batcher *b, const model_config *mc, const model_memory *m,
                             int64_t accumulate) {
  const int64_t n = p->batches_per_epoch < SAMPLED_BATCHES ? (int64_t)p->batches_per_epoch : SAMPLED_BATCHES;
  for (int64_t i = 0; i < n; i++) {
    const batch *out;
    TRY(batcher_next(b, &out));
    p->tokens += out->tokens;
    p->sequences += out->seqs;
    p->masked += out->n_masked;
    p->flops += model_step_flops(mc, &m->spared, out);
  }
  const double scale = (double)accumulate / (double)(n > 0 ? n : 1);
  p->tokens *= scale;
  p->sequences *= scale;
  p->masked *= scale;
  p->flops *= scale;
  return OK;
}

// Passes over memory of a step, in bytes; the matmuls' own traffic is in their share of the peak.
static double step_bytes(const run_plan *p, const model_config *c, const run_config *run, batch_caps caps,
                         const model_memory *m) {
  const double H = (double)c->hidden, F = (double)c->intermediate, T = p->tokens;
  const double layer =
      T * 4 * (30 * H + 8 * F); // norms, residuals, dropout, activations, forward and backward
  const double classes = caps.negatives > 0 ? caps.negatives + 1 : c->classes;
  const double head = p->masked * 4 * (6 * classes + 20 * H);
  double touched = (double)m->elements;
  if (m->params.row_flags > 0) // only rows that a step touches
    touched = (double)m->elements - (double)c->vocab_size * H +
              H * fmin((double)c->vocab_size, T + (double)run->train.accumulate * caps.negatives);
  const double reached = m->layers_reached, rest = (double)c->layers - reached; // those go forward only
  return (reached + rest / 3) * layer + T * 4 * 20 * H + head + touched * (m->params.averages > 0 ? 40 : 32);
}

static double estimate_seconds(const run_plan *p, const model_config *c, const run_config *run,
                               batch_caps caps, const model_memory *m) {
  const double length = p->sequences > 0 ? p->tokens / p->sequences : 1;
  const double attention =
      (3.0 * (double)c->layers * 4 * (double)c->hidden - m->spared.square) * p->tokens * length;
  const double matmuls = p->flops - attention, H = (double)c->hidden;
  return matmuls / (PRODUCT_SHARE * H / (H + HALF_WIDTH) * p->peak_flops) +
         attention / (ATTENTION_SHARE * p->peak_flops) + step_bytes(p, c, run, caps, m) / p->bytes_per_s;
}

// Times real optimiser steps.
static status time_steps(run_plan *p, const run_config *c, const model_config *mc, const model_run *mr,
                         dataset *d, batcher *b, int64_t steps) {
  model *m;
  TRY(model_create(&m, device_names[c->train.device], mc, mr));
  optimizer *o = NULL;
  status rc = model_take_items(m, d);
  if (rc == OK) rc = optimizer_open(&o, m, &c->optim);
  double started = now_seconds();
  for (int64_t i = 0; rc == OK && i < steps + 2; i++) {
    if (i == 2) started = now_seconds();
    for (int64_t k = 0; rc == OK && k < c->train.accumulate; k++) {
      const batch *out;
      step_state s = {.step = i, .lr = 1e-6f, .clip_norm = 1.0f};
      rc = batcher_next(b, &out);
      if (rc == OK) objectives_batch_scales(model_objectives(m), out, s.scale);
      if (rc == OK) rc = model_set_batch(m, out, &s);
      if (rc == OK) rc = model_forward(m, true);
      if (rc == OK) rc = model_loss(m, true);
    }
    if (rc == OK) rc = optimizer_step(o);
  }
  if (rc == OK) rc = model_backend(m)->sync(model_ctx(m));
  p->step_seconds = (now_seconds() - started) / (double)steps;
  p->timed_steps = steps;
  optimizer_close(o);
  model_free(m);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status fill(run_plan *p, const run_config *c, dataset *d, const labelled_memory *labelled,
                   const model_config *mc, batcher *b, int64_t timed_steps) {
  const batch_caps caps = batcher_caps(b);
  const model_run mr = train_model_run(c, caps);
  model_memory m;
  int64_t batches;
  const backend *be;
  TRY(backend_find(&be, device_names[c->train.device]));
  TRY(model_plan(&m, be->name, mc, &mr));
  TRY(batcher_epoch_batches(b, 0, &batches));
  p->batches_per_epoch = (double)batches;
  TRY(batcher_get_coverage(b, &p->data));
  p->leaves_out = coverage_text(p->coverage, &p->data, c, d);
  p->parameters = m.parameters;
  const double model_bytes = add_model(p, c, &m, caps, be->host_memory);
  TRY(add_leash(p, c, mc, &mr, be));
  add_data(p, c, d, b, be->host_memory);
  TRY(add_content(p, c, d, batcher_get_memory(b).texts > 0));
  if (labelled == NULL || labelled->users) TRY(add_users(p, d));
  add_mining(p, c, d, caps, (double)(m.params.weights + m.params.frozen), model_bytes);
  if (labelled != NULL)
    add_labelled(p, labelled, caps, model_bytes);
  else
    TRY(add_validation(p, c, d, caps, model_bytes));
  p->reader_bytes = dataset_reader_bytes(d);
  TRY(sample_batches(p, b, mc, &m, c->train.accumulate));
  p->steps = (double)c->train.steps;
  const double per_epoch = fmax(1, floor(p->batches_per_epoch / (double)c->train.accumulate));
  const double by_epochs = (double)c->train.epochs * per_epoch;
  if (by_epochs > 0 && (!(p->steps > 0) || by_epochs < p->steps)) p->steps = by_epochs;
  if (be->host_memory) // the rates are this host's
    p->step_seconds = estimate_seconds(p, mc, c, caps, &m);
  else if (!(c->train.peak_gflops > 0))
    p->peak_flops = 0;
  return timed_steps > 0 ? time_steps(p, c, mc, &mr, d, b, timed_steps) : OK;
}

status plan_make(run_plan *out, const run_config *c, dataset *d, const labelled_memory *labelled,
                 const machine *m, int64_t timed_steps) {
  *out =
      (run_plan){.peak_flops = m->peak_flops, .bytes_per_s = m->bytes_per_s, .final = c->data.trains.final};
  out->labelled = labelled != NULL;
  if (c->train.peak_gflops > 0) out->peak_flops = c->train.peak_gflops * 1e9;
  add(out, "program and libraries", m->base_bytes + TRAINING_CODE_BYTES,
      "measured, and %.1f MiB that only training touches", TRAINING_CODE_BYTES / (1 << 20));
  add(out, "BLAS buffers", m->blas_bytes, "measured");
  model_config mc;
  TRY(train_model_config(&mc, c, d));
  const seq_layout layout = model_layout(&mc);
  batcher *b;
  TRY(batcher_open(&b, d, &c->data, &layout, PART_TRAIN, 0, 1));
  const status rc = fill(out, c, d, labelled, &mc, b, timed_steps);
  batcher_close(b);
  TRY(rc);
  double most = 0;
  for (int32_t i = 0; i < out->n; i++)
    *(out->lines[i].device ? &out->device_bytes : &out->total_bytes) += out->lines[i].bytes;
  for (int32_t i = 0; i < out->n_passing; i++) most = fmax(most, out->passing[i].bytes);
  out->total_bytes += most;
  return OK;
}

void plan_print(const run_plan *p, FILE *to) {
  char a[32], b[32], c[32];
  fprintf(to, "memory\n");
  for (int32_t i = 0; i < p->n; i++)
    fprintf(to, "  %-24s %12s  %s%s\n", p->lines[i].name, human_bytes(a, p->lines[i].bytes),
            p->lines[i].device ? "on the device: " : "", p->lines[i].note);
  for (int32_t i = 0; i < p->n_passing; i++)
    fprintf(to, "  %-24s %12s  for a while; the largest of these counts\n", p->passing[i].name,
            human_bytes(a, p->passing[i].bytes));
  if (p->device_bytes > 0)
    fprintf(to, "  %-24s %12s  and what its driver and libraries take\n", "on the device, in all",
            human_bytes(a, p->device_bytes));
  fprintf(to, "  %-24s %12s\n", p->device_bytes > 0 ? "on the host, in all" : "in all",
          human_bytes(a, p->total_bytes));
  fprintf(to, "  %-24s %12s  besides, while it reads a shard\n\n", "the reading process",
          human_bytes(a, p->reader_bytes));
  fprintf(to, "an optimiser step\n  %s tokens in %.0f %s", human_count(a, p->tokens), p->sequences,
          p->labelled ? "labelled rows" : "sequences");
  if (!p->labelled) fprintf(to, ", %.0f masked", p->masked);
  fprintf(to, "\n  %s, forward and backward\n", human_unit(b, p->flops, "FLOP"));
  if (p->step_seconds > 0) {
    char share[64] = "";
    if (p->peak_flops > 0)
      snprintf(share, sizeof share, " (%.0f%% of the peak, %s)",
               100 * p->flops / p->step_seconds / p->peak_flops, human_unit(c, p->peak_flops, "FLOP/s"));
    fprintf(to, "  %s %s: %s tokens/s, %s%s\n\n", human_seconds(a, p->step_seconds),
            p->timed_steps > 0 ? "measured" : "estimated (--time_steps measures)",
            human_count(b, p->tokens / p->step_seconds), human_unit(c, p->flops / p->step_seconds, "FLOP/s"),
            share);
  } else {
    fprintf(to, "  how long is not estimated for this device: --time_steps N measures\n\n");
  }
  fprintf(to, "the run\n  %.0f batches an epoch\n", p->batches_per_epoch);
  if (p->coverage[0] != '\0') fprintf(to, "  %s\n", p->coverage);
  if (p->steps > 0) fprintf(to, "  %.0f steps, %s tokens", p->steps, human_count(b, p->steps * p->tokens));
  if (p->steps > 0 && p->step_seconds > 0)
    fprintf(to, ": %s, validations apart", human_seconds(c, p->steps * p->step_seconds));
  if (p->steps > 0) fprintf(to, "\n");
}

status plan_print_json(const run_plan *p, FILE *to) {
  json_t *memory = json_object(), *passing = json_object();
  int bad = 0;
  for (int32_t i = 0; i < p->n; i++)
    bad |= json_object_set_new(memory, p->lines[i].name, json_integer((json_int_t)p->lines[i].bytes));
  for (int32_t i = 0; i < p->n_passing; i++)
    bad |= json_object_set_new(passing, p->passing[i].name, json_integer((json_int_t)p->passing[i].bytes));
  json_t *j =
      json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:b,s:I,s:I,s:i,s:i,s:b}",
                "memory_bytes", memory, "passing_bytes", passing, "total_bytes", (json_int_t)p->total_bytes,
                "reader_bytes", (json_int_t)p->reader_bytes, "device_bytes", (json_int_t)p->device_bytes,
                "parameters", (json_int_t)p->parameters, "step_tokens", p->tokens, "step_masked", p->masked,
                "step_flops", p->flops, "step_seconds", p->step_seconds, "steps", p->steps, "peak_gflops",
                p->peak_flops * 1e-9, "copy_gb_per_s", p->bytes_per_s * 1e-9, "measured", p->timed_steps > 0,
                "training_events", (json_int_t)p->data.events, "epoch_events", (json_int_t)p->data.covered,
                "window", p->data.window.length, "stride", p->data.window.stride, "final", p->final);
  char *text = bad == 0 && j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot write the plan as json");
  fprintf(to, "%s\n", text);
  free(text);
  return OK;
}
