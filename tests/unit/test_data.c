// Vocabulary, data sets, windows, names.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "prepare/intern.h"
#include "data/writer.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static void test_vocab(void **unused) {
  (void)unused;
  char dir[256], path[300];
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "vocab.tsv"));
  vocab *v, *w;
  check_ok(vocab_new(&v));
  check_ok(vocab_add(v, RANGE_WORDS, "same", 3, NULL));
  check_ok(vocab_add(v, RANGE_ITEMS, "same", 4, NULL));
  check_ok(vocab_add(v, RANGE_ITEMS, "tab\there \\ and\nline", 5, NULL));
  check_fails(vocab_add(v, RANGE_ITEMS, "same", 4, NULL), ERR_FORMAT, "the item \"same\" appears twice");
  check_fails(vocab_add(v, RANGE_WORDS, "late", 4, NULL), ERR_INTERNAL, "in order");
  char name[32];
  for (int i = 0; i < 5000; i++) {
    snprintf(name, sizeof name, "i%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, i, NULL));
  }
  check_ok(vocab_write(v, path));
  int32_t end[RANGE_COUNT];
  for (int r = 0; r < RANGE_COUNT; r++) end[r] = vocab_end(v, (vocab_range)r);
  check_ok(vocab_read(&w, path, end));
  assert_int_equal(vocab_size(w), 5008);
  for (int32_t i = 0; i < vocab_size(v); i++) {
    assert_string_equal(vocab_token(v, i), vocab_token(w, i));
    assert_int_equal(vocab_token_count(v, i), vocab_token_count(w, i));
  }
  assert_int_equal(vocab_find(w, RANGE_WORDS, "same"), 5);
  assert_int_equal(vocab_find(w, RANGE_ITEMS, "same"), 6);
  assert_int_equal(vocab_find(w, RANGE_ITEMS, "i4999"), 5007);
  assert_int_equal(vocab_find(w, RANGE_ITEMS, "absent"), -1);
  vocab_free(w);
  end[RANGE_ITEMS]++;
  check_fails(vocab_read(&w, path, end), ERR_FORMAT, "has 5008 lines, the vocabulary has 5009 tokens");
  end[RANGE_ITEMS] -= 2;
  check_fails(vocab_read(&w, path, end), ERR_FORMAT, "more lines than the vocabulary's 5007 tokens");
  const int32_t few[RANGE_COUNT] = {5, 5, 5, 6};
  check_ok(file_write_atomic(path, "a\t0\n", 4));
  check_fails(vocab_read(&w, path, few), ERR_FORMAT, "too short for a vocabulary of 6 tokens");
  static const char letters[] = "[PAD]\tx\n[UNK]\t0\n[CLS]\t0\n", unknown[] = "a\\q\t1\n[UNK]\t0\n[CLS]\t0\n",
                    other[] = "[UNK]\t0\n[UNK]\t0\n[CLS]\t0\n";
  check_ok(file_write_atomic(path, letters, strlen(letters)));
  check_fails(vocab_read(&w, path, few), ERR_FORMAT, "line 1: TOKEN <tab> COUNT");
  check_ok(file_write_atomic(path, unknown, strlen(unknown)));
  check_fails(vocab_read(&w, path, few), ERR_FORMAT, "unknown escape");
  check_ok(file_write_atomic(path, other, strlen(other)));
  check_fails(vocab_read(&w, path, few), ERR_FORMAT, "line 1: the token must be [PAD]");
  static const char crlf[] = "[PAD]\t0\r\n[UNK]\t0\r\n[CLS]\t0\r\n[SEP]\t0\r\n[MASK]\t0\r\nshoe\t12\r\n",
                    twice[] = "[PAD]\t0\r\r\n[UNK]\t0\n[CLS]\t0\n[SEP]\t0\n[MASK]\t0\nshoe\t12\n";
  check_ok(file_write_atomic(path, crlf, strlen(crlf)));
  check_ok(vocab_read(&w, path, few));
  assert_string_equal(vocab_token(w, 5), "shoe");
  assert_int_equal(vocab_token_count(w, 5), 12);
  vocab_free(w);
  check_ok(file_write_atomic(path, twice, strlen(twice)));
  check_fails(vocab_read(&w, path, few), ERR_FORMAT, "line 1: TOKEN <tab> COUNT");
  vocab_free(v);
  tiny_remove(dir);
}

static void test_dataset(void **unused) {
  (void)unused;
  char dir[256], path[330], *text;
  size_t n;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 200, 30, 0);
  dataset *d;
  check_ok(dataset_open(&d, dir, true));
  const dataset_info *info = dataset_get_info(d);
  assert_int_equal(info->sequences, 200);
  assert_true(info->shards > 2); // several shards, so that blocks straddle them
  assert_int_equal(info->valid_targets, 200);
  sequence_block *all, *part;
  check_ok(block_read(&all, d, 0, 200));
  int64_t tokens = 0;
  for (int64_t first = 0; first < 200; first += 37) {
    const int64_t count = first + 37 < 200 ? 37 : 200 - first;
    check_ok(block_read(&part, d, first, count));
    for (int64_t i = 0; i < count; i++) {
      sequence s, t;
      block_get(all, first + i, &s);
      block_get(part, i, &t);
      assert_int_equal(s.n, t.n);
      assert_int_equal(s.index, t.index);
      assert_int_equal(s.user, first + i);
      assert_int_equal(s.n, 3 + (first + i) * 7 % 13);
      assert_int_equal(s.n, dataset_lengths(d)[first + i]);
      assert_int_equal(s.valid_from, s.n - 2);
      assert_memory_equal(s.tokens, t.tokens, (size_t)s.n * sizeof *s.tokens);
      assert_memory_equal(s.times, t.times, (size_t)s.n * sizeof *s.times);
      assert_memory_equal(s.events, t.events, (size_t)s.n);
      tokens += s.n;
    }
    block_free(part);
  }
  assert_int_equal(tokens, info->tokens);
  block_free(all);
  check_fails(block_read(&part, d, 190, 20), ERR_ARGUMENT, "not in the data set");
  dataset_close(d);

  // Damage is found: a changed byte by checksum, a shortened shard by HDF5 or the index, a bad manifest by
  // field.
  check_ok(path_join(path, sizeof path, dir, "shard-00001.h5"));
  check_ok(file_read(path, 1 << 20, &text, &n));
  text[n / 2] ^= 1;
  check_ok(file_write_atomic(path, text, n));
  check_fails(dataset_open(&d, dir, true), ERR_CHECKSUM, "shard-00001.h5");
  check_ok(file_write_atomic(path, text, n / 3));
  assert_int_not_equal(dataset_open(&d, dir, false), OK);
  assert_non_null(strstr(fail_message(), "shard-00001.h5"));
  free(text);
  check_ok(path_join(path, sizeof path, dir, "manifest.json"));
  check_ok(file_read(path, 1 << 20, &text, &n));
  char *field = strstr(text, "\"longest\"");
  memcpy(field, "\"tsegnol\"", 9);
  check_ok(file_write_atomic(path, text, n));
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "field \"longest\"");
  check_ok(file_write_atomic(path, text, n / 2));
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "manifest.json line");
  free(text);
  check_fails(dataset_open(&d, "/no/such", false), ERR_NOT_FOUND, "souk prepare");
  tiny_remove(dir);
}

// Writes the manifest with one integer field changed.
static void lie(const char *dir, const char *manifest, const char *field, json_int_t value) {
  char path[330];
  json_t *j = json_loads(manifest, 0, NULL);
  assert_non_null(j);
  assert_int_equal(json_object_set_new(j, field, json_integer(value)), 0);
  check_ok(path_join(path, sizeof path, dir, "manifest.json"));
  assert_int_equal(json_dump_file(j, path, 0), 0);
  json_decref(j);
}

// A manifest's numbers are not believed where the shards say otherwise, and no memory is asked for by them.
static void test_false_manifests(void **unused) {
  (void)unused;
  char dir[256], path[330], *text;
  size_t n;
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 50, 20, 0);
  check_ok(path_join(path, sizeof path, dir, "manifest.json"));
  check_ok(file_read(path, 1 << 20, &text, &n));
  static const struct {
    const char *field, *message;
    json_int_t value;
  } lies[] = {{"sequences", "the manifest says 9000000000000", 9000000000000},
              {"sequences", "more sequences than the manifest says", 7},
              {"shards", "but there are 2000000000 shards", 2000000000},
              {"shards", "\"shards\" is 0", 0},
              {"tokens", "do not sum to \"tokens\"", 123456},
              {"train_tokens", "do not sum to \"tokens\"", 3},
              {"longest", "tokens at most in a sequence, the manifest says 100", 100},
              {"longest", "has bad offsets", 4},
              {"window", "field \"window\"", 0},
              {"stride", "field \"stride\"", 0},
              {"stride", "field \"stride\"", 1000000}};
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
    lie(dir, text, lies[i].field, lies[i].value);
    assert_int_not_equal(dataset_open(&d, dir, false), OK);
    if (strstr(fail_message(), lies[i].message) == NULL)
      fail_msg("\"%s\" does not say \"%s\"", fail_message(), lies[i].message);
  }
  // Files elsewhere, files that never end, numbers that no integer holds, and nesting without end.
  static const struct {
    const char *from, *to, *message;
  } edits[] = {{"\"vocab.tsv\"", "\"../vocab.tsv\"", "field \"files\""},
               {"\"vocab.tsv\"", "\"/etc/passwd\"", "field \"files\""},
               {"\"vocab.tsv\"", "\"..\"", "is not a plain file name"},
               {"\"vocab.tsv\"", "\"pipe\"", "pipe is not a regular file"},
               {"\"vocab.tsv\"", "\"endless\"", "endless is a symbolic link that leads out"},
               {"\"longest\": ", "\"longest\": 9223372036854775808, \"was\": ", "manifest.json line"},
               {"\"longest\": ", "\"longest\": 9223372036854775807, \"was\": ", "field \"longest\""},
               {"\"longest\": ", "\"longest\": -1, \"was\": ", "field \"longest\""},
               {"{", NULL, "manifest.json line 1"}};
  char other[330], *deep = malloc(100001);
  assert_non_null(deep);
  memset(deep, '[', 100000);
  deep[100000] = '\0';
  check_ok(path_join(other, sizeof other, dir, "pipe"));
  assert_int_equal(mkfifo(other, 0600), 0);
  check_ok(path_join(other, sizeof other, dir, "endless"));
  assert_int_equal(symlink("/dev/zero", other), 0);
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    const char *to = edits[i].to != NULL ? edits[i].to : deep, *at = strstr(text, edits[i].from);
    if (at == NULL) fail_msg("the manifest does not hold %s", edits[i].from);
    char *changed = malloc(n + strlen(to) + 1);
    assert_non_null(changed);
    const int length = sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(edits[i].from));
    check_ok(file_write_atomic(path, changed, (size_t)length));
    free(changed);
    assert_int_not_equal(dataset_open(&d, dir, true), OK);
    if (strstr(fail_message(), edits[i].message) == NULL)
      fail_msg("\"%s\" does not say \"%s\"", fail_message(), edits[i].message);
  }
  static const char *const names[] = {"manifest.json", "vocab.tsv"};
  for (size_t i = 0; i < 2; i++) { // a pipe that nobody writes to is no reason to wait
    check_ok(file_write_atomic(path, text, n));
    check_ok(path_join(other, sizeof other, dir, names[i]));
    assert_int_equal(unlink(other), 0);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_not_equal(dataset_open(&d, dir, false), OK);
    if (strstr(fail_message(), dir) == NULL) fail_msg("%s", fail_message());
    assert_int_equal(unlink(other), 0);
  }
  free(deep);
  free(text);
  tiny_remove(dir);
}

static void test_same_bytes(void **unused) {
  (void)unused;
  char dir[2][256], path[330], hex[2][65];
  for (int i = 0; i < 2; i++) {
    tiny_directory(dir[i], sizeof dir[i]);
    tiny_dataset(dir[i], 50, 20, 0);
    check_ok(path_join(path, sizeof path, dir[i], "manifest.json")); // it holds the checksums of all the rest
    check_ok(file_sha256(path, hex[i], NULL));
  }
  assert_string_equal(hex[0], hex[1]);
  tiny_remove(dir[0]);
  tiny_remove(dir[1]);
}

// Blocks in another vocabulary: the same names under other ids, [UNK] and none for what it does not have.
static void test_read_as(void **unused) {
  (void)unused;
  enum { USERS = 20, ITEMS = 12 };
  char dir[256];
  dataset *own, *as;
  vocab *v;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, USERS, ITEMS, 6);
  check_ok(dataset_open(&own, dir, true));
  check_ok(dataset_open(&as, dir, true));
  check_ok(vocab_new(&v));
  check_ok(vocab_add(v, RANGE_ATTRIBUTES, "item3", 1, NULL)); // of another range: not the item
  char name[32];
  for (int32_t i = ITEMS; i >= 0; i--) { // backwards, without item3, with one more
    snprintf(name, sizeof name, "item%d", i);
    if (i != 3) check_ok(vocab_add(v, RANGE_ITEMS, name, i, NULL));
  }
  const dataset_info info = {.n_event_types = 3, .event_types = {"none", "buy", "return"}};
  check_ok(dataset_read_as(as, v, &info));
  assert_int_equal(dataset_get_info(as)->range_end[RANGE_ITEMS], TOKEN_SPECIALS + 1 + ITEMS);
  assert_int_equal(dataset_get_info(as)->n_event_types, 3);
  sequence_block *a, *b;
  int32_t unknown = 0;
  check_ok(block_read(&a, own, 0, USERS));
  check_ok(block_read(&b, as, 0, USERS));
  for (int32_t u = 0; u < USERS; u++) {
    sequence x, y;
    block_get(a, u, &x);
    block_get(b, u, &y);
    for (int32_t i = 0; i < x.n; i++) {
      const char *was = vocab_token(dataset_vocab(own), x.tokens[i]);
      unknown += y.tokens[i] == TOKEN_UNK;
      assert_string_equal(vocab_token(dataset_vocab(as), y.tokens[i]),
                          strcmp(was, "item3") != 0 ? was : "[UNK]");
      assert_int_equal(y.events[i], strcmp(dataset_get_info(own)->event_types[x.events[i]], "buy") == 0);
    }
  }
  assert_true(unknown > 0);
  block_free(a);
  block_free(b);
  check_ok(vocab_new(&v));
  check_fails(dataset_read_as(as, v, &info), ERR_ARGUMENT, "cannot be read in another vocabulary");
  dataset_close(own);
  dataset_close(as);
  tiny_remove(dir);
}

static void test_windows(void **unused) {
  (void)unused;
  for (int32_t n = 0; n < 40; n++) {
    for (int32_t window = 1; window < 12; window++) {
      for (int32_t stride = 1; stride <= window; stride++) {
        const int32_t count = window_count(n, window, stride);
        int32_t covered = 0, last_end = 0;
        for (int32_t i = 0; i < count; i++) {
          int32_t begin, end;
          window_at(n, window, stride, i, &begin, &end);
          assert_true(begin >= 0 && end <= n && end - begin <= window && end > last_end);
          assert_true(end - begin == window || n < window);
          assert_true(begin <= covered); // no gap
          if (i + 1 == count) assert_int_equal(end, n);
          covered = last_end = end;
        }
        assert_int_equal(covered, n);
      }
    }
  }
}

static void test_intern(void **unused) {
  (void)unused;
  intern *t;
  check_ok(intern_new(&t));
  char name[32];
  int32_t id;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 20000; i++) {
      snprintf(name, sizeof name, "n%d", i);
      check_ok(intern_add(t, name, &id));
      assert_int_equal(id, i);
    }
  }
  assert_int_equal(intern_count(t), 20000);
  assert_int_equal(intern_find(t, "n77"), 77);
  assert_int_equal(intern_find(t, "m"), -1);
  assert_string_equal(intern_text(t, 19999), "n19999");
  intern_clear(t);
  assert_int_equal(intern_count(t), 0);
  assert_int_equal(intern_find(t, "n77"), -1);
  check_ok(intern_add(t, "n77", &id));
  assert_int_equal(id, 0);
  intern_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vocab),      cmocka_unit_test(test_dataset),
      cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_false_manifests),
      cmocka_unit_test(test_read_as),    cmocka_unit_test(test_windows),
      cmocka_unit_test(test_intern),
  };
  return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
