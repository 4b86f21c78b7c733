// Figures of copy as text; see eval_copy.h.
#include "cmd/eval_copy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/byte_stream.h"
#include "base/log.h"
#include "base/memory.h"
#include "prepare/input_files.h"

// A longest common subsequence takes time with the square of a copy's length.
enum { MOST_COPY_BYTES = 1 << 16 };

#define FLAG(name) offsetof(eval_copy_flags, name)
const option eval_copy_options[] = {
    {"copy", OPT_BOOL, FLAG(copy), "false", 0, 0, NULL,
     "of a run of souk finetune --task promo: its perplexity at the copy of --part, and what it writes for "
     "the same "
     "requests, beside that copy"},
    {"generated", OPT_STRING, FLAG(generated), "", 0, 0, "FILE",
     "--copy: file for what is written, beside its references and requests, as JSON lines"},
    {"rows", OPT_INT, FLAG(rows), "0", 0, 1e9, NULL, "--copy: write copy for the first N rows only; 0: all"},
    {"copy_text", OPT_STRING, FLAG(text), "", 0, 0, "FILE",
     "copy that somebody wrote, one a line, to be compared with --reference; without a model"},
    {"reference", OPT_STRING, FLAG(reference), "", 0, 0, "FILE",
     "--copy_text: what it is compared with, line by line; several files with commas: several references of "
     "each copy"},
    {"language", OPT_CHOICE, FLAG(language), "auto", 0, 0, "auto|en|zh",
     "of copy: en counts the words of sacrebleu's 13a and rouge-score, zh those of sacrebleu's zh and "
     "ideographs one by one; auto: of most rows of --copy, and en of --copy_text"},
    {"bleu_words", OPT_CHOICE, FLAG(bleu_words), "auto", 0, 0, "auto|13a|zh|char|none",
     "tokenizer of BLEU, as in sacrebleu; auto: by the language"},
    {"rouge_words", OPT_CHOICE, FLAG(rouge_words), "auto", 0, 0, "auto|rouge|rouge_zh",
     "words of ROUGE-L: those of rouge-score, or with ideographs; auto: by the language"},
    {"smoothing", OPT_CHOICE, FLAG(smoothing), "exp", 0, 0, SMOOTHING_CHOICES,
     "of BLEU, where no n-gram of an order matches"},
    {"smooth_value", OPT_FLOAT, FLAG(smooth_value), "-1", -1, 1e9, NULL,
     "of --smoothing floor and add_k; -1: 0.1 and 1"},
    {"effective_order", OPT_BOOL, FLAG(effective_order), "false", 0, 0, NULL,
     "BLEU leaves out orders of n-grams that copies are too short for, as for single sentences"},
};
const size_t n_eval_copy_options = sizeof eval_copy_options / sizeof *eval_copy_options;

status eval_copy_unused(const eval_copy_flags *f) {
  if (f->reference[0] != '\0' && f->text[0] == '\0')
    return fail(ERR_ARGUMENT, "--reference is what copy is compared with: --copy_text FILE is missing");
  if (!f->copy && (f->generated[0] != '\0' || f->rows > 0))
    return fail(ERR_ARGUMENT, "--generated and --rows are of --copy");
  return OK;
}

copy_how eval_copy_metrics(const eval_copy_flags *f, const eval_copy_how *how, bool chinese) {
  static const words_kind of_rouge[] = {WORDS_ROUGE, WORDS_ROUGE_ZH};
  const bool zh = f->language == 0 ? chinese : f->language == 2;
  return (copy_how){.bleu_words = f->bleu_words > 0 ? (words_kind)(f->bleu_words - 1)
                                  : zh              ? WORDS_ZH
                                                    : WORDS_13A,
                    .rouge_words = of_rouge[f->rouge_words > 0 ? f->rouge_words - 1 : zh],
                    .bleu = {.smoothing = (bleu_smoothing)f->smoothing,
                             .value = f->smooth_value < 0 ? NAN : f->smooth_value,
                             .effective_order = f->effective_order},
                    .replicates = how->replicates,
                    .seed = (uint64_t)how->seed};
}

// ---- results ---------------------------------------------------------------------------------------------------

static status write_json(const copy_metrics *m, const copy_origin *o, const eval_copy_how *how) {
  json_t *const j = copy_metrics_json(m, o);
  char *const text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
  status rc = OK;
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: the evaluation as json");
  if (how->json && (puts(text) < 0 || fflush(stdout) != 0))
    rc = fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
  if (rc == OK && how->figures[0] != '\0') rc = file_write_atomic(how->figures, text, strlen(text));
  free(text);
  return rc;
}

// Prints before it writes files, so that the figures are there whatever becomes of these.
static status tell(const copy_metrics *m, const copy_corpus *c, const copy_origin *o,
                   const eval_copy_how *how, out_file **report) {
  out_file *const f = *report;
  if (!how->json) TRY(copy_metrics_print(m, stdout));
  if (how->json || how->figures[0] != '\0') TRY(write_json(m, o, how));
  *report = NULL;
  return f != NULL ? copy_metrics_html(m, o, c, f) : OK;
}

status eval_copy_tell(const copy_corpus *c, const copy_how *metrics, copy_origin *o,
                      const eval_copy_how *how) {
  copy_metrics m;
  out_file *report = NULL;
  const named_path paths[] = {{"--figures", how->figures}, {"--report", how->report}};
  TRY(paths_check_distinct(paths, sizeof paths / sizeof *paths));
  if (how->report[0] != '\0') TRY(out_open(&report, how->report));
  o->command = how->command;
  log_doing("counting");
  status rc = copy_metrics_run(&m, c, metrics);
  log_status_end();
  if (rc == OK) rc = tell(&m, c, o, how, &report);
  out_abort(report);
  return rc;
}

// ---- files -----------------------------------------------------------------------------------------------------

typedef struct text_lines {
  char **at;
  size_t n, cap;
} text_lines;

static void lines_free(text_lines *l) {
  for (size_t i = 0; i < l->n; i++) free(l->at[i]);
  free(l->at);
}

static status read_lines(text_lines *l, const char *path) {
  const byte_stream_how utf8 = {.encoding = ""};
  line_reader *r;
  char *line;
  size_t bytes;
  bool end = false;
  status rc = OK;
  TRY(lines_open_input(&r, path, MOST_COPY_BYTES, &utf8));
  while (rc == OK) {
    rc = lines_next(r, &line, &bytes, &end);
    if (rc != OK || end) break;
    rc = mem_grow(&l->at, &l->cap, l->n + 1, sizeof *l->at, "copies");
    if (rc == OK) rc = mem_strndup(&l->at[l->n], line, bytes);
    l->n += rc == OK;
  }
  lines_close(r);
  return rc;
}

static status judge(const eval_copy_flags *f, const eval_copy_how *how, const text_lines *copies,
                    const text_lines *references, size_t n, const input_files *files) {
  char *const **of = NULL;
  copy_origin o = {.copies = f->text, .references = f->reference};
  const copy_how metrics = eval_copy_metrics(f, how, false);
  if (copies->n == 0) return fail(ERR_FORMAT, "%s has no copies", f->text);
  for (size_t r = 0; r < n; r++)
    if (references[r].n != copies->n)
      return fail(ERR_FORMAT,
                  "%s has %zu lines and %s has %zu: copy and reference stand on lines of the same number",
                  f->text, copies->n, files->names[r], references[r].n);
  TRY(mem_new(&of, n, sizeof *of, "references"));
  for (size_t r = 0; r < n; r++) of[r] = references[r].at;
  const copy_corpus c = {.n = (int64_t)copies->n,
                         .n_references = (int32_t)n,
                         .copies = copies->at,
                         .references = (char *const *const *)of,
                         .perplexity = NAN};
  const status rc = eval_copy_tell(&c, &metrics, &o, how);
  free(of);
  return rc;
}

status eval_copy_text(const eval_copy_flags *f, const eval_copy_how *how) {
  input_files files = {.n = 0};
  text_lines copies = {.n = 0}, *references = NULL;
  status rc;
  if (f->reference[0] == '\0')
    return fail(ERR_ARGUMENT, "--copy_text needs --reference FILE, what the copy is compared with");
  TRY_GOTO(input_files_find(&files, f->reference, "--reference"), done);
  TRY_GOTO(mem_new(&references, files.n, sizeof *references, "references"), done);
  log_doing("reading %s", f->text);
  TRY_GOTO(read_lines(&copies, f->text), done);
  for (size_t r = 0; r < files.n; r++) TRY_GOTO(read_lines(&references[r], files.names[r]), done);
  rc = judge(f, how, &copies, references, files.n, &files);
done:
  log_status_end();
  for (size_t r = 0; references != NULL && r < files.n; r++) lines_free(&references[r]);
  free(references);
  lines_free(&copies);
  input_files_free(&files);
  return rc;
}
