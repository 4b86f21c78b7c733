// Arguments that calls of the inference library must refuse, and what they then say, for a bundle of rich_bundle.h; and what several
// calls have in common, tried by one macro each. For tests/unit/test_infer_calls.c alone.
#ifndef SOUK_TESTS_BAD_ARGUMENTS_H
#define SOUK_TESTS_BAD_ARGUMENTS_H

#include <limits.h>
#include <math.h>
#include "lib/check.h"
#include "lib/rich_bundle.h"
#include "lib/tiny_bundle.h"
#include "souk/infer.h"

enum { W = RICH_W, ITEMS = RICH_ITEMS };

// A pointer that is not aligned for its type.
#define ODD(type, p) ((type)(void *)((char *)(uintptr_t)(p) + 1))

static int tried;           // hostile calls of the function at hand
static uint64_t other[512]; // what is no bundle, no history, no options

#define BAD        SOUK_ERR_ARGUMENT
#define HUGE_COUNT ((size_t)1 << 31)
#define REFUSED(call, code, text) \
  do {                            \
    refuses(call, code, text);    \
    tried++;                      \
  } while (0)
#define IS(expr)       \
  do {                 \
    assert_true(expr); \
    tried++;           \
  } while (0)

// ---- histories -----------------------------------------------------------------------------------------------

typedef struct bad_history {
  souk_history h;
  const char *says;
} bad_history;

static int32_t items[] = {1, 2, ITEMS, -2}, events[] = {0, 3, -1};
static const char *const names[] = {"item1", NULL}, *const event_names[] = {"view", "vieww"};
static const char *const attribute[] = {"age", NULL};
static const souk_user users[] = {
    {.n_attributes = -1},
    {.n_attributes = INT32_MAX},
    {.n_attributes = 1},
    {.n_attributes = 1, .names = attribute, .values = attribute},
    {.n_attributes = 1, .names = attribute + 1, .values = attribute},
    {.reserved = 1},
    {.reserved_pointers = {NULL, items}},
};
static bad_history bad_histories[] = {
    {{.n = -1}, ".n = -1"},
    {{.n = INT32_MIN}, ".n = -2147483648"},
    {{.n = INT32_MAX, .items = items}, ".n = 2147483647"},
    {{.n = 1}, "items and names must not both be NULL"},
    {{.n = 1, .items = items, .names = names}, "items and names must not both be set"},
    {{.n = 1, .items = items, .events = events, .event_names = event_names}, "must not both be set"},
    {{.n = 3, .items = items}, ".items[2] = 40"},
    {{.n = 1, .items = items + 3}, ".items[0] = -2"},
    {{.n = 2, .names = names}, ".names[1] must not be NULL"},
    {{.n = 2, .items = items, .events = events}, ".events[1] = 3"},
    {{.n = 1, .items = items, .events = events + 2}, ".events[0] = -1"},
    {{.n = 2, .items = items, .event_names = event_names}, "no event type \"vieww\""},
    {{.n = 1, .items = ODD(int32_t *, items)}, "not aligned"},
    {{.n = 1, .names = ODD(const char *const *, names)}, "not aligned"},
    {{.n = 1, .items = items, .events = ODD(int32_t *, events)}, "not aligned"},
    {{.n = 1, .items = items, .event_names = ODD(const char *const *, event_names)}, "not aligned"},
    {{.n = 1, .texts = ODD(const char *const *, names)}, "not aligned"},
    {{.user = ODD(const souk_user *, users)}, ".user is not aligned"},
    {{.user = &users[0]}, ".user.n_attributes = -1"},
    {{.user = &users[1]}, ".user.n_attributes = 2147483647"},
    {{.user = &users[2]}, ".user.names must not be NULL"},
    {{.user = &users[3]}, "knows no attribute \"age\""},
    {{.user = &users[4]}, ".user.names[0] must not be NULL"},
    {{.user = &users[5]}, ".user.reserved = 1"},
    {{.user = &users[6]}, "has a field that this library"},
};
enum { BAD_HISTORIES = sizeof bad_histories / sizeof *bad_histories };

// The call with each of them in the place of `history`.
#define BAD_HISTORY(call)                             \
  for (int h_ = 0; h_ < BAD_HISTORIES; h_++) {        \
    const souk_history history = bad_histories[h_].h; \
    REFUSED(call, BAD, bad_histories[h_].says);       \
  }

// ---- histories in one array ----------------------------------------------------------------------------------

static const int64_t none_at[] = {0, 0}, one_at[] = {0, 1}, backwards[] = {1, 0}, negative[] = {-1, 0},
                     long_one[] = {0, INT64_MAX};

// The arguments that souk_user_vectors_flat and souk_rank_flat have in common.
#define BAD_FLAT(CALL)                                                                   \
  REFUSED(CALL(NULL, items, events, 1), BAD, "offsets must not be NULL");                \
  REFUSED(CALL(ODD(int64_t *, other), items, events, 1), BAD, "offsets is not aligned"); \
  REFUSED(CALL(negative, items, events, 1), BAD, "offsets[0] = -1");                     \
  REFUSED(CALL(backwards, items, events, 1), BAD, "is less than");                       \
  REFUSED(CALL(long_one, items, events, 1), BAD, "more than 2^24");                      \
  REFUSED(CALL(one_at, NULL, events, 1), BAD, "items must not be NULL");                 \
  REFUSED(CALL(one_at, ODD(int32_t *, items), events, 1), BAD, "not aligned");           \
  REFUSED(CALL(one_at, items + 2, events, 1), BAD, "items[0] = 40");                     \
  REFUSED(CALL(one_at, items, ODD(int32_t *, events), 1), BAD, "not aligned");           \
  REFUSED(CALL(one_at, items, events + 2, 1), BAD, "events[0] = -1");                    \
  REFUSED(CALL(none_at, items, events, HUGE_COUNT), BAD, "more than 2^31 - 1")

// ---- queries -------------------------------------------------------------------------------------------------

typedef struct bad_query {
  souk_query q;
  souk_status code;
  const char *says;
} bad_query;

static float spoiled_u[W] = {[2] = INFINITY};
static bad_query bad_queries[] = {
    {{.u = ODD(float *, spoiled_u)}, BAD, "queries[0].u is not aligned"},
    {{.u = spoiled_u}, SOUK_ERR_NONFINITE, "queries[0].u[2]"},
    {{.n_candidates = 1}, BAD, "queries[0].candidates must not be NULL"},
    {{.candidates = items, .n_candidates = SIZE_MAX}, BAD, "queries[0].candidates has 18446744073709551615"},
    {{.candidates = items, .n_candidates = 3}, BAD, "queries[0].candidates[2] = 40"},
    {{.candidates = ODD(int32_t *, items), .n_candidates = 1}, BAD, "queries[0].candidates is not aligned"},
    {{.n_deny = 1}, BAD, "queries[0].deny must not be NULL"},
    {{.deny = items, .n_deny = SIZE_MAX}, BAD, "queries[0].deny has 18446744073709551615"},
    {{.deny = items + 3, .n_deny = 1}, BAD, "queries[0].deny[0] = -2"},
    {{.deny = ODD(int32_t *, items), .n_deny = 1}, BAD, "queries[0].deny is not aligned"},
    {{.adapter = -1}, BAD, "queries[0].adapter = -1"},
    {{.adapter = 3}, BAD, "queries[0].adapter = 3"},
    {{.adapter = INT32_MAX}, BAD, "queries[0].adapter = 2147483647"},
    {{.reserved = 1}, BAD, "queries[0].reserved = 1"},
};
enum { BAD_QUERIES = sizeof bad_queries / sizeof *bad_queries };

// The arguments that souk_query_vectors and souk_rank have in common: CALL(queries, their size, their number).
#define BAD_QUERY(CALL)                                                                                     \
  do {                                                                                                      \
    static const souk_query zeroed_;                                                                        \
    for (int q_ = 0; q_ < BAD_QUERIES; q_++)                                                                \
      REFUSED(CALL(&bad_queries[q_].q, sizeof(souk_query), 1), bad_queries[q_].code, bad_queries[q_].says); \
    for (int h_ = 0; h_ < BAD_HISTORIES; h_++) {                                                            \
      const souk_query asked_ = {.history = bad_histories[h_].h};                                           \
      REFUSED(CALL(&asked_, sizeof asked_, 1), BAD, bad_histories[h_].says);                                \
    }                                                                                                       \
    REFUSED(CALL(NULL, sizeof zeroed_, 1), BAD, "queries must not be NULL");                                \
    REFUSED(CALL(ODD(souk_query *, other), sizeof zeroed_, 1), BAD, "queries is not aligned");              \
    REFUSED(CALL(&zeroed_, sizeof zeroed_, HUGE_COUNT), BAD, "more than 2^31 - 1");                         \
    REFUSED(CALL(&zeroed_, 0, 1), BAD, "query_bytes = 0");                                                  \
    REFUSED(CALL(&zeroed_, sizeof zeroed_ + 1, 1), BAD, "is not the size of a souk_query");                 \
  } while (0)

// ---- options -------------------------------------------------------------------------------------------------

typedef struct bad_rank_options {
  souk_rank_options o;
  const char *says;
} bad_rank_options;

static bad_rank_options bad_options[] = {
    {{.threads = -2}, "threads = -2"},
    {{.threads = INT32_MAX}, "threads = 2147483647"},
    {{.keep_history = -1}, "options.keep_history = -1"},
    {{.no_mix = 2}, "options.no_mix = 2"},
    {{.reserved = 1}, "options.reserved = 1"},
    {{.n_allow = 1}, "options.allow must not be NULL"},
    {{.allow = items, .n_allow = SIZE_MAX}, "options.allow has 18446744073709551615"},
    {{.allow = items, .n_allow = 3}, "options.allow[2] = 40"},
    {{.allow = ODD(int32_t *, items), .n_allow = 1}, "options.allow is not aligned"},
    {{.n_deny = 1}, "options.deny must not be NULL"},
    {{.deny = items, .n_deny = SIZE_MAX}, "options.deny has 18446744073709551615"},
    {{.deny = items + 3, .n_deny = 1}, "options.deny[0] = -2"},
    {{.deny = ODD(int32_t *, items), .n_deny = 1}, "options.deny is not aligned"},
};

// What souk_rank and souk_rank_flat have in common: CALL(k, options, their size, items, scores, counts, unknown).
#define BAD_RANK(CALL)                                                                                      \
  do {                                                                                                      \
    static const souk_rank_options zeroed_;                                                                 \
    int32_t to_[4], count_[1];                                                                              \
    float scores_[4];                                                                                       \
    for (size_t o_ = 0; o_ < sizeof bad_options / sizeof *bad_options; o_++)                                \
      REFUSED(CALL(1, &bad_options[o_].o, sizeof zeroed_, to_, scores_, count_, count_), BAD,               \
              bad_options[o_].says);                                                                        \
    REFUSED(CALL(0, NULL, 0, to_, scores_, count_, count_), BAD, "k = 0");                                  \
    REFUSED(CALL(INT32_MIN, NULL, 0, to_, scores_, count_, count_), BAD, "k = -2147483648");                \
    REFUSED(CALL(1, &zeroed_, 0, to_, scores_, count_, count_), BAD, "options_bytes is 0");                 \
    REFUSED(CALL(1, ODD(souk_rank_options *, other), 8, to_, scores_, count_, count_), BAD,                 \
            "options is not aligned");                                                                      \
    REFUSED(CALL(1, NULL, 0, NULL, scores_, count_, count_), BAD, "items must not be NULL");                \
    REFUSED(CALL(1, NULL, 0, ODD(int32_t *, to_), scores_, count_, count_), BAD, "items is not aligned");   \
    REFUSED(CALL(1, NULL, 0, to_, ODD(float *, scores_), count_, count_), BAD, "scores is not aligned");    \
    REFUSED(CALL(1, NULL, 0, to_, scores_, NULL, count_), BAD, "counts must not be NULL");                  \
    REFUSED(CALL(1, NULL, 0, to_, scores_, ODD(int32_t *, count_), count_), BAD, "counts is not aligned");  \
    REFUSED(CALL(1, NULL, 0, to_, scores_, count_, ODD(int32_t *, count_)), BAD, "unknown is not aligned"); \
  } while (0)

static const struct {
  souk_label_options o;
  const char *says;
} bad_label_options[] = {{{.threads = -2}, "threads = -2"},
                         {{.threads = INT32_MAX}, "threads = 2147483647"},
                         {{.logits = -1}, "options.logits = -1"},
                         {{.adapter = 3}, "options.adapter = 3"},
                         {{.adapter = INT32_MIN}, "options.adapter = -2147483648"},
                         {{.reserved = 1}, "options.reserved = 1"}};
enum { BAD_LABEL_OPTIONS = sizeof bad_label_options / sizeof *bad_label_options };

#endif
