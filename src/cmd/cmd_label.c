// souk label RUN FILE: what a run on labels says of rows, written for people, for the catalogue, or as a list of the rows that somebody
// should label next.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cmd/cmd.h"
#include "cmd/label_model.h"
#include "cmd/label_write.h"
#include "eval/label_choice.h"
#include "model/checkpoint_find.h"

typedef struct label_flags {
  char write[OPTION_STRING], items[OPTION_STRING], picks[OPTION_STRING], item[OPTION_STRING],
      data[OPTION_STRING];
  char catalogue[OPTION_STRING], keep[OPTION_STRING], prefix[OPTION_STRING];
  int64_t pick, seed, threads;
  int by, which, weights, device;
  bool logits;
} label_flags;

#define FLAG(name) offsetof(label_flags, name)
static const option flag_options[] = {
    {"write", OPT_STRING, FLAG(write), "", 0, 0, "FILE", "predictions of the rows, as json lines"},
    {"logits", OPT_BOOL, FLAG(logits), "false", 0, 0, NULL, "--write: logits too, before temperatures"},
    {"items", OPT_STRING, FLAG(items), "", 0, 0, "FILE",
     "means of the predictions by item, as json lines, which souk prepare takes as a catalogue"},
    {"item", OPT_STRING, FLAG(item), "item_id", 0, 0, NULL,
     "--items: column of the item, in rows and catalogue"},
    {"catalogue", OPT_STRING, FLAG(catalogue), "", 0, 0, "FILE",
     "--items: a catalogue whose rows are written with the means of theirs; csv, tsv or jsonl by its name"},
    {"keep", OPT_STRING, FLAG(keep), "", 0, 0, NULL,
     "--items: columns of the catalogue, separated by commas"},
    {"prefix", OPT_STRING, FLAG(prefix), "", 0, 0, NULL,
     "--items: stands before the names of the means: label_"},
    {"pick", OPT_INT, FLAG(pick), "0", 0, 1e9, NULL, "list so many rows whose labels would teach most"},
    {"picks", OPT_STRING, FLAG(picks), "/dev/stdout", 0, 0, "FILE",
     "--pick: file for the list, as json lines"},
    {"by", OPT_CHOICE, FLAG(by), "diverse", 0, 0, "diverse|entropy|random",
     "--pick: uncertain rows unlike each other; the most uncertain ones; any"},
    {"seed", OPT_INT, FLAG(seed), "1", 0, 9e15, NULL, "--by random"},
    {"data", OPT_STRING, FLAG(data), "", 0, 0, "DIR", "data set with the histories; empty: the run's"},
    {"which", OPT_CHOICE, FLAG(which), "auto", 0, 0, WHICH_CHOICES, WHICH_HELP},
    {"weights", OPT_CHOICE, FLAG(weights), "averaged", 0, 0, WEIGHTS_CHOICES, WEIGHTS_HELP},
    {"device", OPT_CHOICE, FLAG(device), "auto", 0, 0, "auto|cpu|cuda", "backend of the model"},
    {"threads", OPT_INT, FLAG(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
};

static status pick(const label_flags *f, const label_model *l, const labelled_rows *of, const float *logits,
                   const float *pooled) {
  const label_scores s = label_scores_of(of, &l->labels, logits);
  double *entropy;
  int64_t *picked = NULL, n;
  TRY(mem_new(&entropy, (size_t)of->n, sizeof *entropy, "entropies"));
  status rc =
      mem_new(&picked, (size_t)(f->pick < of->n ? f->pick : of->n) + 1, sizeof *picked, "picked rows");
  if (rc == OK) label_entropies(&s, l->labels.temperatures, entropy);
  if (rc == OK)
    rc = label_pick((pick_rule)f->by, entropy, pooled, of->n, (int32_t)l->c->model.hidden, f->pick,
                    (uint64_t)f->seed, picked, &n);
  log_status_end();
  if (rc == OK) rc = label_write_picks(f->picks, l, of, logits, entropy, picked, n);
  free(entropy);
  free(picked);
  return rc;
}

static status write_all(const label_flags *f, const label_model *l, const labelled_rows *of,
                        const float *logits, const float *pooled) {
  const item_means_how how = {
      .column = f->item, .catalogue = f->catalogue, .keep = f->keep, .prefix = f->prefix};
  log_status_end();
  if (f->write[0] != '\0') TRY(label_write_rows(f->write, l, of, logits, f->logits));
  if (f->items[0] != '\0') TRY(label_write_items(f->items, l, of, logits, &how));
  return f->pick > 0 ? pick(f, l, of, logits, pooled) : OK;
}

static status score_and_write(const label_flags *f, const label_model *l, const labelled_rows *of) {
  const size_t n = (size_t)of->n;
  float *logits, *pooled = NULL;
  TRY(mem_new(&logits, n * (size_t)l->labels.n, sizeof *logits, "logits"));
  status rc = OK;
  if (f->pick > 0) rc = mem_new(&pooled, n * (size_t)l->c->model.hidden, sizeof *pooled, "vectors of rows");
  log_doing("scoring");
  if (rc == OK) rc = label_logits(l->m, of, logits, pooled);
  if (rc == OK) rc = write_all(f, l, of, logits, pooled);
  free(logits);
  free(pooled);
  return rc;
}

static status run(const label_flags *f, const char *where, const char *files) {
  label_model l;
  labelled_rows of = {.n = 0};
  const named_path paths[] = {{"--write", f->write}, {"--items", f->items}, {"--picks", f->picks}};
  TRY(paths_check_distinct(paths, sizeof paths / sizeof *paths));
  status rc = label_model_open(&l, where, f->which, f->weights == WEIGHTS_RAW, f->data, f->device,
                               (int32_t)f->threads);
  if (rc == OK && f->items[0] != '\0') memcpy(l.run->labels.item, f->item, sizeof f->item);
  if (rc == OK)
    rc = label_model_read(&l, files, "the rows", true,
                          f->items[0] != '\0' ? ROWS_WITH_ITEMS : ROWS_WITH_TEXTS, &of);
  if (rc == OK) rc = score_and_write(f, &l, &of);
  log_status_end();
  labelled_free(&of);
  label_model_close(&l);
  return rc;
}

status cmd_label(int argc, char **argv) {
  static label_flags f;
  const option_section section = {"", "What is written", flag_options,
                                  sizeof flag_options / sizeof *flag_options, &f};
  const option_set set = {.usage = "souk label RUN|CHECKPOINT FILE --write FILE [--logits] [options]\n"
                                   "souk label RUN|CHECKPOINT FILE --items FILE [--catalogue FILE --keep "
                                   "COLUMNS] [options]\n"
                                   "souk label RUN|CHECKPOINT FILE --pick N [--picks FILE] [options]",
                          .summary =
                              "Labels the rows of FILE (csv, tsv or jsonl, columns as in the run's labelled "
                              "rows) by a run of souk\n"
                              "finetune --task classify or pair: predictions a row; their means an item, for "
                              "the catalogue; or the\n"
                              "rows that somebody should label, because the model learns most from them.",
                          .sections = &section,
                          .count = 1};
  const char *given[2];
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, given, 2, &n, &help));
  if (help) return OK;
  if (n < 2) return fail(ERR_ARGUMENT, "souk label needs a run and a file of rows; --help tells more");
  if (f.write[0] == '\0' && f.items[0] == '\0' && f.pick == 0)
    return fail(ERR_ARGUMENT, "souk label needs --write FILE, --items FILE or --pick N");
  threads_use(f.threads);
  return run(&f, given[0], given[1]);
}
