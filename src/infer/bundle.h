// An open bundle: configuration, weights in the kernels' layout, vocabulary, and workspaces for calls.
//
// Names: H hidden, F intermediate, A heads, D head size, L layers, V vocabulary, I items, W = H + 1.
#ifndef SOUK_INFER_BUNDLE_H
#define SOUK_INFER_BUNDLE_H

#include <pthread.h>
#include <stdbool.h>
#include "format/mix.h"
#include "format/sequence.h"
#include "format/vocabulary.h"
#include "format/word_tokenizer.h"
#include "infer/adapters.h"
#include "infer/catalogue.h"
#include "infer/content.h"
#include "infer/copy_head.h"
#include "infer/errors.h"
#include "infer/item_words.h"
#include "infer/mapping.h"

enum { EVENT_TYPES_MAX = 64 };
// Those from FILE_CATALOGUE on are optional, and without items there is no FILE_ITEMS.
enum {
  FILE_CONFIG,
  FILE_MODEL,
  FILE_VOCAB,
  FILE_ITEMS,
  FILE_CATALOGUE,
  FILE_MIX,
  FILE_CONTENT,
  FILE_TEXTS,
  FILE_COPY,
  FILE_LEXICON_EN,
  FILE_LEXICON_ZH,
  FILE_COUNT
};
extern const char *const bundle_file_names[FILE_COUNT];

// Matrices are packed by gemm_pack. Pre-norm: norm1 comes before the attention, norm2 before the feed-forward
// part; post-norm: after them.
typedef struct layer_weights {
  float *q, *kv, *out, *ffn1, *ffn2;            // [H,H] times 1/sqrt(D), [2H,H], [H,H], [F,H], [H,F]
  float *q_b, *kv_b, *out_b, *ffn1_b, *ffn2_b;  // [H] times 1/sqrt(D), [2H], [H], [F], [H]
  float *norm1_w, *norm1_b, *norm2_w, *norm2_b; // [H]
  bottleneck_weights necks[NECK_PLACES];        // of the model itself, where it was tuned by them
} layer_weights;

// A growing piece of scratch memory; see workspace.h.
typedef struct area {
  char *memory;
  size_t bytes, used;
} area;

typedef struct workspace {
  struct workspace *next;
  area encode, rank;
  mix_batch mixed; // what the mix adds for the histories of a group
} workspace;

// What users may be known by: user:NAME=VALUE tokens of one name.
typedef struct attribute_range {
  double least, below; // of numbers
  int32_t token;
} attribute_range;

typedef struct attribute_name {
  char *name;
  size_t ranges, end; // those of this name in the bundle's list
} attribute_name;

// The only part of a bundle that changes after opening.
typedef struct workspace_pool {
  pthread_mutex_t lock;
  workspace *idle;
} workspace_pool;

// A classifier on BERT's pooler, and what its labels are called.
typedef struct label_head {
  bool pairs, single; // of a history and an item, else of texts; one label holds, else each does or does not
  int32_t n;          // 0: there is none
  char **names;       // [n]
  double *temperatures;                                 // [1] of a single label, else [n]
  float *pooler, *pooler_b, *classifier, *classifier_b; // [H,H] packed, [H], [n,H] packed, [n]
} label_head;

struct souk_bundle {
  uint64_t magic;
  char *dir;
  // configuration
  int32_t hidden, layers, heads, head_size, intermediate, vocab_size, width; // width: W
  seq_layout layout;
  int32_t event_types, max_history; // max_history: events that a query can hold
  bool pre_norm, cosine, plain, erf, pooler;
  int32_t adapter_width; // of the bottlenecks of the model itself; 0: it has none
  bool unranked;         // no head of it ranks items
  float eps, inv_temperature;
  double inv_temperature_wide;
  int32_t range_end[RANGE_COUNT]; // of the vocabulary
  int32_t first_item, items;      // token id of item 0; I
  int32_t class_base, classes;
  char *event_names[EVENT_TYPES_MAX];
  int64_t training_step;
  char *data_name, *created_by;
  // files
  mapping files[FILE_COUNT];
  vocab *vocab;
  attribute_name *attribute_names; // [attributes] of users, each once, in the order of their first tokens
  int32_t attributes;
  attribute_range *attribute_ranges; // of all names, those of one name side by side in the vocabulary's order
  size_t n_attribute_ranges, attribute_room; // room in both arrays
  label_head labels;
  int32_t *domain_of; // [items] the token of each item's domain, -1: it has none; NULL: there are no domains
  word_tokenizer *tokenizer; // NULL: the bundle takes no texts
  catalogue catalogue;
  mix *mix; // NULL: there is none
  item_words texts;
  copy_head copy;               // what writes copy, if it is there
  item_content_weights content; // of vectors of new items; bias NULL: there are none
  const char *item_rows;        // [I,W] float as mapped, not aligned
  // weights; all but the word table lie in one arena
  float *arena;
  size_t arena_floats;
  const float *word;                  // [V,H], mapped where it is aligned
  float *word_copy;                   // where it is not
  float *type, *position;             // [layout.segments x layout.n_event_types,H], [layout.max_positions,H]
  float *emb_norm_w, *emb_norm_b;     // [H]
  float *final_norm_w, *final_norm_b; // [H] pre-norm only
  layer_weights *layer;               // [L]
  float *mlm, *mlm_b, *mlm_norm_w, *mlm_norm_b; // [H,H] packed, [H]; a plain head has none
  float *packed_items;                          // [I,W] packed
  double longest_item;                          // of the item vectors' lengths
  bundle_adapters adapters;
  workspace_pool *pool;
};

// Number of the item with this name, -1: none.
static inline int32_t bundle_item(const souk_bundle *b, const char *name, size_t bytes) {
  const int32_t id = vocab_find_bytes(b->vocab, RANGE_ITEMS, name, bytes);
  return id < 0 ? -1 : id - b->first_item;
}
// Its name, owned by the bundle.
static inline const char *bundle_item_name(const souk_bundle *b, int32_t item) {
  return vocab_token(b->vocab, b->first_item + item);
}

// The magic number tells a bundle from other memory, and an open one from a closed one.
#define BUNDLE_MAGIC UINT64_C(0x736f756b62756e64)

// api.c: closes files and frees everything; NULL is safe, and so is a bundle that was only partly read.
void bundle_free(souk_bundle *b);
// settings.c: souk.json and config.json, checked field by field, into *b, and the settings of a mix into *m if there is one
// (b->files[FILE_MIX] is mapped then); maps the other files and compares them with what souk.json says of them. The vocabulary
// is read, and the tokeniser made that souk.json describes.
souk_status settings_read(souk_bundle *b, mix_config *m, int dir, uint32_t flags, souk_error *e);
// weights.c: model.safetensors and items.safetensors.
souk_status weights_read(souk_bundle *b, souk_error *e);

#endif
