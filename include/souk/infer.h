// Souk's inference library: answers from exported bundles. C11; needs libc, libm and threads only.
//
// A bundle (written by `souk export`, described in docs/bundle.md) holds an encoder, an item table and a
// vocabulary. This library opens one and gives user vectors, item vectors, scores and ranked lists:
//
//   souk_error error;
//   souk_bundle *bundle;
//   if (souk_open(&bundle, "bundles/beauty", 0, &error) != SOUK_OK) fprintf(stderr, "%s\n", error.message);
//
//   const char *const bought[] = {"B001", "B042"};
//   const souk_query query = {.history = {.n = 2, .names = bought}};
//   int32_t items[10], count;
//   float scores[10];
//   souk_rank(bundle, &query, 1, 10, NULL, items, scores, &count, NULL, &error);
//   for (int32_t i = 0; i < count; i++) printf("%s %g\n", souk_item_name(bundle, items[i]), scores[i]);
//   souk_close(bundle);
//
// Vectors. A user vector u and an item vector v have W = souk_info.dimension floats, and the score of an item
// for a user is p = u . v exactly: the item's bias is the last element of v, where u has a 1. So any index
// for inner products ranks as the model does. Scores are the trainer's logits: softmax over all items makes
// probabilities of them.
//
// Items are numbered from 0 in the order of the vocabulary; -1 stands for an unknown item. Event types are
// numbered from 0, which is "none".
//
// Answers. Unknown items of a history are dropped and counted. Of the known ones the newest
// souk_info.max_history are read by the model. A history with no known item is answered with the model's
// prior: new users need no special case. An answer depends on its own query alone: the same bits come alone,
// in a batch of any size, with any number of threads.
//
// Threads. A bundle does not change after souk_open; any number of threads may use one at the same time. Only
// souk_close must come after all of them have finished. A call works on the calling thread unless it is asked
// for more (see `threads` below); threads that it starts end with it. The library has no global state but the
// choice of its vector kernels (made at first use; the environment variable SOUK_SIMD=c asks for the portable
// ones).
//
// Errors. Functions that can fail return a status, 0 for success, and write a code and one English sentence
// that names the file and field, or the argument, into *error; error may be NULL. When a call fails, the
// contents of its outputs are undefined, but nothing is leaked and the bundle remains usable. Arguments are
// checked: NULL where it is not allowed, pointers that are not aligned for their type, and numbers out of
// range are SOUK_ERR_ARGUMENT. Files are checked too: a damaged or hostile bundle is refused with a sentence.
// Files are mapped, not copied, so a bundle in use must not be changed in place; write a new one and rename
// it.
//
// Versions. A program runs with every later library of the same SOUK_INFER_ABI, which is the number in the
// library's file name (libsouk_infer.so.1): it is raised whenever a program that was compiled before would no longer
// run, so that a loader refuses a library that does not fit. (Souk's own version does not tell: while SOUK_VERSION_MAJOR is
// 0, any version may change the interface.) Structures that the caller allocates may get more fields at their end. So the
// functions that take such structures are told how large they are: souk_get_info and souk_rank, below, pass on the
// sizes that the program was compiled with to souk_get_info_sized and souk_rank_sized, which are what the library
// exports and what other languages call. A field that the program does not know counts as zero, which is always its
// default; a field that the library does not know must be zero, or the call is refused. souk_error and
// souk_history never change their size.
//
// Ownership. Nothing passed in is kept after a call returns. Strings returned belong to the bundle and live
// until souk_close.
#ifndef SOUK_INFER_H
#define SOUK_INFER_H

#include <stddef.h>
#include <stdint.h>

// The version of this header; souk_infer_version() is that of the library. Souk as a whole has the same.
#define SOUK_VERSION_MAJOR 0
#define SOUK_VERSION_MINOR 4
#define SOUK_VERSION_PATCH 0
// The number of the binary interface, see "Versions" above; the Makefile reads it. 0 had a smaller souk_history, and
// exported souk_get_info, souk_rank and souk_rank_flat.
#define SOUK_INFER_ABI 1

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SOUK_API __attribute__((visibility("default")))
#else
#define SOUK_API
#endif

#define SOUK_STATUS_LIST(X)                                                     \
  X(SOUK_OK, "ok")                                                              \
  X(SOUK_ERR_ARGUMENT, "an argument is NULL, not aligned or out of range")      \
  X(SOUK_ERR_IO, "a file cannot be read")                                       \
  X(SOUK_ERR_FORMAT, "a file of the bundle is malformed or does not fit in")    \
  X(SOUK_ERR_CHECKSUM, "a file of the bundle has another checksum than it had") \
  X(SOUK_ERR_MEMORY, "out of memory")                                           \
  X(SOUK_ERR_NONFINITE, "NaN or infinity")

#define SOUK_STATUS_ENUM(name, text) name,
typedef enum souk_status { SOUK_STATUS_LIST(SOUK_STATUS_ENUM) SOUK_STATUS_COUNT } souk_status;
#undef SOUK_STATUS_ENUM

typedef struct souk_error {
  souk_status code;
  char message[508]; // one sentence without newline or control characters, NUL-terminated; "" after success
} souk_error;

typedef struct souk_bundle souk_bundle;

// The version of the library, e.g. "0.4.0".
SOUK_API const char *souk_infer_version(void);
// A few words about a code, e.g. "out of memory"; "unknown status" for numbers that are none.
SOUK_API const char *souk_status_text(souk_status code);

// ---- opening -------------------------------------------------------------------------------------------------

// Flags of souk_open.
enum {
  // Leave out comparing the files with the checksums in souk.json, the most expensive part of opening (about
  // a second for each 400 MB, or each 1.5 GB where the processor has instructions for it). Everything else is
  // still checked.
  SOUK_SKIP_CHECKSUMS = 1
};

// Opens the bundle in directory `dir` (a symbolic link to one is fine; its files must not be links). *out
// receives the bundle, NULL after an error; it is closed with souk_close. Memory: the encoder's weights and
// the item table are copied into the layout of the kernels, about 4 bytes x (encoder parameters + items x W);
// the embedding table stays mapped.
SOUK_API souk_status souk_open(souk_bundle **out, const char *dir, uint32_t flags, souk_error *error);

// Closes it; NULL is fine.
SOUK_API void souk_close(souk_bundle *bundle);

typedef struct souk_info {
  int32_t items;       // of the catalogue; items are numbered 0 .. items - 1
  int32_t dimension;   // W: floats of a user or item vector
  int32_t max_history; // events that the model reads of a history, the newest ones; may be 0
  int32_t event_types; // how many; souk_event_name has their names; at least 1, "none"
  int32_t hidden, layers, heads, intermediate; // the encoder's shape
  int32_t cosine; // 1: scores are cosines x inv_temperature + bias, 0: dot products x inv_temperature + bias
  double inv_temperature; // already contained in user vectors
  int32_t has_catalogue;  // 1: some items have titles and the like
  int64_t training_step;  // optimiser steps that made it
  const char *data_name;  // data set it was trained on
  const char *created_by; // program that wrote it
  size_t
      memory_bytes; // allocated: the bundle, and the workspaces of finished calls that it keeps for the next
  size_t mapped_bytes;  // of its files, shared with other processes through the page cache
  int32_t has_mix;      // 1: the bundle has a mix, which ranked lists use (see "ranked lists")
  int32_t has_words;    // 1: it reads texts (see "texts")
  int32_t labels;       // that souk_classify or souk_score_pairs tells; 0: none
  int32_t labels_pairs; // 1: of pairs of a history and an item, 0: of texts
  int32_t makes_items;  // 1: souk_item_vectors_of_products makes vectors of new items
  int32_t features;     // numbers of a product's features; 0: they play no part
  int32_t adapters;     // how many; souk_adapter_name has their names
  // 1: nothing that it was trained on ranks items, as with labels alone. Its vectors are there, but their products mean nothing, so
  // souk_rank, souk_rank_flat, souk_score, souk_adapted_score and souk_explain are refused
  int32_t unranked;
  int32_t has_copy; // 1: it writes promotion copy
} souk_info;

// Fills *info, of info_bytes.
SOUK_API souk_status souk_get_info_sized(const souk_bundle *bundle, souk_info *info, size_t info_bytes,
                                         souk_error *error);
static inline souk_status souk_get_info(const souk_bundle *bundle, souk_info *info, souk_error *error) {
  return souk_get_info_sized(bundle, info, sizeof(souk_info), error);
}

// ---- names ---------------------------------------------------------------------------------------------------

// The number of the item with this name (bytes compared exactly), -1 when there is none (or an argument is
// NULL).
SOUK_API int32_t souk_find_item(const souk_bundle *bundle, const char *name);
// The name of an item; NULL when there is no such item.
SOUK_API const char *souk_item_name(const souk_bundle *bundle, int32_t item);
// How often the item occurs in the training data; -1 when there is no such item.
SOUK_API int64_t souk_item_count(const souk_bundle *bundle, int32_t item);
// Writes the item's title from the catalogue, UTF-8, cut to bytes - 1 and NUL-terminated, into buf [bytes]
// and returns its whole length without the NUL (as snprintf does); 0 when there is none. buf may be NULL when
// bytes is 0.
SOUK_API size_t souk_item_title(const souk_bundle *bundle, int32_t item, char *buf, size_t bytes);
// The item's line of the catalogue: a JSON object as text, *bytes long, not NUL-terminated. NULL, *bytes = 0
// when there is none. bytes must not be NULL.
SOUK_API const char *souk_item_record(const souk_bundle *bundle, int32_t item, size_t *bytes);

// The number of the event type with this name, -1 when there is none (or an argument is NULL).
SOUK_API int32_t souk_find_event(const souk_bundle *bundle, const char *name);
// The name of an event type; NULL when there is no such type.
SOUK_API const char *souk_event_name(const souk_bundle *bundle, int32_t event);

// The name of attribute i that the bundle knows of users, from 0; NULL behind the last one (or bundle is NULL). Those of one user
// are given by name and value, see souk_user.
SOUK_API const char *souk_user_attribute(const souk_bundle *bundle, int32_t i);

// A bundle may have adapters: small changes of its encoder, one for each market or kind of promotion, say, of low rank,
// bottlenecks behind its layers, or other biases. A query says by number which one encodes it; 0 stands for none, and queries of one call may have
// different ones. Items and their vectors are the same for all of them, unless an adapter tunes the table of words and items, or biases: under such
// a one (docs/tuning.md) items have vectors of their own, by which its queries are ranked.

// The name of an adapter, 1 to souk_info.adapters; NULL when there is no such adapter.
SOUK_API const char *souk_adapter_name(const souk_bundle *bundle, int32_t adapter);
// The number of the adapter with this name, -1 when there is none (or an argument is NULL).
SOUK_API int32_t souk_find_adapter(const souk_bundle *bundle, const char *name);

// ---- vectors and scores --------------------------------------------------------------------------------------

// What is known of a user beside the events. Zeroed, nothing is.
typedef struct souk_user {
  int32_t n_attributes; // at most 1,024
  int32_t reserved;     // 0
  // [n_attributes] each, not NULL, UTF-8: "age" and "31". A name that the bundle does not know is an error; a value that it does not
  // know, as one that was rare in training, counts as not given. Of two values of one name the last one counts. In any order.
  const char *const *names, *const *values;
  const void *reserved_pointers[4]; // NULL
} souk_user;

// What a user did, oldest first. Items by number or by name; event types by number, by name, or left out.
// Zeroed, it is the empty history of a new user.
typedef struct souk_history {
  int32_t n;                      // events; at most 2^24
  const int32_t *items;           // [n] numbers, -1: unknown; or NULL and
  const char *const *names;       // [n] names; both NULL only if n is 0 or there are texts, not both set
  const int32_t *events;          // [n] event types by number; or
  const char *const *event_names; // [n] by name, NULL pointers: "none"; both NULL: all "none"; not both set
  // [n] texts, UTF-8, NULL pointers: none; NULL: none at all. An event with a text stands for its words, such as those of a
  // search or of a message, and for its item too, if it has one (else its item is -1, or its name NULL)
  const char *const *texts;
  const souk_user *user; // NULL: nothing is known
} souk_history;
// An event type that the bundle does not have is an error, not a guess; the message names those there are.

// `threads` of the calls below: 0 or 1 works on the calling thread, n > 1 on up to n threads (at most 1024),
// -1 on as many as the process may use processors.

// User vectors of n histories.
//   histories [n]   read
//   u [n][W]        written; the last element of each is 1
//   unknown [n]     written: unknown items of each history; may be NULL
// n may be 0 (then nothing is read or written), and is at most 2^31 - 1. What is written is finite: where the
// bundle's weights are so large that a vector overflows, the call fails with SOUK_ERR_NONFINITE.
SOUK_API souk_status souk_user_vectors(const souk_bundle *bundle, const souk_history *histories, size_t n,
                                       int32_t threads, float *u, int32_t *unknown, souk_error *error);

// The same from flat arrays, as numpy and Arrow keep lists: history i is items[offsets[i]] ..
// items[offsets[i + 1] - 1].
//   offsets [n + 1]      read; never falling, the first at least 0, neighbours at most 2^24 apart
//   items [offsets[n]]   read; numbers, -1: unknown
//   events [offsets[n]]  read; event types by number; NULL: all "none"
SOUK_API souk_status souk_user_vectors_flat(const souk_bundle *bundle, const int64_t *offsets,
                                            const int32_t *items, const int32_t *events, size_t n,
                                            int32_t threads, float *u, int32_t *unknown, souk_error *error);

// Item vectors of items first .. first + count - 1 into v [count][W]. count may be 0.
SOUK_API souk_status souk_item_vectors(const souk_bundle *bundle, int32_t first, int32_t count, float *v,
                                       souk_error *error);

// The same under an adapter (0: none), as its queries are scored; for an index of vectors beside souk_query_vectors. Only an adapter of
// the table of words and items, or of items' biases, changes them.
SOUK_API souk_status souk_adapted_item_vectors(const souk_bundle *bundle, int32_t adapter, int32_t first,
                                               int32_t count, float *v, souk_error *error);

// Scores of m items for each of n user vectors, u . v, whatever adapter may have made u: v is as souk_item_vectors has it.
//   u [n][W]        read; finite
//   items [m]       read; numbers 0 .. items - 1, in any order, repeated as you like
//   scores [n][m]   written; where one overflows, the call fails with SOUK_ERR_NONFINITE
SOUK_API souk_status souk_score(const souk_bundle *bundle, const float *u, size_t n, const int32_t *items,
                                size_t m, float *scores, souk_error *error);
// The same by the vectors that the items have under an adapter (0: none), for user vectors that it has made.
SOUK_API souk_status souk_adapted_score(const souk_bundle *bundle, int32_t adapter, const float *u, size_t n,
                                        const int32_t *items, size_t m, float *scores, souk_error *error);

// ---- ranked lists --------------------------------------------------------------------------------------------

// A bundle may have a mix: sparse counts of what follows what, with weights learned beside the encoder's scores. The score of
// an item in a ranked list is then
//   scale x u . v + what the counts add for the history and the item
// exactly as the trainer evaluated it, over the whole catalogue, with candidates and with filters alike. The counts read the
// history alone, also where a user vector is given, and add nothing where no item of it is known. Vectors and souk_score remain u and v, for vector indexes.

// One question: which items come next? Zeroed, it asks for a new user over the whole catalogue.
typedef struct souk_query {
  souk_history history; // the user's past, and what is filtered out (see keep_history)
  // [W] a user vector, finite, to use instead of computing it from the history; NULL: compute it. The adapter is then that of the
  // items' vectors
  const float *u;
  // [n_candidates] rank these only; NULL: the whole catalogue. Repetitions count once
  const int32_t *candidates;
  size_t n_candidates;
  const int32_t *deny; // [n_deny] never list these; may be NULL when n_deny is 0
  size_t n_deny;
  int32_t adapter;  // its number, 0: none (see "names")
  int32_t reserved; // 0
} souk_query;

// User vectors of n queries, as souk_user_vectors writes them, each by its adapter. Of a query its history and its adapter count, and
// its u, if it has one, is what is written.
SOUK_API souk_status souk_query_vectors_sized(const souk_bundle *bundle, const souk_query *queries,
                                              size_t query_bytes, size_t n, int32_t threads, float *u,
                                              int32_t *unknown, souk_error *error);
static inline souk_status souk_query_vectors(const souk_bundle *bundle, const souk_query *queries, size_t n,
                                             int32_t threads, float *u, int32_t *unknown, souk_error *error) {
  return souk_query_vectors_sized(bundle, queries, sizeof(souk_query), n, threads, u, unknown, error);
}

// Zeroed (or a NULL pointer to it) are the defaults.
typedef struct souk_rank_options {
  int32_t threads;
  // 1: items of the history may be listed again. 0: they are left out, also those too old for the model to read
  int32_t keep_history;
  const int32_t *allow; // [n_allow] in all queries list these only, e.g. what is in stock; NULL: everything
  size_t n_allow;
  const int32_t *deny; // [n_deny] in all queries never list these; may be NULL when n_deny is 0
  size_t n_deny;
  int32_t no_mix;   // 1: by u . v alone, although the bundle has a mix
  int32_t reserved; // 0
} souk_rank_options;
// In candidates, allow and deny, -1 (an unknown item) is passed over; other numbers that are no items are
// errors.

// The k best items of each of n queries, best first; equal scores by rising item number.
//   queries [n]      read, query_bytes each
//   k                at least 1; may be more than there are items
//   options          read, options_bytes; may be NULL
//   items [n][k]     written: item numbers. Row i has counts[i] of them; what lies behind is not touched
//   scores [n][k]    written likewise; may be NULL
//   counts [n]       written: how many items were found, at most k; fewer where filters leave fewer
//   unknown [n]      written: unknown items of each history; may be NULL
// n may be 0. Where the score of an item that could be listed overflows, the call fails with
// SOUK_ERR_NONFINITE. The cost of a query over the whole catalogue of I items is 2 I W operations beside the
// encoder's.
SOUK_API souk_status souk_rank_sized(const souk_bundle *bundle, const souk_query *queries, size_t query_bytes,
                                     size_t n, int32_t k, const souk_rank_options *options,
                                     size_t options_bytes, int32_t *items, float *scores, int32_t *counts,
                                     int32_t *unknown, souk_error *error);
static inline souk_status souk_rank(const souk_bundle *bundle, const souk_query *queries, size_t n, int32_t k,
                                    const souk_rank_options *options, int32_t *items, float *scores,
                                    int32_t *counts, int32_t *unknown, souk_error *error) {
  return souk_rank_sized(bundle, queries, sizeof(souk_query), n, k, options, sizeof(souk_rank_options), items,
                         scores, counts, unknown, error);
}

// The same for n histories in flat arrays (see souk_user_vectors_flat), without filters of their own.
SOUK_API souk_status souk_rank_flat_sized(const souk_bundle *bundle, const int64_t *offsets,
                                          const int32_t *history_items, const int32_t *history_events,
                                          size_t n, int32_t k, const souk_rank_options *options,
                                          size_t options_bytes, int32_t *items, float *scores,
                                          int32_t *counts, int32_t *unknown, souk_error *error);
static inline souk_status souk_rank_flat(const souk_bundle *bundle, const int64_t *offsets,
                                         const int32_t *history_items, const int32_t *history_events,
                                         size_t n, int32_t k, const souk_rank_options *options,
                                         int32_t *items, float *scores, int32_t *counts, int32_t *unknown,
                                         souk_error *error) {
  return souk_rank_flat_sized(bundle, offsets, history_items, history_events, n, k, options,
                              sizeof(souk_rank_options), items, scores, counts, unknown, error);
}

// ---- promotions in a ranked list -----------------------------------------------------------------------------

// A promotion that may be placed in a list.
typedef struct souk_promotion {
  int32_t item; // its number, at least 0
  float
      relevance; // the item's score for this user, in the list's unit; of an item that the list has, the list's own counts
  double value; // what showing it is declared to be worth, in the same unit; from 0 to 1e9
} souk_promotion;

typedef struct souk_promote_options {
  int32_t most;  // promotions in the list; 0 to 64
  int32_t first; // places from the top among which they may stand; 0 to 4096
  double weight; // of values beside relevance; 0 to 1e9
} souk_promote_options;

// What it cost, over the first places. DCG divides the relevance at place i, from 1, by log2(i + 1).
typedef struct souk_placement {
  int32_t promoted; // how many were placed
  int32_t reserved; // 0
  // Of relevance: values are no part of it. The loss, sum_before - sum_after, is not negative where the list has the most relevant of
  // all items that may be placed
  double sum_before, sum_after;
  double dcg_before, dcg_after; // likewise
} souk_placement;

// Places at most options.most promotions among the first options.first places of a ranked list. An item has the score relevance
// where it is not promoted, and relevance + weight x value where it is; of all ways to fill those places, the one with the
// largest sum of scores is taken, and in it the higher score stands higher (of equal ones, what is not promoted, then by the order given).
// Of equal sums, the one with fewer promotions: one that adds nothing is not placed. What is displaced
// goes behind these places, in the list's order; the list keeps its length, so that its last items may leave.
//   items [n], scores [n]  read: the list, best first, as souk_rank writes it; no item twice
//   promotions [n_promotions]  read, promotion_bytes each; of several of one item only that of the highest value is placed
//   options                read, options_bytes; not NULL
//   placed_items [n]       written: the new list
//   relevance [n]          written: the relevance of its items, without values; may be NULL
//   placed [n]             written: the number of the promotion in each place, -1: none
//   cost                   written, cost_bytes; may be NULL
// A pure function: the same arguments give the same list. n may be 0. It needs no bundle, and takes time in first x most^2.
SOUK_API souk_status souk_promote_sized(const int32_t *items, const float *scores, int32_t n,
                                        const souk_promotion *promotions, size_t promotion_bytes,
                                        size_t n_promotions, const souk_promote_options *options,
                                        size_t options_bytes, int32_t *placed_items, float *relevance,
                                        int32_t *placed, souk_placement *cost, size_t cost_bytes,
                                        souk_error *error);
static inline souk_status souk_promote(const int32_t *items, const float *scores, int32_t n,
                                       const souk_promotion *promotions, size_t n_promotions,
                                       const souk_promote_options *options, int32_t *placed_items,
                                       float *relevance, int32_t *placed, souk_placement *cost,
                                       souk_error *error) {
  return souk_promote_sized(items, scores, n, promotions, sizeof(souk_promotion), n_promotions, options,
                            sizeof(souk_promote_options), placed_items, relevance, placed, cost,
                            sizeof(souk_placement), error);
}

// ---- texts ---------------------------------------------------------------------------------------------------

// A bundle with words (souk_info.has_words) reads texts. They are UTF-8; what is not becomes U+FFFD. They become tokens as the
// model's tokeniser makes them, and a typed [MASK], or another special token's text, is text
// like any other (unless souk.json has words.typed_specials: then it is that token).

// How the hidden states of a text's tokens become one vector.
enum {
  SOUK_POOL_MEAN, // their mean, [CLS] and [SEP] among them, as sentence-transformers does it
  SOUK_POOL_CLS,  // that of [CLS]
  SOUK_POOL_MAX   // the largest of each element
};

// Zeroed (or a NULL pointer to it) are the defaults.
typedef struct souk_embed_options {
  int32_t threads;
  int32_t pooling;   // SOUK_POOL_...
  int32_t normalise; // 1: vectors of length 1
  int32_t
      most_tokens; // that are read of a text, [CLS] and [SEP] among them, the first ones; 0: as many as the model has positions
  int32_t adapter;  // its number, 0: none
  int32_t reserved; // 0
} souk_embed_options;

// Vectors of n texts.
//   texts [n]       read; none is NULL
//   bytes [n]       read: their lengths; NULL: each ends with a NUL
//   options         read, options_bytes; may be NULL
//   vectors [n][H]  written; H is souk_info.hidden
//   tokens [n]      written: tokens of each text without [CLS] and [SEP], those that were not read among them; may be NULL
SOUK_API souk_status souk_embed_texts_sized(const souk_bundle *bundle, const char *const *texts,
                                            const size_t *bytes, size_t n, const souk_embed_options *options,
                                            size_t options_bytes, float *vectors, int32_t *tokens,
                                            souk_error *error);
static inline souk_status souk_embed_texts(const souk_bundle *bundle, const char *const *texts,
                                           const size_t *bytes, size_t n, const souk_embed_options *options,
                                           float *vectors, int32_t *tokens, souk_error *error) {
  return souk_embed_texts_sized(bundle, texts, bytes, n, options, sizeof(souk_embed_options), vectors, tokens,
                                error);
}

// What is known of an item that the bundle need not have. Zeroed: nothing is.
typedef struct souk_product {
  const char
      *text;    // UTF-8: its title, description and so on, as the data set's texts are made of; NULL: none
  size_t bytes; // of it; 0: it ends with a NUL
  const char *const
      *attributes; // [n_attributes] as the vocabulary calls them: "brand=x"; unknown ones are passed over
  size_t n_attributes;
  const float *features; // [souk_info.features] finite; NULL: none
} souk_product;

// Item vectors of n products of which only texts, attributes or features are known: v [n][W] as souk_item_vectors writes them, so that
// u . v is the score of a new item (souk_info.makes_items).
//   products [n]  read, product_bytes each
//   unknown [n]   written: attributes that the vocabulary does not have; may be NULL
// Of a text the first 128 tokens count, which is what souk prepare keeps of an item's unless it is told otherwise.
SOUK_API souk_status souk_item_vectors_of_products_sized(const souk_bundle *bundle,
                                                         const souk_product *products, size_t product_bytes,
                                                         size_t n, float *v, int32_t *unknown,
                                                         souk_error *error);
static inline souk_status souk_item_vectors_of_products(const souk_bundle *bundle,
                                                        const souk_product *products, size_t n, float *v,
                                                        int32_t *unknown, souk_error *error) {
  return souk_item_vectors_of_products_sized(bundle, products, sizeof(souk_product), n, v, unknown, error);
}

// ---- labels --------------------------------------------------------------------------------------------------

// A bundle may tell labels (souk_info.labels): of texts, such as a sentiment, or of pairs of a history and an item, such as the
// probabilities of click, cart and purchase. Of several labels each holds or does not; of the others one does, and their
// probabilities add up to 1. Logits are divided by the temperatures that validation has found (docs/bundle.md, "labels"),
// the adapter's own where one is named.

// The name of a label; NULL when there is no such label.
SOUK_API const char *souk_label_name(const souk_bundle *bundle, int32_t label);

// Zeroed (or a NULL pointer to it) are the defaults.
typedef struct souk_label_options {
  int32_t threads;
  int32_t logits;   // 1: logits, without temperature, instead of probabilities
  int32_t adapter;  // its number, 0: none
  int32_t reserved; // 0
} souk_label_options;

// The labels of n texts, for bundles whose labels are of texts.
//   texts [n]        read; none is NULL. What is too long loses its end
//   seconds [n]      read: second texts, [CLS] text [SEP] second [SEP]; NULL: there are none
//   out [n][labels]  written
SOUK_API souk_status souk_classify_sized(const souk_bundle *bundle, const char *const *texts,
                                         const char *const *seconds, size_t n,
                                         const souk_label_options *options, size_t options_bytes, float *out,
                                         souk_error *error);
static inline souk_status souk_classify(const souk_bundle *bundle, const char *const *texts,
                                        const char *const *seconds, size_t n,
                                        const souk_label_options *options, float *out, souk_error *error) {
  return souk_classify_sized(bundle, texts, seconds, n, options, sizeof(souk_label_options), out, error);
}

// A history and an item that is shown to the user: [CLS] history [SEP] item, its text, its attributes [SEP].
// Without text and attributes a known item has those of the bundle's texts.safetensors, if there is one.
// Zeroed it has no history, and item 0, which is the bundle's first: of an item that the bundle does not have, set item to -1.
typedef struct souk_pair {
  souk_history history;
  int32_t item; // -1: one that the bundle does not have, of which the text may tell
  int32_t reserved;
  souk_product
      product; // text and attributes as the rows had them that the model was trained on; its features play no part
} souk_pair;

// The labels of n pairs, for bundles whose labels are of pairs.
//   pairs [n]        read, pair_bytes each
//   out [n][labels]  written
SOUK_API souk_status souk_score_pairs_sized(const souk_bundle *bundle, const souk_pair *pairs,
                                            size_t pair_bytes, size_t n, const souk_label_options *options,
                                            size_t options_bytes, float *out, souk_error *error);
static inline souk_status souk_score_pairs(const souk_bundle *bundle, const souk_pair *pairs, size_t n,
                                           const souk_label_options *options, float *out, souk_error *error) {
  return souk_score_pairs_sized(bundle, pairs, sizeof(souk_pair), n, options, sizeof(souk_label_options), out,
                                error);
}

// ---- lexicons ------------------------------------------------------------------------------------------------

// Which phrases promotion copy may not have and which it must have, for the words of a bundle. With or without phrases, it keeps
// out every quantity that is not a term of the offer. The form of the texts is in docs/copy.md: a phrase a line, "#" begins a comment,
// "word~" stands for a word's forms, "!phrase" is an exception, [required] begins phrases that copy must have.
typedef struct souk_lexicon souk_lexicon;

typedef struct souk_lexicon_text {
  const char *text; // UTF-8, such as a file of configs/lexicon-*.txt holds
  size_t bytes;     // of it; 0: it ends with a NUL
  const char *name; // what errors and reasons call it; NULL: "texts[i]"
} souk_lexicon_text;

// Makes one lexicon of n texts, which may be 0 (texts may be NULL then); it is freed with souk_lexicon_free, before the bundle is closed. It does not change
// afterwards, so any number of threads may use one at the same time. What a text may not have is SOUK_ERR_FORMAT, with its name and line;
// a bundle that has no words (souk_info.has_words) is SOUK_ERR_ARGUMENT.
SOUK_API souk_status souk_lexicon_new(souk_lexicon **out, const souk_bundle *bundle,
                                      const souk_lexicon_text *texts, size_t n, souk_error *error);
SOUK_API void souk_lexicon_free(souk_lexicon *lexicon); // NULL is fine

// Text i, from 0, of the lexicons that the bundle carries: what souk export found it wise to serve it with. *bytes is its length,
// *name (may be NULL) what it is called. NULL and 0 bytes behind the last one. It is for souk_lexicon_new, and lives until souk_close.
SOUK_API const char *souk_carried_lexicon(const souk_bundle *bundle, int32_t i, size_t *bytes,
                                          const char **name);

// ---- explanations --------------------------------------------------------------------------------------------

// How the shares of the events were found.
enum {
  SOUK_WHY_CHEAPER, // in options: whichever of the two costs less for this history and number of items
  // The share of an event is what the score loses where the event is left out: exact, one more history to encode for each
  // event. `base` is the score of an empty history. What events carry only together is in no share, or in several, and
  // `rest` is the difference.
  SOUK_WHY_LEAVE_ONE_OUT,
  // Integrated gradients (Sundararajan, Taly and Yan, 2017): the integral of the score's gradient on the straight way from a
  // history of as many events that are all hidden ([MASK] in their places), whose score is `base`. The shares add up to
  // score - base; `rest` is the integral's error. It costs as much for a long history as for a short one, but more for each item.
  SOUK_WHY_INTEGRATED_GRADIENTS
};

// Zeroed (or a NULL pointer to it) are the defaults.
typedef struct souk_explain_options {
  int32_t threads;
  int32_t method;  // SOUK_WHY_...
  int32_t no_mix;  // 1: the score is u . v alone, although the bundle has a mix
  int32_t adapter; // its number, 0: none
  // The integral takes more points until `rest` is at most tolerance x (1 + |score - counts - base|) for every item, or 256
  // are reached; 0: 0.001
  double tolerance;
} souk_explain_options;

// What the score of an item is made of: score = base + the shares of the events + counts + rest.
typedef struct souk_explanation {
  double score;   // as in a ranked list
  double base;    // see SOUK_WHY_...
  double counts;  // what the mix adds to the encoder's part; 0 without one
  double rest;    // see SOUK_WHY_...
  int32_t method; // that was used
  int32_t passes; // histories that were encoded, or points of the integrals that were tried
} souk_explanation;

// Which events of a history carry the scores of m items.
//   items [m]              read; numbers 0 .. items - 1. m may be 0
//   options                read, options_bytes; may be NULL
//   out [m]                written, out_bytes each
//   shares [m][history.n]  written: the share of each event, in the unit of scores (logits); 0 for unknown items and for
//                          events too old for the model to read. May be NULL when history.n is 0
// The same bits come with any number of threads.
SOUK_API souk_status souk_explain_sized(const souk_bundle *bundle, const souk_history *history,
                                        const int32_t *items, size_t m, const souk_explain_options *options,
                                        size_t options_bytes, souk_explanation *out, size_t out_bytes,
                                        float *shares, souk_error *error);
static inline souk_status souk_explain(const souk_bundle *bundle, const souk_history *history,
                                       const int32_t *items, size_t m, const souk_explain_options *options,
                                       souk_explanation *out, float *shares, souk_error *error) {
  return souk_explain_sized(bundle, history, items, m, options, sizeof(souk_explain_options), out,
                            sizeof(souk_explanation), shares, error);
}

// ---- promotion copy ------------------------------------------------------------------------------------------

// A bundle that was trained on copy (souk_info.has_copy) writes it: user, item, goal, type of promotion, terms, market and language go
// in, and text comes out. What is true of the offer, its terms, is never written by the model: it writes slots, which are filled from the request in
// the market's form, and it can write no other quantity. A lexicon says which phrases may not be written, and they are not, under any
// search. Where no copy can be written so, the answer is a template of the promotion's type, and says so and why.

// What is true of an offer. Zeroed: nothing is given.
typedef struct souk_terms {
  const char *item;         // name of the item, UTF-8; NULL: its title in the catalogue
  const char *code;         // to type at the till; NULL: there is none
  double price, was;        // price and former price; 0: not given
  double percent;           // taken off: 20 is a fifth off; 0: not given
  double amount, threshold; // taken off from a threshold on; 0: not given
  int32_t year, month, day; // last day; month 0: not given; year 0: said without a year
  int32_t reserved;         // 0
} souk_terms;

// Slots, which a request may require: bit 1 << SOUK_SLOT_PRICE.
enum {
  SOUK_SLOT_ITEM,
  SOUK_SLOT_PRICE,
  SOUK_SLOT_PERCENT,
  SOUK_SLOT_AMOUNT,
  SOUK_SLOT_THRESHOLD,
  SOUK_SLOT_DATE,
  SOUK_SLOT_CODE,
  SOUK_SLOTS
};

// What copy is to be written for. Zeroed it is of item 0: set item to -1 where the bundle does not have it.
typedef struct souk_promo_request {
  souk_history history;
  int32_t item;    // -1: one that the bundle does not have, of which the product may tell
  int32_t adapter; // its number, 0: none
  // Text and attributes; without them a known item has those of the bundle. Its features play no part.
  souk_product product;
  // Of the promotion. A name that the vocabulary does not have is read as [UNK]; goal, type and market may be NULL, and then nothing
  // stands in their place. Without a market terms are written as in "cn" where the language is "zh", else as in "us".
  const char *goal, *type, *market;
  const char *language; // "en" or "zh"
  souk_terms terms;
  // Names the request for sampling: its draws are a function of options.seed and this, in whatever batch it comes.
  uint64_t seed;
  const souk_lexicon *lexicon;    // NULL: quantities alone are kept out
  const char *const *required;    // [n_required] phrases that every copy has, UTF-8
  const char *const *banned;      // [n_banned] phrases that none has, beside the lexicon's
  int32_t n_required, n_banned;   // at most 16 each
  uint32_t required_slots;        // 1 << SOUK_SLOT_...: these terms, which must be given, are in every copy
  int32_t min_tokens, max_tokens; // of the copy, its end not counted; 0: as the options say
  int32_t reserved;               // 0
} souk_promo_request;

enum { SOUK_DECODE_GREEDY, SOUK_DECODE_BEAM, SOUK_DECODE_SAMPLE };

// Called with the text of a copy as it is written: `bytes` more of copy `copy` of request `request`, complete characters that will not change;
// under beam search all at once at the end. With `last`, the copy is finished: text [bytes] is empty, unless flags say that the copy was
// refused after all, and then text is what stands in its place. One call at a time, on any of the call's threads.
typedef void (*souk_promo_stream)(void *arg, size_t request, int32_t copy, const char *text, size_t bytes,
                                  int32_t last, uint32_t flags);

// Zeroed (or a NULL pointer to it) are the defaults.
typedef struct souk_promo_options {
  int32_t threads;
  int32_t decode; // SOUK_DECODE_...
  // Copies of a request; 0: 1. Greedy search has one; a beam at most `beam`, the best first; draws come in their order, and those
  // that lead to where nothing may follow are missing.
  int32_t n_best;
  int32_t beam;        // hypotheses of a beam, at most 64; 0: 4
  int32_t beam_groups; // that divide `beam`, and are kept apart by `diversity`; 0: 1
  int32_t top_k;       // sampling: among the k most probable tokens; 0: all
  int32_t no_repeat;   // no n-gram of tokens comes twice; 0: any may
  // Of a copy, its end not counted; 0: none, and as long as the model's copy may be.
  int32_t min_tokens, max_tokens;
  // 1: keys and values are not kept, and all is computed again for each token: to compare with.
  int32_t no_cache;
  // Beam: hypotheses are ordered by log probability / ((5 + tokens) / 6)^length_penalty + coverage_penalty x the sum over the source of
  // log(min(attention, 1)), where attention is what the copy's tokens gave to a row in the last layer, mean of its heads
  // (Wu et al., 2016). tokens counts the end
  double length_penalty, coverage_penalty;
  // Beam: what a token loses for each hypothesis of earlier groups that has just taken it (Vijayakumar et al., 2018).
  double diversity;
  double temperature; // sampling: logits are divided by it; 0: 1
  double top_p;       // sampling: the fewest tokens whose probabilities add up to it; 0: 1
  uint64_t seed;
  souk_promo_stream stream; // NULL: none
  void *stream_arg;
} souk_promo_options;

enum {
  // No copy could be written within the rules; this is a template's text, and `reason` says why.
  SOUK_COPY_TEMPLATE = 1,
  SOUK_COPY_REFUSED = 2, // not even a template could: the text is empty
  SOUK_COPY_CUT = 4      // it ends because it was as long as it may be
};

typedef struct souk_copy {
  // UTF-8, NUL-terminated, with the terms filled in; lives until souk_promo_free, as the others do.
  const char *text;
  size_t bytes;
  // Of the model's own distribution, before masks and temperature: the sum over tokens and the end; 0 of a template.
  double log_probability;
  double score;       // that beams were ordered by; else the log probability
  const char *reason; // "" unless flags say that it is a template or refused
  const int32_t *ids; // [tokens] of the vocabulary
  int32_t tokens;     // end not counted
  uint32_t flags;     // SOUK_COPY_...
} souk_copy;

// What was not understood of a request.
typedef struct souk_promo_notes {
  int32_t copies;             // that there are of it
  int32_t unknown_items;      // of the history
  int32_t unknown_attributes; // of the product
  int32_t unknown_context;    // of goal, type, market and language, those that the vocabulary does not have
  int32_t dropped_terms;      // given, and without a slot in the vocabulary
  int32_t source_tokens;      // that the model read
} souk_promo_notes;

typedef struct souk_promo souk_promo; // the answers of a call

// Copy for n requests.
//   requests [n]  read, request_bytes each
//   options       read, options_bytes; may be NULL
//   *out          the answers, freed with souk_promo_free; NULL after an error
// An answer depends on its request and the options alone: the same bytes come in any batch and with any number of threads.
SOUK_API souk_status souk_promo_sized(const souk_bundle *bundle, const souk_promo_request *requests,
                                      size_t request_bytes, size_t n, const souk_promo_options *options,
                                      size_t options_bytes, souk_promo **out, souk_error *error);
static inline souk_status souk_promo_write(const souk_bundle *bundle, const souk_promo_request *requests,
                                           size_t n, const souk_promo_options *options, souk_promo **out,
                                           souk_error *error) {
  return souk_promo_sized(bundle, requests, sizeof(souk_promo_request), n, options,
                          sizeof(souk_promo_options), out, error);
}
// Frees the answers and all that came of them; NULL is fine.
SOUK_API void souk_promo_free(souk_promo *promo);
// Fills *notes, of notes_bytes, for a request from 0 to n - 1.
SOUK_API souk_status souk_promo_notes_sized(const souk_promo *promo, size_t request, souk_promo_notes *notes,
                                            size_t notes_bytes, souk_error *error);
static inline souk_status souk_promo_get_notes(const souk_promo *promo, size_t request,
                                               souk_promo_notes *notes, souk_error *error) {
  return souk_promo_notes_sized(promo, request, notes, sizeof(souk_promo_notes), error);
}
// Fills *to, of copy_bytes, with copy `copy` of a request, from 0 to souk_promo_notes.copies - 1, in the order of n_best.
SOUK_API souk_status souk_promo_copy_sized(const souk_promo *promo, size_t request, int32_t copy,
                                           souk_copy *to, size_t copy_bytes, souk_error *error);
static inline souk_status souk_promo_get_copy(const souk_promo *promo, size_t request, int32_t copy,
                                              souk_copy *to, souk_error *error) {
  return souk_promo_copy_sized(promo, request, copy, to, sizeof(souk_copy), error);
}

#ifdef __cplusplus
}
#endif

#endif
