// What the parts of souk prepare share: the job, its tables and its passes.
#ifndef SOUK_PREPARE_PREPARE_INTERNAL_H
#define SOUK_PREPARE_PREPARE_INTERNAL_H

#include <jansson.h>
#include "prepare/event_store.h"
#include "prepare/history.h"
#include "prepare/input_files.h"
#include "prepare/intern.h"
#include "prepare/names.h"
#include "prepare/prepare.h"
#include "prepare/price_notes.h"
#include "base/tasks.h"
#include "prepare/time_survey.h"
#include "data/writer.h"

enum { SHORT_LENGTHS = 1 << 16 };

// What takes time: reading and parsing; sorting, filtering and counting; catalogue and vocabulary; writing.
typedef enum prepare_stage { STAGE_READ, STAGE_FILTER, STAGE_ITEMS, STAGE_WRITE, STAGES } prepare_stage;

struct prepare_job;
// A partition that a thread works on, and what it has counted.
typedef struct partition_work partition_work;
typedef status (*partition_function)(partition_work *w);
struct partition_work {
  task task;
  partition_function work;
  struct prepare_job *job;
  int32_t index;
  store_partition part;
  history_room room;
  int64_t dropped_by_core, repeats, sessions, cells;
};

// Users of one kind, and the names of the first of them, cut to what fits.
enum { USERS_NAMED = 3 };
typedef struct user_count {
  int64_t users;
  char first[USERS_NAMED][128];
} user_count;

// "last 7d": the seconds before the latest event, itself included, from which a part begins; 0: a date says it.
typedef struct split_last {
  int64_t valid, test;
  int64_t latest; // second of the latest event that was read; INT64_MIN: none yet
} split_last;

// What a split did; [0] validation, [1] test.
typedef struct split_counts {
  int64_t train_users, train_events;
  int64_t users[2], targets[2]; // with targets
  user_count cold[2];           // of them without a train event, where a date decides
  user_count without_targets;   // held out, with a single event, which is input
  user_count tied; // with a target at the same time as the event before it, where no date decides
} split_counts;

// A sequence as it is written.
typedef struct sequence_room {
  int32_t *tokens, *sessions; // [longest], as the rest
  uint8_t *events;
  int64_t *times;
} sequence_room;

typedef struct prepare_job {
  const prepare_config *c;
  data_split split;
  split_last last; // dates that the latest event decides
  split_counts divided;
  task_pool *pool;
  partition_work *works; // [n_works]
  int32_t n_works;
  intern *items, *types, *wanted_types;
  event_store *store;
  input_files log_files, catalogue_files;
  reject_list log, without_item, catalogue;
  price_notes log_prices, catalogue_prices;
  int64_t events_with, sessions_with, prices_with; // rows of the log that have one
  padded_names padded[2];                          // users, items; of the file that is being read
  int32_t zone;                                    // of dates that name none, in seconds east of UTC
  time_survey times;                               // that were read
  time_span span;                                  // of the events that stay
  json_t *warnings;                                // texts; NULL: none
  json_t *remarks;                                 // of the files being read, by what is said; NULL: none
  int64_t skipped_events, core_rounds, dropped_by_core, repeats, sessions, windows, events;
  int64_t cells;  // pairs of a user and an item of his
  int64_t passes; // over the events so far
  time_unit unit; // of the times that are written
  double last_progress;
  // items
  int64_t *item_counts;                 // [items] events that the last pass has left
  int64_t *next_counts;                 // [items] that the pass under way has left so far
  int64_t *train_counts;                // [items] of them in train parts
  int64_t type_counts[MAX_EVENT_TYPES]; // in train parts
  int32_t *token_of;                    // [items], -1 not kept
  double *
      price_sum; // [items], of the log; with price_count their mean is the price where the catalogue has none
  int64_t *price_count;
  size_t price_sum_cap, price_count_cap;
  int64_t items_kept, catalogue_matched, catalogue_repeated, other_properties, properties_after_end;
  json_t *catalogue_known; // entries with a title, a category ...; NULL: no catalogue
  intern *categories;
  int32_t *category; // [items], -1 unknown
  double *price;     // [items], NaN unknown
  double edges
      [MAX_PRICE_BUCKETS]; // of price buckets: bucket k (from 1) has prices < edges[k - 1]; the last has the rest
  int32_t buckets;
  // users
  int64_t users_kept, cold_valid, cold_test;
  int64_t *short_lengths; // [SHORT_LENGTHS] users of this length
  int32_t *long_lengths;  // the lengths beyond
  size_t n_long, long_cap;
  int32_t longest;
  // writing
  dataset_writer *writer;
  sequence_room room;
  int64_t users_written;
  double seconds, seconds_of[STAGES], stage_began;
} prepare_job;

// The passes, in order. Reads the logs into the store, whose temporary files lie in w's directory.
status read_logs(prepare_job *job, dataset_writer *w);
// Sorts, numbers sessions, merges repeats and drops what is rare; counts what is left.
status filter_and_count(prepare_job *job);
// The split that the options ask for, job->split; ERR_ARGUMENT where they make no sense.
status split_of(prepare_job *job);
// When the log is read: dates that depend on its latest event.
status split_find_dates(prepare_job *job);
// The cuts of a user's history e[n], which is in order: [0, valid_from) train, [valid_from, test_from) validation.
void cut_user(const data_split *s, const char *user, const log_event *e, int32_t n, int32_t *valid_from,
              int32_t *test_from);
// Counts a user whose history was cut.
void count_split(split_counts *to, const data_split *s, const char *user, const log_event *e, int32_t n,
                 int32_t valid_from, int32_t test_from);
// When all users are counted: ERR_ARGUMENT for a part without events, warnings for what may surprise.
status check_split(prepare_job *job);
json_t *split_report(const split_counts *n, const data_split *s); // of report.json
void print_split(const split_counts *n, const data_split *s, bool has_time);
// job->unit becomes the coarsest that holds all times, or the finest that fits into 64 bits, with a warning.
void choose_time_unit(prepare_job *job);
status write_sequences(prepare_job *job, dataset_writer *w);

// Calls `work` for each partition on any thread, and then `take` for it on this one, in the order of the partitions.
status partitions_new(prepare_job *job);
void partitions_free(prepare_job *job);
status for_partitions(prepare_job *job, partition_function work, partition_function take);
status load_partition(partition_work *w); // only reads it

// Warns on stderr and in the report. What is said must depend on the input alone, as the report does.
__attribute__((format(printf, 2, 3))) void prepare_warn(prepare_job *job, const char *format, ...);
void tell_user(void *job, const char *sentence);       // the same of a sentence
void keep_remark(void *job, const log_remark *remark); // for log_tell
void warn_of_remarks(prepare_job *job);                // of all files since the last call
// Warns of what is doubtful in the times that were read, and in those that stay.
void warn_of_times(prepare_job *job);
void warn_of_span(prepare_job *job);
void warn_of_currencies(prepare_job *job, const char *field, const price_notes *notes);
// Shows progress from time to time, less often if stderr is not a terminal. `share` < 0: unknown.
void show_progress(prepare_job *job, const char *what, int64_t count, double share);

// The catalogue of the kept items: writes catalogue.jsonl and fills category and price. Also without one:
// prices come from the log then.
status read_catalogue(prepare_job *job, dataset_writer *w);
// The vocabulary: attribute tokens, then items by falling count and name. Fills token_of and buckets.
status build_vocabulary(prepare_job *job, vocab **out);
// items.h5: the attribute tokens of every item.
status write_item_attributes(prepare_job *job, dataset_writer *w, const vocab *v);

status count_length(prepare_job *job, int32_t n); // short_lengths must be there
json_t *make_report(prepare_job *job);
void print_report(const prepare_job *job, const json_t *j, const dataset_info *info);

#endif
