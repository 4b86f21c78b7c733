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
#include "prepare/prepare_copy.h"
#include "prepare/prepare_domains.h"
#include "prepare/prepare_users.h"
#include "prepare/prepare_searches.h"
#include "prepare/price_notes.h"
#include "prepare/quantile_buckets.h"
#include "base/tasks.h"
#include "prepare/time_survey.h"
#include "data/wordpiece.h"
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
  int32_t *domains; // of the items
} sequence_room;

// Means over the rows of the log, by item.
typedef struct item_means {
  double *sum; // [items], like count; both may be shorter, as later items have no value
  int64_t *count;
  size_t sum_cap, count_cap;
} item_means;

// Names that items have: categories, brands.
typedef struct item_labels {
  intern *names;
  int32_t *of; // [items], -1 unknown
} item_labels;

// What became of the items' texts and features.
typedef struct text_counts {
  int64_t items, tokens, unknown; // that have words; words of all; of them [UNK]
  int64_t cut;                    // items whose text is longer than output.text_tokens
} text_counts;
typedef struct feature_counts {
  int64_t rows, width;       // of the file
  int64_t missing;           // items that have no row
  int64_t unknown, repeated; // rows of names that are no items that stay; of items that had one already
} feature_counts;

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
  reject_list log_ratings, catalogue_ratings;                    // that cannot be read
  int64_t events_with, sessions_with, prices_with, ratings_with; // rows of the log that have one
  padded_names padded[2]; // users, items; of the file that is being read
  int32_t zone;           // of dates that name none, in seconds east of UTC
  time_survey times;      // that were read
  time_span span;         // of the events that stay
  json_t *warnings;       // texts; NULL: none
  json_t *remarks;        // of the files being read, by what is said; NULL: none
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
  item_means mean_price, mean_rating;   // of the log: they count where the catalogue says nothing
  int64_t items_kept, catalogue_matched, catalogue_repeated, other_properties, properties_after_end;
  json_t *catalogue_known; // entries with a title, a category ...; NULL: no catalogue
  item_labels categories, brands, item_domains;
  double *price, *rating; // [items], NaN unknown
  quantile_buckets prices, ratings;
  wordpiece *words; // NULL: none
  text_counts texts;
  user_table *attributes; // of users; NULL: none
  search_table *searches; // NULL: none
  domain_table *domains;  // NULL: none
  user_table_counts attribute_counts;
  feature_counts features;
  copy_table *copy; // NULL: none
  copy_counts copies;
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
// The vocabulary: words, attribute tokens, then items by falling count and name. Fills token_of and buckets.
status build_vocabulary(prepare_job *job, vocab **out);
// The attribute tokens of the items that stay, into tokens[items_kept], in the order of the vocabulary; 0: not known. kind: "category".
status label_tokens(const prepare_job *job, const vocab *v, const char *kind, const item_labels *l,
                    int32_t *tokens);
status bucket_tokens(const prepare_job *job, const vocab *v, const char *kind, const quantile_buckets *q,
                     const double *values, int32_t *tokens);
// items.h5: the attribute tokens of every item.
status write_item_attributes(prepare_job *job, dataset_writer *w, const vocab *v);
// Words and where features come from, before anything else is read, so that a wrong name is told at once.
status open_words(prepare_job *job);
// texts.h5, from catalogue.jsonl, which is finished: only with words, whose counts in v become those of the texts.
status write_item_texts(prepare_job *job, dataset_writer *w, vocab *v);
// features.h5, where input.features is set.
status write_item_features(prepare_job *job, dataset_writer *w, const vocab *v);

status count_length(prepare_job *job, int32_t n); // short_lengths must be there
json_t *rejects_json(const reject_list *list);    // of report.json: reasons, each with the first rows
// The reasons of a list, with the first of each, for people; `unit`: "rows" or "values".
void print_reasons(const reject_list *list, const char *unit);
// The lines of the report on a vocabulary and on time and memory.
void print_end(const prepare_job *job, const dataset_info *info);
json_t *make_report(prepare_job *job);
void print_report(const prepare_job *job, const json_t *j, const dataset_info *info);

#endif
