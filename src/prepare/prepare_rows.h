// The part of reading a log that any thread can do: from a block of its file to rows with typed values.
#ifndef SOUK_PREPARE_PREPARE_ROWS_H
#define SOUK_PREPARE_PREPARE_ROWS_H

#include "prepare/names.h"
#include "prepare/intern.h"
#include "prepare/log_reader.h"
#include "prepare/prepare.h"
#include "prepare/price_notes.h"
#include "prepare/rejects.h"
#include "prepare/time_survey.h"
#include "data/dataset.h"

// A row that becomes an event. Its texts lie in the block.
typedef struct event_row {
  const char *user, *item;       // item NULL: a search
  const char *query;             // NULL: none
  const char *domain;            // NULL: there are no domains
  uint64_t user_hash, item_hash; // by name_hash
  uint64_t session;              // a hash of its name, 0 none
  event_time time;               // without a column of times: the number of the row in the block, from 1
  double price, rating;
  uint32_t user_bytes, item_bytes, query_bytes, domain_bytes;
  int32_t type; // its place in row_block.types + 1; 0 none
  bool has_price, has_rating;
} event_row;

typedef struct row_block_how {
  const prepare_config *c;
  const intern *wanted_types; // to keep; empty: all
  int32_t zone;               // of dates that name none, in seconds east of UTC
  const char *file;           // as reject_list has it
  const char *domain;         // of the file; NULL: a column says it, or there are none
} row_block_how;

// A block of rows and all that was found in it. Start with zeros, and set `how`.
typedef struct row_block {
  const row_block_how *how;
  log_block block;
  log_parser *parser;
  event_row *rows; // [n]
  size_t n, cap;
  struct {
    const char *text; // in the block
    int64_t line;     // of the first row that has it
    uint64_t hash;
    uint32_t bytes;
  } types[MAX_EVENT_TYPES]; // [n_types] of the rows, by first appearance
  int32_t n_types;
  reject_list rejects, without_item; // the second are no rejects; only its reasons and `rejected` are used
  price_notes prices;
  reject_list ratings; // that cannot be read
  time_survey times;
  int64_t skipped_events;
  int64_t events_with, sessions_with, prices_with, ratings_with; // rows that have one, of whatever kind
  padded_names padded[2];                                        // of users, of items
} row_block;
void row_block_free(row_block *b);

enum {
  COL_USER,
  COL_ITEM,
  COL_TIME,
  COL_EVENT,
  COL_SESSION,
  COL_PRICE,
  COL_RATING,
  COL_QUERY,
  COL_DOMAIN,
  COLS
};

// log_lists.single of a row_block_how: is a cell beside a list one value, though it has the separator in it? Times and the types
// of input.events are where they can be read so, prices where they do not go with the list.
bool is_one_value(const void *how, int column, const char *text, size_t bytes, bool fits);
// A rating is a number. Counts one that is none in `unknown`, and returns false.
bool rating_take(reject_list *unknown, const char *text, size_t bytes, int64_t line, double *rating);
// Reads the rows of b->block with b->parser.
status row_block_parse(row_block *b);

#endif
