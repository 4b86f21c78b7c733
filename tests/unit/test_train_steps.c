// What a training step is made of: micro-batches that add up to the gradient of the whole, weight decay on its group
// only, steps that are not finite found by layer and tensor, saved, and run again.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "base/file.h"
#include "hdf5/hdf5_glue.h"
#include "train/nonfinite.h"
#include "train/optimizer.h"

enum { ITEMS = 40 };

typedef struct fixture {
  char dir[512], data_dir[600];
  dataset *d;
  model *m;
  batch *parts[2], *whole;
} fixture;

// Sequences with every third token masked; a and b hold four each, the whole all eight.
static void add_sequences(batch *b, const seq_layout *layout, int32_t from, int32_t to) {
  for (int32_t s = from; s < to; s++) {
    int32_t tokens[8];
    const int32_t n = 3 + s % 5;
    for (int32_t i = 0; i < n; i++) tokens[i] = TOKEN_SPECIALS + (7 * s + 3 * i) % ITEMS;
    const batch_input in = {.tokens = tokens, .n = n};
    int32_t first, kept;
    assert_true(batch_add(b, layout, &in, NULL, s, &first, &kept));
    for (int32_t i = s % 3; i < kept; i += 3) {
      const int32_t label = b->ids[first + i];
      b->ids[first + i] = TOKEN_MASK;
      assert_true(batch_add_masked(b, first + i, label, 1.0f + 0.25f * (float)(i % 2)));
    }
  }
}

static void set_up(fixture *f, bool row_sparse, bool pre_norm) {
  tiny_directory(f->dir, sizeof f->dir);
  check_ok(path_join(f->data_dir, sizeof f->data_dir, f->dir, "data"));
  tiny_dataset(f->data_dir, 30, ITEMS, 0);
  check_ok(dataset_open(&f->d, f->data_dir, false));
  model_config c = tiny_config();
  c.pre_norm = pre_norm;
  const dataset_info *info = dataset_get_info(f->d);
  check_ok(model_config_resolve(&c, info->range_end, info->n_event_types));
  const model_run run = {
      .caps = {.tokens = 96, .seqs = 16, .masked = 48, .negatives = row_sparse ? 8 : 0, .targets = 2},
      .training = true,
      .row_sparse = row_sparse,
      .threads = 1,
      .seed = 3};
  check_ok(model_create(&f->m, "cpu", &c, &run));
  check_ok(params_make_moments(model_params(f->m)));
  const seq_layout layout = model_layout(&c);
  batch **const all[] = {&f->parts[0], &f->parts[1], &f->whole};
  static const int32_t range[3][2] = {{0, 4}, {4, 8}, {0, 8}};
  for (int i = 0; i < 3; i++) {
    check_ok(batch_new(all[i], run.caps));
    batch_clear(*all[i]);
    add_sequences(*all[i], &layout, range[i][0], range[i][1]);
    const int32_t unknown[] = {-1, -1}; // of a model without labels
    assert_true(batch_add_targets(*all[i], 2, unknown, (const float[]){1, 1}));
    for (int32_t k = 0; row_sparse && k < 8; k++)
      assert_true(batch_add_negative(*all[i], TOKEN_SPECIALS + 5 * k, -1.0f));
    batch_finish(*all[i]);
  }
}

static void tear_down(fixture *f) {
  batch_free(f->parts[0]);
  batch_free(f->parts[1]);
  batch_free(f->whole);
  model_free(f->m);
  dataset_close(f->d);
  tiny_remove(f->dir);
}

static void pass(model *m, const batch *b, const step_state *s) {
  check_ok(model_set_batch(m, b, s));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
}

// Dropout goes by sequence ids, so it does not matter which batch a sequence is in.
static void test_accumulation(void **unused) {
  (void)unused;
  fixture f;
  set_up(&f, false, false);
  const step_state s = {.step = 5, .seed = 9, .scale = {1.0f / (float)objective_masked_lm.weight(f.whole)}};
  const param_set *p = model_params(f.m);
  const size_t bytes = (size_t)p->elements * sizeof(float);
  float *wanted = malloc(bytes);
  assert_non_null(wanted);
  pass(f.m, f.whole, &s);
  memcpy(wanted, p->grad, bytes);
  memset(p->grad, 0, bytes);
  pass(f.m, f.parts[0], &s);
  pass(f.m, f.parts[1], &s);
  double worst = 0, size = 0;
  for (int64_t i = 0; i < p->elements; i++) {
    worst = fmax(worst, fabs((double)p->grad[i] - (double)wanted[i]));
    size = fmax(size, fabs((double)wanted[i]));
  }
  if (!(size > 1e-3 && worst < 1e-6 * size)) fail_msg("gradients differ by %g of %g", worst, size);
  free(wanted);
  tear_down(&f);
}

// With zero gradients a step is decay alone: matrices shrink, biases and layernorms stay.
static void test_decay_groups(void **unused) {
  (void)unused;
  for (int kind = OPTIM_ADAMW; kind <= OPTIM_LAMB; kind++) {
    fixture f;
    set_up(&f, false, false);
    const param_set *p = model_params(f.m);
    for (int64_t i = 0; i < p->elements; i++) p->master[i] = 2.0f;
    const optim_config o = {.kind = kind, .weight_decay = 0.5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    const step_state s = {.lr = 0.1f};
    check_ok(model_backend(f.m)->state_write(model_ctx(f.m), &s));
    check_ok(model_backend(f.m)->result_clear(model_ctx(f.m)));
    optimizer *by;
    check_ok(optimizer_open(&by, f.m, &o));
    check_ok(optimizer_step(by));
    optimizer_close(by);
    int decayed = 0;
    for (int32_t i = 0; i < p->count; i++) {
      const param *q = &p->items[i];
      const bool matrix = q->ndim == 2;
      assert_int_equal(q->decay, matrix);
      // AdamW: 2 - 0.1 * 0.5 * 2. LAMB: the update is 0.5 * 2, its trust ratio 2.
      const double wanted = !matrix ? 2.0 : kind == OPTIM_ADAMW ? 1.9 : 1.8;
      for (int64_t k = 0; k < q->size; k++) assert_true(fabs((double)param_master(p, q)[k] - wanted) < 1e-6);
      decayed += matrix;
    }
    assert_true(decayed > 8 && decayed < p->count);
    tear_down(&f);
  }
}

// ---- steps that are not finite -------------------------------------------------------------------------------

static float *element(model *m, const char *name, int64_t i) {
  const param *p = param_find(model_params(m), name);
  assert_non_null(p);
  assert_true(i < p->size);
  return param_master(model_params(m), p) + i;
}

typedef struct planted {
  const char *parameter; // gets a value that overflows what is computed with it
  float value;
  const char *where, *tensor; // found there first
} planted;

static const planted plants[] = {
    {"bert.encoder.layer.1.intermediate.dense.weight", 3e38f,
     "forward of bert.encoder.layer.1.intermediate.dense", "pre"},
    {"bert.encoder.layer.0.attention.output.dense.bias", 3.4e38f,
     "forward of bert.encoder.layer.0.attention.output", ""},
    {"bert.embeddings.LayerNorm.weight", 3e38f, "forward of bert.embeddings", "y"},
    {"cls.predictions.transform.dense.weight", 3e38f, "forward of cls.predictions.transform.dense", "pre"},
    {"bert.encoder.layer.1.output.LayerNorm.weight", NAN, "bert.encoder.layer.1.output.LayerNorm.weight",
     "value"},
};

static void test_found(void **unused) {
  (void)unused;
  fixture f;
  set_up(&f, false, false);
  const step_input in = {
      .state = {.step = 2, .seed = 1, .scale = {1.0f}}, .n = 2, .batches = (const batch *const *)f.parts};
  nonfinite_place place;
  check_ok(nonfinite_find(f.m, &in, &place, NULL, NULL));
  assert_false(place.found);
  char text[512];
  nonfinite_sentence(&place, text, sizeof text);
  assert_non_null(strstr(text, "every tensor of the step is finite"));
  for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
    const planted *k = &plants[i];
    const param *p = param_find(model_params(f.m), k->parameter);
    assert_non_null(p);
    float *at = param_master(model_params(f.m), p), *kept = malloc((size_t)p->size * sizeof *kept);
    assert_non_null(kept);
    memcpy(kept, at, (size_t)p->size * sizeof *kept);
    for (int64_t j = 0; j < (isnan(k->value) ? 1 : p->size); j++) at[j] = k->value;
    check_ok(nonfinite_find(f.m, &in, &place, NULL, NULL));
    if (!place.found || strncmp(place.first.where, k->where, strlen(k->where)) != 0 ||
        (k->tensor[0] != '\0' && strcmp(place.first.tensor, k->tensor) != 0))
      fail_msg("%s: found in %s, %s", k->parameter, place.first.where, place.first.tensor);
    assert_int_equal(place.in_parameters, strcmp(k->tensor, "value") == 0);
    assert_int_equal(place.micro, 0);
    nonfinite_sentence(&place, text, sizeof text);
    assert_non_null(strstr(text, "elements"));
    memcpy(at, kept, (size_t)p->size * sizeof *kept);
    free(kept);
    for (int64_t j = 0; j < model_params(f.m)->elements; j++) // nothing is left of it
      assert_true(fabsf(model_params(f.m)->grad[j]) <= 0.0f);
  }
  tear_down(&f);
}

// Only a gradient is not finite: the forward pass is, but the factor that scales the loss's gradient is infinite.
static void test_found_backward(void **unused) {
  (void)unused;
  fixture f;
  set_up(&f, true, true);
  const step_input in = {
      .state = {.step = 2, .seed = 1, .scale = {INFINITY}}, .n = 2, .batches = (const batch *const *)f.parts};
  nonfinite_place place;
  check_ok(nonfinite_find(f.m, &in, &place, NULL, NULL));
  assert_true(place.found);
  assert_string_equal(place.first.where, "backward of cls.predictions");
  const uint8_t *touched = model_params(f.m)->touched;
  for (int64_t i = 0; i < model_get_config(f.m)->vocab_size; i++) assert_int_equal(touched[i], 0);
  tear_down(&f);
}

// A micro-batch is named when it is not the first: only the second has a sequence of seven.
static void test_found_micro(void **unused) {
  (void)unused;
  fixture f;
  set_up(&f, false, false);
  const int64_t H = model_get_config(f.m)->hidden;
  for (int64_t j = 0; j < H; j++)
    *element(f.m, "bert.embeddings.position_embeddings.weight", 6 * H + j) = 3e38f;
  const step_input in = {
      .state = {.seed = 1, .scale = {1.0f}}, .n = 2, .batches = (const batch *const *)f.parts};
  nonfinite_place place;
  check_ok(nonfinite_find(f.m, &in, &place, NULL, NULL));
  assert_true(place.found);
  assert_int_equal(place.micro, 1);
  char text[512];
  nonfinite_sentence(&place, text, sizeof text);
  assert_non_null(strstr(text, "forward of bert.embeddings (micro-batch 2)"));
  tear_down(&f);
}

// A saved step reads back the same and is run again to the same place; a file that lies is refused.
static void test_saved(void **unused) {
  (void)unused;
  fixture f;
  char run[600], dir[700], file[800];
  set_up(&f, true, false);
  *element(f.m, "bert.encoder.layer.1.output.dense.bias", 3) = 3.4e38f;
  *element(f.m, "bert.encoder.layer.1.output.dense.bias", 4) = -3.4e38f;
  const step_input in = {.state = {.step = 11, .seed = 1, .lr = 0.5f, .scale = {0.25f}, .clip_norm = 1.0f},
                         .n = 2,
                         .batches = (const batch *const *)f.parts};
  nonfinite_place place;
  check_ok(nonfinite_find(f.m, &in, &place, NULL, NULL));
  assert_true(place.found && !place.in_parameters);
  check_ok(path_join(run, sizeof run, f.dir, "run"));
  check_ok(path_join(dir, sizeof dir, run, "nonfinite-00000012"));
  check_ok(dir_make(run));
  const train_state state = {.step = 11, .best_name = ""};
  static const char yaml[] = "data:\n  negatives: 8\ntrain:\n  threads: 1\n";
  check_ok(nonfinite_save(dir, f.m, &in, &state, yaml, f.d));
  check_ok(path_join(file, sizeof file, run, "config.yaml")); // which makes it a run
  check_ok(file_write_atomic(file, yaml, strlen(yaml)));
  check_ok(path_join(file, sizeof file, dir, "batch.h5"));
  const char *const ways[] = {run, dir, file};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(nonfinite_replay(ways[i], i == 1), ERR_NONFINITE);
    assert_non_null(strstr(fail_message(), place.first.where));
  }
  const int32_t masked_first = f.parts[0]->masked[0];
  // No number out of its range may reach an op; the end of each range follows from the model.
  const batch_limits limit = {.tokens = f.parts[0]->tokens,
                              .seqs = f.parts[0]->seqs,
                              .vocab = ITEMS + TOKEN_SPECIALS,
                              .types = 1000,
                              .positions = 10,
                              .class_begin = TOKEN_SPECIALS,
                              .class_end = ITEMS + TOKEN_SPECIALS,
                              .seq_classes = 2,
                              .target_classes = 0};
  batch_range may[N_BATCH_FIELDS];
  batch_ranges(&limit, may);
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    if (batch_fields[i].size != sizeof(int32_t) || batch_fields[i].real) continue;
    int32_t *const array = batch_array(&f.parts[0]->arrays, &batch_fields[i]), honest = array[0];
    array[0] = (int32_t)may[i].below;
    check_ok(nonfinite_save(dir, f.m, &in, &state, yaml, f.d));
    array[0] = honest;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "micro-0/%s", batch_fields[i].name);
    check_fails(nonfinite_replay(dir, false), ERR_FORMAT, wanted);
  }
  f.parts[0]->masked[0] = f.parts[0]->masked[1]; // and no row twice
  check_ok(nonfinite_save(dir, f.m, &in, &state, yaml, f.d));
  check_fails(nonfinite_replay(dir, false), ERR_FORMAT, "micro-0/masked");
  f.parts[0]->masked[0] = masked_first;
  check_ok(nonfinite_save(dir, f.m, &in, &state, yaml, f.d));
  assert_int_equal(unlink(file), 0);
  check_fails(nonfinite_replay(run, false), ERR_NOT_FOUND, "batch.h5");
  check_ok(dir_remove(dir));
  check_fails(nonfinite_replay(run, false), ERR_NOT_FOUND, "no saved non-finite step");
  check_fails(nonfinite_replay(f.data_dir, false), ERR_ARGUMENT, "is a data set");
  tear_down(&f);
}

// Capacities without that of labels.
static void shorten_capacities(hid_t h) {
  int32_t all[5];
  const hid_t now = H5Dopen2(h, "capacities", H5P_DEFAULT);
  assert_true(now >= 0 && H5Dread(now, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
  assert_true(H5Dclose(now) >= 0 && H5Ldelete(h, "capacities", H5P_DEFAULT) >= 0);
  const hid_t space = H5Screate_simple(1, &(hsize_t){4}, NULL);
  const hid_t then = H5Dcreate2(h, "capacities", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(then >= 0 && H5Dwrite(then, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
  assert_true(H5Dclose(then) >= 0 && H5Sclose(space) >= 0);
}

// Makes batch.h5 what version 1 wrote.
static void make_version_1(const char *file) {
  const hid_t h = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(h >= 0);
  shorten_capacities(h);
  assert_true(H5Lmove(h, "scale/masked_lm", h, "mlm_scale", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  assert_true(H5Ldelete(h, "scale", H5P_DEFAULT) >= 0);
  for (int i = 0; i < 2; i++) {
    char now[64], before[64];
    snprintf(now, sizeof now, "micro-%d/nsp_labels", i);
    snprintf(before, sizeof before, "micro-%d/cls_labels", i);
    assert_true(H5Lmove(h, now, h, before, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    snprintf(now, sizeof now, "micro-%d/targets", i);
    assert_true(H5Ldelete(h, now, H5P_DEFAULT) >= 0);
    snprintf(now, sizeof now, "micro-%d/target_weights", i);
    assert_true(H5Ldelete(h, now, H5P_DEFAULT) >= 0);
  }
  const hid_t a = H5Aopen(h, "version", H5P_DEFAULT);
  assert_true(a >= 0 && H5Awrite(a, H5T_NATIVE_INT64, &(int64_t){1}) >= 0);
  assert_true(H5Aclose(a) >= 0 && H5Fclose(h) >= 0);
}

static void refresh_manifest(const char *dir, const char *file) {
  char path[800], hex[65];
  uint64_t bytes;
  check_ok(path_join(path, sizeof path, dir, "manifest.json"));
  check_ok(file_sha256(file, hex, &bytes));
  json_t *j = json_load_file(path, 0, NULL),
         *entry = json_object_get(json_object_get(j, "files"), "batch.h5");
  assert_non_null(entry);
  assert_int_equal(json_object_set_new(entry, "sha256", json_string(hex)), 0);
  assert_int_equal(json_object_set_new(entry, "bytes", json_integer((json_int_t)bytes)), 0);
  assert_int_equal(json_dump_file(j, path, 0), 0);
  json_decref(j);
}

// The factor of masked LM's gradient is infinite here, so that only the backward pass is not finite; replaying the step fails
// likewise only if the factor is read back from the file into the right place.
static void test_saved_scales(void **unused) {
  (void)unused;
  fixture f;
  char run[600], dir[700], file[800];
  set_up(&f, true, false);
  const step_input in = {.state = {.step = 11, .seed = 1, .lr = 0.5f, .scale = {INFINITY, 0.5f}},
                         .n = 2,
                         .batches = (const batch *const *)f.parts};
  check_ok(path_join(run, sizeof run, f.dir, "run"));
  check_ok(path_join(dir, sizeof dir, run, "nonfinite-00000012"));
  check_ok(path_join(file, sizeof file, dir, "batch.h5"));
  check_ok(dir_make(run));
  const train_state state = {.step = 11, .best_name = ""};
  check_ok(nonfinite_save(dir, f.m, &in, &state, "train:\n  threads: 1\n", f.d));
  for (int version = 2; version >= 1; version--) {
    if (version == 1) {
      make_version_1(file);
      refresh_manifest(dir, file);
    }
    assert_int_equal(nonfinite_replay(file, false), ERR_NONFINITE);
    assert_non_null(strstr(fail_message(), "backward of cls.predictions"));
  }
  tear_down(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_accumulation), cmocka_unit_test(test_decay_groups),
      cmocka_unit_test(test_found),        cmocka_unit_test(test_found_backward),
      cmocka_unit_test(test_found_micro),  cmocka_unit_test(test_saved),
      cmocka_unit_test(test_saved_scales)};
  return cmocka_run_group_tests_name("train_steps", tests, NULL, NULL);
}
