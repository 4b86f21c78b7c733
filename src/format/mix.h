// The learned mix: what counting knows of a history, added to an encoder's scores. Trainer and inference module score with
// this one code, so that what was learned is what is served.
//
// For a history of items h_0 (the newest), h_1, ... and an item j that occurs n_j times in the data that were counted:
//
//   score(h, j) = scale u.v_j + popularity ln(1 + n_j) + unseen [n_j = 0]
//                 + [any x_s(h, j) > 0] (reached + reached_popularity ln(1 + n_j))
//                 + sum over sums s and their terms of weight g(x_s(h, j))
//   x_s(h, j)   = column(j) sum over k < span of decay^k row(h_k) count(h_k, j)
//   row(i)      = (n_i + row_shrink)^-row_power, 0 where n_i = 0        column(j) = max(n_j, 1)^-column_power
//   g(x)        = x for gain 0, otherwise ln(1 + gain x)
//
// count(a, b) is one of the channels of a sparse table that keeps the N nearest neighbours of each item. So only items that are
// neighbours of the history's have sums that are not 0: a few hundred of a catalogue of any size.
//
// A history in which there is no item is scored by scale u.v alone, if scale > 0: the other weights were learned beside sums
// that such a user does not have, and what popularity is worth beside them is often below 0.
#ifndef SOUK_FORMAT_MIX_H
#define SOUK_FORMAT_MIX_H

#include <stdbool.h>
#include <stdint.h>
#include "format/format_error.h"
#include "format/jtree.h"

// What is counted of a pair of items (a, b): how often b follows a directly; the weights of pairs in which b comes later within
// a window, smaller the farther; the same for b earlier.
typedef enum mix_channel { MIX_NEXT, MIX_LATER, MIX_EARLIER, MIX_CHANNELS } mix_channel;
extern const char *const mix_channel_names[MIX_CHANNELS]; // "next", "later", "earlier"

enum { MIX_SUMS = 16, MIX_TERMS = 4, MIX_SPAN = 1000 };

typedef struct mix_term {
  double gain, weight; // gain 0: the sum itself
} mix_term;

typedef struct mix_sum {
  int32_t channel;
  int32_t span; // newest items of the history that count, 1 to MIX_SPAN
  double decay; // 0 to 1
  double row_power, row_shrink, column_power;
  int32_t n;
  mix_term terms[MIX_TERMS]; // [n]
} mix_sum;

typedef struct mix_config {
  double scale, popularity, unseen, reached, reached_popularity;
  // How pairs were counted: neighbours kept for each item, the largest distance, and the power of distance in their weight.
  int32_t neighbours, window;
  double distance_power;
  char counted[32]; // the parts that were counted, for people: "train", "train and validation"
  int32_t n;
  mix_sum sums[MIX_SUMS]; // [n]
} mix_config;

// The sparse counts. Row a is entries offsets[a] .. offsets[a + 1], its items ascending.
typedef struct mix_table {
  int32_t items;
  int64_t *counts;              // [items] n_i
  int64_t *offsets;             // [items + 1]
  int32_t *others;              // [offsets[items]]
  float *weights[MIX_CHANNELS]; // [offsets[items]] each, not negative
} mix_table;

void mix_table_free(mix_table *t); // zeroed is fine

// Reads a table from a safetensors file in memory: counts [items] I64, offsets [items + 1] I64, others [E] I32,
// weights [MIX_CHANNELS, E] F32. Everything is checked; `path` is for messages.
bool mix_table_read(mix_table *t, int32_t items, const char *file, size_t bytes, const char *path,
                    format_error *e);
// The settings from a json object, "mix" of souk.json for one. A field that is missing, unknown or out of range is named.
bool mix_config_read(mix_config *c, const jtree *tree, const jnode *object, const char *path,
                     format_error *e);

typedef struct mix mix;
// Takes the table over (also after an error).
bool mix_new(mix **out, const mix_config *c, mix_table *t, format_error *e);
void mix_free(mix *m); // NULL is safe
// Another configuration over the same table. Nobody may be scoring meanwhile.
void mix_set_config(mix *m, const mix_config *c);
const mix_config *mix_get_config(const mix *m);
const mix_table *mix_get_table(const mix *m);
size_t mix_bytes(const mix *m);

// What the sums add to the scores of the items that they reach after one history.
typedef struct mix_added {
  bool nothing; // no item in the history: n is 0, and popularity is not added either
  int32_t n;
  const int32_t *items; // [n] ascending
  const float *added;   // [n]
} mix_added;

// What one thread needs to score one history after the other.
typedef struct mix_room {
  int32_t *slots; // [n_slots] of the catalogue: place in `items`, -1: not there
  bool nothing;   // as in mix_added
  int32_t n;
  int32_t *items; // [n] ascending
  float *added;   // [n]
  float *sums;    // [n][config.n]
  uint64_t *order;
  size_t n_slots, items_cap, added_cap, sums_cap, order_cap;
} mix_room;
bool mix_room_new(mix_room *r, const mix *m, format_error *e);
void mix_room_free(mix_room *r); // zeroed is fine

// The items that the sums reach after a history, oldest item first (numbers that are no items are passed over): r->items,
// r->sums and r->added, until the next call.
bool mix_history(const mix *m, mix_room *r, const int32_t *history, int32_t n, format_error *e);

// The same for several histories, whose answers stay until the next mix_batch_clear.
typedef struct mix_batch {
  mix_room room;
  size_t n;
  size_t *end;   // [n] of each answer in items and added
  bool *nothing; // [n]
  int32_t *items;
  float *added;
  size_t end_cap, nothing_cap, items_cap, added_cap;
} mix_batch;
bool mix_batch_new(mix_batch *b, const mix *m, format_error *e);
void mix_batch_free(mix_batch *b); // zeroed is fine
void mix_batch_clear(mix_batch *b);
bool mix_batch_add(mix_batch *b, const mix *m, const int32_t *history, int32_t n, format_error *e);
mix_added mix_batch_get(const mix_batch *b, size_t i);
size_t mix_batch_bytes(const mix_batch *b);

// What comes to scale u.v: added to the scores [n] of items first .. first + n - 1, or of any items, and of one item.
void mix_add(const mix *m, mix_added a, int32_t first, int32_t n, float *scores);
void mix_add_items(const mix *m, mix_added a, const int32_t *items, int32_t n, float *scores);
float mix_of(const mix *m, mix_added a, int32_t item);

#endif
