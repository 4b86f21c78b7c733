// Searches between events: rows of the log with a text and no item, or a text beside the item that came of it.
//
// They lie in an event store of their own, in the same partitions as the events, so that nothing that is counted of items sees them.
// When a user's history is written they find their places in it by time; one at the same time as an event comes before it. The
// searches of users whose events do not stay go with them. Held in memory until all are written: texts that differ, and
// 21 bytes a search and 4 a word.
#ifndef SOUK_PREPARE_PREPARE_SEARCHES_H
#define SOUK_PREPARE_PREPARE_SEARCHES_H

#include "data/vocab.h"
#include "data/writer.h"
#include "prepare/event_store.h"

typedef struct search_table search_table;

typedef struct search_counts {
  int64_t rows;            // of the log
  int64_t searches, users; // that stay
  int64_t words, unknown;  // of them, and those that are [UNK]
  int64_t without_words;   // searches in which no word is left
} search_counts;

status search_table_new(search_table **out, const char *dir, size_t memory_bytes);
void search_table_free(search_table *t); // NULL is safe
// A search of a user; e has time and type.
status search_table_add(search_table *t, const char *user, size_t user_bytes, uint64_t user_hash,
                        const char *text, size_t text_bytes, const log_event *e);
void search_table_complete(search_table *t); // ends adding
// Reads the words of all texts; settings: the tokenizer's (data/tokenizer.h), NULL: BERT's. most: words of a search.
status search_table_tokenize(search_table *t, const vocab *v, const json_t *settings, int64_t most);
void search_table_unit(search_table *t,
                       time_unit unit); // in which their times are kept; due before the first is taken
// The partition whose users come next; then the user with the next history, e[n] in order.
status search_table_load(search_table *t, int32_t partition);
status search_table_take(search_table *t, const char *user, const log_event *e, int32_t n);
// searches.h5 of what was taken, and where the log has times search_times.h5. Ends the temporary file.
status search_table_write(search_table *t, dataset_writer *w, bool timed, int deflate);
const search_counts *search_table_counts(const search_table *t);

#endif
