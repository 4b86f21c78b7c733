// Options of runs; see run_options.h.
#include "cmd/run_options.h"

#include "train/init.h"

status run_options_read(const option_set *set, run_config *c, const bool *resume, int argc, char **argv,
                        bool *help) {
  const char *config;
  size_t n;
  TRY(options_defaults(set));
  TRY(options_args(set, argc, argv, &config, 1, &n, help));
  if (*help) return OK;
  if (n == 1) {
    TRY(options_defaults(set));
    TRY(options_yaml(set, config));
    TRY(options_args(set, argc, argv, &config, 1, &n, help));
  }
  if (c->train.init[0] == '\0') return OK;
  run_config found = *c; // says where the start is; its model options are the new defaults
  TRY(init_adopt_model(&found, resume != NULL && *resume));
  TRY(options_defaults(set));
  c->model = found.model;
  if (n == 1) TRY(options_yaml(set, config));
  return options_args(set, argc, argv, &config, 1, &n, help);
}
