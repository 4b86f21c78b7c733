// Small bundles that write copy; see copy_bundle.h.
#include "lib/copy_bundle.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "format/safetensors.h"
#include "format/sha256.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"

static void add(vocab *v, vocab_range range, const char *text) {
  format_error e;
  if (!vocabulary_add(v, range, text, 1, NULL, &e)) fail_msg("%s", e.message);
}

vocab *copy_vocab(int32_t words) {
  static const char *const known[] = {"best",         "sale", "##s", "##er", "now",          "only",
                                      "the",          "a",    ",",   ".",    "\xe4\xbc\x98", "\xe6\x83\xa0",
                                      "\xe6\x9c\x80", "new",  "gift"};
  static const char *const attributes[] = {"brand=x",     "user:age=30",    "language:en",    "language:zh",
                                           "market:cn",   "market:us",      "promo:discount", "promo:gift",
                                           "goal:sales",  "slot:item",      "slot:price",     "slot:percent",
                                           "slot:amount", "slot:threshold", "slot:date",      "slot:code"};
  char name[32];
  format_error e;
  vocab *v;
  if (!vocabulary_new(&v, &e)) fail_msg("%s", e.message);
  for (int32_t i = 0; i < words; i++) {
    if (i < (int32_t)(sizeof known / sizeof *known)) {
      add(v, RANGE_WORDS, known[i]);
      continue;
    }
    snprintf(name, sizeof name, "w%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
    add(v, RANGE_WORDS, name);
  }
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) add(v, RANGE_ATTRIBUTES, attributes[i]);
  for (int32_t i = 0; i < COPY_ITEMS; i++) {
    snprintf(name, sizeof name, "item%d", i);
    add(v, RANGE_ITEMS, name);
  }
  return v;
}

model_config copy_bundle_config(void) {
  model_config c = tiny_config();
  c.cls_sep = true;
  c.segments = 2;
  c.item_classes = false;
  c.max_positions = 40;
  return c;
}

// ---- files ---------------------------------------------------------------------------------------------------

static void path_of(const char *dir, const char *name, char *path) {
  char bundle[PATH_MAX];
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  check_ok(path_join(path, PATH_MAX, bundle, name));
}

static void write_head(const char *dir, int64_t H, int64_t C, double spread) {
  static const char *const names[] = {"copy.transform.dense.weight", "copy.transform.dense.bias",
                                      "copy.transform.LayerNorm.weight", "copy.transform.LayerNorm.bias",
                                      "copy.bias"};
  const int64_t lengths[] = {H, H, H, H, C};
  tensor items[5];
  char path[PATH_MAX];
  size_t bytes;
  memset(items, 0, sizeof items);
  for (int i = 0; i < 5; i++) {
    items[i].name = (char *)(uintptr_t)names[i];
    items[i].ndim = i == 0 ? 2 : 1;
    items[i].shape[0] = lengths[i];
    items[i].shape[1] = i == 0 ? H : 0;
    strcpy(items[i].dtype, "F32");
  }
  char *header = safetensors_header(items, 5, "\"format\":\"pt\"", &bytes);
  assert_non_null(header);
  path_of(dir, "copy.safetensors", path);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  fwrite(header, 1, bytes, f);
  free(header);
  for (uint32_t i = 0; i < 5; i++) {
    rng r = rng_at(23, 1, i, 0);
    for (int64_t k = 0; k < lengths[i] * (i == 0 ? H : 1); k++) {
      const float x = (float)((i == 2 ? 1 : 0) + (i == 4 ? spread : 0.3) * (2 * rng_unit(&r) - 1));
      fwrite(&x, sizeof x, 1, f);
    }
  }
  assert_int_equal(fclose(f), 0);
}

static json_t *read_json(const char *dir) {
  char path[PATH_MAX];
  json_error_t e;
  path_of(dir, "souk.json", path);
  json_t *j = json_load_file(path, 0, &e);
  if (j == NULL) fail_msg("%s", e.text);
  return j;
}

static void write_json(const char *dir, json_t *j) {
  char path[PATH_MAX];
  path_of(dir, "souk.json", path);
  assert_int_equal(json_dump_file(j, path, 0), 0);
  json_decref(j);
}

static void list_file(const char *dir, json_t *files, const char *name) {
  char path[PATH_MAX], hex[65], *data;
  path_of(dir, name, path);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  fseek(f, 0, SEEK_END);
  const long bytes = ftell(f);
  rewind(f);
  data = malloc((size_t)bytes + 1);
  assert_non_null(data);
  assert_int_equal(fread(data, 1, (size_t)bytes, f), bytes);
  fclose(f);
  sha256_hex(data, (size_t)bytes, hex);
  free(data);
  json_object_set_new(files, name, json_pack("{s:I,s:s}", "bytes", (json_int_t)bytes, "sha256", hex));
}

void copy_bundle_relist(const char *dir) {
  json_t *j = read_json(dir), *files = json_object_get(j, "files"), *listed;
  const char *name;
  void *next;
  json_object_foreach_safe(files, next, name, listed) list_file(dir, files, name);
  write_json(dir, j);
}

void copy_bundle(const char *dir, vocab *v, const model_config *c, int32_t copy_tokens, double spread) {
  dataset *d;
  dataset_info info = {.name = "copy", .n_event_types = 2, .event_types = {"none", "view"}};
  model_config own = *c;
  memset(info.checksum, '0', 64);
  check_ok(dataset_of_vocab(&d, &info, v));
  const int64_t classes = vocab_begin(v, RANGE_ITEMS);
  model *m = tiny_model(d, &own);
  tiny_export(dir, m, d);
  model_free(m);
  dataset_close(d);
  write_head(dir, own.hidden, classes, spread);
  json_t *j = read_json(dir);
  json_object_set_new(j, "copy",
                      json_pack("{s:I,s:i,s:i}", "classes", (json_int_t)classes, "copy_tokens",
                                (int)copy_tokens, "item_tokens", 8));
  list_file(dir, json_object_get(j, "files"), "copy.safetensors");
  write_json(dir, j);
}

souk_promo_request copy_request(void) {
  return (souk_promo_request){.item = -1,
                              .goal = "sales",
                              .type = "discount",
                              .market = "us",
                              .language = "en",
                              .terms = {.price = 199, .percent = 20}};
}
