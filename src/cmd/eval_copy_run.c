// Judging a run's copy; see eval_copy_run.h.
#include "cmd/eval_copy_run.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "cmd/scratch_dir.h"
#include "convert/export.h"
#include "eval/copy_scores.h"
#include "eval/evaluation.h"
#include "eval/trained_on.h"
#include "model/checkpoint_find.h"
#include "model/objective.h"
#include "train/config.h"

typedef struct copy_run {
  const eval_copy_run_how *how;
  const eval_copy_flags *flags;
  copy_part part;
  checkpoint *c;
  dataset *d;
  copy_examples *examples;
  copy_requests requests;
  copy_written written;
  copy_score score; // of the model at the references
  copy_terms *terms;
} copy_run;

// ---- what is asked ---------------------------------------------------------------------------------------------

static status check_writes(const checkpoint *c) {
  objective_list l;
  TRY(objectives_of(&l, &c->model));
  return objectives_slot(&l, &objective_copy) >= 0
             ? OK
             : fail(ERR_ARGUMENT, "%s was not trained to write copy; souk finetune --task promo does that",
                    c->dir);
}

static status open_data(copy_run *r) {
  char dir[OPTION_STRING];
  trained_on trained = {.parts = TRAINED_HERE};
  snprintf(dir, sizeof dir, "%s", r->how->data);
  if (dir[0] == '\0') TRY(run_config_data(r->c, dir));
  log_doing("reading %s", dir);
  TRY(dataset_open(&r->d, dir, true));
  return trained_on_compare(&trained, r->c, r->d, r->how->other_data);
}

static status open_rows(copy_run *r) {
  run_config *run;
  copy_layout layout;
  const seq_layout layout_of_model = model_layout(&r->c->model);
  TRY(mem_new(&run, 1, sizeof *run, "a run's configuration"));
  status rc = run_config_read(run, r->c);
  if (rc == OK) rc = copy_layout_of(&layout, r->d, &run->data, &layout_of_model);
  if (rc == OK) rc = copy_examples_open(&r->examples, r->d, &layout);
  if (rc == OK && !run->data.copy.history) copy_examples_forget_users(r->examples);
  free(run);
  TRY(rc);
  TRY(copy_requests_read(&r->requests, r->d, r->examples, r->part, r->flags->rows));
  return OK;
}

static status open_run(copy_run *r) {
  TRY(checkpoint_open_chosen(&r->c, r->how->where, r->how->which));
  TRY(check_writes(r->c));
  r->c->raw = r->how->raw;
  TRY(open_data(r));
  return open_rows(r);
}

// ---- what the model says ---------------------------------------------------------------------------------------

static status score_references(copy_run *r) {
  model *m;
  log_doing("scoring the references");
  // Not of the data set's histories: rows of copy are longer, and have a prediction a token.
  TRY(checkpoint_model(&m, r->c, NULL, r->how->device, r->how->threads));
  const status rc = copy_score_part(&r->score, m, r->examples, r->part);
  model_free(m);
  return rc;
}

static status write_copy(copy_run *r, const copy_decoding *decoding, uint64_t seed) {
  const char *scratch;
  char bundle[PATH_MAX];
  const export_config config = {.force = true, .raw = r->how->raw};
  TRY(scratch_dir(&scratch));
  TRY(path_join(bundle, sizeof bundle, scratch, "bundle"));
  log_doing("exporting %s", r->c->dir);
  TRY(export_bundle(r->c->dir, bundle, &config, NULL));
  TRY(copy_write(&r->written, bundle, &r->requests, decoding, seed,
                 r->how->threads > 0 ? r->how->threads : -1));
  log_status_end();
  const copy_written *const w = &r->written;
  if (w->strange > 0)
    log_warn("the sources of %lld of %lld requests are not as long as in training, which read %lld words of "
             "searches with them that a request has no place for; the perplexity is with them",
             (long long)w->strange, (long long)w->n, (long long)r->requests.searches);
  if (w->templates + w->refused > 0)
    log_warn("%lld of %lld copies are templates and %lld are empty, because none could be written within the "
             "rules; "
             "--generated has the reasons",
             (long long)w->templates, (long long)w->n, (long long)w->refused);
  return OK;
}

static status find_terms(copy_run *r) {
  const copy_requests *const q = &r->requests;
  TRY(mem_new(&r->terms, (size_t)q->n, sizeof *r->terms, "terms of copies"));
  for (int64_t i = 0; i < q->n; i++)
    r->terms[i] =
        copy_terms_of(r->written.texts[i], q->references[i], &q->terms[i], q->markets[i], q->languages[i]);
  return OK;
}

// ---- what is told ----------------------------------------------------------------------------------------------

// The row as souk prepare keeps it, its copy as reference and what was written as copy.
static status write_line(out_file *f, const copy_run *r, int64_t i) {
  const copy_written *const w = &r->written;
  json_t *const j =
      json_pack("{s:s,s:s,s:f,s:i}", "copy", w->texts[i], "reference", r->requests.references[i],
                "log_probability", w->log_probability[i], "tokens", (int)w->tokens[i]);
  if (j == NULL) return fail(ERR_MEMORY, "out of memory: a line of generated copy");
  if (w->flags[i] & SOUK_COPY_TEMPLATE) json_object_set_new(j, "template", json_true());
  if (w->flags[i] & SOUK_COPY_REFUSED) json_object_set_new(j, "refused", json_true());
  if (w->flags[i] & SOUK_COPY_CUT) json_object_set_new(j, "cut", json_true());
  if (w->reasons[i][0] != '\0') json_object_set_new(j, "reason", json_string(w->reasons[i]));
  const char *name;
  json_t *value;
  json_object_foreach(r->requests.lines[i], name, value) if (strcmp(name, "copy") != 0)
      json_object_set(j, name, value);
  char *const text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9));
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: a line of generated copy");
  const status rc = out_printf(f, "%s\n", text);
  free(text);
  return rc;
}

static status write_generated(const copy_run *r) {
  out_file *f;
  status rc = OK;
  if (r->flags->generated[0] == '\0') return OK;
  TRY(out_open(&f, r->flags->generated));
  for (int64_t i = 0; i < r->requests.n && rc == OK; i++) rc = write_line(f, r, i);
  return out_finish(f, rc);
}

static status judge(copy_run *r, const copy_decoding *decoding, const eval_copy_flags *f,
                    const eval_copy_how *how) {
  char decoded[DECODING_TEXT], references[64];
  int64_t chinese = 0;
  for (int64_t i = 0; i < r->requests.n; i++) chinese += r->requests.languages[i] == LANGUAGE_ZH;
  const copy_how metrics = eval_copy_metrics(f, how, 2 * chinese > r->requests.n);
  char *const *const lists[] = {(char *const *)r->requests.references};
  const copy_corpus c = {.n = r->requests.n,
                         .n_references = 1,
                         .copies = r->written.texts,
                         .references = lists,
                         .terms = r->terms,
                         .perplexity = copy_perplexity(&r->score)};
  snprintf(references, sizeof references, "%s part of the data set", copy_part_names[r->part]);
  copy_origin o = {.checkpoint = r->c->dir,
                   .references = references,
                   .decoding = copy_decoding_text(decoding, (uint64_t)how->seed, decoded)};
  return eval_copy_tell(&c, &metrics, &o, how);
}

static status run_all(copy_run *r, const copy_decoding *decoding, const eval_copy_flags *f,
                      const eval_copy_how *how) {
  TRY(open_run(r));
  TRY(score_references(r));
  TRY(write_copy(r, decoding, (uint64_t)how->seed));
  TRY(find_terms(r));
  TRY(write_generated(r));
  return judge(r, decoding, f, how);
}

status eval_copy_run(const eval_copy_run_how *run, const copy_decoding *decoding, const eval_copy_flags *f,
                     const eval_copy_how *how) {
  const named_path paths[] = {
      {"--generated", f->generated}, {"--figures", how->figures}, {"--report", how->report}};
  TRY(paths_check_distinct(paths, sizeof paths / sizeof *paths));
  copy_run r = {.how = run, .flags = f, .part = run->part == 0 ? COPY_VALID : COPY_TEST};
  const status rc = run_all(&r, decoding, f, how);
  log_status_end();
  free(r.terms);
  copy_written_free(&r.written);
  copy_requests_free(&r.requests);
  copy_examples_close(r.examples);
  dataset_close(r.d);
  checkpoint_close(r.c);
  return rc;
}
