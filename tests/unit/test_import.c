// Importing Hugging Face's BERT: every parameter in its place and its rows renumbered, old names, other number types, missing heads,
// and a run that begins from it. The files are made here; that the model then computes what PyTorch computes is seen in `make interop`.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "convert/import.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "data/wordpiece.h"
#include "lib/check.h"
#include "lib/hf_model.h"
#include "lib/tiny_bundle.h"
#include "model/checkpoint.h"
#include "train/init.h"
#include "train/init_from.h"

static const import_config forced = {.force = true, .seed = 3};
static model *load(void) {
  checkpoint *c;
  model *m;
  check_ok(checkpoint_open(&c, hf_out));
  const model_run run = {.caps = {.tokens = 16, .seqs = 2, .masked = 4}, .seed = 99};
  check_ok(model_create(&m, "cpu", &c->model, &run));
  check_ok(checkpoint_load(c, m, false));
  checkpoint_close(c);
  return m;
}

static int32_t theirs(int32_t ours) { // their id of our token; rows without a token stay
  return ours == 0 ? 0 : ours < 5 ? ours + 6 : ours < 11 ? ours - 4 : ours;
}

static double worst_difference(model *m, const param *p) {
  static const char *const parts[] = {"query", "key", "value"};
  const float *w = param_master(model_params(m), p);
  const char *qkv = strstr(p->name, ".qkv.");
  const bool by_token = strstr(p->name, "word_emb") != NULL || strcmp(p->name, "cls.predictions.bias") == 0;
  double worst = 0;
  for (int64_t i = 0; i < p->size; i++) {
    char name[128];
    int64_t at = i;
    snprintf(name, sizeof name, "%s", p->name);
    if (qkv != NULL) {
      snprintf(name, sizeof name, "%.*s.%s.%s", (int)(qkv - p->name), p->name, parts[i / (p->size / 3)],
               qkv + 5);
      at = i % (p->size / 3);
    } else if (by_token) {
      const int64_t width = p->size / V;
      at = (int64_t)theirs((int32_t)(i / width)) * width + i % width;
    }
    const double d = fabs((double)w[i] - hf_value(name, at));
    if (d > worst) worst = d;
  }
  return worst;
}

// ---- what is read --------------------------------------------------------------------------------------------

static void test_everything_in_its_place(void **unused) {
  (void)unused;
  for (int k = 0; k < 8; k++) {
    static const char *const dtypes[] = {"F32", "F16", "BF16", "F64"};
    hf_maker m = {.prefix = k % 2 == 0, .old_norms = k / 2 % 2 == 1, .dtype = dtypes[k / 2]};
    if (k > 5) m.outer = "model."; // of a wrapper
    hf_write_model(&m, true);
    check_ok(import_hugging_face(hf_dir, hf_out, &forced));
    model *x = load();
    const model_config *c = model_get_config(x);
    assert_true(c->pooler && c->cls_sep && !c->positions_from_end && !c->item_classes && c->classes == V);
    assert_true(c->activation == 1 && c->segments == 2 && c->event_types == 1);
    assert_true(fabs(c->dropout - 0.25) < 1e-12 && fabs(c->layer_norm_eps - 1e-7) < 1e-15);
    for (int32_t i = 0; i < model_params(x)->count; i++) {
      const param *p = &model_params(x)->items[i];
      const double d = worst_difference(x, p), allowed = k / 2 == 2 ? 1e-2 : k / 2 == 1 ? 2e-4 : 0;
      if (!(d <= allowed)) fail_msg("%s differs by %g as %s", p->name, d, dtypes[k / 2]);
    }
    model_free(x);
  }
  char path[400], *text;
  size_t n;
  snprintf(path, sizeof path, "%s/vocab.tsv", hf_out);
  check_ok(file_read(path, 1 << 16, &text, &n));
  assert_non_null(strstr(text, "[PAD]\t0\n[UNK]\t0\n[CLS]\t0\n[SEP]\t0\n[MASK]\t0\nt1\t0\n"));
  assert_non_null(strstr(text, "\nt6\t0\nt11\t0\n"));
  free(text);
}

// The name of a folder, cut to what a checkpoint holds, ends with a whole character.
static void test_long_folder(void **unused) {
  (void)unused;
  char dir[600];
  checkpoint *c;
  hf_maker m = {.prefix = true, .dtype = "F32"};
  hf_write_model(&m, true);
  int n = snprintf(dir, sizeof dir, "%.*s/", (int)(strrchr(hf_dir, '/') - hf_dir), hf_dir);
  for (int i = 0; i < 50; i++) n += snprintf(dir + n, sizeof dir - (size_t)n, "长");
  assert_int_equal(rename(hf_dir, dir), 0);
  check_ok(import_hugging_face(dir, hf_out, &forced));
  assert_int_equal(rename(dir, hf_dir), 0);
  check_ok(checkpoint_open(&c, hf_out));
  assert_int_equal(strlen(c->data.name), 42 * strlen("长"));
  checkpoint_close(c);
}

static void rename_model(const char *name) {
  char from[400], to[400];
  snprintf(from, sizeof from, "%s/model.safetensors", hf_dir);
  snprintf(to, sizeof to, "%s/%s", hf_dir, name);
  assert_int_equal(rename(from, to), 0);
}

// The weights in two files with an index: the same checkpoint.
static void test_several_files(void **unused) {
  (void)unused;
  static const char index[] = "model.safetensors.index.json";
  char whole[65], parts[65], path[400];
  hf_maker all = {.prefix = true, .dtype = "F32"}, one = {.prefix = true, .dtype = "F32", .only = "layer.1."},
           other = {.prefix = true, .dtype = "F32", .leave_out = "layer.1."}, twice = all;
  snprintf(path, sizeof path, "%s/model.h5", hf_out);
  hf_write_model(&all, true);
  check_ok(import_hugging_face(hf_dir, hf_out, &forced));
  check_ok(file_sha256(path, whole, NULL));
  hf_write_model(&other, true);
  rename_model("model-1.safetensors");
  hf_write_model(&one, true);
  rename_model("model-2.safetensors");
  hf_write(index, "{\"metadata\": {\"total_size\": 99999999999999999999}, \"weight_map\": {"
                  "\"bert.embeddings.LayerNorm.weight\": \"model-1.safetensors\","
                  "\"bert.encoder.layer.1.output.dense.bias\": \"model-2.safetensors\"}}");
  check_ok(import_hugging_face(hf_dir, hf_out, &forced));
  check_ok(file_sha256(path, parts, NULL));
  assert_string_equal(whole, parts);
  static const struct {
    const char *text, *says;
    status code;
  } cases[] = {{"{}", "\"weight_map\" is missing or empty", ERR_FORMAT},
               {"{\"weight_map\": {\"a\": 1}}", "tensor \"a\" has no file", ERR_FORMAT},
               {"{\"weight_map\": {\"a\": \"../../etc/passwd\"}}",
                "\"../../etc/passwd\" is not a plain file name", ERR_FORMAT},
               {"{\"weight_map\": {\"a\": \"gone.safetensors\"}}", "gone.safetensors", ERR_NOT_FOUND},
               {"{\"weight_map\": {\"a\": \"model-1.safetensors\"}}",
                "model-1.safetensors has no tensor \"a\", but ", ERR_FORMAT},
               {"{\"weight_map\": {\"bert.pooler.dense.bias\": \"model-1.safetensors\"}}",
                "it has 1 of the 2 layers of config.json", ERR_FORMAT},
               {"[", "index.json line 1", ERR_FORMAT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hf_write(index, cases[i].text);
    check_fails(import_hugging_face(hf_dir, hf_out, &forced), cases[i].code, cases[i].says);
  }
  hf_write_model(&twice, true);
  rename_model("model-2.safetensors");
  hf_write(index, "{\"weight_map\": {\"bert.embeddings.LayerNorm.weight\": \"model-1.safetensors\","
                  "\"bert.embeddings.LayerNorm.bias\": \"model-2.safetensors\"}}");
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_FORMAT, "is in two files");
  hf_drop(index);
  hf_drop("model-1.safetensors");
  hf_drop("model-2.safetensors");
}

static void test_two_encoders(void **unused) {
  (void)unused;
  static const char header[] =
      "{\"a.embeddings.word_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      "\"b.embeddings.word_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
  hf_write_tensors(header, (const char[8]){0}, 8);
  check_fails(
      import_hugging_face(hf_dir, hf_out, &forced), ERR_UNSUPPORTED,
      "has the encoders of two models, by \"a.embeddings.word_embeddings.weight\" and \"b.embeddings.");
}

static void test_missing_heads_are_initialised(void **unused) {
  (void)unused;
  hf_maker m = {.dtype = "F32"};
  hf_write_model(&m, false);
  check_ok(import_hugging_face(hf_dir, hf_out, &forced));
  model *x = load();
  const param_set *s = model_params(x);
  assert_false(model_get_config(x)->pooler);
  assert_null(param_find(s, "cls.seq_relationship.weight"));
  const float *norm = param_master(s, param_find(s, "cls.predictions.transform.LayerNorm.weight"));
  const float *dense = param_master(s, param_find(s, "cls.predictions.transform.dense.weight"));
  double sum = 0;
  for (int i = 0; i < H; i++) assert_true(norm[i] > 0.999f && norm[i] < 1.001f);
  for (int i = 0; i < H * H; i++) sum += (double)dense[i] * (double)dense[i];
  assert_true(sum > 0 && sqrt(sum / (H * H)) < 0.06); // about init_std
  model_free(x);
  const import_config with_pooler = {.force = true, .pooler = true, .seed = 3};
  check_ok(import_hugging_face(hf_dir, hf_out, &with_pooler));
  x = load();
  assert_non_null(param_find(model_params(x), "cls.seq_relationship.weight"));
  model_free(x);
}

static void test_tokenizer_json(void **unused) {
  (void)unused;
  wordpiece *a, *b;
  check_ok(wordpiece_read(&a, hf_dir));
  char text[2000] = "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{", piece[40];
  for (int32_t i = TOKENS - 2; i >= 0; i--) { // in any order, and the last one only among the added tokens
    const int32_t k = a->ours[i];
    snprintf(piece, sizeof piece, "\"%s\":%d%s", vocab_token(a->v, k), i, i > 0 ? "," : "");
    strcat(text, piece);
  }
  strcat(text, "}},\"added_tokens\":[{\"id\":19,\"content\":\"t19\"},{\"id\":0,\"content\":\"[PAD]\"}]}");
  hf_drop("vocab.txt");
  hf_write("tokenizer.json", text);
  check_ok(wordpiece_read(&b, hf_dir));
  assert_int_equal(a->n, b->n);
  assert_memory_equal(a->ours, b->ours, (size_t)a->n * sizeof *a->ours);
  for (int32_t i = 0; i < a->n; i++) assert_string_equal(vocab_token(a->v, i), vocab_token(b->v, i));
  wordpiece_close(a);
  wordpiece_close(b);
  hf_write("tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}");
  check_fails(wordpiece_read(&a, hf_dir), ERR_FORMAT, "\"model.type\" is \"BPE\"");
  hf_write("tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":0}}}");
  check_fails(wordpiece_read(&a, hf_dir), ERR_FORMAT, "\"a\" and \"b\" have the same id");
  hf_write("tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":900000000}}}");
  check_fails(wordpiece_read(&a, hf_dir), ERR_FORMAT, "the id of token \"b\" is out of range");
  hf_write("tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}");
  check_fails(wordpiece_read(&a, hf_dir), ERR_FORMAT, "the id of token \"a\" is out of range");
  hf_drop("tokenizer.json");
  check_fails(wordpiece_read(&a, hf_dir), ERR_NOT_FOUND, "neither vocab.txt nor tokenizer.json");
  hf_write("vocab.txt", "<pad>\n<s>\nx\n</s>\n<unk>\n<mask>\n");
  hf_write("special_tokens_map.json",
           "{\"pad_token\": \"<pad>\", \"cls_token\": \"<s>\", \"sep_token\": \"</s>\","
           " \"unk_token\": \"<unk>\", \"mask_token\": {\"content\": \"<mask>\"}}");
  check_ok(wordpiece_read(&a, hf_dir));
  static const int32_t wanted[] = {0, 2, 5, 3, 1, 4};
  assert_memory_equal(a->ours, wanted, sizeof wanted);
  wordpiece_close(a);
  hf_write("special_tokens_map.json", "{\"mask_token\": 3}");
  check_fails(wordpiece_read(&a, hf_dir), ERR_FORMAT, "field \"mask_token\" is not a token");
  hf_drop("special_tokens_map.json");
  hf_write_vocab();
}

// The settings go from the imported checkpoint into those of a run that begins from it, whose data do not have them.
static void test_a_run_keeps_the_tokenizer(void **unused) {
  (void)unused;
  char trained[330];
  wordpiece *w;
  dataset *d;
  run_config *run = calloc(1, sizeof *run);
  assert_non_null(run);
  hf_maker file = {.dtype = "F32"};
  hf_write_model(&file, true);
  hf_write("tokenizer_config.json", "{\"do_lower_case\": false, \"model_max_length\": 64}");
  check_ok(import_hugging_face(hf_dir, hf_out, &forced));
  hf_drop("tokenizer_config.json");
  check_ok(wordpiece_read(&w, hf_dir));
  assert_null(w->tokenizer);
  dataset_info info = {.name = "shards", .n_event_types = 1, .event_types = {"none"}};
  memset(info.checksum, '0', 64);
  check_ok(dataset_of_vocab(&d, &info, w->v));
  w->v = NULL; // the data set has taken it
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(run, sections)};
  check_ok(options_defaults(&set));
  snprintf(run->train.init, sizeof run->train.init, "%s", hf_out);
  model *m = load();
  train_state start = {.step = 0};
  check_ok(init_load(run, m, d, NULL, &start));
  snprintf(trained, sizeof trained, "%s-trained", hf_out);
  const train_state state = {.step = 1};
  check_ok(tiny_checkpoint(trained, m, &state, "", d, false));
  checkpoint *c;
  check_ok(checkpoint_open(&c, trained));
  const json_t *config = json_object_get(c->tokenizer, "config");
  assert_true(json_is_false(json_object_get(config, "do_lower_case")));
  assert_int_equal(json_integer_value(json_object_get(config, "model_max_length")), 64);
  checkpoint_close(c);
  model_free(m);
  dataset_close(d);
  wordpiece_close(w);
  free(run);
}

// Tuning freezes the heads that came with weights; those that the file lacks are random, and are trained whole.
static void test_tuning_trains_missing_heads(void **unused) {
  (void)unused;
  for (int heads = 0; heads < 2; heads++) {
    hf_maker file = {.dtype = "F32"};
    model *m;
    run_config *run = calloc(1, sizeof *run);
    assert_non_null(run);
    hf_write_model(&file, heads != 0);
    check_ok(import_hugging_face(hf_dir, hf_out, &forced));
    option_section sections[RUN_SECTIONS];
    const option_set set = {.sections = sections, .count = run_sections(run, sections)};
    check_ok(options_defaults(&set));
    snprintf(run->train.init, sizeof run->train.init, "%s", hf_out);
    check_ok(init_adopt_model(run, false));
    assert_string_equal(run->base_objectives, heads != 0 ? "masked_lm, next_session" : BASE_WITHOUT_HEADS);
    run->model.peft.kind = PEFT_LORA;
    const model_run how = {.caps = {.tokens = 16, .seqs = 2, .masked = 4},
                           .training = true,
                           .base_objectives = run->base_objectives};
    check_ok(model_create(&m, "cpu", &run->model, &how));
    const param_set *s = model_params(m);
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      const bool head = p->objective != NULL;
      if (p->trainable != (p->tuned || (head && heads == 0)))
        fail_msg("%s is %s", p->name, p->trainable ? "trained" : "frozen");
    }
    model_free(m);
    free(run);
  }
}

// train.init_from: a data set's words and items beside the words of a BERT.
static void test_growing_items(void **unused) {
  (void)unused;
  enum { ITEMS = 3 };
  hf_maker file = {.prefix = true, .dtype = "F32"};
  hf_write_model(&file, true);
  check_ok(import_hugging_face(hf_dir, hf_out, &forced));
  model *bert = load(), *m;
  checkpoint *from;
  check_ok(checkpoint_open(&from, hf_out));
  char path[400];
  vocab *words, *v;
  dataset *d;
  dataset_info info = {.n_event_types = 3, .event_types = {"none", "view", "buy"}};
  snprintf(path, sizeof path, "%s/vocab.tsv", hf_out);
  check_ok(vocab_read(&words, path, from->data.range_end));
  check_ok(vocab_new(&v)); // the words backwards, and one more
  check_ok(vocab_add(v, RANGE_WORDS, "surely-not-there", 0, NULL));
  for (int32_t t = vocab_end(words, RANGE_WORDS) - 1; t >= vocab_begin(words, RANGE_WORDS); t--)
    check_ok(vocab_add(v, RANGE_WORDS, vocab_token(words, t), 0, NULL));
  for (int i = 0; i < ITEMS; i++) {
    snprintf(path, sizeof path, "item %d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, path, 1, NULL));
  }
  int32_t range_end[RANGE_COUNT];
  for (int r = 0; r < RANGE_COUNT; r++) range_end[r] = vocab_end(v, (vocab_range)r);
  check_ok(dataset_of_vocab(&d, &info, v));
  model_config c = from->model;
  c.vocab_size = c.event_types = 0;
  c.item_classes = true;
  check_ok(model_config_resolve(&c, range_end, info.n_event_types));
  const model_run run = {.caps = {.tokens = 16, .seqs = 2, .masked = 4}, .seed = 5};
  check_ok(model_create(&m, "cpu", &c, &run));
  grown g;
  check_ok(init_from_load(from, m, d, m, &g));
  assert_int_equal(g.items, ITEMS);
  assert_int_equal(g.items_kept, 0);
  assert_int_equal(g.words - g.words_kept, 1);
  const param_set *now = model_params(m), *was = model_params(bert);
  const char *const table = "bert.embeddings.word_embeddings.weight";
  const float *w = param_master(now, param_find(now, table)),
              *old = param_master(was, param_find(was, table));
  for (int32_t t = 0; t < vocab_size(words); t++) {
    const vocab_range r = t < TOKEN_SPECIALS ? RANGE_SPECIAL : RANGE_WORDS;
    const int32_t at = vocab_find(v, r, vocab_token(words, t));
    assert_true(at >= 0);
    assert_memory_equal(w + at * H, old + t * H, H * sizeof *w); // exactly
  }
  for (int32_t i = 0; i < ITEMS * H; i++) assert_true(isfinite(w[range_end[RANGE_ATTRIBUTES] * H + i]));
  // Each segment's events begin as the segment itself.
  const char *const types = "bert.embeddings.token_type_embeddings.weight";
  const float *t_now = param_master(now, param_find(now, types)),
              *t_was = param_master(was, param_find(was, types));
  for (int s = 0; s < 2; s++)
    for (int e = 0; e < 3; e++) assert_memory_equal(t_now + (3 * s + e) * H, t_was + s * H, H * sizeof *w);
  const char *const query = "bert.encoder.layer.1.attention.self.qkv.weight";
  assert_memory_equal(param_master(now, param_find(now, query)), param_master(was, param_find(was, query)),
                      3 * H * H * sizeof *w);
  model_free(m);
  model_free(bert);
  checkpoint_close(from);
  vocab_free(words);
  dataset_close(d);
}
int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_everything_in_its_place),
      cmocka_unit_test(test_growing_items),
      cmocka_unit_test(test_long_folder),
      cmocka_unit_test(test_several_files),
      cmocka_unit_test(test_two_encoders),
      cmocka_unit_test(test_missing_heads_are_initialised),
      cmocka_unit_test(test_tokenizer_json),
      cmocka_unit_test(test_a_run_keeps_the_tokenizer),
      cmocka_unit_test(test_tuning_trains_missing_heads),
  };
  return cmocka_run_group_tests_name("import", tests, hf_set_up, hf_tear_down);
}
