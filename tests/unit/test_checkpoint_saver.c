// Checkpoints of a run: a failing write leaves what was there, the saver keeps the last and the best ones, and the newest one that
// is whole is found.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/check.h"
#include "lib/saved_model.h"
#include "lib/scratch.h"
#include "lib/tiny_bundle.h"
#include "base/file.h"
#include "hdf5/hdf5_glue.h"
#include "model/checkpoint_find.h"
#include "train/run_dir.h"
#include "train/saver.h"

static int entries(const char *dir) {
  char command[1024];
  snprintf(command, sizeof command, "ls -A %s | wc -l", dir);
  FILE *p = popen(command, "r");
  assert_non_null(p);
  int n = -1;
  assert_int_equal(fscanf(p, "%d", &n), 1);
  pclose(p);
  return n;
}

// Each operation of a save fails in turn: the older checkpoint of the same name stays whole, with nothing beside it.
static void test_faults(void **unused) {
  (void)unused;
  static const char *const kinds[] = {"write", "fsync", "rename", "create", "alloc"};
  saved_model f;
  saved_set_up(&f);
  check_ok(saved_write(&f));
  for (int k = 0; k < 5; k++) {
    int n = 0;
    for (status rc = ERR_IO; rc != OK; n++) {
      char fault[64];
      snprintf(fault, sizeof fault, "%s:%d", kinds[k], n + 1);
      faults_set(fault);
      train_state t = saved_state;
      t.tokens = n + 1;
      rc = tiny_checkpoint(f.checkpoint, f.m, &t, saved_yaml, f.d, true);
      faults_set(NULL);
      assert_int_equal(entries(f.run), 1);
      checkpoint *c;
      check_ok(checkpoint_open(
          &c, f.checkpoint)); // whole: the old one, or the new one if only its last fsync failed
      assert_true(c->state.tokens == t.tokens || rc != OK);
      checkpoint_close(c);
      assert_true(n < 1000);
    }
    assert_true(n > 1);
  }
  saved_tear_down(&f);
}

static void save_step(saver *s, int64_t step, int64_t best) {
  train_state t = saved_state;
  t.step = step;
  t.best_step = best;
  check_ok(saver_save(s, &t));
  check_ok(saver_wait(s));
}

static bool has(const saved_model *f, const char *name) {
  char path[PATH_MAX];
  check_ok(path_join(path, sizeof path, f->run, name));
  return dir_exists(path) || file_exists(path);
}

static void put(const saved_model *f, const char *name, const char *file, const char *text) {
  char dir[PATH_MAX], path[PATH_MAX];
  check_ok(path_join(dir, sizeof dir, f->run, name));
  check_ok(path_join(path, sizeof path, dir, file));
  check_ok(dir_make(dir));
  check_ok(file_write_atomic(path, text, strlen(text)));
}

static void test_saver(void **unused) {
  (void)unused;
  for (int background = 0; background < 2; background++) {
    saved_model f;
    saved_set_up(&f);
    const saver_config sc = {.run_dir = f.run,
                             .config_yaml = saved_yaml,
                             .m = f.m,
                             .data = f.d,
                             .keep = 2,
                             .keep_best = true,
                             .background = background == 1};
    saver *s;
    check_ok(saver_open(&s, &sc));
    save_step(s, 10, 10);
    save_step(s, 20, 10);
    save_step(s, 30, 10);
    save_step(s, 40, 10);
    // A caller that holds HDF5's lock would wait for a thread that waits for the lock.
    h5_lock();
    check_fails(saver_wait(s), ERR_INTERNAL, "saver_wait would wait for a thread while HDF5 is locked");
    h5_unlock();
    assert_true(has(&f, "step-00000040") && has(&f, "step-00000030") && has(&f, "step-00000010"));
    assert_false(has(&f, "step-00000020"));
    char path[PATH_MAX];
    check_ok(checkpoint_choose(path, sizeof path, f.run, WHICH_BEST));
    assert_non_null(strstr(path, "step-00000010"));
    check_ok(checkpoint_choose(path, sizeof path, f.run, WHICH_LAST));
    assert_non_null(strstr(path, "step-00000040"));
    // A snapshot is of its moment: what happens to the parameters meanwhile does not reach it.
    const float before = model_params(f.m)->master[0];
    train_state t = saved_state;
    t.step = 50;
    check_ok(saver_save(s, &t));
    if (background == 1) model_params(f.m)->master[0] = before + 1.0f;
    check_ok(saver_wait(s));
    checkpoint *c;
    check_ok(run_resume(&c, f.run, 2, true));
    assert_int_equal(c->state.step, 50);
    check_ok(checkpoint_load(c, f.m, true));
    assert_memory_equal(&before, model_params(f.m)->master, sizeof before);
    checkpoint_close(c);
    // So are its labels: a validation that ends meanwhile fits other temperatures.
    json_t *labels = json_pack("{s:s,s:s,s:[s,s],s:[f]}", "task", "classify", "kind", "single", "names", "a",
                               "b", "temperature", 1.0);
    dataset_set_labels(f.d, labels);
    t.step = 55;
    if (background == 1) check_ok(saver_save(s, &t));
    json_t *later = json_pack("{s:s,s:s,s:[s,s],s:[f]}", "task", "classify", "kind", "single", "names", "a",
                              "b", "temperature", 2.0);
    dataset_set_labels(f.d, later);
    check_ok(saver_wait(s));
    if (background == 1) {
      check_ok(path_join(path, sizeof path, f.run, "step-00000055/manifest.json"));
      json_t *manifest = json_load_file(path, 0, NULL);
      assert_true(json_equal(json_object_get(manifest, "labels"), labels));
      json_decref(manifest);
    }
    dataset_set_labels(f.d, NULL);
    json_decref(labels);
    json_decref(later);
    // What has overflowed is not saved, and older ones are not pushed out by it.
    model_params(f.m)->v[3] = 1e38f * 1e10f;
    t.step = 60;
    const status saved = saver_save(s, &t), waited = saver_wait(s);
    assert_int_equal(saved != OK ? saved : waited, ERR_NONFINITE);
    assert_non_null(strstr(fail_message(), "the second moment of"));
    assert_false(has(&f, "step-00000060"));
    saver_close(s);
    saved_tear_down(&f);
  }
}

static void test_resume(void **unused) {
  (void)unused;
  saved_model f;
  saved_set_up(&f);
  const saver_config sc = {
      .run_dir = f.run, .config_yaml = saved_yaml, .m = f.m, .data = f.d, .keep = 9, .keep_best = true};
  saver *s;
  checkpoint *c;
  bool exists;
  check_ok(run_has_checkpoints(f.run, &exists));
  assert_false(exists);
  check_fails(run_resume(&c, f.run, 9, true), ERR_NOT_FOUND, "no checkpoint that is whole");
  check_ok(saver_open(&s, &sc));
  save_step(s, 10, 10);
  save_step(s, 100000000, 10); // nine digits
  save_step(s, 20, 10);
  saver_close(s);
  check_ok(run_has_checkpoints(f.run, &exists));
  assert_true(exists);
  // What a killed process left behind is removed; directories of other names stay.
  put(&f, "step-00000011.tmp.77", "model.h5", "x");
  put(&f, "step-00000012.old.78", "model.h5", "x");
  put(&f, "my.old.1", "notes", "x");
  put(&f, "step-0x", "notes", "x");
  // Also outputs under way, of the run and of commands that write into its directory.
  static const char *const theirs[] = {"u.npy.tmp.souk-0123456789abcdef",
                                       "u.npy.names.tsv.old.souk-0123456789abcdef",
                                       "step-x.tmp.souk-0123456789abcdef"};
  for (int i = 0; i < 3; i++) put(&f, ".", theirs[i], "x");
  put(&f, ".", "last.tmp.souk-1123456789abcdef", "x");
  put(&f, "step-00000013.tmp.souk-0123456789abcdef", "model.h5", "x");
  check_ok(run_resume(&c, f.run, 9, true));
  assert_int_equal(c->state.step, 100000000);
  checkpoint_close(c);
  assert_false(has(&f, "step-00000011.tmp.77") || has(&f, "step-00000012.old.78"));
  assert_true(has(&f, "my.old.1") && has(&f, "step-0x"));
  assert_false(has(&f, "last.tmp.souk-1123456789abcdef"));
  assert_false(has(&f, "step-00000013.tmp.souk-0123456789abcdef"));
  for (int i = 0; i < 3; i++) assert_true(has(&f, theirs[i]));
  // The newest is damaged, so is the one before; the third is whole. Names follow.
  put(&f, "step-100000000", "model.h5", "damaged");
  put(&f, "step-00000020", "manifest.json", "{}");
  check_ok(run_resume(&c, f.run, 9, true));
  assert_int_equal(c->state.step, 10);
  checkpoint_close(c);
  assert_true(has(&f, "damaged-step-100000000") && has(&f, "damaged-step-00000020"));
  char path[PATH_MAX];
  check_ok(checkpoint_choose(path, sizeof path, f.run, WHICH_LAST));
  assert_non_null(strstr(path, "step-00000010"));
  // The best one is gone: its name goes too, rather than lead nowhere.
  check_ok(saver_open(&s, &sc));
  save_step(s, 30, 10);
  saver_close(s);
  check_ok(path_join(path, sizeof path, f.run, "step-00000010"));
  check_ok(dir_remove(path));
  check_ok(run_resume(&c, f.run, 9, true));
  checkpoint_close(c);
  check_fails(checkpoint_choose(path, sizeof path, f.run, WHICH_BEST), ERR_NOT_FOUND, "best");
  saved_tear_down(&f);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults), cmocka_unit_test(test_saver),
                                     cmocka_unit_test(test_resume)};
  return cmocka_run_group_tests_name("checkpoint_saver", tests, NULL, NULL);
}
