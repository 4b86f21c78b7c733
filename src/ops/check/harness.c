// Fixtures and columns of the op checks; see harness.h.
#include "ops/check/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "ops/check/batch_fill.h"
#include "ops/check/reference.h"

// ---- fixtures ------------------------------------------------------------------------------------------------

double round_to_act(double x, size_t act_size) {
  if (act_size == sizeof(double)) return x;
  const float f = (float)x;
  if (act_size == sizeof(float) || isnan(f)) return f;
  uint32_t bits; // bf16: the upper half of a float, rounded to nearest even
  memcpy(&bits, &f, sizeof bits);
  bits = (bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u;
  float rounded;
  memcpy(&rounded, &bits, sizeof rounded);
  return rounded;
}

float round_to_tf32(float x) {
  if (!isfinite(x)) return x;
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x1000u) & 0xFFFFE000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static size_t elements(const tensor *t) {
  return (size_t)t->n.cap * (size_t)t->width;
}

bool tensor_is_live(const fixture *f, const tensor *t, size_t at) {
  const int32_t counts[] = {
      [ROWS_FIXED] = t->n.cap,         [ROWS_TOKENS] = f->state.tokens, [ROWS_SEQS] = f->state.seqs,
      [ROWS_MASKED] = f->state.masked, [ROWS_LISTED] = f->state.listed, [ROWS_ITEMS] = f->state.items,
      [ROWS_TEXTS] = f->state.texts};
  const size_t row = at / (size_t)t->width, place = at % (size_t)t->width;
  return row < (size_t)counts[t->n.kind] && place < (size_t)t->live_width;
}

void fixture_put(fixture *f, int32_t at, tensor t) {
  if (f->rc != OK) return;
  if (!(t.spread > 0)) t.spread = 1;
  if (t.live_width == 0) t.live_width = t.width;
  f->rc = mem_new(&t.values, elements(&t), sizeof *t.values, "a tensor of the op checks");
  if (f->rc != OK) return;
  for (size_t i = 0; i < elements(&t); i++) {
    if (t.kind == ELEMENT_BYTE)
      t.values[i] = rng_below(&f->random, 4) == 0;
    else
      t.values[i] = round_to_act(t.center + t.spread * rng_normal(&f->random),
                                 t.kind == ELEMENT_ACT ? f->act_size : sizeof(float));
  }
  f->t[at] = t;
}

const char *const lengths_names[] = {"one sequence", "single tokens", "short sequences", "mixed sequences"};

void fixture_batch(fixture *f, lengths_kind kind, int32_t tokens, int32_t slack) {
  static const int32_t mixed[] = {3, 64, 1, 65, 17, 128, 2, 63, 7, 24, 23, 25, 130};
  batch_spec *b = &f->batch;
  b->seqs = 0;
  for (int32_t left = tokens; left > 0 && b->seqs < MAX_LENGTHS; b->seqs++) {
    int32_t n = left;
    if (kind == LENGTHS_ONES) n = 1;
    if (kind == LENGTHS_SHORT) n = 1 + (int32_t)rng_below(&f->random, 12);
    if (kind == LENGTHS_MIXED) n = mixed[b->seqs % (int32_t)(sizeof mixed / sizeof *mixed)];
    b->lengths[b->seqs] = n < left ? n : left;
    left -= b->lengths[b->seqs];
  }
  b->tokens = tokens;
  b->tokens_cap = tokens + slack;
  b->seqs_cap = b->seqs + slack;
  f->state.tokens = tokens;
  f->state.seqs = b->seqs;
}

void fixture_masked(fixture *f, int32_t masked, int32_t masked_cap) {
  f->batch.masked = f->state.masked = masked;
  f->batch.masked_cap = masked_cap;
}

status fixture_set_up(const suite *s, int32_t i, size_t act_size, fixture *f) {
  memset(f, 0, sizeof *f);
  f->act_size = act_size;
  f->random = rng_at(20240607, 1, (uint32_t)s->kind, (uint32_t)i);
  f->state = (step_state){.step = 41,
                          .seed = 0x9E3779B97F4A7C15u + (uint64_t)i,
                          .lr = 0.01f,
                          .scale = {0.37f, 0.21f, 0.13f, 0.59f, 0.71f, 0.29f, 0.47f, 0.83f}};
  s->setup(i, f);
  f->state.work = 0;
  for (int32_t q = 0; q < f->batch.seqs; q++)
    f->state.work += (f->batch.lengths[q] + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK;
  return f->rc;
}

void fixture_grow(fixture *out, const fixture *small, int32_t repeat, int32_t slack) {
  *out = *small;
  out->repeat = repeat;
  out->with_signs = small->batch.small_classes == 0; // that loss has no weights that could carry the signs
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    tensor *t = &out->t[k];
    if (t->n.kind != ROWS_FIXED) out->caps[t->n.kind] = t->n.cap = t->n.cap * repeat + slack;
    if (!t->across) continue;
    t->live_width *= repeat;
    t->width = t->live_width + slack;
  }
  batch_spec *b = &out->batch;
  const struct {
    int32_t *live, *cap;
  } counts[] = {{&b->seqs, &b->seqs_cap}, {&b->tokens, &b->tokens_cap}, {&b->masked, &b->masked_cap}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    *counts[i].live *= repeat;
    if (*counts[i].cap > 0) *counts[i].cap = *counts[i].live + slack;
  }
  out->state.tokens *= repeat;
  out->state.seqs *= repeat;
  out->state.masked *= repeat;
  out->state.work *= repeat;
}

int32_t fixture_sign(const fixture *f, int32_t repetition) {
  if (!f->with_signs) return 1;
  const uint32_t x = ((uint32_t)repetition + 1) * 0x9E3779B9u;
  return (x ^ x >> 15) * 0x85EBCA6Bu >> 31 == 0 ? 1 : -1;
}

int32_t fixture_signs(const fixture *f) {
  int32_t sum = 0;
  for (int32_t i = 0; i < f->repeat; i++) sum += fixture_sign(f, i);
  return sum;
}

row_source tensor_row(const fixture *f, const tensor *t, size_t row) {
  const int32_t counts[] = {
      [ROWS_FIXED] = t->n.cap,         [ROWS_TOKENS] = f->state.tokens, [ROWS_SEQS] = f->state.seqs,
      [ROWS_MASKED] = f->state.masked, [ROWS_LISTED] = f->state.listed, [ROWS_ITEMS] = f->state.items,
      [ROWS_TEXTS] = f->state.texts};
  const size_t times = f->repeat > 0 ? (size_t)f->repeat : 1, live = (size_t)counts[t->n.kind];
  const bool grows = t->n.kind != ROWS_FIXED;
  row_source r = {.live = row < live, .columns = (size_t)t->width, .sign = 1};
  if (t->across) r.columns = times > 1 ? (size_t)t->live_width / times : (size_t)t->width;
  const size_t once = grows && times > 1 ? live / times : (size_t)t->n.cap;
  r.at = r.live ? row % once * r.columns : 0;
  if (grows && times > 1 && r.live) r.sign = fixture_sign(f, (int32_t)(row / once));
  return r;
}

void fixture_free(fixture *f) {
  for (int32_t i = 0; i < MAX_TENSORS; i++) free(f->t[i].values);
  memset(f, 0, sizeof *f);
}

// ---- columns -------------------------------------------------------------------------------------------------

enum { GUARD = 256, GUARD_BYTE = 0xA5 };

static size_t element_size(const column *c, element kind) {
  if (kind == ELEMENT_ACT) return c->be->act_size;
  return kind == ELEMENT_FLOAT ? c->float_size : 1;
}

// Memory checkers notice every access past the end of an allocation, but not one that ends in the guard zone after a
// buffer. So SOUK_CHECK_TIGHT leaves that zone out.
static size_t room_after(void) {
  const char *tight = getenv("SOUK_CHECK_TIGHT");
  return tight != NULL && strcmp(tight, "1") == 0 ? 0 : GUARD;
}

static status guarded_new(column *c, guarded *g, size_t bytes, const char *name) {
  void *p;
  g->name = name;
  g->bytes = bytes;
  g->after = room_after();
  TRY(c->be->mem_alloc(c->ctx, GUARD + bytes + g->after, name, &p));
  g->base = p;
  return OK;
}

// Writes guard zones and content.
static status guarded_write(column *c, const guarded *g, const void *content) {
  char *image;
  TRY(mem_new(&image, GUARD + g->bytes + g->after, 1, "a buffer's image"));
  memset(image, GUARD_BYTE, GUARD + g->bytes + g->after);
  memcpy(image + GUARD, content, g->bytes);
  const status rc = c->be->upload(c->ctx, g->base, image, GUARD + g->bytes + g->after);
  free(image);
  return rc;
}

// Reads guard zones and content, and returns whether the guards are unchanged; content [bytes] may be NULL.
static status guarded_read(const column *c, const guarded *g, void *content, bool *intact) {
  char *image;
  TRY(mem_new(&image, GUARD + g->bytes + g->after, 1, "a buffer's image"));
  const status rc = c->be->download(c->ctx, image, g->base, GUARD + g->bytes + g->after);
  *intact = true;
  for (size_t i = 0; i < GUARD; i++) *intact = *intact && (unsigned char)image[i] == GUARD_BYTE;
  for (size_t i = 0; i < g->after; i++)
    *intact = *intact && (unsigned char)image[GUARD + g->bytes + i] == GUARD_BYTE;
  if (rc == OK && content != NULL) memcpy(content, image + GUARD, g->bytes);
  free(image);
  return rc;
}

static void store(void *to, size_t i, size_t size, double x) {
  const float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  const uint16_t half = (uint16_t)(bits >> 16); // values are rounded already
  const uint8_t byte = (uint8_t)(x > 0);
  const void *from = size == 8   ? (const void *)&x
                     : size == 4 ? (const void *)&f
                     : size == 2 ? (const void *)&half
                                 : &byte;
  memcpy((char *)to + i * size, from, size);
}

static double fetch(const void *from, size_t i, size_t size) {
  const char *at = (const char *)from + i * size;
  if (size == 1) return (double)*(const uint8_t *)at;
  double d;
  float f;
  if (size == 8) {
    memcpy(&d, at, 8);
    return d;
  }
  uint32_t bits = 0;
  memcpy((char *)&bits + (4 - size), at, size);
  memcpy(&f, &bits, sizeof f);
  return f;
}

static status write_tensor(column *c, const fixture *f, int32_t i, const double *values) {
  const tensor *t = &f->t[i];
  const size_t size = element_size(c, t->kind), n = elements(t);
  char *raw;
  TRY(mem_new(&raw, n, size, "a tensor's image"));
  for (size_t j = 0; j < n; j++) store(raw, j, size, values[j]);
  const status rc = guarded_write(c, &c->memory[i], raw);
  free(raw);
  return rc;
}

status column_raw(const column *c, const fixture *f, int32_t i, void **raw) {
  const size_t bytes = elements(&f->t[i]) * element_size(c, f->t[i].kind);
  *raw = malloc(bytes + 1);
  if (*raw == NULL)
    return fail(ERR_MEMORY, "out of memory: cannot get %zu bytes for a tensor's image", bytes);
  const status rc = c->be->download(c->ctx, *raw, c->at[i], bytes);
  if (rc != OK) {
    free(*raw);
    *raw = NULL;
  }
  return rc;
}

double column_element(const column *c, const fixture *f, int32_t i, const void *raw, size_t at) {
  return fetch(raw, at, element_size(c, f->t[i].kind));
}

status column_read(const column *c, const fixture *f, int32_t i, double *values) {
  const tensor *t = &f->t[i];
  const size_t size = element_size(c, t->kind), n = elements(t);
  char *raw;
  TRY(mem_new(&raw, n, size, "a tensor's image"));
  const status rc = c->be->download(c->ctx, raw, c->at[i], n * size);
  for (size_t j = 0; rc == OK && j < n; j++) values[j] = fetch(raw, j, size);
  free(raw);
  return rc;
}

// An element before a pass: outputs that will be written hold NaN, what is past the live count the filler.
static double initial(const tensor *t, const row_source *r, size_t row, size_t j, fill filler) {
  if (!r->live || j >= (size_t)t->live_width)
    return filler == FILL_NAN ? NAN : (row * (size_t)t->width + j) % 3 == 0 ? -7.5 : 3.25;
  if (t->role == SAVED || t->role == MADE) return NAN;
  const double x = t->values[r->at + (t->across ? j % r->columns : j)];
  return t->gradient ? r->sign * x : x;
}

// Written directly into the buffer's image, because at real sizes a further copy would take noticeable time.
status column_write(column *c, const fixture *f, int32_t i, fill filler) {
  const tensor *t = &f->t[i];
  const guarded *g = &c->memory[i];
  const size_t size = element_size(c, t->kind), all = GUARD + g->bytes + g->after;
  char *image = malloc(all);
  if (image == NULL) return fail(ERR_MEMORY, "out of memory: cannot get %zu bytes for a buffer's image", all);
  memset(image, GUARD_BYTE, GUARD);
  memset(image + GUARD + g->bytes, GUARD_BYTE, g->after);
#pragma omp parallel for schedule(static)
  for (size_t row = 0; row < (size_t)t->n.cap; row++) {
    const row_source r = tensor_row(f, t, row);
    for (size_t j = 0, at = row * (size_t)t->width; j < (size_t)t->width; j++, at++)
      store(image + GUARD, at, size, initial(t, &r, row, j, filler));
  }
  const status rc = c->be->upload(c->ctx, g->base, image, all);
  free(image);
  return rc;
}

// In the references aliases have memory of their own, so that the order of reads and writes does not matter.
static bool aliased(const column *c, const tensor *t) {
  return t->alias != 0 && c->be != &reference_double && c->be != &reference_float;
}

// The op's arguments, with the capacities of a grown fixture if it is one.
static void bind(column *c, const suite *s, int32_t i, const fixture *f, direction pass, op_params *p) {
  memset(p, 0, sizeof *p);
  s->bind(i, f, c, pass, p);
  rows *const all[OP_COUNT][2] = {[OP_EMBED] = {&p->embed.n},
                                  [OP_NORM] = {&p->norm.n},
                                  [OP_LINEAR] = {&p->linear.n},
                                  [OP_ATTENTION] = {&p->attention.n},
                                  [OP_GATHER] = {&p->gather.n, &p->gather.source},
                                  [OP_BAG] = {&p->bag.n, &p->bag.entries},
                                  [OP_FUSE] = {&p->fuse.listed},
                                  [OP_XENT] = {&p->xent.n},
                                  [OP_LEASH] = {&p->leash.n},
                                  [OP_CLASSIFY] = {&p->classify.n},
                                  [OP_DROP] = {&p->drop.n},
                                  [OP_SCALE] = {&p->scale.n}};
  for (int k = 0; f->repeat > 0 && k < 2; k++)
    if (all[s->kind][k] != NULL && all[s->kind][k]->kind != ROWS_FIXED)
      all[s->kind][k]->cap = f->caps[all[s->kind][k]->kind];
}

// The optimiser's table, once its tensors have their places.
static status make_table(column *c, const suite *s, int32_t i, const fixture *f) {
  op_params p;
  bind(c, s, i, f, BACKWARD, &p);
  const size_t bytes = c->be->optim_bytes(&p.optim), norms = 2 * (size_t)p.optim.wholes * sizeof(double);
  if (bytes > 0) TRY(c->be->mem_alloc(c->ctx, bytes, "a table", &c->table));
  if (norms > 0) TRY(c->be->mem_alloc(c->ctx, norms, "a table", &c->norms));
  bind(c, s, i, f, BACKWARD, &p);
  return c->be->optim_prepare(c->ctx, &p.optim);
}

status column_open(column *c, const suite *s, int32_t i, const fixture *f, const backend *be, int32_t device,
                   int32_t threads) {
  memset(c, 0, sizeof *c);
  c->be = be;
  c->threads = threads;
  c->float_size = be == &reference_double ? sizeof(double) : sizeof(float);
  op_params p;
  bind(c, s, i, f, BACKWARD, &p);
  TRY(be->supports(s->kind, &p));
  size_t scratch = be->scratch_bytes(s->kind, &p, threads);
  bind(c, s, i, f, FORWARD, &p);
  const size_t forward = be->scratch_bytes(s->kind, &p, threads);
  if (forward > scratch) scratch = forward;
  const backend_config config = {.device = device,
                                 .threads = threads,
                                 .scratch_bytes = scratch,
                                 .matmul = be == &reference_double ? MATMUL_FP32 : f->matmul};
  TRY(be->open(&c->ctx, &config));
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const tensor *t = &f->t[k];
    if (t->values == NULL || t->absent || aliased(c, t)) continue;
    TRY(guarded_new(c, &c->memory[k], elements(t) * element_size(c, t->kind), t->name));
    c->at[k] = c->memory[k].base + GUARD;
  }
  for (int32_t k = 1; k < MAX_TENSORS; k++)
    if (f->t[k].values != NULL && !f->t[k].absent && aliased(c, &f->t[k])) c->at[k] = c->at[f->t[k].alias];
  host_batch h;
  status rc = host_batch_make(&h, f, FILL_NAN);
  for (int32_t k = 0; rc == OK && k < N_BATCH_FIELDS; k++) {
    const batch_field *field = &batch_fields[k];
    if (batch_array(&h.a, field) == NULL) continue;
    rc = guarded_new(c, &c->arrays[k], host_batch_bytes(&h, field), field->name);
    if (rc != OK) break;
    char *at = c->arrays[k].base + GUARD;
    memcpy((char *)&c->batch + field->at, &at, sizeof at);
  }
  host_batch_free(&h);
  return rc == OK && s->kind == OP_OPTIM ? make_table(c, s, i, f) : rc;
}

void column_close(column *c) {
  if (c->ctx == NULL) return;
  c->be->mem_free(c->ctx, c->table);
  c->be->mem_free(c->ctx, c->norms);
  for (int32_t k = 0; k < MAX_TENSORS; k++) c->be->mem_free(c->ctx, c->memory[k].base);
  for (int32_t k = 0; k < N_BATCH_FIELDS; k++) c->be->mem_free(c->ctx, c->arrays[k].base);
  c->be->close(c->ctx);
  memset(c, 0, sizeof *c);
}

status column_fill(column *c, const fixture *f, fill filler) {
  host_batch h;
  status rc = host_batch_make(&h, f, filler);
  for (int32_t k = 0; rc == OK && k < N_BATCH_FIELDS; k++)
    if (c->arrays[k].base != NULL) rc = guarded_write(c, &c->arrays[k], batch_array(&h.a, &batch_fields[k]));
  host_batch_free(&h);
  for (int32_t k = 1; rc == OK && k < MAX_TENSORS; k++)
    if (c->memory[k].base != NULL) rc = column_write(c, f, k, filler);
  if (rc == OK) rc = c->be->state_write(c->ctx, &f->state);
  return rc == OK ? c->be->result_clear(c->ctx) : rc;
}

status column_refresh(column *c, const fixture *f, fill filler, direction pass) {
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const role of = f->t[k].role;
    if (c->memory[k].base == NULL) continue;
    if (of == REWRITTEN || of == CONSUMED || of == (pass == FORWARD ? SAVED : MADE))
      TRY(column_write(c, f, k, filler));
  }
  return OK;
}

status column_pass(column *c, const suite *s, int32_t i, const fixture *f, direction pass) {
  op_params p;
  bind(c, s, i, f, pass, &p);
  const bool back = pass == BACKWARD;
  const backend *be = c->be;
  if (back && s->backward != NULL) return s->backward(i, be, c->ctx, &p);
  switch (s->kind) {
  case OP_EMBED:
    return back ? be->embed_backward(c->ctx, &p.embed) : be->embed_forward(c->ctx, &p.embed);
  case OP_NORM:
    return back ? be->norm_backward(c->ctx, &p.norm) : be->norm_forward(c->ctx, &p.norm);
  case OP_LINEAR:
    return back ? be->linear_backward(c->ctx, &p.linear) : be->linear_forward(c->ctx, &p.linear);
  case OP_ATTENTION:
    return back ? be->attention_backward(c->ctx, &p.attention) : be->attention_forward(c->ctx, &p.attention);
  case OP_GATHER:
    return back ? be->gather_backward(c->ctx, &p.gather) : be->gather_forward(c->ctx, &p.gather);
  case OP_BAG:
    return back ? be->bag_backward(c->ctx, &p.bag) : be->bag_forward(c->ctx, &p.bag);
  case OP_FUSE:
    return back ? be->fuse_backward(c->ctx, &p.fuse) : be->fuse_forward(c->ctx, &p.fuse);
  case OP_XENT:
    return be->xent(c->ctx, &p.xent);
  case OP_LEASH:
    return be->leash(c->ctx, &p.leash);
  case OP_CLASSIFY:
    return be->classify(c->ctx, &p.classify);
  case OP_DROP:
    return be->drop(c->ctx, &p.drop);
  case OP_SCALE:
    return back ? be->scale_backward(c->ctx, &p.scale) : be->scale_forward(c->ctx, &p.scale);
  case OP_ORTHOGONAL:
    return back ? be->orthogonal_backward(c->ctx, &p.orthogonal)
                : be->orthogonal_forward(c->ctx, &p.orthogonal);
  case OP_IMPORTANCE:
    return back ? be->importance(c->ctx, &p.importance) : OK;
  case OP_OPTIM:
    return be->grad_norm(c->ctx, &p.optim);
  case OP_COUNT:
    break;
  }
  return fail(ERR_INTERNAL, "the op checks know no op of kind %d", (int)s->kind);
}

status column_snapshot(const column *c, const fixture *f, snapshot *out) {
  memset(out, 0, sizeof *out);
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    if (c->at[k] == NULL) continue;
    TRY(mem_new(&out->v[k], elements(&f->t[k]), sizeof(double), "a tensor of the op checks"));
    TRY(column_read(c, f, k, out->v[k]));
  }
  return c->be->result_read(c->ctx, &out->result);
}

void snapshot_free(snapshot *s) {
  for (int32_t k = 0; k < MAX_TENSORS; k++) free(s->v[k]);
  memset(s, 0, sizeof *s);
}

status column_round(column *c, const fixture *f, size_t act_size) {
  if (act_size >= c->be->act_size) return OK;
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const tensor *t = &f->t[k];
    if (c->at[k] == NULL || t->kind != ELEMENT_ACT) continue;
    double *v;
    TRY(mem_new(&v, elements(t), sizeof *v, "a tensor of the op checks"));
    status rc = column_read(c, f, k, v);
    for (size_t j = 0; rc == OK && j < elements(t); j++) v[j] = round_to_act(v[j], act_size);
    if (rc == OK) rc = write_tensor(c, f, k, v);
    free(v);
    TRY(rc);
  }
  return OK;
}

// Is a GIVEN tensor unchanged?
static status given_intact(const column *c, const fixture *f, int32_t k, fill filler, bool *same) {
  const tensor *t = &f->t[k];
  double *v;
  TRY(mem_new(&v, elements(t), sizeof *v, "a tensor of the op checks"));
  const status rc = column_read(c, f, k, v);
  *same = true;
  for (size_t j = 0; rc == OK && j < elements(t); j++) {
    const size_t row = j / (size_t)t->width;
    const row_source r = tensor_row(f, t, row);
    const double was = initial(t, &r, row, j % (size_t)t->width, filler);
    *same = *same && (v[j] == was || (isnan(v[j]) && isnan(was)));
  }
  free(v);
  return rc;
}

status column_guards(const column *c, const fixture *f, char broken[LABEL]) {
  broken[0] = '\0';
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const guarded *g = &c->memory[k];
    unsigned char around[2 * GUARD];
    if (g->base == NULL) continue;
    TRY(c->be->download(c->ctx, around, g->base, GUARD));
    TRY(c->be->download(c->ctx, around + GUARD, g->base + GUARD + g->bytes, g->after));
    for (size_t i = 0; i < GUARD + g->after; i++)
      if (around[i] != GUARD_BYTE) snprintf(broken, LABEL, "memory beside %s was written", f->t[k].name);
  }
  return OK;
}

status column_intact(const column *c, const fixture *f, fill filler, char broken[LABEL]) {
  broken[0] = '\0';
  bool same = true;
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    if (c->memory[k].base == NULL) continue;
    TRY(guarded_read(c, &c->memory[k], NULL, &same));
    if (!same) snprintf(broken, LABEL, "memory beside %s was written", f->t[k].name);
    if (f->t[k].role != GIVEN) continue;
    TRY(given_intact(c, f, k, filler, &same));
    if (!same) snprintf(broken, LABEL, "%s is an input and was written", f->t[k].name);
  }
  host_batch h;
  status rc = host_batch_make(&h, f, filler);
  for (int32_t k = 0; rc == OK && k < N_BATCH_FIELDS; k++) {
    const batch_field *field = &batch_fields[k];
    const size_t bytes = c->arrays[k].bytes;
    if (c->arrays[k].base == NULL) continue;
    char *now;
    rc = mem_new(&now, bytes, 1, "a batch array");
    if (rc == OK) rc = guarded_read(c, &c->arrays[k], now, &same);
    if (rc == OK && (!same || memcmp(now, batch_array(&h.a, field), bytes) != 0))
      snprintf(broken, LABEL, "the batch's %s (%s), or memory beside it, was written", field->name,
               field->text);
    free(now);
  }
  host_batch_free(&h);
  return rc;
}
