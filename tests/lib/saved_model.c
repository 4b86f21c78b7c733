// See saved_model.h.
#include "lib/saved_model.h"

#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

const char saved_yaml[] = "train:\n  steps: 7\n  out: \"a b\"\n";
const train_state saved_state = {.step = 12,
                                 .epoch = 3,
                                 .example = 5,
                                 .index = 4,
                                 .data_window = 20,
                                 .data_stride = 10,
                                 .steps_per_epoch = 7,
                                 .paced_step = 2,
                                 .paced_epochs = 1.0 / 7,
                                 .untrained = {true},
                                 .tokens = 123456789012345,
                                 .seconds = 0.1,
                                 .best_metric = 1.0 / 3.0,
                                 .best_step = 8,
                                 .bad_evals = 2,
                                 .best_name = "ndcg@10",
                                 .skipped = 1,
                                 .window = {{1234.5678901234567, 97, 1e-300}}};

void saved_set_up(saved_model *f) {
  tiny_directory(f->dir, sizeof f->dir);
  check_ok(path_join(f->data_dir, sizeof f->data_dir, f->dir, "data"));
  check_ok(path_join(f->run, sizeof f->run, f->dir, "run"));
  check_ok(path_join(f->checkpoint, sizeof f->checkpoint, f->run, "step-00000012"));
  check_ok(dir_make(f->run));
  tiny_dataset(f->data_dir, 20, 30, 0);
  check_ok(dataset_open(&f->d, f->data_dir, false));
  model_config c = tiny_config();
  f->m = tiny_model(f->d, &c);
  check_ok(params_make_moments(model_params(f->m)));
  const param_set *p = model_params(f->m);
  for (int64_t i = 0; i < p->elements; i++) {
    p->m[i] = (float)i * 1e-3f;
    p->v[i] = 1.0f / (float)(i + 1);
  }
}

void saved_tear_down(saved_model *f) {
  model_free(f->m);
  dataset_close(f->d);
  tiny_remove(f->dir);
}

status saved_write(const saved_model *f) {
  return tiny_checkpoint(f->checkpoint, f->m, &saved_state, saved_yaml, f->d, true);
}
