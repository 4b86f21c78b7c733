// Hugging Face's BERT models made by hand, for tests of what reads them: one directory with a model of two layers, whose every number
// follows from its tensor's name, and a place for what comes of it.
#ifndef SOUK_TESTS_HF_MODEL_H
#define SOUK_TESTS_HF_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H = 8, F = 12, TOKENS = 20, V = 24, POSITIONS = 10 }; // V: with rows that no token has

extern char hf_dir[300], hf_out[300];
extern const char hf_config[]; // config.json

// Set-up and tear-down of a group of tests: hf_dir with config.json and vocab.txt, and hf_out, which is not there yet.
int hf_set_up(void **unused);
int hf_tear_down(void **unused);

// Files of hf_dir. vocab.txt has the special tokens at 0 and 7 .. 10, as in "[PAD] t1 .. t6 [UNK] [CLS] [SEP] [MASK] t11 ..".
void hf_write(const char *name, const char *text);
void hf_drop(const char *name);
void hf_write_vocab(void);

// How hf_write_model writes model.safetensors, and what it wrote.
typedef struct hf_maker {
  char header[16384], *data;
  size_t bytes;
  bool prefix, old_norms; // "bert."; gamma and beta
  const char *dtype;
  const char *outer;     // before all names; NULL: nothing
  const char *only;      // other names are not written; NULL: all are
  const char *leave_out; // names that contain it are not written
} hf_maker;

// Writes it, with the heads' tensors or without. Afterwards m->header is its header and m->bytes the size of its data.
void hf_write_model(hf_maker *m, bool heads);

// Element i of a tensor of this name.
double hf_value(const char *name, int64_t i);

// model.safetensors of this header and these data.
void hf_write_tensors(const char *header, const char *data, size_t bytes);

#endif
