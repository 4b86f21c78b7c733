// Which events of each history a run may train on; see training_part.h.
#include "data/training_part.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "data/user_subset.h"

status training_choice_check(const training_choice *c, const dataset *d) {
  if (!c->final && c->final_users > 0)
    return fail(ERR_ARGUMENT,
                "data.final_users = %lld holds users out of a final training, and data.final is false",
                (long long)c->final_users);
  if (!c->final) return OK;
  if (dataset_premasked(d) != NULL)
    return fail(ERR_ARGUMENT,
                "data.final: %s holds examples that were masked elsewhere, which have no validation part",
                dataset_dir(d));
  if (dataset_get_info(d)->valid_targets == 0)
    return fail(
        ERR_ARGUMENT,
        "data.final: %s has no validation part that could be trained on, so the run would be the same "
        "without",
        dataset_dir(d));
  return OK;
}

// Of the users who are held out the train part alone.
static status hold_out(training_part *p, const dataset *d, int64_t users) {
  const size_t n = (size_t)dataset_get_info(d)->sequences;
  const user_subset subset = {.users = users, .stream = STREAM_SPLIT};
  TRY(user_subset_choose(&subset, d, &p->held, &p->n_held));
  if (p->n_held < users || dataset_count_users(d, false) == users)
    return fail(ERR_ARGUMENT,
                "data.final_users = %lld: %s has %lld users with validation targets, and a final training "
                "needs some "
                "of them",
                (long long)users, dataset_dir(d), (long long)p->n_held);
  TRY(mem_new(&p->own, n, sizeof *p->own, "the training part"));
  memcpy(p->own, p->lengths, n * sizeof *p->own);
  for (int64_t i = 0; i < p->n_held; i++) p->own[p->held[i]] = dataset_train_lengths(d)[p->held[i]];
  p->lengths = p->own;
  return OK;
}

status training_part_make(training_part *out, const dataset *d, const training_choice *c) {
  *out = (training_part){.lengths = c->final ? dataset_test_from(d) : dataset_train_lengths(d)};
  TRY(training_choice_check(c, d));
  if (c->final && c->final_users > 0) TRY(hold_out(out, d, c->final_users));
  for (int64_t i = 0; i < dataset_get_info(d)->sequences; i++) out->events += out->lengths[i];
  return OK;
}

void training_part_free(training_part *p) {
  if (p == NULL) return;
  free(p->own);
  free(p->held);
  *p = (training_part){.lengths = NULL};
}

double training_part_bytes(const training_part *p, const dataset *d) {
  return (double)p->n_held * sizeof *p->held +
         (p->own != NULL ? (double)dataset_get_info(d)->sequences * sizeof *p->own : 0);
}

status training_part_count(const training_part *p, dataset *d, const training_choice *c) {
  return c->final ? dataset_count_again(d, p->lengths) : OK;
}
