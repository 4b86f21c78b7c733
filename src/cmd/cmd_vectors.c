// souk vectors RUN: item vectors, user vectors and hidden states for other programs.
#include <stdio.h>
#include "base/file.h"
#include "base/log.h"
#include "base/threads.h"
#include "cmd/cmd.h"
#include "eval/evaluation.h"
#include "convert/vectors.h"
#include "train/config.h"
#include "model/checkpoint_find.h"

typedef struct vector_flags {
  char items[OPTION_STRING], users[OPTION_STRING], hidden[OPTION_STRING];
  char data[OPTION_STRING], input[OPTION_STRING];
  int part, which, weights, device;
  int64_t threads;
} vector_flags;

#define FLAG(name) offsetof(vector_flags, name)
static const option flag_options[] = {
    {"items", OPT_STRING, FLAG(items), "", 0, 0, "FILE", "file for the item vectors (.npy, .h5 or .hdf5)"},
    {"users", OPT_STRING, FLAG(users), "", 0, 0, "FILE", "file for the user vectors of --data"},
    {"data", OPT_STRING, FLAG(data), "", 0, 0, "DIR", "prepared data set with the users"},
    {"part", OPT_CHOICE, FLAG(part), "all", 0, 0, "all|test|valid",
     "history of a user: all of it, or what comes before the test or validation target"},
    {"hidden", OPT_STRING, FLAG(hidden), "", 0, 0, "FILE",
     "file for the hidden states of the sequences in --input"},
    {"input", OPT_STRING, FLAG(input), "", 0, 0, "FILE",
     "JSON lines: {\"tokens\": [\"[CLS]\", ...]} or {\"ids\": [...]}, and \"types\""},
    {"which", OPT_CHOICE, FLAG(which), "auto", 0, 0, WHICH_CHOICES, WHICH_HELP},
    {"weights", OPT_CHOICE, FLAG(weights), "averaged", 0, 0, WEIGHTS_CHOICES, WEIGHTS_HELP},
    {"device", OPT_CHOICE, FLAG(device), "auto", 0, 0, "auto|cpu|cuda", "backend of the model"},
    {"threads", OPT_INT, FLAG(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
};

static status write_vectors(const vector_flags *f, const checkpoint *c, dataset *d) {
  model *m;
  TRY(checkpoint_model(&m, c, f->hidden[0] == '\0' ? d : NULL, f->device, (int32_t)f->threads));
  status rc = OK;
  log_doing("computing vectors");
  if (f->items[0] != '\0') rc = vectors_of_items(c, m, f->items);
  if (rc == OK && d != NULL) rc = vectors_of_users(c, m, d, (vector_part)f->part, f->users);
  if (rc == OK && f->hidden[0] != '\0') rc = vectors_of_tokens(c, m, f->input, f->hidden);
  model_free(m);
  return rc;
}

// With the names that go beside a .npy.
static status check_files(const vector_flags *f) {
  char names[3][OPTION_STRING + 16];
  const char *const files[] = {f->items, f->users, f->hidden};
  for (int i = 0; i < 3; i++)
    snprintf(names[i], sizeof names[i], "%s%s", files[i], files[i][0] != '\0' ? ".names.tsv" : "");
  const named_path paths[] = {{"--items", f->items},
                              {"--users", f->users},
                              {"--hidden", f->hidden},
                              {"the names of --items", names[0]},
                              {"the names of --users", names[1]},
                              {"the rows of --hidden", names[2]},
                              {"--input", f->input}};
  return paths_check_distinct(paths, sizeof paths / sizeof *paths);
}

static status check_flags(const vector_flags *f) {
  if (f->items[0] == '\0' && f->users[0] == '\0' && f->hidden[0] == '\0')
    return fail(ERR_ARGUMENT, "nothing to write: --items, --users or --hidden must name a file");
  if (f->users[0] != '\0' && f->data[0] == '\0')
    return fail(ERR_ARGUMENT, "--users needs --data, the data set with the users");
  if (f->hidden[0] != '\0' && f->input[0] == '\0')
    return fail(ERR_ARGUMENT, "--hidden needs --input, the sequences");
  return check_files(f);
}

status cmd_vectors(int argc, char **argv) {
  static vector_flags f;
  const option_section section = {"", "Vectors", flag_options, sizeof flag_options / sizeof *flag_options,
                                  &f};
  const option_set set = {
      .usage = "souk vectors RUN|CHECKPOINT [--items FILE] [--users FILE --data DATA] [--hidden FILE --input "
               "JSONL]",
      .summary =
          "Writes a model's vectors for other programs: .npy for numpy and FAISS, .h5 with names for h5py.\n"
          "The score of an item for a user is the product of their vectors; any index for inner products\n"
          "ranks as the model does.",
      .sections = &section,
      .count = 1};
  const char *where;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &where, 1, &n, &help));
  if (help) return OK;
  if (n != 1) return fail(ERR_ARGUMENT, "a run or a checkpoint is needed: %s", set.usage);
  TRY(check_flags(&f));
  threads_use(f.threads);
  checkpoint *c;
  dataset *d = NULL;
  TRY(checkpoint_open_chosen(&c, where, f.which));
  c->raw = f.weights == WEIGHTS_RAW;
  status rc = f.users[0] != '\0' ? dataset_open(&d, f.data, true) : OK;
  if (rc == OK && d != NULL) rc = checkpoint_check_data(c, d);
  if (rc == OK) rc = write_vectors(&f, c, d);
  dataset_close(d);
  checkpoint_close(c);
  return rc;
}
