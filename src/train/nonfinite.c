// A step that is not finite; see nonfinite.h.
#include "train/nonfinite.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "format/printable.h"
#include "hdf5/h5_reader.h"
#include "hdf5/hdf5_glue.h"
#include "model/item_vectors.h"
#include "model/objective.h"
#include "train/batch_file.h"
#include "train/config.h"

// ---- finding the place ---------------------------------------------------------------------------------------

typedef struct finder {
  nonfinite_place *place;
  int32_t micro;
  tensor_visitor also;
  void *self;
} finder;

static void see(void *self, const tensor_report *t) {
  finder *f = self;
  if (t->nonfinite > 0 && !f->place->found) {
    f->place->found = true;
    f->place->in_parameters = strcmp(t->tensor, "value") == 0;
    f->place->micro = f->micro;
    f->place->first = *t;
  }
  if (f->also != NULL) f->also(f->self, t);
}

status nonfinite_find(model *m, const step_input *in, nonfinite_place *place, tensor_visitor also,
                      void *self) {
  *place = (nonfinite_place){.found = false};
  finder f = {.place = place, .also = also, .self = self};
  TRY(model_forget(m));
  for (f.micro = 0; f.micro < in->n; f.micro++) {
    TRY(model_set_batch(m, in->batches[f.micro], &in->state));
    TRY(model_checked_pass(m, see, &f));
  }
  return model_forget(m);
}

void nonfinite_sentence(const nonfinite_place *place, char *text, size_t bytes) {
  const tensor_report *t = &place->first;
  if (!place->found) {
    snprintf(text, bytes,
             "run again, every tensor of the step is finite: the sum of squares overflowed, or the hardware "
             "made an error");
    return;
  }
  char micro[48] = "", at[96];
  if (place->micro > 0) snprintf(micro, sizeof micro, " (micro-batch %d)", place->micro + 1);
  snprintf(at, sizeof at, "the first (row %lld, column %lld) is %f", (long long)(t->first / t->columns),
           (long long)(t->first % t->columns),
           isnan(t->value) ? fabs(t->value) : t->value); // a NaN has no sign
  snprintf(text, bytes, "%s%s%s: %lld of %lld elements of %s are not finite, %s",
           place->in_parameters ? "parameter " : "", t->where, micro, (long long)t->nonfinite,
           (long long)(t->rows * t->columns), t->tensor, at);
}

// ---- the step in a file --------------------------------------------------------------------------------------

static char kind_of(const batch_field *f) { // i int32, l int64, f float
  return f->real ? 'f' : f->size == sizeof(int64_t) ? 'l' : 'i';
}

static hid_t file_type(char kind) {
  return kind == 'l' ? H5T_STD_I64LE : kind == 'i' ? H5T_STD_I32LE : H5T_IEEE_F32LE;
}
static h5_kind read_kind(char kind) {
  return kind == 'l' ? H5_KIND_I64 : kind == 'i' ? H5_KIND_I32 : H5_KIND_F32;
}

// The capacity of work follows from the others, and is left out. Labels of sequences came with version 4, weights of copy with 5.
enum { FILE_COUNTS = N_BATCH_COUNTS - 1, COUNTS_OF_3 = FILE_COUNTS - 1 };

// The scalars of a step, written and read through one list. Version 1 of the file had names of its own for the scales of two
// objectives; now a scale goes by the objective's name.
enum { STEP_VERSION = 5 };

typedef struct step_scalars {
  int64_t step, seed;
  float lr, scale[MAX_SLOTS], clip_norm;
  int32_t capacities[FILE_COUNTS], micro_batches;
} step_scalars;

typedef struct scalar_field {
  char name[64];
  void *value;
  hsize_t n;
  char kind;
} scalar_field;

enum { SCALAR_FIELDS = 6 + MAX_SLOTS };

static void name_scale(char *name, size_t bytes, const objective *of, int version) {
  if (version == 1)
    snprintf(name, bytes, "%s", of == &objective_masked_lm ? "mlm_scale" : "cls_scale");
  else
    snprintf(name, bytes, "scale/%s", of->name);
}

static int list_scalars(step_scalars *s, const objective_list *l, int version,
                        scalar_field f[SCALAR_FIELDS]) {
  const scalar_field all[] = {{"step", &s->step, 1, 'l'},
                              {"seed", &s->seed, 1, 'l'},
                              {"lr", &s->lr, 1, 'f'},
                              {"clip_norm", &s->clip_norm, 1, 'f'},
                              {"capacities", s->capacities, version >= 4 ? FILE_COUNTS : COUNTS_OF_3, 'i'},
                              {"micro_batches", &s->micro_batches, 1, 'i'}};
  int n = sizeof all / sizeof *all;
  memcpy(f, all, sizeof all);
  for (int32_t k = 0; k < l->n; k++, n++) {
    f[n] = (scalar_field){.value = &s->scale[k], .n = 1, .kind = 'f'};
    name_scale(f[n].name, sizeof f[n].name, l->of[k], version);
  }
  return n;
}

// What a file of a step is written from.
typedef struct step_source {
  const step_input *in;
  const objective_list *objectives;
} step_source;

static status write_contents(hid_t file, const char *path, const step_source *source) {
  const step_input *in = source->in;
  batch_caps caps = in->batches[0]->caps;
  step_scalars s = {.step = in->state.step,
                    .seed = (int64_t)in->state.seed,
                    .lr = in->state.lr,
                    .clip_norm = in->state.clip_norm,
                    .micro_batches = in->n};
  for (int32_t i = 0; i < FILE_COUNTS; i++) s.capacities[i] = *batch_count(&caps, i);
  memcpy(s.scale, in->state.scale, sizeof s.scale);
  scalar_field fields[SCALAR_FIELDS];
  const int n_fields = list_scalars(&s, source->objectives, STEP_VERSION, fields);
  for (int i = 0; i < n_fields; i++)
    TRY(h5_write(file, path, fields[i].name, file_type(fields[i].kind), 1, &fields[i].n, fields[i].value, 0));
  for (int32_t k = 0; k < in->n; k++) {
    char micro[32];
    snprintf(micro, sizeof micro, "micro-%d", k);
    TRY(batch_fields_write(file, path, micro, in->batches[k]));
  }
  return OK;
}

static status write_step(const void *self, const char *path) {
  hid_t file;
  h5_lock();
  status rc = h5_create(&file, path, "souk.step", STEP_VERSION);
  if (rc == OK) rc = h5_finish(file, path, write_contents(file, path, self));
  h5_unlock();
  return rc;
}

status nonfinite_save(const char *dir, model *m, const step_input *in, const train_state *state,
                      const char *config_yaml, const dataset *data) {
  const step_source source = {in, model_objectives(m)};
  checkpoint_content c = {.model = model_get_config(m),
                          .params = model_params(m),
                          .state = state,
                          .config_yaml = config_yaml,
                          .data = data,
                          .items = model_items(m),
                          .extra_name = "batch.h5",
                          .extra = write_step,
                          .extra_self = &source};
  float *copy;
  TRY(params_to_host(c.params, false, &c.values, &copy));
  const status rc = checkpoint_write(dir, &c);
  free(copy);
  return rc;
}

// ---- reading it back -----------------------------------------------------------------------------------------

typedef struct saved_step {
  step_scalars s;
  batch **batches;
} saved_step;

typedef struct step_file {
  h5_reader *reader;
  int32_t file;
  int version;
  const char *path;
} step_file;

static void saved_step_free(saved_step *s) {
  for (int32_t i = 0; s->batches != NULL && i < s->s.micro_batches; i++) batch_free(s->batches[i]);
  free(s->batches);
}

static status bad_array(const char *path, int32_t micro, const char *name) {
  return fail(ERR_FORMAT, "%s: \"micro-%d/%s\" is missing or has the wrong length", path, micro, name);
}

// What version 1 called a field of the batch.
static const char *name_in(const step_file *f, const batch_field *field) {
  return f->version == 1 && strcmp(field->name, "nsp_labels") == 0 ? "cls_labels" : field->name;
}

// What came with versions 3 to 5 is 0 in files before them.
static bool has_field(const step_file *f, const batch_field *field) {
  if (field->count == BATCH_COUNT_targets) return f->version >= 4;
  if (strcmp(field->name, "copy_weights") == 0) return f->version >= 5;
  return f->version >= 3 || strcmp(field->name, "next_weights") != 0;
}

// Reads a field of a micro-batch. Its length gives the count that governs it (tokens, for example) if no earlier
// field has (known).
static status read_field(const step_file *f, int32_t micro, batch *b, const batch_field *field,
                         bool known[N_BATCH_COUNTS]) {
  const h5_kind kind = read_kind(kind_of(field));
  int32_t *const count = batch_count(&b->live, field->count);
  char name[64];
  int64_t n;
  snprintf(name, sizeof name, "micro-%d/%s", micro, name_in(f, field));
  TRY(reader_dims(f->reader, f->file, name, kind, 1, &n));
  const int64_t live = (n - field->more) / field->each;
  if (n < field->more || live * field->each + field->more != n ||
      live > (known[field->count] ? *count : *batch_count(&b->caps, field->count)))
    return bad_array(f->path, micro, field->name);
  if (!known[field->count]) *count = (int32_t)live;
  if (live != *count) return bad_array(f->path, micro, field->name);
  known[field->count] = true;
  return reader_rows(f->reader, f->file, name, kind, 1, 0, n, 1, batch_array(&b->arrays, field));
}

// Ops do not check batches, so one from a file must satisfy everything that the batcher guarantees.
static status read_micro(const step_file *f, int32_t micro, batch *b, const model_config *c) {
  const batch_limits limits = {.vocab = c->vocab_size,
                               .types = c->segments * c->event_types,
                               .positions = c->max_positions,
                               .class_begin = c->copy_classes > 0 ? 0 : c->class_base,
                               .class_end = c->copy_classes > 0 ? c->copy_classes
                                                                : (int64_t)c->class_base + c->classes,
                               .seq_classes = 2,
                               .target_classes = model_target_classes(c)};
  bool known[N_BATCH_COUNTS] = {false};
  batch_clear(b);
  for (int i = 0; i < N_BATCH_FIELDS; i++)
    if (has_field(f, &batch_fields[i])) TRY(read_field(f, micro, b, &batch_fields[i], known));
  const status rc = batch_check(&b->arrays, b->live, &limits);
  if (rc != OK) return fail(rc, "%s: micro-%d/%s", f->path, micro, fail_message());
  batch_finish(b);
  return OK;
}

// Limits capacities, so that a file cannot make this process allocate any amount of memory.
static status read_sizes(const step_file *f, const step_scalars *s, batch_caps *caps) {
  const int64_t most = 1 << 24, together = 1 << 28;
  int64_t sum = 0;
  bool good = s->micro_batches >= 1 && s->micro_batches <= 4096;
  *caps = (batch_caps){.work = 0};
  for (int32_t i = 0; i < FILE_COUNTS; i++) {
    const int32_t cap = *batch_count(caps, i) = s->capacities[i];
    good = good && cap >= 0 && cap <= most;
    sum += cap;
  }
  if (!good || caps->tokens < 1 || caps->seqs < 1 || caps->masked < 1 || s->micro_batches * sum > together)
    return fail(ERR_FORMAT, "%s: \"micro_batches\" or \"capacities\" is out of range", f->path);
  return OK;
}

static status read_contents(const step_file *f, const model_config *c, saved_step *out) {
  scalar_field fields[SCALAR_FIELDS];
  objective_list objectives;
  TRY(objectives_of(&objectives, c));
  const int n_fields = list_scalars(&out->s, &objectives, f->version, fields);
  for (int i = 0; i < n_fields; i++) {
    const h5_kind kind = read_kind(fields[i].kind);
    int64_t n;
    TRY(reader_dims(f->reader, f->file, fields[i].name, kind, 1, &n));
    if ((hsize_t)n != fields[i].n)
      return fail(ERR_FORMAT, "%s: \"%s\" has the wrong length", f->path, fields[i].name);
    TRY(reader_rows(f->reader, f->file, fields[i].name, kind, 1, 0, n, 1, fields[i].value));
  }
  if (out->s.step < 0 || out->s.step > (int64_t)1 << 52)
    return fail(ERR_FORMAT, "%s: \"step\" is out of range", f->path);
  batch_caps caps;
  TRY(read_sizes(f, &out->s, &caps));
  const int32_t n = out->s.micro_batches;
  out->s.micro_batches = 0; // until they have been read
  TRY(mem_new(&out->batches, (size_t)n, sizeof *out->batches, "micro-batches"));
  for (int32_t i = 0; i < n; i++) {
    TRY(batch_new(&out->batches[i], caps));
    out->s.micro_batches = i + 1;
    TRY(read_micro(f, i, out->batches[i], c));
  }
  return OK;
}

static status read_step(const char *path, const model_config *c, saved_step *out) {
  step_file f = {.path = path};
  TRY(reader_start(&f.reader));
  status rc = ERR_FORMAT;
  for (f.version = 0; rc == ERR_FORMAT && f.version < STEP_VERSION;)
    rc = reader_open(f.reader, path, "souk.step", ++f.version, &f.file);
  if (rc == OK) rc = read_contents(&f, c, out);
  reader_stop(f.reader);
  return rc;
}

// ---- replay --------------------------------------------------------------------------------------------------

enum { SHOWN = 12 }; // tensors that are printed before the non-finite one

typedef struct table {
  bool trace, found;
  tensor_report ring[SHOWN];
  int64_t n;
} table;

static void print_row(const tensor_report *t) {
  char name[192];
  snprintf(name, sizeof name, "%s: %s", t->where, t->tensor);
  printf("  %-72s %8lld x %-6lld %12.4g %12lld\n", name, (long long)t->rows, (long long)t->columns,
         t->largest, (long long)t->nonfinite);
}

static void collect(void *self, const tensor_report *t) {
  table *b = self;
  if (b->trace) {
    print_row(t);
    return;
  }
  if (b->found) return;
  if (t->nonfinite > 0) {
    b->found = true;
    for (int64_t i = b->n > SHOWN ? b->n - SHOWN : 0; i < b->n; i++) print_row(&b->ring[i % SHOWN]);
    print_row(t);
    return;
  }
  b->ring[b->n++ % SHOWN] = *t;
}

static status run_again(const checkpoint *c, const run_config *run, const saved_step *s, bool trace) {
  const batch_caps caps = s->batches[0]->caps;
  const model_run mr = train_model_run(run, caps);
  model *m;
  TRY(model_create(&m, device_names[run->train.device], &c->model, &mr));
  step_input in = {
      .state = {.step = s->s.step, .seed = (uint64_t)s->s.seed, .lr = s->s.lr, .clip_norm = s->s.clip_norm},
      .n = s->s.micro_batches,
      .batches = (const batch *const *)s->batches};
  memcpy(in.state.scale, s->s.scale, sizeof in.state.scale);
  nonfinite_place place = {.found = false};
  table t = {.trace = trace};
  char dir[4 * PATH_MAX];
  printf("step %lld of %s, %d micro-batch(es), learning rate %.3g\n\n  %-72s %17s %12s %12s\n",
         (long long)s->s.step + 1, printable(dir, sizeof dir, c->dir, ""), s->s.micro_batches,
         (double)s->s.lr, "tensor", "shape", "largest", "not finite");
  status rc = checkpoint_load(c, m, false);
  if (rc == OK) rc = nonfinite_find(m, &in, &place, collect, &t);
  model_free(m);
  TRY(rc);
  char text[512];
  nonfinite_sentence(&place, text, sizeof text);
  printf("\n%s\n", text);
  return place.found ? fail(ERR_NONFINITE, "%s", text) : OK;
}

// RUN/nonfinite-..., the newest; DIR and FILE/batch.h5 as they are.
static status find_step(const char *path, char dir[PATH_MAX]) {
  char file[PATH_MAX + 64], best[64] = "";
  TRY(path_join(file, sizeof file, path, "batch.h5"));
  const char *slash = strrchr(path, '/');
  const size_t n = strlen(path);
  if (file_exists(path) && n > 8 && strcmp(path + n - 8, "batch.h5") == 0) {
    const int length = slash != NULL ? (int)(slash - path) : 1;
    snprintf(dir, PATH_MAX, "%.*s", length, slash != NULL ? path : ".");
    return OK;
  }
  if (file_exists(file)) { // without a slash at the end
    snprintf(dir, PATH_MAX, "%s", path);
    for (size_t i = strlen(dir); i > 1 && dir[i - 1] == '/';) dir[--i] = '\0';
    return OK;
  }
  TRY(path_check(path, PATH_RUN));
  DIR *d = opendir(path);
  if (d == NULL) return fail(ERR_IO, "cannot open directory %s: %s", path, strerror(errno));
  for (struct dirent *e; (e = readdir(d)) != NULL;)
    if (strncmp(e->d_name, "nonfinite-", 10) == 0 && strlen(e->d_name) < sizeof best &&
        strspn(e->d_name + 10, "0123456789") == strlen(e->d_name + 10) && strcmp(e->d_name, best) > 0)
      strcpy(best, e->d_name);
  closedir(d);
  if (best[0] == '\0') return fail(ERR_NOT_FOUND, "%s holds no saved non-finite step", path);
  return path_join(dir, PATH_MAX, path, best);
}

status nonfinite_replay(const char *path, bool trace) {
  char dir[PATH_MAX], file[PATH_MAX + 64];
  static run_config run;
  checkpoint *c;
  TRY(find_step(path, dir));
  TRY(path_join(file, sizeof file, dir, "batch.h5"));
  TRY(checkpoint_open(&c, dir));
  saved_step s = {.batches = NULL};
  status rc = run_config_read(&run, c);
  if (rc == OK) rc = read_step(file, &c->model, &s);
  if (rc == OK) rc = run_again(c, &run, &s, trace);
  saved_step_free(&s);
  checkpoint_close(c);
  return rc;
}
