// Importing Hugging Face's BERT: every parameter in its place and its rows renumbered, old names, other
// number types, missing heads; and what is refused with which sentence. The files are made here; that the
// model then computes what PyTorch computes is seen in `make interop`.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "data/wordpiece.h"
#include "format/temporary.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "model/checkpoint.h"
#include "train/init_from.h"
#include "convert/hf_tensors.h"
#include "convert/import.h"
#include "train/init.h"

enum { H = 8, F = 12, TOKENS = 20, V = 24, POSITIONS = 10 }; // V: with rows that no token has

static char dir[256], hf[300], out[300];

static void write_text(const char *name, const char *text) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", hf, name);
  check_ok(file_write_atomic(path, text, strlen(text)));
}

static void drop(const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", hf, name);
  remove(path);
}

static const char good_config[] =
    "{\"model_type\": \"bert\", \"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    " \"intermediate_size\": 12, \"max_position_embeddings\": 10, \"vocab_size\": 24, \"type_vocab_size\": 2,"
    " \"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-7, \"hidden_dropout_prob\": 0.25}";

// Specials at 0 and 7 .. 10, as in "[PAD] t1 .. t6 [UNK] [CLS] [SEP] [MASK] t11 ..".
static void write_vocab(void) {
  char text[400] = "";
  for (int i = 0; i < TOKENS; i++) {
    static const char *const specials[] = {"[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    char word[12];
    snprintf(word, sizeof word, "t%d", i);
    strcat(strcat(text, i == 0 ? "[PAD]" : i >= 7 && i < 11 ? specials[i - 7] : word), "\n");
  }
  write_text("vocab.txt", text);
}

// ---- a safetensors file --------------------------------------------------------------------------------------

typedef struct maker {
  char header[16384], *data;
  size_t bytes;
  bool prefix, old_norms; // "bert."; gamma and beta
  const char *dtype;
  const char *outer;     // before all names; NULL: nothing
  const char *only;      // other names are not written; NULL: all are
  const char *leave_out; // names that contain it are not written
} maker;

static double value_of(const char *name, int64_t i) {
  uint32_t h = 2166136261u;
  for (const char *p = name; *p != '\0'; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  return (double)((h + (uint32_t)i * 2654435761u) >> 20) / 4096.0 - 0.5; // short enough for any type
}

static void put_number(maker *m, double v) {
  const float f = (float)v;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  char *to = m->data + m->bytes;
  if (strcmp(m->dtype, "F64") == 0) {
    memcpy(to, &v, 8);
    m->bytes += 8;
  } else if (strcmp(m->dtype, "F32") == 0) {
    memcpy(to, &bits, 4);
    m->bytes += 4;
  } else if (strcmp(m->dtype, "BF16") == 0) {
    const uint16_t b = (uint16_t)(bits >> 16);
    memcpy(to, &b, 2);
    m->bytes += 2;
  } else { // F16, of values that are normal in it
    const uint32_t e = bits >> 23 & 255u;
    const uint16_t h =
        e < 113 ? (uint16_t)0 : (uint16_t)((bits >> 16 & 0x8000u) | (e - 112u) << 10 | (bits >> 13 & 1023u));
    memcpy(to, &h, 2);
    m->bytes += 2;
  }
}

static void add_tensor(maker *m, const char *name, int64_t n, int64_t columns) {
  if (m->leave_out != NULL && strstr(name, m->leave_out) != NULL) return;
  if (m->only != NULL && strstr(name, m->only) == NULL) return;
  char written[200], shape[64], line[500];
  const char *bare = !m->prefix && strncmp(name, "bert.", 5) == 0 ? name + 5 : name;
  const char *outer = m->outer != NULL ? m->outer : "";
  const char *norm = m->old_norms ? strstr(bare, "LayerNorm.") : NULL;
  if (norm != NULL)
    snprintf(written, sizeof written, "%s%.*s%s", outer, (int)(norm + 10 - bare), bare,
             norm[10] == 'w' ? "gamma" : "beta");
  else
    snprintf(written, sizeof written, "%s%s", outer, bare);
  const size_t begin = m->bytes;
  const int64_t size = n * (columns > 0 ? columns : 1);
  for (int64_t i = 0; i < size; i++) put_number(m, value_of(name, i));
  if (columns > 0)
    snprintf(shape, sizeof shape, "%lld,%lld", (long long)n, (long long)columns);
  else
    snprintf(shape, sizeof shape, "%lld", (long long)n);
  snprintf(line, sizeof line, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
           m->header[0] == '\0' ? "{" : ",", written, m->dtype, shape, begin, m->bytes);
  strcat(m->header, line);
}

static void write_raw(const char *header, const char *data, size_t bytes) {
  const size_t n = strlen(header);
  char *all = malloc(8 + n + bytes), path[400];
  assert_non_null(all);
  for (int i = 0; i < 8; i++) all[i] = (char)(n >> 8 * i & 255);
  memcpy(all + 8, header, n);
  if (bytes > 0) memcpy(all + 8 + n, data, bytes);
  snprintf(path, sizeof path, "%s/model.safetensors", hf);
  check_ok(file_write_atomic(path, all, 8 + n + bytes));
  free(all);
}

static void write_model(maker *m, bool heads) {
  m->data = malloc(1 << 20);
  assert_non_null(m->data);
  add_tensor(m, "bert.embeddings.word_embeddings.weight", V, H);
  add_tensor(m, "bert.embeddings.position_embeddings.weight", POSITIONS, H);
  add_tensor(m, "bert.embeddings.token_type_embeddings.weight", 2, H);
  add_tensor(m, "bert.embeddings.LayerNorm.weight", H, 0);
  add_tensor(m, "bert.embeddings.LayerNorm.bias", H, 0);
  for (int l = 0; l < 2; l++) {
    static const struct {
      const char *name;
      int64_t rows, columns;
    } layer[] = {{"attention.self.query", H, H},
                 {"attention.self.key", H, H},
                 {"attention.self.value", H, H},
                 {"attention.output.dense", H, H},
                 {"attention.output.LayerNorm", 0, H},
                 {"intermediate.dense", F, H},
                 {"output.dense", H, F},
                 {"output.LayerNorm", 0, H}};
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
      char name[128];
      const int64_t n = layer[i].rows;
      snprintf(name, sizeof name, "bert.encoder.layer.%d.%s.weight", l, layer[i].name);
      add_tensor(m, name, n > 0 ? n : H, n > 0 ? layer[i].columns : 0);
      snprintf(name, sizeof name, "bert.encoder.layer.%d.%s.bias", l, layer[i].name);
      add_tensor(m, name, n > 0 ? n : H, 0);
    }
  }
  if (heads) {
    add_tensor(m, "bert.pooler.dense.weight", H, H);
    add_tensor(m, "bert.pooler.dense.bias", H, 0);
    add_tensor(m, "cls.predictions.bias", V, 0);
    add_tensor(m, "cls.predictions.transform.dense.weight", H, H);
    add_tensor(m, "cls.predictions.transform.dense.bias", H, 0);
    add_tensor(m, "cls.predictions.transform.LayerNorm.weight", H, 0);
    add_tensor(m, "cls.predictions.transform.LayerNorm.bias", H, 0);
    add_tensor(m, "cls.seq_relationship.weight", 2, H);
    add_tensor(m, "cls.seq_relationship.bias", 2, 0);
  }
  strcat(m->header, "}");
  write_raw(m->header, m->data, m->bytes);
  free(m->data);
}

static int set_up(void **unused) {
  (void)unused;
  log_set_level(LOG_ERROR);
  tiny_directory(dir, sizeof dir);
  snprintf(hf, sizeof hf, "%s/hf", dir);
  snprintf(out, sizeof out, "%s/out", dir);
  return dir_make(hf) == OK ? 0 : 1;
}

static int tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static const import_config forced = {.force = true, .seed = 3};

static model *load(void) {
  checkpoint *c;
  model *m;
  check_ok(checkpoint_open(&c, out));
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
    const double d = fabs((double)w[i] - value_of(name, at));
    if (d > worst) worst = d;
  }
  return worst;
}

// ---- what is read --------------------------------------------------------------------------------------------

static void test_everything_in_its_place(void **unused) {
  (void)unused;
  write_text("config.json", good_config);
  write_vocab();
  for (int k = 0; k < 8; k++) {
    static const char *const dtypes[] = {"F32", "F16", "BF16", "F64"};
    maker m = {.prefix = k % 2 == 0, .old_norms = k / 2 % 2 == 1, .dtype = dtypes[k / 2]};
    if (k > 5) m.outer = "model."; // of a wrapper
    write_model(&m, true);
    check_ok(import_hugging_face(hf, out, &forced));
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
  snprintf(path, sizeof path, "%s/vocab.tsv", out);
  check_ok(file_read(path, 1 << 16, &text, &n));
  assert_non_null(strstr(text, "[PAD]\t0\n[UNK]\t0\n[CLS]\t0\n[SEP]\t0\n[MASK]\t0\nt1\t0\n"));
  assert_non_null(strstr(text, "\nt6\t0\nt11\t0\n"));
  free(text);
}

static void rename_model(const char *name) {
  char from[400], to[400];
  snprintf(from, sizeof from, "%s/model.safetensors", hf);
  snprintf(to, sizeof to, "%s/%s", hf, name);
  assert_int_equal(rename(from, to), 0);
}

// The weights in two files with an index: the same checkpoint.
static void test_several_files(void **unused) {
  (void)unused;
  static const char index[] = "model.safetensors.index.json";
  char whole[65], parts[65], path[400];
  maker all = {.prefix = true, .dtype = "F32"}, one = {.prefix = true, .dtype = "F32", .only = "layer.1."},
        other = {.prefix = true, .dtype = "F32", .leave_out = "layer.1."}, twice = all;
  snprintf(path, sizeof path, "%s/model.h5", out);
  write_model(&all, true);
  check_ok(import_hugging_face(hf, out, &forced));
  check_ok(file_sha256(path, whole, NULL));
  write_model(&other, true);
  rename_model("model-1.safetensors");
  write_model(&one, true);
  rename_model("model-2.safetensors");
  write_text(index, "{\"metadata\": {\"total_size\": 99999999999999999999}, \"weight_map\": {"
                    "\"bert.embeddings.LayerNorm.weight\": \"model-1.safetensors\","
                    "\"bert.encoder.layer.1.output.dense.bias\": \"model-2.safetensors\"}}");
  check_ok(import_hugging_face(hf, out, &forced));
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
    write_text(index, cases[i].text);
    check_fails(import_hugging_face(hf, out, &forced), cases[i].code, cases[i].says);
  }
  write_model(&twice, true);
  rename_model("model-2.safetensors");
  write_text(index, "{\"weight_map\": {\"bert.embeddings.LayerNorm.weight\": \"model-1.safetensors\","
                    "\"bert.embeddings.LayerNorm.bias\": \"model-2.safetensors\"}}");
  check_fails(import_hugging_face(hf, out, &forced), ERR_FORMAT, "is in two files");
  drop(index);
  drop("model-1.safetensors");
  drop("model-2.safetensors");
}

static void test_two_encoders(void **unused) {
  (void)unused;
  static const char header[] =
      "{\"a.embeddings.word_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      "\"b.embeddings.word_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
  write_raw(header, (const char[8]){0}, 8);
  check_fails(
      import_hugging_face(hf, out, &forced), ERR_UNSUPPORTED,
      "has the encoders of two models, by \"a.embeddings.word_embeddings.weight\" and \"b.embeddings.");
}

static void test_missing_heads_are_initialised(void **unused) {
  (void)unused;
  maker m = {.dtype = "F32"};
  write_model(&m, false);
  check_ok(import_hugging_face(hf, out, &forced));
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
  check_ok(import_hugging_face(hf, out, &with_pooler));
  x = load();
  assert_non_null(param_find(model_params(x), "cls.seq_relationship.weight"));
  model_free(x);
}

static void test_tokenizer_json(void **unused) {
  (void)unused;
  wordpiece *a, *b;
  check_ok(wordpiece_read(&a, hf));
  char text[2000] = "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{", piece[40];
  for (int32_t i = TOKENS - 2; i >= 0; i--) { // in any order, and the last one only among the added tokens
    const int32_t k = a->ours[i];
    snprintf(piece, sizeof piece, "\"%s\":%d%s", vocab_token(a->v, k), i, i > 0 ? "," : "");
    strcat(text, piece);
  }
  strcat(text, "}},\"added_tokens\":[{\"id\":19,\"content\":\"t19\"},{\"id\":0,\"content\":\"[PAD]\"}]}");
  drop("vocab.txt");
  write_text("tokenizer.json", text);
  check_ok(wordpiece_read(&b, hf));
  assert_int_equal(a->n, b->n);
  assert_memory_equal(a->ours, b->ours, (size_t)a->n * sizeof *a->ours);
  for (int32_t i = 0; i < a->n; i++) assert_string_equal(vocab_token(a->v, i), vocab_token(b->v, i));
  wordpiece_close(a);
  wordpiece_close(b);
  write_text("tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}");
  check_fails(wordpiece_read(&a, hf), ERR_FORMAT, "\"model.type\" is \"BPE\"");
  write_text("tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":0}}}");
  check_fails(wordpiece_read(&a, hf), ERR_FORMAT, "\"a\" and \"b\" have the same id");
  write_text("tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":900000000}}}");
  check_fails(wordpiece_read(&a, hf), ERR_FORMAT, "the id of token \"b\" is out of range");
  write_text("tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}");
  check_fails(wordpiece_read(&a, hf), ERR_FORMAT, "the id of token \"a\" is out of range");
  drop("tokenizer.json");
  check_fails(wordpiece_read(&a, hf), ERR_NOT_FOUND, "neither vocab.txt nor tokenizer.json");
  write_text("vocab.txt", "<pad>\n<s>\nx\n</s>\n<unk>\n<mask>\n");
  write_text("special_tokens_map.json",
             "{\"pad_token\": \"<pad>\", \"cls_token\": \"<s>\", \"sep_token\": \"</s>\","
             " \"unk_token\": \"<unk>\", \"mask_token\": {\"content\": \"<mask>\"}}");
  check_ok(wordpiece_read(&a, hf));
  static const int32_t wanted[] = {0, 2, 5, 3, 1, 4};
  assert_memory_equal(a->ours, wanted, sizeof wanted);
  wordpiece_close(a);
  write_text("special_tokens_map.json", "{\"mask_token\": 3}");
  check_fails(wordpiece_read(&a, hf), ERR_FORMAT, "field \"mask_token\" is not a token");
  drop("special_tokens_map.json");
  write_vocab();
}

// The settings go from the imported checkpoint into those of a run that begins from it, whose data do not have them.
static void test_a_run_keeps_the_tokenizer(void **unused) {
  (void)unused;
  char trained[330];
  wordpiece *w;
  dataset *d;
  run_config *run = calloc(1, sizeof *run);
  assert_non_null(run);
  maker file = {.dtype = "F32"};
  write_model(&file, true);
  write_text("tokenizer_config.json", "{\"do_lower_case\": false, \"model_max_length\": 64}");
  check_ok(import_hugging_face(hf, out, &forced));
  drop("tokenizer_config.json");
  check_ok(wordpiece_read(&w, hf));
  assert_null(w->tokenizer);
  dataset_info info = {.name = "shards", .n_event_types = 1, .event_types = {"none"}};
  memset(info.checksum, '0', 64);
  check_ok(dataset_of_vocab(&d, &info, w->v));
  w->v = NULL; // the data set has taken it
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(run, sections)};
  check_ok(options_defaults(&set));
  snprintf(run->train.init, sizeof run->train.init, "%s", out);
  model *m = load();
  train_state start = {.step = 0};
  check_ok(init_load(run, m, d, NULL, &start));
  snprintf(trained, sizeof trained, "%s/trained", dir);
  const train_state state = {.step = 1};
  check_ok(checkpoint_write_model(trained, m, &state, "", d, false));
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

// ---- what is refused -----------------------------------------------------------------------------------------

static void test_bad_configs(void **unused) {
  (void)unused;
  static const struct {
    const char *from, *to, *text;
    status code;
  } cases[] = {
      {"\"bert\"", "\"roberta\"", "model_type is \"roberta\"; only \"bert\"", ERR_UNSUPPORTED},
      {"\"gelu\"", "\"relu\"", "field \"hidden_act\" is missing, or not a form of GELU", ERR_FORMAT},
      {"\"hidden_size\": 8", "\"hidden_size\": \"8\"", "field \"hidden_size\" is missing, or not a whole",
       ERR_FORMAT},
      {"\"hidden_size\": 8", "\"hidden_size\": 9", "\"num_attention_heads\" is missing, or not a divisor",
       ERR_FORMAT},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9999999", "whole number from 1 to 512",
       ERR_FORMAT},
      {"\"vocab_size\": 24", "\"vocab_size\": 19", "vocab_size is 19, the vocabulary has 20", ERR_FORMAT},
      {"1e-7", "-1", "\"layer_norm_eps\" is not a number from", ERR_FORMAT},
      {"\"hidden_act\"", "\"is_decoder\": true, \"hidden_act\"", "the model is a decoder", ERR_UNSUPPORTED},
      {"\"hidden_act\"", "\"position_embedding_type\": \"relative_key\", \"hidden_act\"",
       "position_embedding_type is \"relative_key\"", ERR_UNSUPPORTED},
      {"\"max_position_embeddings\": 10", "\"max_position_embeddings\": 11",
       "position_embeddings.weight\" has 2 dimension(s) of 10 x 8; config.json needs 11 x 8", ERR_FORMAT},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "has no tensor \"bert.encoder.layer.2.",
       ERR_FORMAT},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 4",
       "it has 2 of the 4 layers of config.json (num_hidden_layers)", ERR_FORMAT},
      {"\"model_type\": \"bert\"", "\"architectures\": [\"RobertaModel\"]",
       "\"architectures\" has \"RobertaModel\"", ERR_UNSUPPORTED},
      {"\"model_type\": \"bert\", \"hidden_size\"", "\"text_config\": {}, \"width\"",
       "a model of several parts, of which \"text_config\" is one", ERR_UNSUPPORTED},
      {"\"model_type\": \"bert\", \"hidden_size\"", "\"width\"",
       "field \"model_type\" is missing, and so is \"hidden_size\"", ERR_FORMAT},
      {"{\"model_type\"", "[\"model_type\"", "config.json line", ERR_FORMAT},
  };
  maker m = {.dtype = "F32"};
  write_model(&m, true);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1000];
    const char *at = strstr(good_config, cases[i].from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good_config), good_config, cases[i].to,
             at + strlen(cases[i].from));
    write_text("config.json", text);
    check_fails(import_hugging_face(hf, out, &forced), cases[i].code, cases[i].text);
  }
  drop("config.json");
  check_fails(import_hugging_face(hf, out, &forced), ERR_NOT_FOUND, "config.json");
  check_fails(import_hugging_face("/no/such", out, &forced), ERR_NOT_FOUND,
              "/no/such does not exist, and a Hugging Face model is needed");
  write_text("config.json", good_config);
}

static void test_bad_tensors(void **unused) {
  (void)unused;
  static const struct {
    const char *header, *text;
  } cases[] = {
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":["
       "2],"
       "\"data_offsets\":[4,12]}}",
       "tensors \"a\" and \"b\" overlap"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,17]}}", "point beyond the file's end"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "must be two integers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", "must be two integers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", "must be two integers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", "do not span as many bytes"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
       "does not fit 64 bits"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}",
       "does not fit 64 bits"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,0]}}", "must hold integers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}",
       "more than 8 dimensions"},
      {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "\"dtype\" is missing"},
      {"{\"a\":3}", "must be described by an object"},
      {"{\"a\":{},\"a\":{}}", "header line 1: the key \"a\" appears twice"},
      {"[]", "the header must be an object"},
      {"{\"a\":", "header line 1: it ends too early"},
      {"{}", "16 bytes at its end belong to no tensor"},
      {"{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
       "bytes before it belong to no tensor"},
      {"{\"a\":{\"dtype\":\"F8_E8M0\",\"shape\":[7],\"data_offsets\":[0,16]}}",
       "has no tensor \"bert.embeddings.word_embeddings.weight\""},
  };
  const char zeros[16] = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_raw(cases[i].header, zeros, sizeof zeros);
    check_fails(import_hugging_face(hf, out, &forced), ERR_FORMAT, cases[i].text);
  }
  char path[400];
  snprintf(path, sizeof path, "%s/model.safetensors", hf);
  check_ok(file_write_atomic(path, "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  check_fails(import_hugging_face(hf, out, &forced), ERR_FORMAT,
              "header of 9223372036854775807 bytes reaches beyond");
  check_ok(file_write_atomic(path, "{}", 2));
  check_fails(import_hugging_face(hf, out, &forced), ERR_FORMAT, "is cut short");
  drop("model.safetensors");
  check_fails(import_hugging_face(hf, out, &forced), ERR_NOT_FOUND, "holds no model.safetensors");
  write_text("pytorch_model.bin", "x");
  check_fails(import_hugging_face(hf, out, &forced), ERR_UNSUPPORTED,
              "it is a pickle, which is a program; save the model as one model.safetensors, in Python: "
              "transformers.BertModel.from_pretrained(");
  drop("pytorch_model.bin");
}

static void write_spoiled(void (*spoil)(maker *m)) {
  maker m = {.dtype = "F32"};
  m.data = NULL;
  write_model(&m, true);
  char path[400], *bytes;
  size_t n;
  snprintf(path, sizeof path, "%s/model.safetensors", hf);
  check_ok(file_read(path, 1 << 20, &bytes, &n));
  m.data = bytes;
  m.bytes = n;
  spoil(&m);
  check_ok(file_write_atomic(path, bytes, m.bytes));
  free(bytes);
}

static void spoil_nan(maker *m) {
  const float nan_value = NAN;
  memcpy(m->data + m->bytes - 4, &nan_value, 4); // the last element of cls.seq_relationship.bias
}
static void spoil_cut(maker *m) {
  m->bytes -= 5;
}
static void spoil_dtype(maker *m) {
  memcpy(strstr(m->data + 8, "F32"), "I32", 3);
}

static void test_bad_data(void **unused) {
  (void)unused;
  write_spoiled(spoil_nan);
  check_fails(import_hugging_face(hf, out, &forced), ERR_NONFINITE,
              "\"cls.seq_relationship.bias\" element 1 is not a finite number");
  write_spoiled(spoil_cut);
  check_fails(import_hugging_face(hf, out, &forced), ERR_FORMAT, "point beyond the file's end");
  write_spoiled(spoil_dtype);
  check_fails(import_hugging_face(hf, out, &forced), ERR_FORMAT, "is I32; F64, F32, F16 and BF16 are read");
}

static void test_decoder_must_be_tied(void **unused) {
  (void)unused;
  maker m = {.dtype = "F32"};
  m.data = malloc(1 << 20);
  assert_non_null(m.data);
  // A whole model, then a decoder of the same values, or of others.
  for (int other = 0; other < 2; other++) {
    maker x = {.dtype = "F32", .leave_out = "cls.predictions.bias"};
    write_model(&x, true);
    char path[400], *bytes;
    size_t n;
    snprintf(path, sizeof path, "%s/model.safetensors", hf);
    check_ok(file_read(path, 1 << 20, &bytes, &n));
    const size_t header = strlen(x.header), table = (size_t)V * H * 4;
    m.bytes = n - 8 - header;
    memcpy(m.data, bytes + 8 + header, m.bytes);
    memcpy(m.data + m.bytes, m.data, table); // the word table comes first
    if (other) m.data[m.bytes + table - 1] ^= 1;
    memset(m.data + m.bytes + table, 0, V * 4);
    snprintf(
        m.header, sizeof m.header,
        "%.*s,\"cls.predictions.decoder.weight\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%"
        "zu]},"
        "\"cls.predictions.decoder.bias\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}}",
        (int)header - 1, x.header, V, H, m.bytes, m.bytes + table, V, m.bytes + table,
        m.bytes + table + V * 4);
    write_raw(m.header, m.data, m.bytes + table + V * 4);
    free(bytes);
    if (other)
      check_fails(import_hugging_face(hf, out, &forced), ERR_UNSUPPORTED, "in Souk they are tied");
    else
      check_ok(import_hugging_face(hf, out, &forced));
    // One of a type without a size, whose shape alone says 2^60 elements.
    snprintf(m.header, sizeof m.header,
             "%.*s,\"cls.predictions.decoder.weight\":{\"dtype\":\"F4\",\"shape\":[1152921504606846976],"
             "\"data_offsets\":[0,0]}}",
             (int)header - 1, x.header);
    write_raw(m.header, m.data, m.bytes);
    check_fails(import_hugging_face(hf, out, &forced), ERR_UNSUPPORTED, "in Souk they are tied");
  }
  free(m.data);
}

static void test_places(void **unused) {
  (void)unused;
  maker m = {.dtype = "F32"};
  write_model(&m, true);
  check_ok(import_hugging_face(hf, out, &forced));
  const import_config careful = {.seed = 1};
  check_fails(import_hugging_face(hf, out, &careful), ERR_ARGUMENT,
              "already holds a checkpoint; --force replaces it");
  check_fails(import_hugging_face(hf, hf, &forced), ERR_ARGUMENT,
              "is a Hugging Face model; it is left as it is");
}

// Something comes to the place while the model is read: it stays there.
static bool came(temporary_operation operation) {
  char path[420];
  snprintf(path, sizeof path, "%s/letter", out);
  if (operation == TEMPORARY_FSYNC && !dir_exists(out) && dir_make(out) == OK) {
    FILE *f = fopen(path, "w");
    if (f != NULL) fclose(f);
  }
  return false;
}

static void test_others_come(void **unused) {
  (void)unused;
  char path[420];
  snprintf(path, sizeof path, "%s/letter", out);
  for (int k = 0; k < 2; k++) {
    const import_config c = {.force = k == 1, .seed = 1};
    check_ok(dir_remove(out));
    temporary_fault = came;
    const status rc = import_hugging_face(hf, out, &c);
    temporary_fault = NULL;
    assert_int_equal(rc, ERR_ARGUMENT);
    assert_non_null(strstr(fail_message(), "left as it is"));
    assert_true(file_exists(path));
  }
}

// train.init_from: a data set's words and items beside the words of a BERT.
static void test_growing_items(void **unused) {
  (void)unused;
  enum { ITEMS = 3 };
  maker file = {.prefix = true, .dtype = "F32"};
  write_text("config.json", good_config);
  write_vocab();
  write_model(&file, true);
  check_ok(import_hugging_face(hf, out, &forced));
  model *bert = load(), *m;
  checkpoint *from;
  check_ok(checkpoint_open(&from, out));
  char path[400];
  vocab *words, *v;
  dataset *d;
  dataset_info info = {.n_event_types = 3, .event_types = {"none", "view", "buy"}};
  snprintf(path, sizeof path, "%s/vocab.tsv", out);
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
  check_ok(init_from_load(from, m, d, &g));
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
      cmocka_unit_test(test_several_files),
      cmocka_unit_test(test_two_encoders),
      cmocka_unit_test(test_missing_heads_are_initialised),
      cmocka_unit_test(test_tokenizer_json),
      cmocka_unit_test(test_a_run_keeps_the_tokenizer),
      cmocka_unit_test(test_bad_configs),
      cmocka_unit_test(test_bad_tensors),
      cmocka_unit_test(test_bad_data),
      cmocka_unit_test(test_decoder_must_be_tied),
      cmocka_unit_test(test_places),
      cmocka_unit_test(test_others_come),
  };
  return cmocka_run_group_tests_name("import", tests, set_up, tear_down);
}
