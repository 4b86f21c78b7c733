// Counts of words; see word_counts.h.
#include "vocab/word_counts.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "prepare/intern.h"

enum { LEAST_WORDS = 1000 };

struct word_counts {
  intern *words;
  int64_t *counts; // by number
  size_t cap;
  size_t most_bytes;
  int64_t let_go, occurrences;
};

status word_counts_new(word_counts **out, size_t most_bytes) {
  word_counts *w;
  *out = NULL;
  TRY(mem_new(&w, 1, sizeof *w, "counts of words"));
  w->most_bytes = most_bytes;
  const status rc = intern_new(&w->words);
  if (rc == OK)
    *out = w;
  else
    free(w);
  return rc;
}

void word_counts_free(word_counts *w) {
  if (w == NULL) return;
  intern_free(w->words);
  free(w->counts);
  free(w);
}

// Keeps the words that occurred more often than `most` times, in their order.
static status keep_above(word_counts *w, int64_t most) {
  intern *kept;
  status rc = intern_new(&kept);
  int32_t n = 0, id;
  for (int32_t i = 0; rc == OK && i < intern_count(w->words); i++) {
    if (w->counts[i] <= most) {
      w->let_go++;
      w->occurrences += w->counts[i];
      continue;
    }
    rc = intern_add(kept, intern_text(w->words, i), &id);
    w->counts[n++] = w->counts[i];
  }
  if (rc != OK) {
    intern_free(kept);
    return rc;
  }
  intern_free(w->words);
  w->words = kept;
  return OK;
}

static size_t bytes_of(const word_counts *w) {
  return intern_bytes(w->words) + (size_t)intern_count(w->words) * sizeof *w->counts;
}

// The lowest count above which at most half of the words are.
static int64_t middle_count(const word_counts *w) {
  const int32_t n = intern_count(w->words);
  for (int64_t most = 1;; most *= 2) {
    int32_t above = 0;
    for (int32_t i = 0; i < n; i++) above += w->counts[i] > most;
    if (above <= n / 2) return most;
  }
}

status word_counts_add(word_counts *w, const char *word, size_t bytes) {
  const int32_t before = intern_count(w->words);
  int32_t id;
  TRY(intern_add_hashed(w->words, word, bytes, name_hash(word, bytes), &id));
  if (id < before) {
    w->counts[id]++;
    return OK;
  }
  TRY(mem_grow(&w->counts, &w->cap, (size_t)id + 1, sizeof *w->counts, "counts of words"));
  w->counts[id] = 1;
  // Looked at once in a while: what a word takes is little beside the room.
  if (id % LEAST_WORDS == LEAST_WORDS - 1 && bytes_of(w) > w->most_bytes)
    return keep_above(w, middle_count(w));
  return OK;
}

int32_t word_counts_n(const word_counts *w) {
  return intern_count(w->words);
}
const char *word_counts_text(const word_counts *w, int32_t i) {
  return intern_text(w->words, i);
}
int64_t word_counts_of(const word_counts *w, int32_t i) {
  return w->counts[i];
}
int64_t word_counts_let_go(const word_counts *w, int64_t *occurrences) {
  *occurrences = w->occurrences;
  return w->let_go;
}
