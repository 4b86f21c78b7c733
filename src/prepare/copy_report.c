// What became of rows of promotion copy; see prepare_copy.h.
#include <stdio.h>
#include "data/copy_rows.h"
#include "prepare/prepare_copy.h"
#include "prepare/prepare_internal.h"

json_t *copy_counts_json(const copy_counts *n) {
  json_t *j = json_pack("{s:I,s:I,s:I,s:I,s:I}", "rows", (json_int_t)n->rows.rows, "rejected",
                        (json_int_t)n->rows.rejected, "dropped", (json_int_t)n->dropped.rejected, "cut",
                        (json_int_t)n->cut, "without_slot", (json_int_t)n->without_slot);
  for (int p = 0; p < COPY_PARTS; p++) json_object_set_new(j, copy_part_names[p], json_integer(n->used[p]));
  const struct {
    const char *name;
    int64_t value;
  } more[] = {{"slots", n->slots},
              {"quantities", n->quantities},
              {"articles", n->articles},
              {"tokens", n->tokens},
              {"unknown_words", n->unknown_words},
              {"unknown_users", n->unknown_users},
              {"unknown_items", n->unknown_items},
              {"impressions", n->impressions},
              {"clicks", n->clicks},
              {"styles", n->styles}};
  for (size_t i = 0; i < sizeof more / sizeof *more; i++)
    json_object_set_new(j, more[i].name, json_integer(more[i].value));
  json_object_set_new(j, "rejects", rejects_json(&n->rows));
  json_object_set_new(j, "drops", rejects_json(&n->dropped));
  return j;
}

void copy_counts_print(const copy_counts *n) {
  printf("copy            %lld rows, rejected %lld, left out %lld; %lld train, %lld validation, %lld test\n",
         (long long)n->rows.rows, (long long)n->rows.rejected, (long long)n->dropped.rejected,
         (long long)n->used[COPY_TRAIN], (long long)n->used[COPY_VALID], (long long)n->used[COPY_TEST]);
  print_reasons(&n->rows, "rows");
  print_reasons(&n->dropped, "rows");
  printf(
      "  %lld tokens, of them %lld [UNK]; %lld copies cut; %lld slots, %lld copies without one; %lld other "
      "quantities, of them %lld like \"a\"\n",
      (long long)n->tokens, (long long)n->unknown_words, (long long)n->cut, (long long)n->slots,
      (long long)n->without_slot, (long long)n->quantities, (long long)n->articles);
  if (n->unknown_users + n->unknown_items > 0)
    printf("  %lld rows of users and %lld of items that the data set does not have\n",
           (long long)n->unknown_users, (long long)n->unknown_items);
  if (n->impressions > 0)
    printf("  %lld clicks on %lld rows that say whether there was one; %d styles\n", (long long)n->clicks,
           (long long)n->impressions, n->styles);
}
