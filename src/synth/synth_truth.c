// What a shop would never know, and the list of files.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "synth/synth_job.h"

static const char *const policy_names[POLICIES] = {"logging", "uniform", "best_clicks", "best_purchases"};
static const char *const answer_names[ANSWERS] = {"click", "cart", "buy"};

static status write_json(synth_job *job, const char *name, json_t *j) {
  char path[PATH_MAX + 64];
  status rc = path_join(path, sizeof path, job->dir, name);
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
  if (rc == OK && text == NULL) rc = fail(ERR_INTERNAL, "cannot compose %s", path);
  if (rc == OK) rc = file_write_atomic(path, text, strlen(text));
  free(text);
  json_decref(j);
  return rc;
}

// The most likely feeling for so many clauses of each kind.
double best_accuracy(const synth_job *job) {
  int64_t right = 0, all = 0;
  for (int32_t cell = 0; cell < (MOST_CLAUSES + 1) * (MOST_CLAUSES + 1) * (MOST_CLAUSES + 1); cell++) {
    int64_t most = 0;
    for (int32_t k = 0; k < SENTIMENTS; k++) {
      const int64_t n = (&job->clauses[k][0][0][0])[cell];
      all += n;
      if (n > most) most = n;
    }
    right += most;
  }
  return all > 0 ? (double)right / (double)all : 0;
}

static json_t *reviews_json(const synth_job *job) {
  json_t *j = json_pack("{s:f}", "best_accuracy", best_accuracy(job));
  for (int32_t k = 0; k < SENTIMENTS; k++)
    json_object_set_new(j, sentiment_names[k], json_integer(job->feels[k]));
  return j;
}

static json_t *copy_json(const synth_job *job) {
  static const char *const names[] = {"logging", "uniform", "best"};
  const double n = job->copies_shown > 0 ? (double)job->copies_shown : 1;
  json_t *j =
      json_pack("{s:I,s:I}", "shown", (json_int_t)job->copies_shown, "clicks", (json_int_t)job->copy_clicks);
  for (int32_t k = 0; k < COPY_POLICIES; k++)
    json_object_set_new(j, k < COPY_ALL_PLAIN ? names[k] : copy_style_names[k - COPY_ALL_PLAIN],
                        json_real(job->copy_value[k] / n));
  return j;
}

status write_truth(synth_job *job) {
  json_t *policies = json_object();
  for (int32_t k = 0; k < POLICIES && job->pages_shown > 0; k++) {
    const double n = (double)job->pages_shown;
    json_object_set_new(policies, policy_names[k],
                        json_pack("{s:f,s:f}", "clicks_per_page", job->value[k][0] / n, "purchases_per_page",
                                  job->value[k][1] / n));
  }
  json_t *shown = json_object();
  for (int32_t k = 0; k < ANSWERS; k++)
    json_object_set_new(shown, answer_names[k], yes_json(&job->answers[k]));
  const int64_t users = job->c->oracle_users < job->c->users ? job->c->oracle_users : job->c->users;
  json_t *j = json_pack("{s:s,s:i,s:I,s:I,s:b,s:o,s:o,s:I,s:o,s:o,s:o}", "schema", "souk.synth.oracle",
                        "version", 1, "seed", (json_int_t)job->c->seed, "users", (json_int_t)users,
                        "history_filtered", true, "valid", oracle_json(&job->valid), "test",
                        oracle_json(&job->test), "pages", (json_int_t)job->pages_shown, "policies", policies,
                        "impressions", shown, "reviews", reviews_json(job));
  if (job->c->copy) json_object_set_new(j, "copy", copy_json(job));
  return write_json(job, "truth/oracle.json", j);
}

status write_manifest(synth_job *job) {
  const synth_config *c = job->c;
  static const char *const names[] = {"events.csv.gz",
                                      "events.jsonl.gz",
                                      "catalogue.csv",
                                      "catalogue.jsonl",
                                      "campaigns.csv",
                                      "promotions.csv.gz",
                                      "truth/oracle.json",
                                      "truth/users.csv.gz",
                                      "truth/promotions.csv.gz",
                                      "impressions.csv.gz",
                                      "truth/impressions.csv.gz",
                                      "reviews.jsonl.gz",
                                      "truth/reviews.csv.gz",
                                      "copy.jsonl.gz",
                                      "copy_candidates.jsonl.gz",
                                      "truth/copy.csv.gz",
                                      "truth/copy_styles.tsv"};
  json_t *files = json_object();
  status rc = OK;
  for (size_t i = 0; rc == OK && i < sizeof names / sizeof *names; i++) {
    char path[PATH_MAX + 64];
    rc = path_join(path, sizeof path, job->dir, names[i]);
    if (rc == OK && file_exists(path))
      rc =
          file_list_add(files, job->dir, names[i], NULL); // without promotions and the like some do not exist
  }
  if (rc != OK) {
    json_decref(files);
    return rc;
  }
  json_t *options = json_pack(
      "{s:I,s:I,s:f,s:I,s:f,s:f,s:f,s:f,s:I,s:b,s:b,s:b,s:I}", "users", (json_int_t)c->users, "items",
      (json_int_t)c->items, "length", c->length, "days", (json_int_t)c->days, "zipf", c->zipf, "drift",
      c->drift, "explore", c->explore, "quality", c->quality, "market", (json_int_t)c->market, "promotions",
      c->promotions, "impressions", c->impressions, "reviews", c->reviews, "seed", (json_int_t)c->seed);
  if (c->copy) json_object_set_new(options, "copy", json_true()); // worlds without it stay as they were
  if (c->copy_wordings > 1) json_object_set_new(options, "copy_wordings", json_integer(c->copy_wordings));
  json_t *events = json_object();
  for (int32_t k = 0; k < 4; k++)
    json_object_set_new(events, synth_event_names[k], json_integer(job->events[k]));
  return write_json(job, "synth.json",
                    json_pack("{s:s,s:i,s:s,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:o}", "schema", "souk.synth",
                              "version", 1, "created_by", "souk " SOUK_VERSION, "options", options, "events",
                              events, "steps", (json_int_t)job->steps, "sessions", (json_int_t)job->sessions,
                              "impressions", (json_int_t)job->impressions, "clicks", (json_int_t)job->clicks,
                              "purchases", (json_int_t)job->purchases, "files", files));
}
