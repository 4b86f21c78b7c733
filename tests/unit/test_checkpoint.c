// Checkpoints as files: what is written is read back to the bit, every field of a manifest is checked, and what is frozen comes
// from the base.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/saved_model.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "base/file.h"
#include "model/checkpoint_base.h"
#include "train/run_dir.h"

static void test_round_trip(void **unused) {
  (void)unused;
  saved_model f;
  saved_set_up(&f);
  check_ok(saved_write(&f));
  checkpoint *c;
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_memory_equal(&c->state, &saved_state, sizeof saved_state); // doubles to the bit
  assert_string_equal(c->config_yaml, saved_yaml);
  assert_string_equal(c->data.checksum, dataset_get_info(f.d)->checksum);
  assert_true(c->has_optimizer && !c->has_catalogue);
  model_config config = tiny_config();
  model *other = tiny_model(f.d, &config);
  check_ok(params_make_moments(model_params(other)));
  const param_set *p = model_params(f.m), *q = model_params(other);
  for (int64_t i = 0; i < q->elements; i++) q->master[i] = -1.0f;
  check_ok(checkpoint_load(c, other, true));
  for (int32_t i = 0; i < p->count; i++) {
    const int64_t at = p->items[i].offset;
    const size_t bytes = (size_t)p->items[i].size * sizeof(float);
    assert_memory_equal(p->master + at, q->master + at, bytes);
    assert_memory_equal(p->m + at, q->m + at, bytes);
    assert_memory_equal(p->v + at, q->v + at, bytes);
  }
  model_free(other);
  // Another shape does not fit, and says which tensor.
  config.intermediate = 32;
  other = tiny_model(f.d, &config);
  check_fails(checkpoint_load(c, other, false), ERR_FORMAT, "dense");
  model_free(other);
  checkpoint_close(c);
  // Without moments there is nothing to resume from.
  check_ok(tiny_checkpoint(f.checkpoint, f.m, &saved_state, saved_yaml, f.d, false)); // replaces
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_false(c->has_optimizer);
  check_fails(checkpoint_load(c, f.m, true), ERR_FORMAT, "no optimiser state");
  checkpoint_close(c);
  saved_tear_down(&f);
}

// Replaces the first occurrence of `from` in the manifest.
static void edit(const saved_model *f, const char *from, const char *to) {
  char path[PATH_MAX], *text, *out;
  size_t bytes;
  check_ok(path_join(path, sizeof path, f->checkpoint, "manifest.json"));
  check_ok(file_read(path, 1 << 20, &text, &bytes));
  char *at = strstr(text, from);
  if (at == NULL) fail_msg("the manifest has no %s", from);
  out = malloc(bytes + strlen(to) + 1);
  assert_non_null(out);
  const int n = sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  check_ok(file_write_atomic(path, out, (size_t)n));
  free(text);
  free(out);
}

// ---- averaged weights ----------------------------------------------------------------------------------------

static const train_state averaged_state = {
    .step = 12, .best_step = 8, .best_name = "ndcg@10", .average_scale = 0.25};

// A model that averages: of the saved model's shape, with lags that follow from their place.
static model *averaging_model(const saved_model *f) {
  model_config config = tiny_config();
  model *m = tiny_model(f->d, &config);
  param_set *s = model_params(m);
  s->averages = true;
  check_ok(params_make_moments(s));
  for (int64_t i = 0; i < s->elements; i++) s->lag[i] = (float)(i % 1013) * 1e-3f - 0.5f;
  return m;
}

static bool same_arena(const param_set *s, const float *a, const float *b, float scale, const float *lag) {
  bool same = true;
  for (int32_t i = 0; i < s->count; i++)
    for (int64_t j = s->items[i].offset; j < s->items[i].offset + s->items[i].size; j++)
      same = same && a[j] == b[j] + scale * lag[j];
  return same;
}

// Weights, moments and lags come back to the bit to train on; whatever else is done takes the averages, or the raw weights if
// it asks for them.
static void test_averages(void **unused) {
  (void)unused;
  saved_model f;
  saved_set_up(&f);
  model *m = averaging_model(&f), *other = averaging_model(&f);
  const param_set *p = model_params(m), *q = model_params(other);
  check_ok(tiny_checkpoint(f.checkpoint, m, &averaged_state, saved_yaml, f.d, true));
  checkpoint *c;
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_true(c->averaged != NULL && c->state.average_scale == 0.25);
  for (int64_t i = 0; i < q->elements; i++) q->lag[i] = q->master[i] = -1.0f;
  check_ok(checkpoint_load(c, other, true));
  assert_true(same_arena(p, q->master, p->master, 0, p->lag));
  assert_true(same_arena(p, q->lag, p->lag, 0, p->lag));
  check_ok(checkpoint_load(c, other, false));
  assert_true(same_arena(p, q->master, p->master, 0.25f, p->lag));
  c->raw = true;
  check_ok(checkpoint_load(c, other, false));
  assert_true(same_arena(p, q->master, p->master, 0, p->lag));
  checkpoint_close(c);
  // One without averages leaves those of a model that averages as they are: it begins with what it has.
  check_ok(saved_write(&f));
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_true(c->averaged == NULL);
  for (int64_t i = 0; i < q->elements; i++) q->lag[i] = 0;
  check_ok(checkpoint_load(c, other, true));
  for (int64_t i = 0; i < q->elements; i++) assert_true(q->lag[i] == 0);
  checkpoint_close(c);
  model_free(m);
  model_free(other);
  saved_tear_down(&f);
}

static void test_average_fields(void **unused) {
  (void)unused;
  static const struct {
    const char *from, *to, *says;
  } cases[] = {{"\"scale\": 0.25", "\"scale\": 0", "\"average.scale\""},
               {"\"scale\": 0.25", "\"scale\": 1.5", "\"average.scale\""},
               {"\"scale\": 0.25", "\"scale\": \"x\"", "\"average.scale\""},
               {"\"parameters\": [", "\"parameters\": [7, ", "\"average.parameters\""},
               {"\"parameters\": [", "\"parameters\": [\"no.such\"], \"names\": [", "\"average.names\""},
               {"\"average.h5\"", "\"averag.h5\"", "averag.h5"}};
  saved_model f;
  saved_set_up(&f);
  model *m = averaging_model(&f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    check_ok(tiny_checkpoint(f.checkpoint, m, &averaged_state, saved_yaml, f.d, true));
    edit(&f, cases[i].from, cases[i].to);
    checkpoint *c;
    if (checkpoint_open(&c, f.checkpoint) == OK || strstr(fail_message(), cases[i].says) == NULL)
      fail_msg("%s -> %s: %s", cases[i].from, cases[i].to, fail_message());
    assert_null(c);
  }
  model_free(m);
  saved_tear_down(&f);
}

static void test_manifest(void **unused) {
  (void)unused;
  static const struct {
    const char *from, *to, *says;
  } cases[] = {
      {"souk.checkpoint", "souk.bundle", "not a checkpoint's manifest"},
      {"\"step\": 12", "\"step\": -1", "\"state.step\""},
      {"\"epoch\": 3", "\"epoch\": \"3\"", "\"state.epoch\""},
      {"\"index\"", "\"indexx\"", "\"state.index\""},
      {"\"step\": 12", "\"step\": 9223372036854775807", "manifest.json: field \"state.step\""},
      {"\"epoch\": 3", "\"epoch\": 4611686018427387904", "manifest.json: field \"state.epoch\""},
      {"\"index\": 4", "\"index\": 4611686018427387904", "\"state.index\""},
      {"\"tokens\": 123456789012345", "\"tokens\": 9223372036854775807", "\"state.tokens\""},
      {"\"best_step\": 8", "\"best_step\": 13", "\"state.best_step\""},
      {"\"bad_evals\": 2", "\"bad_evals\": 2.0", "\"state.bad_evals\""},
      {"\"skipped\": 1", "\"skipped\": -1", "\"state.skipped\""},
      {"\"untrained\": [", "\"untrained\": [7, ", "\"state.untrained\""},
      {"\"untrained\": [", "\"untrained\": [\"ranking\", ", "\"state.untrained\""},
      {"\"example\": 5", "\"example\": -2", "\"state.example\""},
      {"\"paced_step\": 2", "\"paced_step\": 13", "\"state.paced_step\""},
      {"\"seconds\": ", "\"seconds\": -", "\"state.seconds\""},
      {"\"best_metric\"", "\"best_metrik\"", "\"state.best_metric\""},
      {"\"loss\": ", "\"loss\": 1.7e308, \"losses\": ", "\"state.window.masked_lm.loss\""},
      {"\"weight\": ", "\"weight\": -", "\"state.window.masked_lm.weight\""},
      {"\"hits\": ", "\"hits\": true, \"hit\": ", "\"state.window.masked_lm.hits\""},
      {"\"class_base\": ", "\"class_base\": 922337203685477580", "\"model.class_base\""},
      {"\"best_name\": \"", "\"best_name\": 7, \"name\": \"", "\"state.best_name\""},
      {"\"state\": {", "\"state\": 5, \"s\": {", "\"state\""},
      {"\"hidden\": 16", "\"hidden\": 1e9", "\"model.hidden\""},
      {"\"layers\": 2", "\"layers\": 100000", "\"model.layers\""},
      {"\"layers\": 2", "\"layers\": 500", "larger than what model.h5 holds"},
      {"\"vocab_size\": 35", "\"vocab_size\": 1000000000", "larger than what model.h5 holds"},
      {"\"heads\": 2", "\"heads\": 3", "\"model.heads\""},
      {"\"hidden\"", "\"width\"", "\"model.hidden\""},
      {"\"event_types\": ", "\"event_types\": -", "\"model.event_types\""},
      {"\"activation\": \"gelu_new\"", "\"activation\": 2", "\"model.activation\""},
      {"\"activation\": \"gelu_new\"", "\"activation\": -1", "\"model.activation\""},
      {"\"pooler\": false", "\"pooler\": 0", "\"model.pooler\""},
      {"\"vocab_size\": 35", "\"vocab_size\": 34", "\"model.classes\""},
      {"\"checksum\": \"", "\"checksum\": \"x", "\"data.checksum\""},
      {"\"event_types\": [", "\"event_types\": [1,", "\"data.event_types\""},
      {"\"range_end\": [", "\"range_end\": [7,", "\"data.range_end\""},
      {"\"range_end\": [\n   5,\n   5,\n   5", "\"range_end\": [6, 6, 6", "\"data.range_end\""},
      {"\"classes\": 3", "\"classes\": 2", "\"data.range_end\" are not among \"model.classes\""},
      {"\"config\"", "\"confik\"", "\"config\""},
      {"\"model.h5\"", "\"other.h5\"", "\"files\""},
      {"\"optimizer.h5\"", "\"../optimizer.h5\"", "\"files\""},
      {"\"vocab.tsv\"", "\"vocab.tsv\": {\"bytes\":1}, \"vocab.tsv\"", "duplicate"},
      {"\"bytes\": ", "\"bytes\": 1", "damaged or cut short"},
      {"\"sha256\": \"", "\"sha256\": \"0", "64 hexadecimal digits"},
      {"\"sha256\"", "\"sha1\"", "field \"files."},
      {"{", "", "manifest.json line"},
  };
  saved_model f;
  saved_set_up(&f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    check_ok(saved_write(&f));
    edit(&f, cases[i].from, cases[i].to);
    checkpoint *c;
    const status rc = checkpoint_open(&c, f.checkpoint);
    if ((rc != ERR_FORMAT && rc != ERR_CHECKSUM) || strstr(fail_message(), cases[i].says) == NULL)
      fail_msg("%s -> %s: %s (status %d)", cases[i].from, cases[i].to, fail_message(), rc);
    assert_null(c);
  }
  saved_tear_down(&f);
}

// Fields of a version to come: an error that names it, and no damage.
static void test_unknown_fields(void **unused) {
  (void)unused;
  static const struct {
    const char *before, *field;
  } cases[] = {{"\"dropout\"", "model.rotary"},
               {"\"epoch\"", "state.rotary"},
               {"\"masked_lm\": {", "state.window.rotary"},
               {"\"hits\"", "state.window.masked_lm.rotary"},
               {"\"checksum\"", "data.rotary"},
               {"\"files\"", "rotary"}};
  saved_model f;
  saved_set_up(&f);
  checkpoint *c;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char inserted[64], sentence[256];
    check_ok(saved_write(&f));
    snprintf(inserted, sizeof inserted, "\"rotary\": true, %s", cases[i].before);
    edit(&f, cases[i].before, inserted);
    edit(&f, "\"created_by\": \"souk " SOUK_VERSION "\"", "\"created_by\": \"souk 0.9.0\"");
    snprintf(sentence, sizeof sentence,
             "step-00000012/manifest.json: field \"%s\" is unknown; souk 0.9.0 wrote it, this is "
             "souk " SOUK_VERSION,
             cases[i].field);
    check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED, sentence);
  }
  // The run's checkpoint stays where it is.
  check_fails(run_resume(&c, f.run, 9, true), ERR_UNSUPPORTED, "souk 0.9.0 wrote it");
  assert_true(dir_exists(f.checkpoint));
  edit(&f, "\"created_by\": \"souk 0.9.0\",", "");
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED, "does not say which version wrote it");
  // A choice that a later version may have added is not damage either.
  check_ok(saved_write(&f));
  edit(&f, "\"activation\": \"gelu_new\"", "\"activation\": \"relu\"");
  check_fails(
      checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED,
      "manifest.json: field \"model.activation\": \"relu\" is not one of gelu_new|gelu; souk " SOUK_VERSION
      " wrote it");
  check_ok(saved_write(&f));
  edit(&f, "\"objectives\": \"masked_lm", "\"objectives\": \"masked_words");
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED,
              "manifest.json, which souk " SOUK_VERSION " wrote: model.objectives: there is no objective");
  check_ok(saved_write(&f));
  edit(&f, "\"objectives\": \"", "\"objectives\": \"next_session, ");
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED,
              "model.objectives: next_session needs model.pooler");
  check_fails(run_resume(&c, f.run, 9, true), ERR_UNSUPPORTED, "needs model.pooler");
  assert_true(dir_exists(f.checkpoint));
  check_ok(saved_write(&f));
  edit(&f, "\"version\": 1", "\"version\": 2");
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED,
              "reads (1); souk " SOUK_VERSION " wrote it");
  saved_tear_down(&f);
}

// What a checkpoint may lack, and what it then is; choices as names and, as 0.1.0 wrote them, as numbers.
static void test_missing_fields(void **unused) {
  (void)unused;
  saved_model f;
  saved_set_up(&f);
  check_ok(saved_write(&f));
  checkpoint *c;
  static const char *const lacking[] = {"\"activation\": \"gelu_new\",", "\"score\": \"dot\",",
                                        "\"pre_norm\": false,", "\"skipped\": 1,"};
  for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) edit(&f, lacking[i], "");
  edit(&f, "\"intermediate\": 64", "\"intermediate\": 0");
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_int_equal(c->model.activation, 0);
  assert_int_equal(c->model.score, 0);
  assert_false(c->model.pre_norm);
  assert_int_equal(c->model.intermediate, 4 * c->model.hidden);
  assert_int_equal(c->state.skipped, 0);
  assert_memory_equal(c->state.window, saved_state.window, sizeof saved_state.window);
  checkpoint_close(c);
  check_ok(saved_write(&f));
  edit(&f, "\"activation\": \"gelu_new\"", "\"activation\": 1");
  edit(&f, "\"score\": \"dot\"", "\"score\": \"cosine\"");
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_int_equal(c->model.activation, 1);
  assert_int_equal(c->model.score, 1);
  checkpoint_close(c);
  saved_tear_down(&f);
}

static void test_base_paths(void **unused) {
  (void)unused;
  static const struct {
    const char *dir, *base, *relative; // NULL: there is none
  } cases[] = {{"/a/light/step-1", "/a/base/step-2", "../../base/step-2"},
               {"/a/step-1", "/a/step-2", "../step-2"},
               {"/a/b/step-1", "/a/step-2", "../../step-2"},
               {"/a/step", "/a/step-2", "../step-2"}, // "step" begins "step-2", and is no folder of it
               {"/a/step-2", "/a/step", "../step"},
               {"/a/step-1", "/b/step-2", NULL},
               {"/a/step-1", "/a/step-1", NULL},
               {"/a/step-1", "/a", NULL},
               {"/a", "/a/step-1", NULL}};
  char relative[PATH_MAX], place[PATH_MAX], real[PATH_MAX];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const bool found = base_relative(relative, cases[i].dir, cases[i].base);
    assert_int_equal(found, cases[i].relative != NULL);
    if (found) assert_string_equal(relative, cases[i].relative);
  }
  char dir[256], inner[330], wanted[PATH_MAX + 8];
  tiny_directory(dir, sizeof dir);
  assert_non_null(realpath(dir, real));
  snprintf(inner, sizeof inner, "%s/inner", dir);
  check_ok(dir_make(inner));
  snprintf(wanted, sizeof wanted, "%s/base", real);
  assert_true(base_from(place, inner, "../base"));
  assert_string_equal(place, wanted);
  assert_false(base_from(place, "/no/such", "../base"));
  assert_false(base_from(place, "/", "../base"));
  tiny_remove(dir);
}

// A checkpoint that leaves out what is frozen: what its field "base" may say.
static void test_base(void **unused) {
  (void)unused;
  static const struct {
    const char *from, *to, *says;
    status rc;
  } cases[] = {
      {"\"path\": \"/", "\"path\": 7, \"p\": \"", "\"base.path\"", ERR_FORMAT},
      {"\"relative\": \"", "\"relative\": 7, \"r\": \"", "\"base.relative\"", ERR_FORMAT},
      {"\"path\": \"/", "\"path\": \"", "\"base.path\"", ERR_FORMAT},
      {"\"parameters\": [", "\"parameters\": 7, \"p\": [", "\"base.parameters\"", ERR_FORMAT},
      {"\"parameters\": [", "\"parameters\": [7, ", "\"base.parameters\"", ERR_FORMAT},
      {"\"parameters\": [", "\"rotary\": 7, \"parameters\": [", "field \"base.rotary\" is unknown",
       ERR_UNSUPPORTED},
      {"\"bert.embeddings.position_embeddings.weight\"", "\"not that\"",
       "model.h5: dataset \"bert.embeddings.position_embeddings.weight\" is missing", ERR_FORMAT},
  };
  saved_model f;
  saved_set_up(&f);
  checkpoint *c;
  checkpoint_base base = {.dir = ""};
  char whole[PATH_MAX], *text;
  check_ok(path_join(whole, sizeof whole, f.dir, "whole"));
  check_ok(tiny_checkpoint(whole, f.m, &saved_state, saved_yaml, f.d, false));
  check_ok(checkpoint_open(&c, whole));
  strcpy(base.dir, whole);
  strcpy(base.sha256, c->model_sha256);
  const int64_t whole_bytes = c->model_bytes;
  checkpoint_close(c);

  // The model once more, with the embeddings frozen and another value in what is trained.
  model_config config = tiny_config();
  const dataset_info *info = dataset_get_info(f.d);
  check_ok(model_config_resolve(&config, info->range_end, info->n_event_types));
  const model_run run = {
      .caps = {.tokens = 64, .seqs = 8, .masked = 8}, .training = true, .freeze = "bert.embeddings.*"};
  model *m, *other = tiny_model(f.d, &config);
  check_ok(model_create(&m, "cpu", &config, &run));
  check_ok(checkpoint_open(&c, whole));
  check_ok(checkpoint_load(c, m, false));
  checkpoint_close(c);
  param_master(model_params(m), param_find(model_params(m), "cls.predictions.bias"))[3] = 42;
  const checkpoint_content content = {.model = model_get_config(m),
                                      .params = model_params(m),
                                      .values = params_values(model_params(m)),
                                      .state = &saved_state,
                                      .config_yaml = saved_yaml,
                                      .data = f.d,
                                      .base = &base};
  check_ok(checkpoint_write(f.checkpoint, &content));
  check_ok(checkpoint_open(&c, f.checkpoint));
  assert_true(checkpoint_takes_from_base(c, "bert.embeddings.position_embeddings.weight"));
  assert_false(checkpoint_takes_from_base(c, "cls.predictions.bias"));
  assert_true(c->model_bytes - whole_bytes < whole_bytes);
  check_ok(checkpoint_load(c, other, false));
  for (int32_t i = 0; i < model_params(m)->count; i++) {
    const param *p = &model_params(m)->items[i], *q = param_find(model_params(other), p->name);
    assert_memory_equal(param_master(model_params(m), p), param_master(model_params(other), q),
                        (size_t)p->size * sizeof(float));
  }
  checkpoint_close(c);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    check_ok(checkpoint_write(f.checkpoint, &content));
    edit(&f, cases[i].from, cases[i].to);
    status rc = checkpoint_open(&c, f.checkpoint);
    if (rc == OK) rc = checkpoint_load(c, other, false);
    if (rc != cases[i].rc || strstr(fail_message(), cases[i].says) == NULL)
      fail_msg("%s -> %s: %s (status %d)", cases[i].from, cases[i].to, fail_message(), rc);
    checkpoint_close(c);
  }
  // Either path is enough.
  check_ok(checkpoint_write(f.checkpoint, &content));
  edit(&f, "\"path\": \"/", "\"path\": \"/nowhere/");
  check_ok(checkpoint_open(&c, f.checkpoint));
  checkpoint_close(c);
  edit(&f, "\"path\": \"/nowhere/", "\"path\": \"/");
  edit(&f, "\"relative\": \"../../", "\"relative\": \"../../elsewhere/");
  check_ok(checkpoint_open(&c, f.checkpoint));
  checkpoint_close(c);
  edit(&f, "\"path\": \"/", "\"path\": \"/nowhere/");
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED,
              "which cannot be read: cannot open /nowhere/");
  assert_non_null(strstr(fail_message(), "/elsewhere/whole)"));
  // A manifest of before has no relative path.
  check_ok(checkpoint_write(f.checkpoint, &content));
  edit(&f, "\"relative\": \"../../whole\",", "");
  check_ok(checkpoint_open(&c, f.checkpoint));
  checkpoint_close(c);
  // A checkpoint that is its own base.
  strcpy(base.dir, f.checkpoint);
  check_ok(checkpoint_write(f.checkpoint, &content));
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED,
              "more than 8 checkpoints build on one another");
  // Another model.h5 in the base's place.
  strcpy(base.dir, whole);
  check_ok(checkpoint_write(f.checkpoint, &content));
  check_ok(tiny_checkpoint(whole, m, &saved_state, saved_yaml, f.d, false));
  check_fails(checkpoint_open(&c, f.checkpoint), ERR_UNSUPPORTED, "whose model.h5 is not the one");
  size_t bytes;
  char manifest[PATH_MAX];
  check_ok(path_join(manifest, sizeof manifest, f.checkpoint, "manifest.json"));
  check_ok(file_read(manifest, 1 << 20, &text, &bytes));
  assert_non_null(strstr(text, whole));
  assert_non_null(strstr(fail_message(), whole));
  assert_non_null(strstr(fail_message(), f.checkpoint));
  free(text);
  model_free(other);
  model_free(m);
  saved_tear_down(&f);
}
int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_averages),
      cmocka_unit_test(test_average_fields), cmocka_unit_test(test_manifest),
      cmocka_unit_test(test_unknown_fields), cmocka_unit_test(test_missing_fields),
      cmocka_unit_test(test_base),           cmocka_unit_test(test_base_paths)};
  return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
