// See hf_model.h.
#include "lib/hf_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256];
char hf_dir[300], hf_out[300];

void hf_write(const char *name, const char *text) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", hf_dir, name);
  check_ok(file_write_atomic(path, text, strlen(text)));
}

void hf_drop(const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", hf_dir, name);
  remove(path);
}

const char hf_config[] =
    "{\"model_type\": \"bert\", \"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    " \"intermediate_size\": 12, \"max_position_embeddings\": 10, \"vocab_size\": 24, \"type_vocab_size\": 2,"
    " \"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-7, \"hidden_dropout_prob\": 0.25}";

void hf_write_vocab(void) {
  char text[400] = "";
  for (int i = 0; i < TOKENS; i++) {
    static const char *const specials[] = {"[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    char word[12];
    snprintf(word, sizeof word, "t%d", i);
    strcat(strcat(text, i == 0 ? "[PAD]" : i >= 7 && i < 11 ? specials[i - 7] : word), "\n");
  }
  hf_write("vocab.txt", text);
}

double hf_value(const char *name, int64_t i) {
  uint32_t h = 2166136261u;
  for (const char *p = name; *p != '\0'; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  return (double)((h + (uint32_t)i * 2654435761u) >> 20) / 4096.0 - 0.5; // short enough for any type
}

static void put_number(hf_maker *m, double v) {
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

static void add_tensor(hf_maker *m, const char *name, int64_t n, int64_t columns) {
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
  for (int64_t i = 0; i < size; i++) put_number(m, hf_value(name, i));
  if (columns > 0)
    snprintf(shape, sizeof shape, "%lld,%lld", (long long)n, (long long)columns);
  else
    snprintf(shape, sizeof shape, "%lld", (long long)n);
  snprintf(line, sizeof line, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
           m->header[0] == '\0' ? "{" : ",", written, m->dtype, shape, begin, m->bytes);
  strcat(m->header, line);
}

void hf_write_tensors(const char *header, const char *data, size_t bytes) {
  const size_t n = strlen(header);
  char *all = malloc(8 + n + bytes), path[400];
  assert_non_null(all);
  for (int i = 0; i < 8; i++) all[i] = (char)(n >> 8 * i & 255);
  memcpy(all + 8, header, n);
  if (bytes > 0) memcpy(all + 8 + n, data, bytes);
  snprintf(path, sizeof path, "%s/model.safetensors", hf_dir);
  check_ok(file_write_atomic(path, all, 8 + n + bytes));
  free(all);
}

void hf_write_model(hf_maker *m, bool heads) {
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
  hf_write_tensors(m->header, m->data, m->bytes);
  free(m->data);
}

int hf_set_up(void **unused) {
  (void)unused;
  log_set_level(LOG_ERROR);
  tiny_directory(dir, sizeof dir);
  snprintf(hf_dir, sizeof hf_dir, "%s/hf", dir);
  snprintf(hf_out, sizeof hf_out, "%s/out", dir);
  check_ok(dir_make(hf_dir));
  hf_write("config.json", hf_config);
  hf_write_vocab();
  return 0;
}

int hf_tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}
