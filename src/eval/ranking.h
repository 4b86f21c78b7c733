// Ranking quality of a model, or of anything that scores items, on the held-out part of a data set.
//
//   ranking_config c = ranking_defaults();       // unsampled, validation part, all users
//   c.query.users = 8192;
//   ranking *r;    ranking_open(&r, d, &c);      // reads the questions once
//   ranking_result result;
//   ranking_run(r, m, &result);                  // any number of times
//   double value;  ranking_value(&result, "ndcg@10", &value);
//   ranking_result_free(&result);  ranking_close(r);
#ifndef SOUK_EVAL_RANKING_H
#define SOUK_EVAL_RANKING_H

#include "data/dataset.h"
#include "eval/queries.h"
#include "eval/rank_metrics.h"
#include "format/mix.h"
#include "model/model.h"

typedef struct ranking_config {
  query_config query;
  bool loss; // loss and accuracy of the targets under the full softmax too (about twice the work)
} ranking_config;

typedef struct ranking_result {
  int64_t users, queries; // users with at least one question
  int64_t targets;        // of all questions
  int64_t unknown;        // targets that the vocabulary does not have: misses in every metric
  int64_t unseen;         // targets that occur nowhere in the parts the model may know (its input included)
  int64_t cold;           // targets that occur in no train part; unknown and unseen ones included
  rank_metrics metrics[RANK_PROTOCOLS];
  int64_t no_history;             // questions without a history
  int32_t *ranks[RANK_PROTOCOLS]; // [targets], question by question; NULL for protocols not asked for
  int64_t *slots;                 // [queries] the user of each question: the unit of the bootstrap
  int32_t *relevant;              // [queries] targets of each; NULL with TARGETS_NEXT, where there is one
  double fewest_negatives;        // of any question; below the number asked for in small catalogues
  // With config.loss; the mean over known targets that come next (query.target), in nats.
  bool has_loss;
  double loss, accuracy;
  double seconds, encode_seconds; // encode_seconds: of histories, losses included
} ranking_result;

ranking_config ranking_defaults(void);

typedef struct ranking ranking;
status ranking_open(ranking **out, dataset *d, const ranking_config *c); // d must outlive it
void ranking_close(ranking *r);                                          // NULL is safe
const query_source *ranking_queries(const ranking *r);
const int64_t *ranking_known(const ranking *r); // [items] occurrences in the parts before; owned by r

// Evaluates a model (created for training or not). Its current batch is replaced and its results are cleared. out is
// freed with ranking_result_free, also after an error. A score that is not finite is ERR_NONFINITE.
status ranking_run(ranking *r, model *m, ranking_result *out);
// What an evaluation of a model of that width takes besides the model and a batch: `held` by the ranking, `pass` by
// ranking_run beside it (queries.h).
query_memory ranking_memory(const dataset *d, const ranking_config *c, int32_t hidden, int32_t threads);

// The same for scores that come as whole rows: fills scores [items] for one question. Called from several threads
// (0 <= thread < omp_get_max_threads()).
typedef void (*row_scorer)(void *self, int32_t thread, const query *q, float *scores);
status ranking_run_rows(ranking *r, row_scorer score, void *self, ranking_result *out);
void ranking_result_free(ranking_result *r); // NULL is safe
// A copy of ranks[k] in which the ranks of each question are sorted (rank_set_sort); new.
status ranking_sorted(const ranking_result *r, const int32_t *ranks, int32_t **out);

// What a name like "ndcg@10" (unsampled), "popularity/hr@10", "loss" or "accuracy" means. For the last two *protocol is
// RANK_PROTOCOLS. false: there is no metric of that name.
bool ranking_metric_find(const char *name, int32_t *protocol, int32_t *metric);
// The value of such a name; ERR_ARGUMENT if this evaluation does not have it. Metrics grow with quality but for "loss".
status ranking_value(const ranking_result *r, const char *name, double *value);

// From now on the scores of models have what this mix adds to them (NULL: no mix), in figures and lists alike. The mix must
// outlive the ranking, and its items be those of the data set. The loss is the encoder's alone and left out with a mix.
void ranking_set_mix(ranking *r, const mix *m);

// Every score of a model, chunk by chunk of questions: `begin`, then the scores of items first .. first + n - 1 of each question of
// the chunk (which may be overwritten), then `end`. `see` is called from several threads, but all scores of a question come from
// one thread at a time and in ascending order of items.
typedef void (*tile_visitor)(void *self, int64_t question, float *scores, int32_t first, int32_t n);
typedef struct score_visitor {
  void *self;
  status (*begin)(void *self, const query_chunk *c);
  tile_visitor see;
  status (*end)(void *self, const query_chunk *c);
} score_visitor;
status ranking_scores(ranking *r, model *m, const score_visitor *v);

// The k best items of a question, best first, as `souk-infer` would list them: the history filtered out (the target
// is not), equal scores in id order. items, scores [k]; *n of them.
typedef struct ranked_list {
  int32_t n;
  int32_t *items;
  float *scores;
} ranked_list;

// Puts an item into a list of at most k, unless k items have at least its score or it is not finite. Items are offered in
// ascending order.
void ranked_list_offer(ranked_list *list, int32_t k, int32_t item, float score);

// Lists for every question of the source, given to `see` in order; scores by the model.
typedef status (*list_visitor)(void *self, const query *q, const ranked_list *list);
status ranking_lists(ranking *r, model *m, int32_t k, list_visitor see, void *self);
// The same of what scores whole rows, as in ranking_run_rows; `to` is the visitor's.
status ranking_row_lists(ranking *r, row_scorer score, void *self, int32_t k, list_visitor see, void *to);

#endif
