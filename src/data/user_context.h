// What is known of users beside their events: attributes, and searches between the events.
//
// Files of a data set, all optional (HDF5, version 1):
//   users.h5, schema "souk.users": offsets int64 [S + 1] and tokens int32: the attributes of user i, of whom history i is, are
//     tokens [offsets[i], offsets[i + 1]), each user:NAME=value of the vocabulary.
//   searches.h5, schema "souk.searches": offsets int64 [S + 1]: the searches of user i are [offsets[i], offsets[i + 1]); of search k,
//     places int32: it comes before event places[k] of the history (its length: behind the last one), which do not fall for a user;
//     events uint8: its event type; word_offsets int64 [Q + 1], words int32: its words, [word_offsets[k], word_offsets[k + 1]).
//   search_times.h5, schema "souk.search_times", beside it where the log has times: times int64 [Q], when each was made, in the data set's
//     unit of time. Data sets of version 0.3 and before do not have it.
//   domains.h5, schema "souk.domains", where items have domains (format/domains.h): offsets int64 [S + 1]: the runs of user i are
//     [offsets[i], offsets[i + 1]); places int32: where each begins in the history, rising, the first at 0.
// Histories themselves hold items only, and so do targets. What a model reads is put together here: attributes, and then events and the
// words of searches in their order, a domain's token in front of each run of its events. Where that is too long the oldest events and words go, and the attributes stay.
#ifndef SOUK_DATA_USER_CONTEXT_H
#define SOUK_DATA_USER_CONTEXT_H

#include "data/dataset.h"
#include "format/sequence.h"

typedef struct user_attributes {
  int64_t *offsets; // [S + 1]
  int32_t *tokens;
} user_attributes;

typedef struct user_searches {
  int64_t *offsets;      // [S + 1]
  int32_t *places;       // [Q]
  uint8_t *events;       // [Q]
  int64_t *word_offsets; // [Q + 1]
  int32_t *words;
  int64_t *times; // [Q]; NULL: not known
} user_searches;

typedef struct user_runs {
  int64_t *offsets; // [S + 1]
  int32_t *places;  // [R]
} user_runs;

typedef struct user_context {
  int64_t users;              // S
  user_attributes attributes; // offsets NULL: none
  user_searches searches;     // offsets NULL: none
  user_runs runs;             // offsets NULL: none
  int32_t first_item;
  int32_t *domain_of; // [items] with runs: the token of each item's domain; [UNK]: it has none
} user_context;

// *out is NULL for a data set with neither; else owned by d, as the texts of items are (item_texts.h), and the same holds for other
// vocabularies. Reads and checks the files at the first call, which no other thread may make at the same time.
status dataset_user_context(dataset *d, const user_context **out);

// Events [begin, end) of history `sequence`, with the searches between them from `begin` on. query: what comes next is asked, so that
// searches behind the last event count, too; else they end before event end - 1. timed: of those behind the last event only the ones
// that were made before time `before`, and none where their times are not known. bare: without the user's attributes.
typedef struct context_span {
  int64_t sequence;
  int32_t begin, end;
  bool query, timed, bare;
  int64_t before;
} context_span;
// How many rows it has: attributes, events and words. c NULL: the events alone. context_attributes: the first of them.
int32_t context_rows(const user_context *c, const context_span *s);
int32_t context_attributes(const user_context *c, int64_t history);

// Writes at most `room` of these rows (1 or more): attributes, as far as an event or word has room beside them, and the newest of
// the others. tokens, events: of the whole history. Returns how many there are.
int32_t context_fill(const user_context *c, const context_span *s, const int32_t *tokens,
                     const uint8_t *events, int32_t room, int32_t *to_tokens, uint8_t *to_events);

// The first n events of a history as the rows of a question, as many as the layout has positions for: in to_tokens and
// to_events, or without a context (c NULL) the events where they are.
seq_input context_query(const user_context *c, const seq_layout *layout, int64_t history,
                        const int32_t *tokens, const uint8_t *events, int32_t n, int32_t *to_tokens,
                        uint8_t *to_events);

double user_context_bytes(const user_context *c); // in memory; c NULL: 0

// Writes the files, as described above. users: S.
status user_attributes_write(const user_attributes *a, int64_t users, const char *path, int deflate);
status user_runs_write(const user_runs *r, int64_t users, const char *path, int deflate);
status user_searches_write(const user_searches *s, int64_t users, const char *path, int deflate);
status user_search_times_write(const user_searches *s, int64_t users, const char *path, int deflate);

#endif
