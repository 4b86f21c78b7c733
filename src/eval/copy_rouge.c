// ROUGE-L; see copy_rouge.h.
#include "eval/copy_rouge.h"

#include <string.h>
#include "base/memory.h"

// The length of the longest common subsequence: one row of the usual table, [b->n + 1], is kept.
static status common(size_t *length, const word_list *a, const word_list *b, lcs_room *room) {
  TRY(mem_grow(&room->lengths, &room->cap, b->n + 1, sizeof *room->lengths, "a common subsequence"));
  int32_t *const row = room->lengths;
  memset(row, 0, (b->n + 1) * sizeof *row);
  for (size_t i = 0; i < a->n; i++) {
    int32_t diagonal = 0; // row[j - 1] of the row above
    for (size_t j = 1; j <= b->n; j++) {
      const int32_t above = row[j];
      if (a->words[i] == b->words[j - 1])
        row[j] = diagonal + 1;
      else if (row[j - 1] > above)
        row[j] = row[j - 1];
      diagonal = above;
    }
  }
  *length = (size_t)row[b->n];
  return OK;
}

status rouge_l(rouge *out, const word_list *copy, const word_list *references, int32_t n_references,
               lcs_room *room) {
  for (int32_t r = 0; r < n_references; r++) {
    rouge now = {0, 0, 0};
    size_t length = 0;
    if (copy->n > 0 && references[r].n > 0) TRY(common(&length, copy, &references[r], room));
    if (length > 0) {
      now.precision = (double)length / (double)copy->n;
      now.recall = (double)length / (double)references[r].n;
      now.f1 = 2 * now.precision * now.recall / (now.precision + now.recall);
    }
    if (r == 0 || now.f1 > out->f1) *out = now;
  }
  return OK;
}
