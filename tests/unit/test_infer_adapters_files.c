// Adapters as files: exports that are refused, folders that are not what they should be, and numbers that overflow.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "convert/export.h"
#include "infer/adapters.h"
#include "lib/adapted_worlds.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "souk/infer.h"

static void test_refused_exports(void **unused) {
  (void)unused;
  char base[PATH_MAX], out[PATH_MAX], list[3 * PATH_MAX], a[PATH_MAX];
  const adapted_world *w = &adapted_worlds[0];
  adapted_path(w->dir, "checkpoint", base);
  adapted_path(w->dir, "refused", out);
  export_config c = {.adapters = list};
  snprintf(list, sizeof list, "%s", adapted_path(adapted_worlds[1].dir, "tuned-de", a));
  check_fails(export_bundle(base, out, &c, NULL), ERR_ARGUMENT, "is not tuned on top of");
  snprintf(list, sizeof list, "x y=%s", adapted_path(w->dir, "tuned-de", a));
  check_fails(export_bundle(base, out, &c, NULL), ERR_ARGUMENT, "cannot be a folder of a bundle");
  snprintf(list, sizeof list, ".x=%s", a);
  check_fails(export_bundle(base, out, &c, NULL), ERR_ARGUMENT, "cannot be a folder of a bundle");
  snprintf(list, sizeof list, "x=%s,x=%s", a, a);
  check_fails(export_bundle(base, out, &c, NULL), ERR_ARGUMENT, "two are called x");
}

// Replaces one text of a file by another of the same length.
static void edit(const char *path, const char *was, const char *is) {
  char *text;
  size_t bytes;
  assert_int_equal(strlen(was), strlen(is));
  check_ok(file_read(path, 1 << 20, &text, &bytes));
  char *at = memmem(text, bytes, was, strlen(was));
  assert_non_null(at);
  memcpy(at, is, strlen(is));
  check_ok(file_write_atomic(path, text, bytes));
  free(text);
}

// The header of a file of tensors with the encoder as part of a model, where it is called "bert", or by itself.
static void respell(const char *dir, const char *path, bool part) {
  static const char *const spelled[] = {"base_model.model.encoder.", "base_model.model.bert.encoder."};
  char *was, *is;
  size_t bytes, header, n = sizeof header;
  check_ok(file_read(path, 1 << 24, &was, &bytes));
  memcpy(&header, was, sizeof header);
  assert_non_null(is = malloc(2 * bytes));
  const char *at = was + sizeof header, *const end = at + header, *from = spelled[!part], *to = spelled[part];
  while (at < end) {
    const bool found = strncmp(at, from, strlen(from)) == 0;
    if (found) memcpy(is + n, to, strlen(to));
    if (!found) is[n] = *at;
    at += found ? strlen(from) : 1;
    n += found ? strlen(to) : 1;
  }
  while (n % 64 != 0) is[n++] = ' ';
  header = n - sizeof header;
  memcpy(is, &header, sizeof header);
  memcpy(is + n, end, bytes - (size_t)(end - was));
  const size_t now = n + bytes - (size_t)(end - was);
  char manifest[PATH_MAX], before[32], after[32];
  check_ok(file_write_atomic(path, is, now));
  snprintf(before, sizeof before, "\"bytes\": %zu", bytes);
  snprintf(after, sizeof after, "\"bytes\": %zu", now);
  edit(adapted_path(dir, "souk.json", manifest), before, after);
  free(was);
  free(is);
}

// An adapter may be of the encoder itself, or of a model that it is a part of, whatever the bundle's own head.
static void test_spellings(void **unused) {
  (void)unused;
  for (int i = 0; i < WORLDS; i++) {
    char path[PATH_MAX], dir[PATH_MAX];
    const size_t W = (size_t)adapted_worlds[i].b->width;
    float *got = calloc(HISTORIES * W, sizeof *got), *want = calloc(HISTORIES * W, sizeof *want);
    assert_true(got != NULL && want != NULL);
    int32_t which[HISTORIES];
    for (int s = 0; s < HISTORIES; s++) which[s] = bundle_adapter(adapted_worlds[i].b, adapted_names[0]);
    adapted_vectors(adapted_worlds[i].b, adapted_histories, HISTORIES, which, want);
    snprintf(path, sizeof path, "%.3000s/adapters/de/adapter_model.safetensors",
             adapted_path(adapted_worlds[i].dir, "many", dir));
    const bool part = i < 2; // how the export spelled it
    for (int k = 0; k < 2; k++) {
      souk_bundle *b;
      respell(dir, path, part == (k == 1));
      souk_error e;
      if (souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, &e) != SOUK_OK) fail_msg("%s", e.message);
      for (int s = 0; s < HISTORIES; s++) which[s] = bundle_adapter(b, adapted_names[0]);
      adapted_vectors(b, adapted_histories, HISTORIES, which, got);
      assert_memory_equal(got, want, HISTORIES * W * sizeof *got);
      souk_close(b);
    }
    free(got);
    free(want);
  }
}

static void test_damaged_folders(void **unused) {
  (void)unused;
  char dir[PATH_MAX], path[PATH_MAX];
  souk_bundle *b;
  static const struct {
    const char *folder, *file, *was, *is, *says;
    int times;
  } cases[] = {
      {"de", "adapter_config.json", "\"LORA\"", "\"LOHA\"",
       "field \"peft_type\" must be \"LORA\", \"ADALORA\",", 1},
      {"de", "adapter_config.json", "\"r\": 3", "\"r\": 0", "field \"r\" must be an integer from 1 to 4096",
       1},
      {"de", "adapter_config.json", "\"r\": 3", "\"r\": 4", "lora_A.weight\"", 1},
      {"de", "adapter_config.json", "\"none\"", "\"all\" ", "field \"bias\" must be \"none\"", 1},
      {"de", "adapter_model.safetensors", "layer.1.output.dense.lora_A", "layer.1.output.dense.lora_X",
       "has not all factors", 1},
      {"de", "adapter_model.safetensors", "layer.1.attention.self.key", "layer.9.attention.self.key",
       "has no place in the encoder", 2},
      {"words", "adapter_model.safetensors", "word_embeddings.lora_embedding_B",
       "word_embeddings.lora_embedding_X", "has not both factors of word_embeddings", 1},
      {"sale_2", "adapter_model.safetensors", "word_embeddings.lora_embedding_E",
       "word_embeddings.lora_embedding_X", "has not all factors of word_embeddings", 1},
      {"words", "adapter_config.json", "\"r\": 17", "\"r\": 16", "[16, 16] is expected", 1},
      {"bias", "adapter_config.json", "SOUK_BIAS", "SOUK_BIOS", "field \"peft_type\" must be", 1},
      {"bias", "adapter_model.safetensors", "layer.1.output.dense.bias", "layer.1.output.dense.bios",
       "has no place in the encoder", 1},
      {"bias", "adapter_model.safetensors", "layer.0.attention.self.query.bias\":{\"dtype\":\"F32\"",
       "layer.0.attention.self.query.bias\":{\"dtype\":\"I32\"", "layer.0.attention.self.query.bias", 1},
      {"wide", "adapter_config.json", "_width\": 21", "_width\": 20", "adapter.down.weight\"", 1},
      {"wide", "adapter_config.json", "_width\": 21", "_width\": 0 ",
       "field \"adapter_width\" must be an integer from 1 to 65536", 1},
      {"wide", "adapter_config.json", "_width\": 21", "_width\":1e9", "field \"adapter_width\" must be", 1},
      {"wide", "adapter_config.json", "\"adapter_width\"", "\"adapter_wodth\"",
       "field \"adapter_wodth\" is unknown", 1},
      {"wide", "adapter_model.safetensors", "layer.1.output.adapter.up.bias",
       "layer.1.output.adapter.up.bios", "layer.1.output.adapter.up.bias\"", 1},
      {"wide", "adapter_model.safetensors", "layer.0.attention.output.adapter.down.weight",
       "layer.0.attention.output.adapter.doww.weight", "layer.0.attention.output.adapter.down.weight\"", 1},
      {"wide", "adapter_model.safetensors", "down.weight\":{\"dtype\":\"F32\",\"shape\":[21,16]",
       "down.weight\":{\"dtype\":\"F32\",\"shape\":[16,21]", "adapter.down.weight\"", 1},
      {"wide", "adapter_model.safetensors", "\"F32\"", "\"I32\"", "F32", 1},
  };
  adapted_path(adapted_worlds[0].dir, "many", dir);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(path, sizeof path, "%.3000s/adapters/%s/%s", dir, cases[i].folder, cases[i].file);
    for (int k = 0; k < cases[i].times; k++) edit(path, cases[i].was, cases[i].is);
    refuses(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, error), SOUK_ERR_FORMAT, cases[i].says);
    refuses(souk_open(&b, dir, 0, error), SOUK_ERR_CHECKSUM, cases[i].file);
    for (int k = 0; k < cases[i].times; k++) edit(path, cases[i].is, cases[i].was);
  }
  assert_int_equal(souk_open(&b, dir, 0, NULL), SOUK_OK);
  souk_close(b);
}

// A file of tensors that has none: its header takes all of it.
static void test_no_factors(void **unused) {
  (void)unused;
  char dir[PATH_MAX], path[PATH_MAX], *was;
  souk_bundle *b;
  adapted_path(adapted_worlds[0].dir, "many", dir);
  for (int k = 0; k < ADAPTERS; k++) {
    size_t bytes;
    if (k == WIDE) continue; // which lacks tensors by name
    snprintf(path, sizeof path, "%.3000s/adapters/%s/adapter_model.safetensors", dir, adapted_names[k]);
    check_ok(file_read(path, 1 << 24, &was, &bytes));
    char *is = malloc(bytes);
    assert_non_null(is);
    const uint64_t header = bytes - sizeof header;
    memset(is, ' ', bytes);
    memcpy(is, &header, sizeof header);
    memcpy(is + sizeof header, "{}", 2);
    check_ok(file_write_atomic(path, is, bytes));
    refuses(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, error), SOUK_ERR_FORMAT,
            k == BIASES ? "has no biases" : "has no factors");
    check_ok(file_write_atomic(path, was, bytes));
    free(was);
    free(is);
  }
}

// A number of each tensor that is none, first and last of the file's.
static void test_nonfinite(void **unused) {
  (void)unused;
  char dir[PATH_MAX], path[PATH_MAX], *text;
  souk_bundle *b;
  adapted_path(adapted_worlds[0].dir, "many", dir);
  for (int32_t k = 0; k < ADAPTERS; k++)
    for (int last = 0; last < 2; last++) {
      size_t bytes;
      uint64_t header;
      snprintf(path, sizeof path, "%.3000s/adapters/%s/adapter_model.safetensors", dir, adapted_names[k]);
      check_ok(file_read(path, 1 << 24, &text, &bytes));
      memcpy(&header, text, sizeof header);
      char *at = last ? text + bytes - sizeof(float) : text + sizeof header + header, was[sizeof(float)];
      const float bad = last ? NAN : INFINITY;
      memcpy(was, at, sizeof was);
      memcpy(at, &bad, sizeof bad);
      check_ok(file_write_atomic(path, text, bytes));
      refuses(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, error), SOUK_ERR_NONFINITE,
              "holds a NaN or an infinity");
      memcpy(at, was, sizeof was);
      check_ok(file_write_atomic(path, text, bytes));
      free(text);
    }
}

// Where a tensor's numbers begin in a file of tensors.
static char *numbers_of(char *text, const char *name) {
  uint64_t header;
  unsigned long long begin;
  memcpy(&header, text, sizeof header);
  char *at = memmem(text, sizeof header + header, name, strlen(name));
  assert_non_null(at);
  at = strstr(at, "\"data_offsets\":");
  assert_non_null(at);
  assert_int_equal(sscanf(at, "\"data_offsets\":[%llu", &begin), 1);
  return text + sizeof header + header + begin;
}

// Factors that are finite, and whose products are not: an item's score, or vector, is an error and not left out.
static void test_overflow_of_an_adapted_table(void **unused) {
  (void)unused;
  const float large = 3e38f, larger = 1e6f;
  char dir[PATH_MAX], path[PATH_MAX], *text, *was;
  size_t bytes;
  souk_bundle *b;
  snprintf(path, sizeof path, "%.3000s/adapters/%s/adapter_model.safetensors",
           adapted_path(adapted_worlds[0].dir, "many", dir), adapted_names[TABLE]);
  check_ok(file_read(path, 1 << 24, &text, &bytes));
  check_ok(file_read(path, 1 << 24, &was, &bytes));
  memcpy(numbers_of(text, "lora_embedding_A") + (adapted_worlds[0].b->first_item + 7) * (int32_t)sizeof large,
         &large, sizeof large);
  memcpy(numbers_of(text, "lora_embedding_B"), &larger, sizeof larger);
  check_ok(file_write_atomic(path, text, bytes));
  assert_int_equal(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, NULL), SOUK_OK);
  const int32_t seen[] = {1, 2, 3}, others[] = {6, 8}, candidates[] = {6, 7, 8};
  souk_query q = {.history = {.n = 3, .items = seen}, .adapter = bundle_adapter(b, adapted_names[TABLE]) + 1};
  int32_t listed[ITEMS], count;
  float scores[ITEMS], u[64], v[64];
  refuses(souk_rank(b, &q, 1, 5, NULL, listed, scores, &count, NULL, error), SOUK_ERR_NONFINITE,
          "the score of item 7 ");
  q.candidates = candidates;
  q.n_candidates = 3;
  refuses(souk_rank(b, &q, 1, 5, NULL, listed, scores, &count, NULL, error), SOUK_ERR_NONFINITE,
          "the score of item 7 ");
  q.candidates = others;
  q.n_candidates = 2;
  assert_int_equal(souk_rank(b, &q, 1, 5, NULL, listed, scores, &count, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_query_vectors(b, &q, 1, 1, u, NULL, NULL), SOUK_OK);
  refuses(souk_adapted_score(b, q.adapter, u, 1, candidates, 3, scores, error), SOUK_ERR_NONFINITE,
          "items[1] = 7");
  refuses(souk_adapted_item_vectors(b, q.adapter, 7, 1, v, error), SOUK_ERR_NONFINITE,
          "the vector of item 7");
  assert_int_equal(souk_adapted_item_vectors(b, q.adapter, 6, 1, v, NULL), SOUK_OK);
  const souk_explain_options o = {.adapter = q.adapter, .method = SOUK_WHY_INTEGRATED_GRADIENTS};
  souk_explanation why;
  float shares[3];
  refuses(souk_explain(b, &q.history, &candidates[1], 1, &o, &why, shares, error), SOUK_ERR_NONFINITE,
          "is not finite");
  souk_close(b);
  check_ok(file_write_atomic(path, was, bytes));
  free(text);
  free(was);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused_exports),
                                     cmocka_unit_test(test_damaged_folders),
                                     cmocka_unit_test(test_no_factors),
                                     cmocka_unit_test(test_nonfinite),
                                     cmocka_unit_test(test_overflow_of_an_adapted_table),
                                     cmocka_unit_test(test_spellings)};
  return cmocka_run_group_tests_name("infer_adapters_files", tests, adapted_worlds_make,
                                     adapted_worlds_close);
}
