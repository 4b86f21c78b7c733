// A model with labels; see label_model.h.
#include "cmd/label_model.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "cmd/labelled_run.h"
#include "data/tokenizer.h"
#include "eval/evaluation.h"
#include "model/checkpoint_find.h"
#include "model/objectives/label_head.h"
#include "prepare/labelled_read.h"

static bool is_pair(const label_model *l) {
  return strcmp(l->labels.task, "pair") == 0;
}

status label_model_open(label_model *l, const char *where, int which, bool raw, const char *data, int device,
                        int32_t threads) {
  *l = (label_model){.c = NULL};
  TRY(checkpoint_open_chosen(&l->c, where, which));
  l->c->raw = raw;
  TRY(checkpoint_label_set(&l->labels, l->c));
  checkpoint_warn_untrained(l->c, l->labels.task);
  TRY(mem_new(&l->run, 1, sizeof *l->run, "a run's configuration"));
  TRY(run_config_read(l->run, l->c));
  TRY(labelled_dataset(&l->d, l->c, data, is_pair(l) && l->run->labels.user[0] != '\0'));
  const vocab *v = dataset_vocab(l->d);
  if (vocab_end(v, RANGE_WORDS) > vocab_begin(v, RANGE_WORDS))
    TRY(tokenizer_open(&l->words, v, dataset_tokenizer(l->d)));
  return checkpoint_model(&l->m, l->c, dataset_get_info(l->d)->sequences > 0 ? l->d : NULL, device, threads);
}

void label_model_close(label_model *l) {
  model_free(l->m);
  word_tokenizer_free(l->words);
  label_set_free(&l->labels);
  dataset_close(l->d);
  free(l->run);
  checkpoint_close(l->c);
}

status label_model_read(label_model *l, const char *files, const char *source, bool unlabelled,
                        row_keeping keep, labelled_rows *out) {
  labelled_report report;
  const seq_layout layout = model_layout(&l->c->model);
  const labelled_how how = {.c = &l->run->labels,
                            .pair = is_pair(l),
                            .layout = &layout,
                            .d = l->d,
                            .words = l->words,
                            .unlabelled = unlabelled,
                            .keep = keep != ROWS_ALONE,
                            .keep_items = keep == ROWS_WITH_ITEMS};
  log_doing("reading %s", files);
  TRY(labelled_read(out, &l->labels, &report, &how, files, source));
  if (unlabelled) report.labels = 0; // none were read
  labelled_tell(&report, &l->labels, source);
  const bool none = out->n == 0;
  labelled_report_free(&report);
  return none ? fail(ERR_ARGUMENT, "%s: there is no row that can be used", source) : OK;
}
