// Figures of copy; see copy_metrics.h.
#include "eval/copy_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

// ---- by itself -------------------------------------------------------------------------------------------------

// of: n-grams of one copy, sorted.
static void add_repeats(copy_variety *v, const ngram_list *of, int k, int64_t *with) {
  if (of->n == 0) return;
  const size_t distinct = ngrams_distinct(of);
  v->rep[k] += 1 - (double)distinct / (double)of->n;
  v->repeated[k] += distinct < of->n;
  ++*with;
}

static status variety_of_order(copy_variety *v, const word_list *lists, int64_t n, int k, ngram_list *one,
                               ngram_list *all) {
  int64_t with = 0;
  all->n = 0;
  for (int64_t i = 0; i < n; i++) {
    one->n = 0;
    TRY(ngrams_add(one, &lists[i], k + 1, 0));
    TRY(ngrams_add(all, &lists[i], k + 1, 0));
    ngrams_sort(one);
    add_repeats(v, one, k, &with);
  }
  ngrams_sort(all);
  v->distinct[k] = (double)ngrams_distinct(all) / (double)all->n;
  v->rep[k] /= (double)with;
  v->repeated[k] /= (double)n;
  return OK;
}

static status variety(copy_variety *v, const word_list *lists, int64_t n) {
  ngram_list one = {.n = 0}, all = {.n = 0};
  status rc = OK;
  *v = (copy_variety){.empty = 0};
  for (int64_t i = 0; i < n; i++) {
    v->empty += lists[i].n == 0;
    v->words += (double)lists[i].n / (double)n;
  }
  for (int k = 0; k < MOST_ORDER && rc == OK; k++) rc = variety_of_order(v, lists, n, k, &one, &all);
  free(one.at);
  free(all.at);
  return rc;
}

// ---- beside references -----------------------------------------------------------------------------------------

// Words of everything: of copy i at [i], of its reference r at [(r + 1) n + i].
static status all_words(const copy_corpus *c, words_kind kind, word_list *lists) {
  copy_words *w;
  status rc = OK;
  TRY(copy_words_new(&w, kind));
  for (int64_t i = 0; i < c->n && rc == OK; i++)
    rc = copy_words_of(w, c->copies[i], strlen(c->copies[i]), &lists[i]);
  for (int32_t r = 0; r < c->n_references; r++)
    for (int64_t i = 0; i < c->n && rc == OK; i++) {
      const char *const text = c->references[r][i];
      rc = copy_words_of(w, text, strlen(text), &lists[(r + 1) * c->n + i]);
    }
  copy_words_free(w);
  return rc;
}

typedef struct parts { // of each copy [n]
  word_list *lists;    // [(references + 1) n]
  word_list *of;       // [references] of one copy: views into lists
  bleu_sums *sums;
  double *f1;
} parts;

static const word_list *references_of(const parts *p, const copy_corpus *c, int64_t i) {
  for (int32_t r = 0; r < c->n_references; r++) p->of[r] = p->lists[(r + 1) * c->n + i];
  return p->of;
}

static status count_bleu(copy_metrics *m, const copy_corpus *c, const parts *p) {
  ngram_list room = {.n = 0};
  status rc = all_words(c, m->how.bleu_words, p->lists);
  for (int64_t i = 0; i < c->n && rc == OK; i++) {
    rc = bleu_count(&p->sums[i], &p->lists[i], references_of(p, c, i), c->n_references, &room);
    if (rc == OK) bleu_add(&m->sums, &p->sums[i], 1);
  }
  free(room.at);
  m->bleu = bleu_of(&m->sums, &m->how.bleu);
  return rc;
}

static status count_rouge(copy_metrics *m, const copy_corpus *c, const parts *p) {
  lcs_room room = {.lengths = NULL};
  const double n = (double)c->n;
  status rc = all_words(c, m->how.rouge_words, p->lists);
  for (int64_t i = 0; i < c->n && rc == OK; i++) {
    rouge one;
    rc = rouge_l(&one, &p->lists[i], references_of(p, c, i), c->n_references, &room);
    if (rc != OK) break;
    m->rouge.precision += one.precision / n;
    m->rouge.recall += one.recall / n;
    m->rouge.f1 += one.f1 / n;
    p->f1[i] = one.f1;
  }
  free(room.lengths);
  return rc;
}

// Every replicate is a corpus of as many copies, drawn with replacement.
static status intervals(copy_metrics *m, const parts *p) {
  const int64_t replicates = m->how.replicates, n = m->copies;
  double *scores = NULL, *f1 = NULL;
  uint32_t *weight = NULL;
  status rc;
  TRY_GOTO(mem_new(&scores, (size_t)replicates, sizeof *scores, "bootstrap replicates"), done);
  TRY_GOTO(mem_new(&f1, (size_t)replicates, sizeof *f1, "bootstrap replicates"), done);
  TRY_GOTO(mem_new(&weight, (size_t)n, sizeof *weight, "bootstrap replicates"), done);
  for (int64_t b = 0; b < replicates; b++) {
    bleu_sums sums = {.words = 0};
    bootstrap_draw(m->how.seed, b, (int32_t)n, weight);
    for (int64_t i = 0; i < n; i++) {
      if (weight[i] == 0) continue;
      bleu_add(&sums, &p->sums[i], weight[i]);
      f1[b] += weight[i] * p->f1[i] / (double)n;
    }
    scores[b] = bleu_of(&sums, &m->how.bleu).score;
  }
  m->bleu_range = central_interval(scores, replicates, 0.95);
  m->rouge_range = central_interval(f1, replicates, 0.95);
done:
  free(scores);
  free(f1);
  free(weight);
  return rc;
}

static status check(const copy_corpus *c) {
  if (c->n < 1 || c->n_references < 1)
    return fail(ERR_ARGUMENT, "figures of copy need at least one copy and one reference of each");
  return c->n <= INT32_MAX ? OK
                           : fail(ERR_ARGUMENT, "%lld copies are more than can be judged at once, %d",
                                  (long long)c->n, INT32_MAX);
}

status copy_metrics_run(copy_metrics *out, const copy_corpus *c, const copy_how *how) {
  parts p = {.lists = NULL};
  status rc;
  TRY(check(c));
  const size_t n = (size_t)c->n, lists = n * ((size_t)c->n_references + 1);
  *out =
      (copy_metrics){.copies = c->n, .references = c->n_references, .how = *how, .perplexity = c->perplexity};
  TRY_GOTO(mem_new(&p.lists, lists, sizeof *p.lists, "words of copies"), done);
  TRY_GOTO(mem_new(&p.of, (size_t)c->n_references, sizeof *p.of, "words of copies"), done);
  TRY_GOTO(mem_new(&p.sums, n, sizeof *p.sums, "figures of copies"), done);
  TRY_GOTO(mem_new(&p.f1, n, sizeof *p.f1, "figures of copies"), done);
  TRY_GOTO(count_bleu(out, c, &p), done);
  TRY_GOTO(variety(&out->variety, p.lists, c->n), done);
  TRY_GOTO(variety(&out->reference_variety, p.lists + c->n, c->n), done);
  TRY_GOTO(count_rouge(out, c, &p), done);
  if (how->replicates > 0) TRY_GOTO(intervals(out, &p), done);
  out->has_terms = c->terms != NULL;
  if (out->has_terms) term_figures_of(&out->terms, c->terms, c->n);
done:
  for (size_t i = 0; p.lists != NULL && i < lists; i++) free(p.lists[i].words);
  free(p.lists);
  free(p.of);
  free(p.sums);
  free(p.f1);
  return rc;
}
