// Random users; see user_subset.h.
#include "data/user_subset.h"

#include <stdlib.h>
#include "base/memory.h"
#include "base/philox.h"
#include "format/order.h"

typedef struct drawn_user {
  uint64_t draw;
  int64_t sequence;
} drawn_user;

static int by_draw(const void *a, const void *b) {
  const drawn_user *x = a, *y = b;
  if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
  return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static bool has_targets(const user_subset *s, const dataset *d, int64_t i) {
  int32_t from, to;
  dataset_targets(d, i, s->test, &from, &to);
  return from < to;
}

// to [room]: those that may be chosen, with their draws; to NULL: only counts them.
static int64_t draw_users(const user_subset *s, const dataset *d, drawn_user *to) {
  const int64_t n = s->among != NULL ? s->n_among : dataset_get_info(d)->sequences;
  int64_t found = 0;
  for (int64_t k = 0; k < n; k++) {
    const int64_t i = s->among != NULL ? s->among[k] : k;
    if (!has_targets(s, d, i)) continue;
    rng r = rng_at(s->seed, s->stream, (uint32_t)i, (uint32_t)(i >> 32));
    if (to != NULL) to[found] = (drawn_user){s->users > 0 ? rng_u64(&r) : 0, i};
    found++;
  }
  return found;
}

double user_subset_bytes(double users) {
  return users * sizeof(drawn_user);
}

status user_subset_choose(const user_subset *s, const dataset *d, int64_t **sequences, int64_t *n) {
  const int64_t count = draw_users(s, d, NULL);
  drawn_user *drawn;
  *n = 0;
  TRY(mem_new(&drawn, (size_t)count, sizeof *drawn, "the users to evaluate"));
  draw_users(s, d, drawn);
  const bool some = s->users > 0 && s->users < count;
  if (some) qsort(drawn, (size_t)count, sizeof *drawn, by_draw);
  *n = some ? s->users : count;
  const status rc = mem_new(sequences, (size_t)*n, sizeof **sequences, "the users to evaluate");
  for (int64_t i = 0; rc == OK && i < *n; i++) (*sequences)[i] = drawn[i].sequence;
  if (rc == OK && some) qsort(*sequences, (size_t)*n, sizeof **sequences, order_int64);
  free(drawn);
  return rc;
}
