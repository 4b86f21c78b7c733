// What an evaluation tells beside its tables (souk eval --detail): what is recommended, and for whom and of what it is right.
#ifndef SOUK_EVAL_EVALUATION_DETAIL_H
#define SOUK_EVAL_EVALUATION_DETAIL_H

#include "eval/evaluation.h"
#include "eval/list_figures.h"

// Targets that have something in common. Each target counts by itself, with its rank in the whole catalogue, also where a
// question has several.
enum { BUCKETS = 4, MOST_BUCKETS = 32, BUCKET_METRICS = 2, BUCKET_NAME = 48 };
extern const int32_t bucket_metrics[BUCKET_METRICS]; // HR@10, NDCG@10

typedef struct bucket {
  char name[BUCKET_NAME]; // "5 to 8"
  int64_t low, high;      // of what it is made by
  int64_t targets, users;
  double value[CONTENDERS][BUCKET_METRICS];
  interval range[CONTENDERS][BUCKET_METRICS]; // 95%; only with replicates
  // The model minus the baseline that is best in this bucket and metric.
  paired_difference difference[BUCKET_METRICS];
} bucket;

typedef enum bucket_kind {
  BY_HISTORY,   // events of the history, in quarters of the targets
  BY_FREQUENCY, // how often the target was trained on, in quarters of those that were, and the cold ones
  BY_USER,      // users with events that were trained on, and others
  BY_DOMAIN, // of the target (format/domains.h), the first MOST_BUCKETS of the vocabulary; none where there are no domains
  BUCKET_KINDS
} bucket_kind;
extern const char *const bucket_keys[BUCKET_KINDS]; // "history_events", "target_frequency", "user", "domain"
extern const char *const bucket_titles[BUCKET_KINDS]; // for people

typedef struct bucket_list {
  int32_t n;
  bucket of[MOST_BUCKETS];
} bucket_list;

struct evaluation_detail {
  item_popularity popularity;
  list_figures lists[CONTENDERS][LIST_CUTOFFS];
  popularity_means targets,
      histories;     // beside which the lists' are read; of histories the mean of each question's mean
  int64_t new_users; // evaluated users without an event that was trained on
  bucket_list buckets[BUCKET_KINDS];
  double seconds;
};

// Before anything is ranked; e->questions is open.
status detail_open(evaluation *e);
void detail_free(evaluation_detail *d); // NULL is safe
// The ranked lists of contender i, which is the model or scores whole rows.
status detail_model_lists(evaluation *e, int32_t i);
status detail_row_lists(evaluation *e, int32_t i, row_scorer score, void *self);
// After all contenders.
status detail_finish(evaluation *e);

#endif
