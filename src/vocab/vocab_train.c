// souk vocab; see vocab_train.h.
#include "vocab/vocab_train.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "vocab/vocab_internal.h"

#define FIELD(name) offsetof(vocab_config, name)
const option vocab_options[] = {
    {"input", OPT_STRING, FIELD(input), "", 0, 0, "FILE",
     "texts: files, patterns and folders, separated by commas; plain, gzip, zstd, xz or bzip2; - is the "
     "standard input"},
    {"columns", OPT_STRING, FIELD(columns), "", 0, 0, NULL,
     "columns (csv, tsv) or paths (jsonl) that are texts; a table must have one of them"},
    {"format", OPT_CHOICE, FIELD(format), "auto", 0, 0, "auto|csv|tsv|jsonl|text",
     "of the files; auto: by their names, and others are plain text"},
    {"separator", OPT_STRING, FIELD(separator), "", 0, 0, NULL,
     "between columns of csv; empty: it is found out"},
    {"encoding", OPT_STRING, FIELD(encoding), "", 0, 0, NULL,
     "of the files, as iconv or Python call it; empty: UTF-8"},
    {"out", OPT_STRING, FIELD(out), "", 0, 0, "DIR", "where vocab.txt and tokenizer_config.json are written"},
    {"force", OPT_BOOL, FIELD(force), "false", 0, 0, NULL, "replace a vocabulary that is there"},
    {"size", OPT_INT, FIELD(size), "30000", 100, 1 << 20, NULL, "most pieces, special tokens included"},
    {"min_count", OPT_INT, FIELD(min_count), "2", 1, 1e15, NULL,
     "pairs of pieces that occur less often are not merged"},
    {"alphabet", OPT_INT, FIELD(alphabet), "8000", 1, 1 << 20, NULL,
     "most different characters; words with others become [UNK]"},
    {"lower_case", OPT_BOOL, FIELD(lower_case), "true", 0, 0, NULL, "texts are made lower-case"},
    {"strip_accents", OPT_CHOICE, FIELD(strip_accents), "auto", 0, 0, "auto|yes|no",
     "accents are removed; auto: where texts are made lower-case"},
    {"split_chinese", OPT_BOOL, FIELD(split_chinese), "true", 0, 0, NULL, "each Chinese character is a word"},
    {"longest_word", OPT_INT, FIELD(longest_word), "100", 1, LONGEST_WORD, NULL,
     "characters of a word; longer ones are not counted"},
    {"memory", OPT_BYTES, FIELD(memory), "1G", 1e6, 1e15, NULL,
     "for counting words; beyond it the rarest are let go"},
};
const size_t n_vocab_options = sizeof vocab_options / sizeof *vocab_options;

// ---- output --------------------------------------------------------------------------------------------------

static status output_paths(const vocab_config *c, char list[PATH_MAX], char settings[PATH_MAX]) {
  TRY(path_join(list, PATH_MAX, c->out, "vocab.txt"));
  return path_join(settings, PATH_MAX, c->out, "tokenizer_config.json");
}

static status check_config(const vocab_config *c) {
  char list[PATH_MAX], settings[PATH_MAX];
  if (c->input[0] == '\0') return fail(ERR_ARGUMENT, "--input is needed: the files with the texts");
  if (c->out[0] == '\0') return fail(ERR_ARGUMENT, "--out is needed: the directory of the vocabulary");
  TRY(output_paths(c, list, settings));
  const bool there = file_exists(list) || file_exists(settings);
  if (there && !c->force)
    return fail(ERR_ARGUMENT, "%s has a vocabulary; it is replaced with --force", c->out);
  return OK;
}

static status write_list(const intern *pieces, out_file *f) {
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < intern_count(pieces); i++)
    rc = out_printf(f, "%s\n", intern_text(pieces, i));
  return rc;
}

static json_t *settings_json(const vocab_config *c) {
  json_t *accents = c->strip_accents == 0 ? json_null() : json_boolean(c->strip_accents == 1);
  json_t *j = json_pack("{s:s,s:b,s:o,s:b}", "tokenizer_class", "BertTokenizer", "do_lower_case",
                        c->lower_case, "strip_accents", accents, "tokenize_chinese_chars", c->split_chinese);
  for (int i = 0; j != NULL && i < TOKEN_SPECIALS; i++)
    json_object_set_new(j, special_roles[i], json_string(special_tokens[i]));
  // Hugging Face's classes have no place for it here; Souk's read it.
  if (c->longest_word != 100)
    json_object_set_new(j, "max_input_chars_per_word", json_integer(c->longest_word));
  return j;
}

static status write_settings(const vocab_config *c, out_file *f) {
  json_t *j = settings_json(c);
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot compose tokenizer_config.json");
  const status rc = out_write(f, text, strlen(text));
  free(text);
  return rc;
}

// Both or neither: pieces are looked for in texts that were cleaned as the settings say, and a list beside the settings of another one
// would find others. The list is the one that gets its place last, since without it there is no vocabulary.
static status write_all(const vocab_job *job) {
  char list_path[PATH_MAX], settings_path[PATH_MAX];
  out_file *list = NULL, *settings = NULL;
  TRY(output_paths(job->c, list_path, settings_path));
  TRY(dir_make(job->c->out));
  status rc = out_open_data(&settings, settings_path, list_path);
  if (rc == OK) rc = out_open_names(&list, list_path, settings);
  if (rc == OK) rc = write_settings(job->c, settings);
  if (rc == OK) rc = write_list(job->pieces, list);
  if (rc == OK) return out_commit_pair(settings, list, list_path);
  out_abort(list);
  out_abort(settings);
  return rc;
}

// ---- report --------------------------------------------------------------------------------------------------

static double share(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void report_reading(const vocab_job *job) {
  const vocab_counts *n = &job->counts;
  char bytes[32];
  int64_t occurrences;
  const int64_t gone = word_counts_let_go(job->words, &occurrences);
  log_info("read: %lld file%s, %lld rows, %lld texts of %s; %lld words, %d different", (long long)n->files,
           n->files == 1 ? "" : "s", (long long)n->rows, (long long)n->texts,
           human_bytes(bytes, (double)n->bytes), (long long)n->words, word_counts_n(job->words));
  if (n->rejected > 0)
    log_warn("rows that could not be read: %lld, line %lld first: %s", (long long)n->rejected,
             (long long)n->first_rejected, n->reject);
  if (n->empty > 0) log_info("values that are empty or not there: %lld", (long long)n->empty);
  if (n->bad_bytes > 0)
    log_warn("lines that are not UTF-8: %lld; what is none of a line is left out", (long long)n->bad_bytes);
  if (n->too_long > 0)
    log_info("words of more than %lld characters, which are not counted: %lld",
             (long long)job->c->longest_word, (long long)n->too_long);
  if (gone > 0)
    log_warn("rare words let go for lack of room (--memory): %lld, with %lld occurrences, %.2f%% of all",
             (long long)gone, (long long)occurrences, share(occurrences, n->words));
}

static void report_pieces(const vocab_job *job, const vocab_pieces *p) {
  log_info("pieces: %d: %d special, %d characters, %d of them also inside words, %lld merged",
           intern_count(job->pieces), TOKEN_SPECIALS, p->alphabet, p->inside, (long long)p->merges);
  if (p->left_out > 0)
    log_warn("characters beyond the alphabet: %lld of %d; words with one of them: %lld, %.3f%% of all, which "
             "become [UNK]",
             (long long)p->left_out, p->different, (long long)p->left_out_uses,
             share(p->left_out_uses, p->left_out_uses + p->known));
  if (p->known > 0)
    log_info("pieces a word: %.3f, over the words that were counted", (double)p->pieces / (double)p->known);
  if (intern_count(job->pieces) < job->c->size)
    log_info("fewer than --size %lld: no other pair occurs %lld times", (long long)job->c->size,
             (long long)job->c->min_count);
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status make_tokenizer(vocab_job *job) {
  word_options o = word_options_default();
  vocab *v;
  format_error e;
  o.lower_case = job->c->lower_case;
  o.strip_accents = job->c->strip_accents == 0 ? -1 : job->c->strip_accents == 1;
  o.split_chinese = job->c->split_chinese;
  o.longest_word = (int32_t)job->c->longest_word;
  TRY(vocab_new(&v));
  const bool made = word_tokenizer_new(&job->tokenizer, v, &o, &e);
  vocab_free(v);
  return made ? OK : fail_format(&e);
}

static status run(vocab_job *job) {
  vocab_pieces pieces;
  TRY(make_tokenizer(job));
  TRY(word_counts_new(&job->words, (size_t)job->c->memory));
  TRY(vocab_read_files(job));
  log_status_end();
  report_reading(job);
  if (word_counts_n(job->words) == 0)
    return fail(ERR_ARGUMENT, "%s: there is no word in these texts", job->c->input);
  TRY(vocab_make_pieces(job, &pieces));
  TRY(write_all(job));
  report_pieces(job, &pieces);
  return OK;
}

status vocab_train(const vocab_config *c) {
  vocab_job job = {.c = c};
  TRY(check_config(c));
  const status rc = run(&job);
  word_tokenizer_free(job.tokenizer);
  word_counts_free(job.words);
  intern_free(job.pieces);
  return rc;
}
