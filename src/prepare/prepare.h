// From a raw behaviour log to a data set, in bounded memory.
#ifndef SOUK_PREPARE_PREPARE_H
#define SOUK_PREPARE_PREPARE_H

#include "base/options.h"
#include "prepare/log_reader.h"
#include "prepare/times.h"

#define CATALOGUE_TEXT "title,description" // what an item's text is made of by default
#define SPLIT_SHARE \
  0.1 // of the users that a split by users holds out for validation, and for test, by default

typedef struct prepare_input { // section "input"
  char log[OPTION_STRING];     // files, patterns and folders, separated by commas
  char encoding[OPTION_STRING];
  int format; // log_kind
  bool header;
  char separator[OPTION_STRING];          // of csv; empty: guessed
  char list_separator[OPTION_STRING];     // of lists in cells; empty: cells are single values
  int quotes;                             // log_quotes
  char catalogue[OPTION_STRING];          // empty: none
  char catalogue_encoding[OPTION_STRING]; // empty: the log's
  int catalogue_format;
  bool catalogue_header;
  char catalogue_separator[OPTION_STRING];
  int catalogue_quotes;
  char features[OPTION_STRING], features_names[OPTION_STRING];   // of items; empty: none, and FILE.names.tsv
  char features_array[OPTION_STRING];                            // of an HDF5 file
  char domains[OPTION_STRING], catalogue_domains[OPTION_STRING]; // of files; empty: none
  char user_map[OPTION_STRING];
  char users[OPTION_STRING], users_user[OPTION_STRING]; // attributes of users; empty: none
  char users_columns[OPTION_STRING], users_numbers[OPTION_STRING];
  int users_format;
  int64_t users_buckets;
  char missing[OPTION_STRING];   // texts that mean no value, in the log and the catalogue
  char events[OPTION_STRING];    // event types to keep, separated by commas; empty: all
  int time_format;               // of times.h
  char time_zone[OPTION_STRING]; // of dates that name none
  double max_rejects;
  char copy[OPTION_STRING], copy_valid[OPTION_STRING], copy_test[OPTION_STRING]; // rows of copy; empty: none
  char copy_fields[OPTION_STRING];                                               // FIELD=COLUMN of them, ...
  int copy_format; // log_kind + 1; 0: by the name of each file
  int copy_time_format;
} prepare_input;

typedef struct prepare_fields { // section "fields": columns of the log, by name or by number from 1
  char user[OPTION_STRING], item[OPTION_STRING], time[OPTION_STRING], event[OPTION_STRING],
      session[OPTION_STRING], price[OPTION_STRING], rating[OPTION_STRING], query[OPTION_STRING],
      domain[OPTION_STRING];
} prepare_fields;

typedef struct prepare_catalogue { // section "catalogue": columns of the catalogue
  char property[OPTION_STRING], value[OPTION_STRING], snapshot[OPTION_STRING]; // of a catalogue of properties
  int snapshot_format; // 0: as the log's; else of times.h, plus 1
  int match;           // id_rule
  char item[OPTION_STRING], title[OPTION_STRING], category[OPTION_STRING], brand[OPTION_STRING],
      price[OPTION_STRING], rating[OPTION_STRING], description[OPTION_STRING];
  char text[OPTION_STRING]; // columns of an item's text, in order
  char keep[OPTION_STRING]; // further columns, separated by commas
} prepare_catalogue;

typedef enum repeats_kept { REPEATS_KEEP, REPEATS_MERGE, REPEATS_FIRST } repeats_kept; // "keep|merge|first"

typedef struct prepare_filter { // section "filter"
  int64_t min_user, min_item;   // k-core: events of a user, of an item; repeated until both hold
  // merge: events of an item directly after one another become one, with the time of the first and the event
  // type of the last (view, cart, buy: buy). first: the same, and a user's later returns to an item are dropped.
  int repeats;
  double session_gap; // seconds of silence that end a session; 0: one session
} prepare_filter;

typedef struct prepare_output { // section "output"
  char out[OPTION_STRING];
  char name[OPTION_STRING];
  int split;       // split_kind
  int64_t targets; // of a user; see data/split.h, which has the rules
  char valid_from[OPTION_STRING], test_from[OPTION_STRING]; // dates; "": not set
  double valid_users, test_users;                           // shares of users
  int64_t split_seed;
  int64_t window, stride;
  int64_t shard_tokens, deflate;
  bool attributes; // tokens for event types, categories and price buckets
  int64_t price_buckets, rating_buckets;
  char words[OPTION_STRING]; // a vocab.txt, or a directory with one; empty: none
  int64_t text_tokens;       // words of an item's text, at most
  int64_t memory, threads;
  bool force;
} prepare_output;

typedef enum copy_quantities { QUANTITIES_KEEP, QUANTITIES_DROP } copy_quantities; // "keep|drop"

typedef struct prepare_copy { // section "copy": rows of promotion copy
  char language[OPTION_STRING], market[OPTION_STRING], goal[OPTION_STRING],
      type[OPTION_STRING]; // of rows that do not say; empty: not said
  char languages[OPTION_STRING], markets[OPTION_STRING], goals[OPTION_STRING],
      types[OPTION_STRING]; // further names that get a token
  double valid_share, test_share;
  int64_t seed, tokens; // tokens of copy, at most
  int quantities;       // copy_quantities
} prepare_copy;

typedef struct prepare_config {
  prepare_input input;
  prepare_fields fields;
  prepare_catalogue catalogue;
  prepare_filter filter;
  prepare_output output;
  prepare_copy copy;
} prepare_config;

// Are the times of the log times, or is there none, or a number that only orders events?
bool prepare_has_times(const prepare_config *c);
// The sections over *c; sections has room for PREPARE_SECTIONS.
enum { PREPARE_SECTIONS = 6 };
size_t prepare_sections(prepare_config *c, option_section *sections);
// Runs all passes and prints the report to stdout.
status prepare_run(const prepare_config *c);

#endif
