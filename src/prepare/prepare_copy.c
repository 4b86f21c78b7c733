// Reading rows of promotion copy; see prepare_copy.h.
#include "prepare/prepare_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "prepare/copy_internal.h"

const char *const copy_field_names[N_COPY_FIELDS] = {
#define FIELD(name) #name,
    COPY_FIELDS(FIELD)
#undef FIELD
};

// ---- what is asked for ---------------------------------------------------------------------------------------

// One FIELD=COLUMN of input.copy_fields.
static status take_column(copy_table *t, const char *one) {
  const char *equals = strchr(one, '=');
  const size_t bytes = equals != NULL ? (size_t)(equals - one) : 0;
  for (int i = 0; bytes > 0 && i < N_COPY_FIELDS; i++)
    if (strlen(copy_field_names[i]) == bytes && strncmp(copy_field_names[i], one, bytes) == 0) {
      if ((t->named >> i & 1) != 0)
        return fail(ERR_ARGUMENT, "input.copy_fields names the column of %s twice", copy_field_names[i]);
      t->named |= UINT64_C(1) << i;
      snprintf(t->columns[i], sizeof t->columns[i], "%s", equals + 1);
      return OK;
    }
  return fail(ERR_ARGUMENT,
              "input.copy_fields: \"%.100s\" is not FIELD=COLUMN with a field such as copy or item", one);
}

static status name_columns(copy_table *t) {
  char one[OPTION_STRING];
  for (int i = 0; i < N_COPY_FIELDS; i++)
    snprintf(t->columns[i], sizeof t->columns[i], "%s", copy_field_names[i]);
  for (const char *rest = t->c->input.copy_fields; *rest != '\0';) {
    rest = list_name(rest, one);
    if (one[0] != '\0') TRY(take_column(t, one));
  }
  return t->columns[FIELD_copy][0] != '\0' ? OK
                                           : fail(ERR_ARGUMENT, "input.copy_fields gives no column to copy");
}

// Names that get a token though no row has them.
static status add_listed(intern *names, const char *list, const char *source) {
  char one[OPTION_STRING];
  int32_t id;
  while (*list != '\0') {
    list = list_name(list, one);
    if (strlen(one) > MAX_NAME_BYTES) return fail(ERR_ARGUMENT, "copy.%s: a name is too long", source);
    if (one[0] != '\0') TRY(intern_add(names, one, &id));
  }
  return OK;
}

static status check_options(const copy_table *t) {
  const prepare_copy *c = &t->c->copy;
  promo_language language;
  if (c->language[0] != '\0' && !promo_language_named(c->language, &language))
    return fail(ERR_ARGUMENT, "copy.language is \"%.60s\"; copy is written in zh or en", c->language);
  if (c->market[0] != '\0' && promo_market_named(c->market) == NULL)
    return fail(ERR_ARGUMENT, "copy.market is \"%.60s\"; there are cn, us, gb, eu and jp", c->market);
  return c->valid_share + c->test_share < 1
             ? OK
             : fail(ERR_ARGUMENT, "copy.valid_share and copy.test_share leave nothing to train on");
}

static status begin_table(copy_table *t) {
  const prepare_copy *c = &t->c->copy;
  TRY(check_options(t));
  TRY(name_columns(t));
  TRY(intern_new(&t->users));
  TRY(intern_new(&t->items));
  TRY(intern_new(&t->styles));
  for (int k = 0; k < COPY_NAMES; k++) TRY(intern_new(&t->names[k]));
  TRY(add_listed(t->names[COPY_LANGUAGE], c->languages, "languages"));
  TRY(add_listed(t->names[COPY_MARKET], c->markets, "markets"));
  TRY(add_listed(t->names[COPY_TYPE], c->types, "types"));
  return add_listed(t->names[COPY_GOAL], c->goals, "goals");
}

// ---- files ---------------------------------------------------------------------------------------------------

static void tell(void *self, const log_remark *m) {
  (void)self;
  if (m->rows > 0)
    log_warn("%s: %s: %lld, line %lld first", m->path, m->what, (long long)m->rows, (long long)m->line);
  else
    log_warn("%s: %s", m->path, m->what);
}

static status read_rows(copy_table *t, log_reader *in, copy_counts *counts) {
  log_parser *p = NULL;
  log_block b = {.bytes = 0};
  log_row row;
  bool end = false;
  status rc = log_parser_new(&p, in);
  while (rc == OK && (rc = log_read_block(in, &b, &end)) == OK && !end) {
    bool last = false;
    for (log_parse_begin(p, &b); rc == OK && (rc = log_parse_next(p, &row, &last)) == OK && !last;)
      rc = copy_take_row(t, &row, counts);
  }
  if (rc == OK) log_tell(in, log_parser_counts(p), tell, NULL);
  log_block_free(&b);
  log_parser_free(p);
  return rc;
}

static status read_file(copy_table *t, const char *path, copy_counts *counts) {
  const prepare_input *in = &t->c->input;
  const char *columns[N_COPY_FIELDS];
  log_join join[N_COPY_FIELDS];
  for (int i = 0; i < N_COPY_FIELDS; i++) {
    columns[i] = t->columns[i];
    join[i] = (log_join){i == FIELD_attributes ? "*" : " ", " "};
  }
  const log_kind kind = in->copy_format > 0 ? (log_kind)(in->copy_format - 1) : log_kind_of(path);
  // A table must have the columns that were named. Rows of jsonl leave fields out that they have nothing for.
  const uint64_t needed = UINT64_C(1) << FIELD_copy | (kind != LOG_JSONL ? t->named : 0);
  const log_format format = {.kind = kind,
                             .header = true,
                             .join = join,
                             .objects = UINT64_C(1) << FIELD_attributes,
                             .optional = ~needed,
                             .missing = in->missing,
                             .encoding = in->encoding,
                             .encoding_option = "input.encoding",
                             .options = "input.copy_"};
  log_reader *r;
  t->path = path;
  counts->rows.file = counts->dropped.file = path;
  TRY(log_open(&r, path, &format, columns, N_COPY_FIELDS));
  const status rc = read_rows(t, r, counts);
  log_close(r);
  return rc;
}

// The files of one option. Their names stay, since lists of rejects point to them.
static status read_part(copy_table *t, const char *list, const char *source, copy_part part,
                        copy_counts *counts) {
  input_files found = {.n = 0};
  status rc = input_files_find(&found, list, source);
  t->part = (uint8_t)part;
  for (size_t i = 0; rc == OK && i < found.n; i++) {
    char **name;
    rc = mem_grow(&t->files.names, &t->files.cap, t->files.n + 1, sizeof *t->files.names, "names of files");
    if (rc != OK) break;
    name = &t->files.names[t->files.n];
    rc = mem_strdup(name, found.names[i]);
    if (rc == OK) t->files.n++;
    if (rc == OK) rc = read_file(t, *name, counts);
  }
  input_files_free(&found);
  return rc;
}

static status read_all(copy_table *t, copy_counts *counts) {
  const prepare_input *in = &t->c->input;
  TRY(begin_table(t));
  t->out[0] = in->copy_valid[0] == '\0' ? t->c->copy.valid_share : 0;
  t->out[1] = in->copy_test[0] == '\0' ? t->c->copy.test_share : 0;
  TRY(read_part(t, in->copy, "input.copy", COPY_TRAIN, counts));
  TRY(read_part(t, in->copy_valid, "input.copy_valid", COPY_VALID, counts));
  TRY(read_part(t, in->copy_test, "input.copy_test", COPY_TEST, counts));
  TRY(check_rejects(&counts->rows, in->copy, in->max_rejects));
  counts->styles = intern_count(t->styles);
  return t->n > 0
             ? OK
             : fail(ERR_FORMAT,
                    "input.copy: %s has no row of copy that can be used; its text is read from \"%s\", and "
                    "input.copy_fields names another column",
                    in->copy, t->columns[FIELD_copy]);
}

status copy_table_read(copy_table **out, const prepare_config *c, int32_t zone, copy_counts *counts) {
  *out = NULL;
  if (c->input.copy[0] == '\0' && (c->input.copy_valid[0] != '\0' || c->input.copy_test[0] != '\0'))
    return fail(ERR_ARGUMENT, "input.copy_valid and input.copy_test need input.copy, the rows to train on");
  if (c->input.copy[0] == '\0') return OK;
  if (c->output.words[0] == '\0')
    return fail(ERR_ARGUMENT, "input.copy needs output.words, the words that copy is made of");
  copy_table *t;
  TRY(mem_new(&t, 1, sizeof *t, "rows of copy"));
  t->c = c;
  t->zone = zone;
  const status rc = read_all(t, counts);
  if (rc == OK)
    *out = t;
  else
    copy_table_free(t);
  return rc;
}

void copy_table_free(copy_table *t) {
  if (t == NULL) return;
  for (int32_t i = 0; t->title_of != NULL && i < intern_count(t->items); i++) free(t->title_of[i]);
  free(t->title_of);
  intern_free(t->users);
  intern_free(t->items);
  intern_free(t->styles);
  for (int k = 0; k < COPY_NAMES; k++) intern_free(t->names[k]);
  input_files_free(&t->files);
  free(t->rows);
  free(t->texts);
  free(t->history_of);
  free(t);
}

// ---- vocabulary and histories --------------------------------------------------------------------------------

static const copy_field field_of_name[COPY_NAMES] = {FIELD_language, FIELD_market, FIELD_type, FIELD_goal};

static status add_names(copy_table *t, vocab *v, copy_name kind) {
  const intern *names = t->names[kind];
  int64_t *counts;
  status rc = OK;
  TRY(mem_new(&counts, (size_t)intern_count(names) + 1, sizeof *counts, "counts of names"));
  for (size_t i = 0; i < t->n; i++) {
    const char *name = copy_row_text(t, &t->rows[i], field_of_name[kind]);
    if (name != NULL && t->rows[i].part == COPY_TRAIN) counts[intern_find(names, name)]++;
  }
  for (int32_t k = 0; rc == OK && k < intern_count(names); k++) {
    char text[16 + MAX_NAME_BYTES];
    snprintf(text, sizeof text, "%s%s", copy_name_prefixes[kind], intern_text(names, k));
    rc = vocab_add(v, RANGE_ATTRIBUTES, text, counts[k], NULL);
  }
  free(counts);
  return rc;
}

status copy_table_add_tokens(copy_table *t, vocab *v) {
  if (t == NULL) return OK;
  for (int k = 0; k < COPY_NAMES; k++) TRY(add_names(t, v, (copy_name)k));
  for (int s = 0; s < SLOT_COUNT; s++) {
    char text[64];
    snprintf(text, sizeof text, PROMO_SLOT_TOKEN "%s", promo_slot_names[s]);
    TRY(vocab_add(v, RANGE_ATTRIBUTES, text, 0, NULL));
  }
  const size_t users = (size_t)intern_count(t->users) + 1;
  TRY(mem_new(&t->history_of, users, sizeof *t->history_of, "users of copy"));
  for (size_t i = 0; i < users; i++) t->history_of[i] = -1;
  return OK;
}

status copy_table_take(copy_table *t, const char *name) {
  if (t == NULL) return OK;
  const int32_t user = intern_find(t->users, name);
  if (user >= 0) t->history_of[user] = t->histories;
  t->histories++;
  return OK;
}
