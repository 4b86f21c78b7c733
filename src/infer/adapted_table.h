// An adapter of the word table: peft's lora_embedding_A [r,V] and lora_embedding_B [H,r], of adalora B diag(lora_embedding_E).
// Row i, of a word or an item, is e_i + s B a_i for the requests that name the adapter, where rows are looked up and where items are
// scored.
//
// The table is not made a second time: V x r numbers an adapter, where r is 8 and H 64 to 768, are what lets one bundle serve a hundred of
// them. A lookup adds B a_i to its row; a score u . v_i gets (s B' u) . a_i, which is r multiplications more an item. Cosine scores,
// whose v_i have length 1, are u . v_i |e_i| / |e'_i| and (s B' u) . a_i / |e'_i|, with lengths made when the bundle is opened. Vectors
// of items with content have no such form (their texts' words change too), and a bundle of those refuses such an adapter.
//
// Sums are made as the kernels make others: an item's score has the same bits in any list and any company.
#ifndef SOUK_INFER_ADAPTED_TABLE_H
#define SOUK_INFER_ADAPTED_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "infer/errors.h"

struct souk_bundle;
typedef struct adapted_table adapted_table;

enum { ADAPTED_BLOCK = 128 }; // items scored at a time

// Of a [r,V], finite, which becomes the table's own and is freed with it, also after an error, and b [H,r] times s. The bundle's weights
// have been read.
souk_status adapted_table_new(adapted_table **out, const struct souk_bundle *bundle, float *a, const float *b,
                              double s, int32_t rank, souk_error *e);
void adapted_table_free(adapted_table *t); // NULL is safe
size_t adapted_table_bytes(const adapted_table *t);
int32_t adapted_table_rank(const adapted_table *t);

// x [n,H], rows of the word table of these tokens, get what the adapter adds. low: room for [n,r].
void adapted_table_rows(const struct souk_bundle *bundle, const adapted_table *t, const int32_t *tokens,
                        size_t n, float *low, float *x);

// low [r] of a user vector u [W], and the most that it can add to a score, or make of it, whatever the item.
double adapted_table_low(const struct souk_bundle *bundle, const adapted_table *t, const float *u,
                         float *low);
// Scores [n] of u by the items' own vectors become those under the adapter. Items are ids [n], or first .. first + n - 1 with ids NULL;
// n is at most ADAPTED_BLOCK.
void adapted_table_scores(const struct souk_bundle *bundle, const adapted_table *t, const float *u,
                          const float *low, const int32_t *ids, int32_t first, int32_t n, float *scores);
// logits [n] of y [H] by the table's first n rows, words and attributes, become those under the adapter. low: room for [r].
void adapted_table_words(const struct souk_bundle *bundle, const adapted_table *t, const float *y, size_t n,
                         float *low, float *logits);
// v [W], an item's vector, becomes that under the adapter. low: room for [r].
void adapted_table_item(const struct souk_bundle *bundle, const adapted_table *t, int32_t item, float *low,
                        float *v);

// c [m,n] += a [m,k] b, the larger factor of an adapter, which simd_table.gemm_pack has packed; rows of c are c_row floats apart.
void add_packed_product(const float *a, size_t k, const float *b, float *c, size_t c_row, size_t m, size_t n);

#endif
