// What an import refuses, and with which sentence: configurations, headers and numbers that are not a BERT's, and places that are
// somebody's.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "convert/import.h"
#include "format/temporary.h"
#include "lib/check.h"
#include "lib/hf_model.h"

static const import_config forced = {.force = true, .seed = 3};
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
  hf_maker m = {.dtype = "F32"};
  hf_write_model(&m, true);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1000];
    const char *at = strstr(hf_config, cases[i].from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - hf_config), hf_config, cases[i].to,
             at + strlen(cases[i].from));
    hf_write("config.json", text);
    check_fails(import_hugging_face(hf_dir, hf_out, &forced), cases[i].code, cases[i].text);
  }
  hf_drop("config.json");
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_NOT_FOUND, "config.json");
  check_fails(import_hugging_face("/no/such", hf_out, &forced), ERR_NOT_FOUND,
              "/no/such does not exist, and a Hugging Face model is needed");
  hf_write("config.json", hf_config);
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
    hf_write_tensors(cases[i].header, zeros, sizeof zeros);
    check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_FORMAT, cases[i].text);
  }
  char path[400];
  snprintf(path, sizeof path, "%s/model.safetensors", hf_dir);
  check_ok(file_write_atomic(path, "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_FORMAT,
              "header of 9223372036854775807 bytes reaches beyond");
  check_ok(file_write_atomic(path, "{}", 2));
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_FORMAT, "is cut short");
  hf_drop("model.safetensors");
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_NOT_FOUND, "holds no model.safetensors");
  hf_write("pytorch_model.bin", "x");
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_UNSUPPORTED,
              "it is a pickle, which is a program; save the model as one model.safetensors, in Python: "
              "transformers.BertModel.from_pretrained(");
  hf_drop("pytorch_model.bin");
}

static void write_spoiled(void (*spoil)(hf_maker *m)) {
  hf_maker m = {.dtype = "F32"};
  m.data = NULL;
  hf_write_model(&m, true);
  char path[400], *bytes;
  size_t n;
  snprintf(path, sizeof path, "%s/model.safetensors", hf_dir);
  check_ok(file_read(path, 1 << 20, &bytes, &n));
  m.data = bytes;
  m.bytes = n;
  spoil(&m);
  check_ok(file_write_atomic(path, bytes, m.bytes));
  free(bytes);
}

static void spoil_nan(hf_maker *m) {
  const float nan_value = NAN;
  memcpy(m->data + m->bytes - 4, &nan_value, 4); // the last element of cls.seq_relationship.bias
}
static void spoil_cut(hf_maker *m) {
  m->bytes -= 5;
}
static void spoil_dtype(hf_maker *m) {
  memcpy(strstr(m->data + 8, "F32"), "I32", 3);
}

static void test_bad_data(void **unused) {
  (void)unused;
  write_spoiled(spoil_nan);
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_NONFINITE,
              "\"cls.seq_relationship.bias\" element 1 is not a finite number");
  write_spoiled(spoil_cut);
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_FORMAT, "point beyond the file's end");
  write_spoiled(spoil_dtype);
  check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_FORMAT,
              "is I32; F64, F32, F16 and BF16 are read");
}

static void test_decoder_must_be_tied(void **unused) {
  (void)unused;
  hf_maker m = {.dtype = "F32"};
  m.data = malloc(1 << 20);
  assert_non_null(m.data);
  // A whole model, then a decoder of the same values, or of others.
  for (int other = 0; other < 2; other++) {
    hf_maker x = {.dtype = "F32", .leave_out = "cls.predictions.bias"};
    hf_write_model(&x, true);
    char path[400], *bytes;
    size_t n;
    snprintf(path, sizeof path, "%s/model.safetensors", hf_dir);
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
    hf_write_tensors(m.header, m.data, m.bytes + table + V * 4);
    free(bytes);
    if (other)
      check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_UNSUPPORTED, "in Souk they are tied");
    else
      check_ok(import_hugging_face(hf_dir, hf_out, &forced));
    // One of a type without a size, whose shape alone says 2^60 elements.
    snprintf(m.header, sizeof m.header,
             "%.*s,\"cls.predictions.decoder.weight\":{\"dtype\":\"F4\",\"shape\":[1152921504606846976],"
             "\"data_offsets\":[0,0]}}",
             (int)header - 1, x.header);
    hf_write_tensors(m.header, m.data, m.bytes);
    check_fails(import_hugging_face(hf_dir, hf_out, &forced), ERR_UNSUPPORTED, "in Souk they are tied");
  }
  free(m.data);
}

static void test_places(void **unused) {
  (void)unused;
  hf_maker m = {.dtype = "F32"};
  hf_write_model(&m, true);
  check_ok(import_hugging_face(hf_dir, hf_out, &forced));
  const import_config careful = {.seed = 1};
  check_fails(import_hugging_face(hf_dir, hf_out, &careful), ERR_ARGUMENT,
              "already holds a checkpoint; --force replaces it");
  check_fails(import_hugging_face(hf_dir, hf_dir, &forced), ERR_ARGUMENT,
              "is a Hugging Face model; it is left as it is");
}

// Something comes to the place while the model is read: it stays there.
static bool came(temporary_operation operation) {
  char path[420];
  snprintf(path, sizeof path, "%s/letter", hf_out);
  if (operation == TEMPORARY_FSYNC && !dir_exists(hf_out) && dir_make(hf_out) == OK) {
    FILE *f = fopen(path, "w");
    if (f != NULL) fclose(f);
  }
  return false;
}

static void test_others_come(void **unused) {
  (void)unused;
  char path[420];
  snprintf(path, sizeof path, "%s/letter", hf_out);
  for (int k = 0; k < 2; k++) {
    const import_config c = {.force = k == 1, .seed = 1};
    check_ok(dir_remove(hf_out));
    temporary_fault = came;
    const status rc = import_hugging_face(hf_dir, hf_out, &c);
    temporary_fault = NULL;
    assert_int_equal(rc, ERR_ARGUMENT);
    assert_non_null(strstr(fail_message(), "left as it is"));
    assert_true(file_exists(path));
  }
}
int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bad_configs), cmocka_unit_test(test_bad_tensors),
      cmocka_unit_test(test_bad_data),    cmocka_unit_test(test_decoder_must_be_tied),
      cmocka_unit_test(test_places),      cmocka_unit_test(test_others_come),
  };
  return cmocka_run_group_tests_name("import_refused", tests, hf_set_up, hf_tear_down);
}
