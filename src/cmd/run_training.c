#include "cmd/run_training.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cmd/copy_run.h"
#include "cmd/labelled_run.h"
#include "train/copy_validation.h"
#include "train/loop.h"
#include "train/validation.h"

status run_training(run_config *c, const option_set *options, bool resume) {
  if (c->labels.train[0] != '\0') return labelled_training(c, options, resume);
  if (run_writes_copy(c)) return copy_training(c, options, resume);
  if (c->data.dir[0] == '\0') return fail(ERR_ARGUMENT, "data.dir names no data set (--data.dir DATA)");
  mem_return_large();
  threads_use(c->train.threads);
  log_doing("reading %s", c->data.dir);
  dataset *d;
  TRY(dataset_open(&d, c->data.dir, false));
  rank_validator v = {.questions = NULL};
  const char *why;
  const bool validate = run_validates(c, d, &why);
  if (why != NULL) log_info("%s %s", c->data.dir, why);
  if (validate) log_doing("preparing the questions of validations");
  status rc = OK;
  if (validate) rc = rank_validator_open(&v, d, c);
  if (rc == OK) rc = train_run(c, options, d, dist_single(), resume, validate ? &v.base : NULL);
  rank_validator_close(&v);
  dataset_close(d);
  return rc;
}
