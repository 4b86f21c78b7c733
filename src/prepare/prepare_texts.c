// The items' texts: the words of what the catalogue says of an item, and its attribute tokens.
//
// Texts are not kept while the catalogue is read. When the vocabulary is known, catalogue.jsonl, which has just been written, is
// read once more, and what is kept are tokens.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/item_texts.h"
#include "data/tokenizer.h"
#include "format/word_tokenizer.h"
#include "prepare/prepare_internal.h"

enum { MAX_TEXT_COLUMNS = MAX_COLUMNS, LONGEST_ENTRY = 16 << 20, TEXT_ATTRIBUTES = 4 };

// ---- what is asked for ---------------------------------------------------------------------------------------

typedef struct text_columns {
  char names[OPTION_STRING + MAX_TEXT_COLUMNS];
  const char *name[MAX_TEXT_COLUMNS]; // in catalogue.jsonl
  int n;
} text_columns;

static bool is_kept(const prepare_catalogue *c, const char *name) {
  char kept[OPTION_STRING];
  for (const char *rest = c->keep; *rest != '\0';) {
    rest = list_name(rest, kept);
    if (strcmp(kept, name) == 0) return true;
  }
  return false;
}

// Is the column read of the catalogue?
static bool is_read(const prepare_catalogue *c, const char *name) {
  const struct {
    const char *name, *column;
  } known[] = {
      {"title", c->title}, {"category", c->category}, {"brand", c->brand}, {"description", c->description}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(name, known[i].name) == 0) return known[i].column[0] != '\0';
  return is_kept(c, name);
}

static status find_columns(const prepare_catalogue *c, text_columns *t) {
  const bool said = strcmp(c->text, CATALOGUE_TEXT) != 0;
  char *at = t->names;
  t->n = 0;
  for (const char *rest = c->text; *rest != '\0';) {
    rest = list_name(rest, at);
    if (at[0] == '\0' || (!said && !is_read(c, at))) continue;
    if (!is_read(c, at))
      return fail(ERR_ARGUMENT,
                  "catalogue.text: \"%s\" is neither title, category, brand or description with its column "
                  "set, nor a "
                  "name of catalogue.keep",
                  at);
    if (t->n == MAX_TEXT_COLUMNS)
      return fail(ERR_ARGUMENT, "catalogue.text names more than %d columns", MAX_TEXT_COLUMNS);
    t->name[t->n++] = at;
    at += strlen(at) + 1;
  }
  return OK;
}

status open_words(prepare_job *job) {
  const prepare_config *c = job->c;
  text_columns columns;
  if (c->input.features[0] != '\0') {
    bool there;
    TRY(file_look(c->input.features, &there));
    if (!there) return fail(ERR_NOT_FOUND, "input.features: %s is not there", c->input.features);
  }
  if (c->output.words[0] == '\0' && c->fields.query[0] != '\0')
    return fail(ERR_ARGUMENT, "fields.query needs output.words, the words that searches are made of");
  if (c->output.words[0] == '\0') return OK;
  if (c->input.catalogue[0] != '\0') TRY(find_columns(&c->catalogue, &columns));
  return wordpiece_read(&job->words, c->output.words);
}

// ---- words ---------------------------------------------------------------------------------------------------

typedef struct text_job {
  prepare_job *job;
  vocab *v;
  text_columns columns;
  word_tokenizer *tokenizer;
  int32_t *ids; // [cap] of one column
  size_t cap;
  int32_t *words; // [n_words] of all items, in the order of the catalogue
  size_t n_words, words_cap;
  int64_t *begin;                       // [items_kept] into words; where its words begin
  int32_t *count;                       // [items_kept] words
  int32_t *attributes[TEXT_ATTRIBUTES]; // [items_kept] tokens, 0: not known
  int64_t *offsets;                     // [items_kept + 1]
  int32_t *tokens;
} text_job;

// The words of one text, behind those that the item has; *room: how many more it may have.
static status add_words(text_job *t, const char *text, size_t bytes, int32_t *count, bool *cut) {
  const int64_t most = t->job->c->output.text_tokens;
  size_t n = word_tokenizer_encode(t->tokenizer, text, bytes, t->ids, t->cap);
  if (n > t->cap) {
    TRY(mem_grow(&t->ids, &t->cap, n, sizeof *t->ids, "the words of a text"));
    n = word_tokenizer_encode(t->tokenizer, text, bytes, t->ids, t->cap);
  }
  TRY(mem_grow(&t->words, &t->words_cap, t->n_words + n, sizeof *t->words, "the words of texts"));
  for (size_t i = 0; i < n; i++) {
    *cut = *cut || *count == most;
    if (*count == most) break;
    t->words[t->n_words++] = t->ids[i];
    vocab_set_count(t->v, t->ids[i], vocab_token_count(t->v, t->ids[i]) + (t->ids[i] != TOKEN_UNK));
    t->job->texts.unknown += t->ids[i] == TOKEN_UNK;
    ++*count;
  }
  return OK;
}

static status take_entry(text_job *t, const json_t *entry) {
  const char *item = json_string_value(json_object_get(entry, "item"));
  const int32_t id = item != NULL ? vocab_find(t->v, RANGE_ITEMS, item) : -1;
  if (id < 0) return fail(ERR_INTERNAL, "catalogue.jsonl has an item that is not in the vocabulary");
  const int32_t row = id - vocab_begin(t->v, RANGE_ITEMS);
  bool cut = false;
  t->begin[row] = (int64_t)t->n_words;
  for (int i = 0; i < t->columns.n; i++) {
    const json_t *value = json_object_get(entry, t->columns.name[i]);
    if (value != NULL)
      TRY(add_words(t, json_string_value(value), json_string_length(value), &t->count[row], &cut));
  }
  t->job->texts.items += t->count[row] > 0;
  t->job->texts.tokens += t->count[row];
  t->job->texts.cut += cut;
  return OK;
}

static status read_entries(text_job *t, line_reader *lines) {
  for (int64_t n = 1;; n++) {
    char *line;
    size_t bytes;
    bool end;
    TRY(lines_next(lines, &line, &bytes, &end));
    if (end) return OK;
    json_t *entry = json_loadb(line, bytes, 0, NULL);
    if (entry == NULL) return fail(ERR_MEMORY, "out of memory: cannot read a line of catalogue.jsonl");
    const status rc = take_entry(t, entry);
    json_decref(entry);
    TRY(rc);
    if (n % 65536 == 0) show_progress(t->job, "texts of items", n, (double)n / (double)t->job->items_kept);
  }
}

static status read_words(text_job *t, const dataset_writer *w) {
  char path[PATH_MAX + 64];
  line_reader *lines;
  if (t->job->c->input.catalogue[0] == '\0') return OK;
  TRY(find_columns(&t->job->c->catalogue, &t->columns));
  TRY(writer_path(w, "catalogue.jsonl", path, sizeof path));
  TRY(lines_open(&lines, path, LONGEST_ENTRY));
  const status rc = read_entries(t, lines);
  lines_close(lines);
  return rc;
}

// ---- texts ---------------------------------------------------------------------------------------------------

static status find_attributes(text_job *t) {
  const prepare_job *job = t->job;
  for (int k = 0; k < TEXT_ATTRIBUTES; k++)
    TRY(mem_new(&t->attributes[k], (size_t)job->items_kept, sizeof *t->attributes[k], "attributes of items"));
  if (!job->c->output.attributes) return OK;
  TRY(label_tokens(job, t->v, "category", &job->categories, t->attributes[0]));
  TRY(label_tokens(job, t->v, "brand", &job->brands, t->attributes[1]));
  TRY(bucket_tokens(job, t->v, "price", &job->prices, job->price, t->attributes[2]));
  return bucket_tokens(job, t->v, "rating", &job->ratings, job->rating, t->attributes[3]);
}

static status lay_out(text_job *t) {
  const size_t items = (size_t)t->job->items_kept;
  TRY(mem_new(&t->offsets, items + 1, sizeof *t->offsets, "texts of items"));
  TRY(mem_new(&t->tokens, t->n_words + TEXT_ATTRIBUTES * items, sizeof *t->tokens, "texts of items"));
  for (size_t i = 0; i < items; i++) {
    int64_t at = t->offsets[i];
    memcpy(t->tokens + at, t->words + t->begin[i], (size_t)t->count[i] * sizeof *t->tokens);
    at += t->count[i];
    for (int k = 0; k < TEXT_ATTRIBUTES; k++)
      if (t->attributes[k][i] != 0) t->tokens[at++] = t->attributes[k][i];
    t->offsets[i + 1] = at;
  }
  return OK;
}

static status make_texts(text_job *t, const dataset_writer *w) {
  const size_t items = (size_t)t->job->items_kept;
  TRY(tokenizer_open(&t->tokenizer, t->v, t->job->words->tokenizer));
  TRY(mem_new(&t->begin, items, sizeof *t->begin, "texts of items"));
  TRY(mem_new(&t->count, items, sizeof *t->count, "texts of items"));
  TRY(mem_grow(&t->words, &t->words_cap, 1, sizeof *t->words, "the words of texts"));
  TRY(read_words(t, w));
  TRY(find_attributes(t));
  return lay_out(t);
}

static void text_job_free(text_job *t) {
  word_tokenizer_free(t->tokenizer);
  void *const arrays[] = {t->ids, t->words, t->begin, t->count, t->offsets, t->tokens};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  for (int k = 0; k < TEXT_ATTRIBUTES; k++) free(t->attributes[k]);
}

status write_item_texts(prepare_job *job, dataset_writer *w, vocab *v) {
  char path[PATH_MAX + 64];
  if (job->words == NULL) return OK;
  text_job t = {.job = job, .v = v};
  status rc;
  TRY_GOTO(make_texts(&t, w), done);
  TRY_GOTO(writer_path(w, "texts.h5", path, sizeof path), done);
  TRY_GOTO(item_texts_write(&(item_texts){(int32_t)job->items_kept, t.offsets, t.tokens}, path,
                            (int)job->c->output.deflate),
           done);
  TRY_GOTO(writer_list(w, "texts.h5"), done);
  writer_tokenizer(w, job->words->tokenizer);
done:
  text_job_free(&t);
  return rc;
}
