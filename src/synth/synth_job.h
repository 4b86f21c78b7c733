// A run of the generator: what it has made and not yet written, its files and its sums. Users are made by synth.c, files are written
// by synth_write.c, truth and manifest by synth_truth.c.
#ifndef SOUK_SYNTH_SYNTH_JOB_H
#define SOUK_SYNTH_SYNTH_JOB_H

#include <jansson.h>
#include "synth/synth_copy.h"
#include "synth/synth_file.h"
#include "synth/synth_internal.h"
#include "synth/synth_oracle.h"

typedef struct log_row {
  int64_t time, user;
  int32_t seq;  // in the user's log
  int32_t item; // for a search: the item that it found
  int32_t session;
  uint32_t draw; // of a search's text
  int8_t type;
} log_row;

typedef struct promo_row {
  int64_t time, user, page;
  int32_t session;
  impression x;
} promo_row;

typedef struct offer_row {
  int64_t time, user;
  int32_t session, place; // place: on its page
  offer x;
} offer_row;

typedef struct review_row {
  int64_t time, user;
  int32_t item;
  review x;
} review_row;

typedef struct copy_row {
  int64_t time, user;
  copy_shown x;
} copy_row;

// What a policy that chooses the style of copy would get, in expected clicks.
enum { COPY_LOGGING, COPY_UNIFORM, COPY_BEST, COPY_ALL_PLAIN, COPY_POLICIES = COPY_ALL_PLAIN + COPY_STYLES };

enum { CLICKS, CARTS, BUYS, ANSWERS };

// Texts whose clauses speak so, by what they feel: [feels][for][against].
typedef int64_t clause_counts[SENTIMENTS][MOST_CLAUSES + 1][MOST_CLAUSES + 1][MOST_CLAUSES + 1];

enum { POLICY_LOGGING, POLICY_UNIFORM, POLICY_BEST_CLICKS, POLICY_BEST_PURCHASES, POLICIES };

typedef struct synth_job {
  const synth_config *c;
  synth_world *w;
  synth_state *state;
  const char *dir; // where the files are written
  double seconds;
  text_file *csv, *jsonl, *promos, *promo_truth, *users, *shown, *shown_truth, *reviews, *review_truth,
      *copies, *copy_truth, *candidates;
  log_row *rows;
  promo_row *pages;
  offer_row *offers;
  review_row *written;
  copy_row *shown_copies;
  size_t n_rows, rows_cap, n_pages, pages_cap, n_offers, offers_cap, n_written, written_cap, n_copies,
      copies_cap;
  campaign campaigns[CAMPAIGNS];
  double *p; // [items]
  int64_t events[4], sessions, impressions, pages_shown, clicks, purchases, steps;
  double value[POLICIES][2]; // expected clicks and purchases, summed over pages
  oracle valid, test;
  yes_oracle answers[ANSWERS];
  clause_counts clauses;
  int64_t copies_shown, copy_clicks;
  double copy_value[COPY_POLICIES]; // expected clicks, summed over impressions
  int64_t offers_shown, feels[SENTIMENTS];
  json_t *files;
} synth_job;

status write_catalogue(synth_job *job);
// Opens the files that are written block by block.
status logs_open(synth_job *job);
status write_user(synth_job *job, const synth_person *p); // to the truth
// Numbers of the last rows written.
typedef struct row_numbers {
  int64_t impressions, offers, reviews, copies;
} row_numbers;
// Sorts what was made by time, writes and forgets it.
status write_block(synth_job *job, row_numbers *at);
status logs_commit(synth_job *job);
void logs_abort(synth_job *job);            // those that are open
double best_accuracy(const synth_job *job); // of who knows what each clause of a review says
status write_truth(synth_job *job);
status write_manifest(synth_job *job);

#endif
