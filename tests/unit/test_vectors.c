// Vectors for other programs: .npy byte by byte, HDF5 arrays and names, item and user vectors as the model
// gives them, hidden states of sequences; and what is refused.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/array_file.h"
#include "hdf5/hdf5_glue.h"
#include "convert/vectors.h"
#include "lib/check.h"
#include "lib/h5_dims.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "model/objectives/item_head.h"
#include "model/objectives/next_session.h"

enum { USERS = 60, ITEMS = 30, H = 16 };

static char dir[256], data_dir[300], checkpoint_path[300];
static dataset *d;
static checkpoint *c;
static model *m;

static const char *file(const char *name) {
  static char path[4][400];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
  return path[turn];
}

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  snprintf(data_dir, sizeof data_dir, "%s/data", dir);
  snprintf(checkpoint_path, sizeof checkpoint_path, "%s/checkpoint", dir);
  tiny_dataset(data_dir, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, data_dir, false));
  model_config mc = {.hidden = H,
                     .layers = 2,
                     .heads = 2,
                     .max_positions = 12,
                     .segments = 2,
                     .layer_norm_eps = 1e-12,
                     .init_std = 0.3,
                     .score = 1,
                     .temperature = 0.5,
                     .item_classes = true,
                     .pooler = true,
                     .cls_sep = true};
  const dataset_info *info = dataset_get_info(d);
  check_ok(model_config_resolve(&mc, info->range_end, info->n_event_types));
  const model_run run = {.caps = {.tokens = 100, .seqs = 9, .masked = 9}, .seed = 4};
  check_ok(model_create(&m, "cpu", &mc, &run));
  const train_state state = {.step = 1};
  check_ok(tiny_checkpoint(checkpoint_path, m, &state, "", d, false));
  check_ok(checkpoint_open(&c, checkpoint_path));
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  checkpoint_close(c);
  model_free(m);
  dataset_close(d);
  tiny_remove(dir);
  return 0;
}

// A .npy file of float32 [n, width]; freed by the caller.
static float *read_npy(const char *path, int64_t n, int64_t width) {
  char *bytes, wanted[128];
  size_t size;
  check_ok(file_read(path, 1 << 24, &bytes, &size));
  assert_memory_equal(bytes, "\x93NUMPY\x01\x00", 8);
  const size_t header = (unsigned char)bytes[8] + 256u * (unsigned char)bytes[9];
  assert_int_equal((10 + header) % 64, 0);
  assert_int_equal(bytes[10 + header - 1], '\n');
  snprintf(wanted, sizeof wanted, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
           (long long)n, (long long)width);
  assert_memory_equal(bytes + 10, wanted, strlen(wanted));
  assert_int_equal(size, 10 + header + (size_t)(n * width) * 4);
  float *out = malloc((size_t)(n * width) * 4 + 4);
  assert_non_null(out);
  memcpy(out, bytes + 10 + header, (size_t)(n * width) * 4);
  free(bytes);
  return out;
}

static void read_h5(const char *path, const char *name, int64_t n, int64_t width, float *to) {
  hid_t f;
  hsize_t dims[2];
  h5_lock();
  check_ok(h5_open(&f, path, "souk.vectors", 1));
  check_ok(h5_dims(f, path, name, H5T_IEEE_F32LE, 2, dims));
  assert_int_equal(dims[0], n);
  assert_int_equal(dims[1], width);
  check_ok(h5_read(f, path, name, H5T_NATIVE_FLOAT, 0, dims[0], to));
  H5Fclose(f);
  h5_unlock();
}

// The i-th string of a set of names, NUL-terminated.
static void read_name(const char *path, const char *name, hsize_t i, char to[64]) {
  hid_t f;
  h5_lock();
  check_ok(h5_open(&f, path, "souk.vectors", 1));
  const hid_t set = H5Dopen2(f, name, H5P_DEFAULT), type = H5Dget_type(set), space = H5Dget_space(set);
  const hsize_t one = 1;
  const hid_t memory = H5Screate_simple(1, &one, NULL);
  assert_int_equal(H5Tget_class(type), H5T_STRING);
  assert_true(H5Tget_size(type) < 64);
  memset(to, 0, 64);
  assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, &i, NULL, &one, NULL) >= 0);
  assert_true(H5Dread(set, type, memory, space, H5P_DEFAULT, to) >= 0);
  H5Sclose(memory);
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(set);
  H5Fclose(f);
  h5_unlock();
}

static void test_items(void **unused) {
  (void)unused;
  float wanted[ITEMS * (H + 1)], got[ITEMS * (H + 1)];
  char name[64], *text;
  size_t n;
  check_ok(model_item_vectors(m, 0, ITEMS, wanted));
  check_ok(vectors_of_items(c, m, file("items.npy")));
  float *npy = read_npy(file("items.npy"), ITEMS, H + 1);
  assert_memory_equal(npy, wanted, sizeof wanted);
  free(npy);
  check_ok(file_read(file("items.npy.names.tsv"), 1 << 20, &text, &n));
  assert_memory_equal(text, "item0\nitem1\nitem2\n", 18);
  free(text);
  check_ok(vectors_of_items(c, m, file("items.h5")));
  read_h5(file("items.h5"), "item_vectors", ITEMS, H + 1, got);
  assert_memory_equal(got, wanted, sizeof wanted);
  read_name(file("items.h5"), "item_names", 0, name);
  assert_string_equal(name, "item0");
  read_name(file("items.h5"), "item_names", ITEMS - 1, name);
  assert_string_equal(name, "item29");
}

// u of one history, alone in its batch.
static void user_vector(const sequence *s, int32_t n, float u[H + 1]) {
  batch *b;
  const seq_layout layout = model_layout(model_get_config(m));
  const batch_input history = {s->tokens, s->events, n};
  const step_state state = {.step = 0};
  check_ok(batch_new(&b, (batch_caps){.tokens = 20, .seqs = 1, .masked = 1}));
  batch_clear(b);
  assert_true(batch_add_query(b, &layout, &history, 0, -1));
  batch_finish(b);
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, false));
  check_ok(model_user_vectors(m, u));
  batch_free(b);
}

static void test_users(void **unused) {
  (void)unused;
  static float got[USERS * (H + 1)];
  sequence_block *all;
  check_ok(block_read(&all, d, 0, USERS));
  for (int part = VECTORS_ALL; part <= VECTORS_VALID; part++) {
    check_ok(vectors_of_users(c, m, d, (vector_part)part, file("users.h5")));
    read_h5(file("users.h5"), "user_vectors", USERS, H + 1, got);
    for (int32_t i = 0; i < USERS; i++) {
      sequence s;
      float u[H + 1];
      char name[64], wanted[64];
      block_get(all, i, &s);
      user_vector(&s, part == VECTORS_ALL ? s.n : part == VECTORS_TEST ? s.test_from : s.valid_from, u);
      for (int k = 0; k <= H; k++) assert_true(fabs((double)u[k] - (double)got[i * (H + 1) + k]) < 1e-5);
      snprintf(wanted, sizeof wanted, "user%d", i);
      read_name(file("users.h5"), "user_names", (hsize_t)i, name);
      assert_string_equal(name, wanted);
    }
  }
  block_free(all);
}

static void test_hidden_states(void **unused) {
  (void)unused;
  static const char input[] =
      "{\"tokens\": [\"[CLS]\", \"item3\", \"item7\", \"[SEP]\"], \"types\": [0, 1, 2, 0]}\n"
      "{\"ids\": [2, 8, 3]}\n"
      "{\"tokens\": [\"item5\", 4]}\n";
  check_ok(file_write_atomic(file("in.jsonl"), input, sizeof input - 1));
  check_ok(vectors_of_tokens(c, m, file("in.jsonl"), file("hidden.h5")));
  check_ok(vectors_of_tokens(c, m, file("in.jsonl"), file("hidden.npy")));
  float got[9 * H], pooled[3 * H], scores[3 * 2], alone[4 * H], alone_pooled[H], alone_scores[2];
  read_h5(file("hidden.h5"), "hidden_states", 9, H, got);
  read_h5(file("hidden.h5"), "pooled", 3, H, pooled);
  read_h5(file("hidden.h5"), "next_sentence_scores", 3, 2, scores);
  float *npy = read_npy(file("hidden.npy"), 9, H);
  assert_memory_equal(npy, got, sizeof got);
  free(npy);
  int64_t offsets[4];
  hid_t f;
  h5_lock();
  check_ok(h5_open(&f, file("hidden.h5"), "souk.vectors", 1));
  check_ok(h5_read(f, "hidden.h5", "offsets", H5T_NATIVE_INT64, 0, 4, offsets));
  H5Fclose(f);
  h5_unlock();
  static const int64_t wanted[] = {0, 4, 7, 9};
  assert_memory_equal(offsets, wanted, sizeof wanted);
  // The first sequence, made by hand.
  batch *b;
  check_ok(batch_new(&b, (batch_caps){.tokens = 8, .seqs = 1, .masked = 1}));
  batch_clear(b);
  static const int32_t ids[] = {2, 8, 12, 3}, types[] = {0, 1, 2, 0};
  for (int i = 0; i < 4; i++) {
    b->ids[i] = ids[i];
    b->types[i] = types[i];
    b->positions[i] = i;
  }
  assert_true(batch_end_sequence(b, 4, 0));
  batch_finish(b);
  const step_state state = {.step = 0};
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, false));
  check_ok(model_hidden(m, alone));
  check_ok(model_next_sentence(m, alone_pooled, alone_scores));
  for (int i = 0; i < 4 * H; i++) assert_true(fabs((double)alone[i] - (double)got[i]) < 1e-5);
  for (int i = 0; i < H; i++) assert_true(fabs((double)alone_pooled[i] - (double)pooled[i]) < 1e-5);
  for (int i = 0; i < 2; i++) assert_true(fabs((double)alone_scores[i] - (double)scores[i]) < 1e-5);
  batch_free(b);
}

static void test_bad_input(void **unused) {
  (void)unused;
  static const struct {
    const char *line, *text;
  } cases[] = {
      {"{\"tokens\": [\"item3\", \"item99\"]}", "line 2: the vocabulary has no token \"item99\""},
      {"{\"ids\": [35]}", "neither a name nor an id"},
      {"{\"ids\": [-1]}", "neither a name nor an id"},
      {"{\"ids\": [1.5]}", "neither a name nor an id"},
      {"{\"ids\": [5], \"types\": [6]}", "\"types\" must name a token type for each token"},
      {"{\"ids\": [5, 6], \"types\": [0]}", "\"types\" must name a token type for each token"},
      {"{\"ids\": []}", "is expected"},
      {"{\"words\": [1]}", "is expected"},
      {"[5]", "is expected"},
      {"{\"ids\": [5,5,5,5,5,5,5,5,5,5,5,5,5]}", "13 tokens, model.max_positions is 12"},
      {"{\"ids\": ", "line 2:"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[200];
    snprintf(text, sizeof text, "{\"ids\": [5]}\n%s\n", cases[i].line);
    check_ok(file_write_atomic(file("bad.jsonl"), text, strlen(text)));
    check_fails(vectors_of_tokens(c, m, file("bad.jsonl"), file("bad.h5")), ERR_FORMAT, cases[i].text);
    assert_false(file_exists(file("bad.h5")));
  }
  check_ok(file_write_atomic(file("bad.jsonl"), "", 0));
  check_fails(vectors_of_tokens(c, m, file("bad.jsonl"), file("bad.npy")), ERR_FORMAT, "has no lines");
  check_fails(vectors_of_items(c, m, file("items.txt")), ERR_ARGUMENT, "must end in .npy, .h5 or .hdf5");
  check_fails(vectors_of_items(c, m, "/no/such/dir/items.npy"), ERR_IO, "/no/such/dir");
}

static int longest = 1024;

static status long_name(void *self, int64_t i, const char **name) {
  static char text[5000];
  (void)self;
  memset(text, 'a' + (int)(i % 26), sizeof text);
  text[i % 17] = '\t'; // escaped in text, as it is in HDF5
  text[i % 3 == 0 ? longest : 20] = '\0';
  *name = text;
  return OK;
}

static void test_files(void **unused) {
  (void)unused;
  array_file *f;
  const float ones[6] = {1, 1, 1, 1, 1, 1};
  // Fewer rows than promised is a mistake of ours, and leaves no file.
  check_ok(array_open(&f, file("short.npy")));
  check_ok(array_begin(f, "x", 3, 3));
  check_ok(array_rows(f, ones, 2));
  check_fails(array_commit(f), ERR_INTERNAL, "has 2 rows, 3 were announced");
  assert_false(file_exists(file("short.npy")));
  check_ok(array_open(&f, file("long.h5")));
  check_ok(array_begin(f, "x", 1, 3));
  check_fails(array_rows(f, ones, 2), ERR_INTERNAL, "too many rows");
  array_abort(f);
  assert_false(file_exists(file("long.h5")));
  // Names of up to 1,024 bytes, in several blocks; longer ones would make every row as wide.
  check_ok(array_open(&f, file("names.h5")));
  check_ok(array_names(f, "names", 2100, long_name, NULL));
  check_ok(array_begin(f, "none", 0, 3));
  check_ok(array_commit(f));
  hid_t h;
  h5_lock();
  check_ok(h5_open(&h, file("names.h5"), "souk.vectors", 1));
  const hid_t set = H5Dopen2(h, "names", H5P_DEFAULT), type = H5Dget_type(set);
  assert_int_equal(H5Tget_size(type), 1024);
  char *all = calloc(2100, 1024);
  assert_non_null(all);
  assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
  for (int64_t i = 0; i < 2100; i++) {
    const char *name;
    check_ok(long_name(NULL, i, &name));
    assert_int_equal(strnlen(all + i * 1024, 1024), strlen(name));
    assert_memory_equal(all + i * 1024, name, strlen(name));
  }
  free(all);
  H5Tclose(type);
  H5Dclose(set);
  H5Fclose(h);
  h5_unlock();
  longest = 1025;
  check_ok(array_open(&f, file("wide.h5")));
  check_fails(array_names(f, "names", 2100, long_name, NULL), ERR_ARGUMENT,
              "name 0 of \"names\" has 1025 bytes");
  array_abort(f);
  assert_false(file_exists(file("wide.h5")));
  check_ok(array_open(&f, file("names.npy")));
  check_ok(array_begin(f, "x", 2, 3));
  check_ok(array_rows(f, ones, 2));
  check_ok(array_names(f, "names", 2, long_name, NULL));
  check_ok(array_begin(f, "more", 1, 3)); // has no place in .npy
  check_ok(array_rows(f, ones, 1));
  check_ok(array_commit(f));
  free(read_npy(file("names.npy"), 2, 3));
  char *text;
  size_t n;
  check_ok(file_read(file("names.npy.names.tsv"), 1 << 20, &text, &n));
  assert_memory_equal(text, "\\taaa", 5);
  assert_non_null(strstr(text, "\nb\\tbbb"));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_items),     cmocka_unit_test(test_users), cmocka_unit_test(test_hidden_states),
      cmocka_unit_test(test_bad_input), cmocka_unit_test(test_files),
  };
  return cmocka_run_group_tests_name("vectors", tests, set_up, tear_down);
}
