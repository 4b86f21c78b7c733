// Rows with labels; see labelled_rows.h.
#include "data/labelled_rows.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "format/sha256.h"

#define FIELD(name) offsetof(labelled_config, name)
const option labelled_options[] = {
    {"train", OPT_STRING, FIELD(train), "", 0, 0, "FILE",
     "labelled rows to train on: files, patterns and folders; csv, tsv or jsonl, plain, gzip, zstd, xz or "
     "bzip2"},
    {"valid", OPT_STRING, FIELD(valid), "", 0, 0, "FILE",
     "labelled rows to validate on; empty: valid_share of the former"},
    {"valid_share", OPT_FLOAT, FIELD(valid_share), "0.1", 0, 0.9, NULL,
     "without labels.valid: share of the rows that is held out of training"},
    {"unlabelled", OPT_STRING, FIELD(unlabelled), "", 0, 0, "FILE",
     "rows without labels, which get those that the teacher is sure of"},
    {"teacher", OPT_STRING, FIELD(teacher), "", 0, 0, "RUN",
     "run that labels labels.unlabelled; empty: train.init"},
    {"pseudo", OPT_FLOAT, FIELD(pseudo), "0.9", 0.5, 1, NULL,
     "calibrated probability from which a teacher's label is taken"},
    {"pseudo_precision", OPT_FLOAT, FIELD(pseudo_precision), "0.8", 0, 1, NULL,
     "share of such labels that must be right on the validation rows, else the run is refused"},
    {"format", OPT_CHOICE, FIELD(format), "auto", 0, 0, "auto|csv|tsv|space|jsonl",
     "of these files; auto: by the name"},
    {"header", OPT_BOOL, FIELD(header), "true", 0, 0, NULL, "the first line names the columns"},
    {"separator", OPT_STRING, FIELD(separator), "", 0, 0, NULL, "of csv; empty: guessed"},
    {"encoding", OPT_STRING, FIELD(encoding), "", 0, 0, NULL, "of the text, as iconv names it; empty: UTF-8"},
    {"missing", OPT_STRING, FIELD(missing), "", 0, 0, NULL, "texts that mean no value: NA,NULL"},
    {"quotes", OPT_CHOICE, FIELD(quotes), "auto", 0, 0, "auto|double|backslash|none",
     "how csv writes a quote in a quoted field"},
    {"text", OPT_STRING, FIELD(text), "text", 0, 0, NULL,
     "column of the text (pair: of the item's text, for items that the data set does not have)"},
    {"text_b", OPT_STRING, FIELD(text_b), "", 0, 0, NULL, "column of a second text; empty: none"},
    {"label", OPT_STRING, FIELD(label), "", 0, 0, NULL,
     "column of the label; several, separated by commas: each holds or not (1, 0, empty: not known); "
     "empty: label, for a pair click,cart,buy"},
    {"list", OPT_STRING, FIELD(list), "", 0, 0, NULL,
     "what stands between values where a cell of label or history is a list of them; empty: a label is one, "
     "items are separated by spaces"},
    {"user", OPT_STRING, FIELD(user), "", 0, 0, NULL,
     "pair: column of the user, whose history is that of the data set before the row's time"},
    {"history", OPT_STRING, FIELD(history), "", 0, 0, NULL,
     "pair: column of a list of items, in place of user"},
    {"item", OPT_STRING, FIELD(item), "item_id", 0, 0, NULL, "pair: column of the item"},
    {"time", OPT_STRING, FIELD(time), "", 0, 0, NULL,
     "pair: column of the time; empty: a user's training part is the history"},
    {"time_format", OPT_CHOICE, FIELD(time_format), "iso", 0, 0,
     "seconds|milliseconds|microseconds|nanoseconds|iso|day_first|month_first|order",
     "of that column, as in souk prepare"},
    {"time_zone", OPT_STRING, FIELD(time_zone), "UTC", 0, 0, NULL, "of dates that name none"},
    {"weights", OPT_CHOICE, FIELD(weights), "none", 0, 0, "none|auto|even",
     "of labels in the loss; auto: by inverse frequency; even: of several labels each weighs the same in "
     "all, "
     "however few rows know it"},
    {"max_rejects", OPT_FLOAT, FIELD(max_rejects), "0.1", 0, 1, NULL,
     "share of rows that cannot be used above which the command fails"},
};
const size_t n_labelled_options = sizeof labelled_options / sizeof *labelled_options;

// ---- rows ----------------------------------------------------------------------------------------------------

static status add_segment(labelled_rows *r, const seq_input *s, int64_t at, int64_t *end) {
  const size_t n = (size_t)s->n, from = (size_t)at;
  TRY(mem_grow(&r->tokens, &r->tokens_cap, from + n, sizeof *r->tokens, "labelled rows"));
  TRY(mem_grow(&r->events, &r->events_cap, from + n, sizeof *r->events, "labelled rows"));
  if (n > 0) memcpy(r->tokens + from, s->tokens, n * sizeof *r->tokens);
  if (n > 0 && s->events != NULL) memcpy(r->events + from, s->events, n);
  if (n > 0 && s->events == NULL) memset(r->events + from, 0, n);
  *end = at + s->n;
  return OK;
}

status labelled_add(labelled_rows *r, const seq_input *first, const seq_input *second, const int32_t *labels,
                    int64_t line) {
  static const seq_input none = {.n = 0};
  const size_t i = (size_t)r->n, T = (size_t)r->targets;
  int64_t at = r->n > 0 ? r->ends[2 * i - 1] : 0;
  TRY(mem_grow(&r->ends, &r->ends_cap, 2 * i + 2, sizeof *r->ends, "labelled rows"));
  TRY(mem_grow(&r->labels, &r->labels_cap, (i + 1) * T, sizeof *r->labels, "labelled rows"));
  TRY(mem_grow(&r->weights, &r->weights_cap, (i + 1) * T, sizeof *r->weights, "labelled rows"));
  TRY(mem_grow(&r->lines, &r->lines_cap, i + 1, sizeof *r->lines, "labelled rows"));
  TRY(add_segment(r, first, at, &at));
  r->ends[2 * i] = at;
  TRY(add_segment(r, second != NULL ? second : &none, at, &at));
  r->ends[2 * i + 1] = at;
  for (size_t k = 0; k < T; k++) {
    r->labels[i * T + k] = labels[k];
    r->weights[i * T + k] = 1;
  }
  r->lines[i] = line;
  r->n++;
  return OK;
}

static status copy_row(labelled_rows *to, const labelled_rows *from, int64_t i) {
  seq_input first, second;
  labelled_get(from, i, &first, &second);
  return labelled_add(to, &first, &second, from->labels + i * from->targets, from->lines[i]);
}

status labelled_hold_out(labelled_rows *r, double share, uint64_t seed, labelled_rows *held) {
  labelled_rows stay = {.targets = r->targets, .pairs = r->pairs};
  *held = stay;
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < r->n; i++) {
    rng draw = rng_at(seed, STREAM_SPLIT, (uint32_t)i, (uint32_t)(i >> 32));
    rc = copy_row(rng_unit(&draw) < share ? held : &stay, r, i);
  }
  labelled_free(rc == OK ? r : &stay);
  if (rc == OK) *r = stay;
  return rc;
}

static void free_texts(char **texts, int64_t n) {
  for (int64_t i = 0; texts != NULL && i < n; i++) free(texts[i]);
  free(texts);
}

void labelled_free(labelled_rows *r) {
  free_texts(r->texts, r->n);
  free_texts(r->items, r->n);
  free(r->ends);
  free(r->tokens);
  free(r->events);
  free(r->labels);
  free(r->weights);
  free(r->lines);
  *r = (labelled_rows){.n = 0};
}

double labelled_bytes(const labelled_rows *r) {
  const double n = (double)r->n, tokens = n > 0 ? (double)r->ends[2 * r->n - 1] : 0;
  return tokens * (sizeof *r->tokens + sizeof *r->events) + n * (2 * sizeof *r->ends + sizeof *r->lines) +
         n * r->targets * (sizeof *r->labels + sizeof *r->weights);
}

void labelled_get(const labelled_rows *r, int64_t i, seq_input *first, seq_input *second) {
  const int64_t begin = i > 0 ? r->ends[2 * i - 1] : 0, middle = r->ends[2 * i], end = r->ends[2 * i + 1];
  *first =
      (seq_input){.tokens = r->tokens + begin, .events = r->events + begin, .n = (int32_t)(middle - begin)};
  *second =
      (seq_input){.tokens = r->tokens + middle, .events = r->events + middle, .n = (int32_t)(end - middle)};
}

int32_t labelled_length(const labelled_rows *r, int64_t i, const seq_layout *layout) {
  seq_input first, second;
  seq_plan plan;
  labelled_get(r, i, &first, &second);
  return sequence_plan(&plan, layout, first.n, r->pairs ? second.n : NO_SECOND, false) ? plan.rows : 0;
}

bool labelled_put(const labelled_rows *r, int64_t i, const seq_layout *layout, int64_t seq_id, bool labels,
                  batch *b) {
  seq_input first, second;
  if (labels && b->caps.targets - b->n_targets < r->targets) return false;
  labelled_get(r, i, &first, &second);
  if (!batch_add(b, layout, &first, r->pairs ? &second : NULL, seq_id, NULL, NULL)) return false;
  return !labels || batch_add_targets(b, r->targets, r->labels + i * r->targets, r->weights + i * r->targets);
}

// ---- weights -------------------------------------------------------------------------------------------------

static float balanced(double all, double kinds, double of_this) {
  return of_this > 0 ? (float)(all / (kinds * of_this)) : 0.0f;
}

static void balance_single(labelled_rows *r, int32_t n_labels, double *counts) {
  double known = 0, kinds = 0;
  for (int32_t c = 0; c < n_labels; c++) counts[c] = 0;
  for (int64_t i = 0; i < r->n; i++)
    if (r->labels[i] >= 0) counts[r->labels[i]]++;
  for (int32_t c = 0; c < n_labels; c++) {
    known += counts[c];
    kinds += counts[c] > 0;
  }
  for (int64_t i = 0; i < r->n; i++)
    if (r->labels[i] >= 0) r->weights[i] = balanced(known, kinds, counts[r->labels[i]]);
}

static void balance_label(labelled_rows *r, int32_t k) {
  double counts[2] = {0, 0};
  for (int64_t i = 0; i < r->n; i++) {
    const int32_t label = r->labels[i * r->targets + k];
    if (label >= 0) counts[label]++;
  }
  const double kinds = (counts[0] > 0) + (counts[1] > 0);
  for (int64_t i = 0; i < r->n; i++) {
    const int32_t label = r->labels[i * r->targets + k];
    if (label >= 0) r->weights[i * r->targets + k] = balanced(counts[0] + counts[1], kinds, counts[label]);
  }
}

void labelled_balance(labelled_rows *r, const label_set *l) {
  double counts[MOST_LABELS];
  if (l->single)
    balance_single(r, l->n, counts);
  else
    for (int32_t k = 0; k < r->targets; k++) balance_label(r, k);
}

void labelled_even(labelled_rows *r) {
  double known[MOST_LABELS] = {0}, all = 0, labels = 0;
  for (int64_t i = 0; i < r->n * r->targets; i++)
    if (r->labels[i] >= 0) known[i % r->targets] += (double)r->weights[i];
  for (int32_t k = 0; k < r->targets; k++) {
    all += known[k];
    labels += known[k] > 0;
  }
  for (int64_t i = 0; i < r->n * r->targets; i++)
    if (r->labels[i] >= 0) r->weights[i] *= balanced(all, labels, known[i % r->targets]);
}

// Which of the counts an entry of the labels is in: its class, or its side of a label; -1: it is not known.
static int64_t kind_of(const labelled_rows *r, const label_set *l, int64_t i) {
  const int32_t label = r->labels[i];
  if (label < 0) return -1;
  return l->single ? label : 2 * (i % r->targets) + label;
}

status labelled_weigh_taught(labelled_rows *r, const label_set *l, int64_t first) {
  double *counts; // [kinds] of the rows before, and of a teacher's
  const size_t kinds = 2 * (size_t)l->n;
  TRY(mem_new(&counts, 2 * kinds, sizeof *counts, "counts of labels"));
  for (int64_t i = 0; i < r->n * r->targets; i++) {
    const int64_t kind = kind_of(r, l, i);
    if (kind >= 0) counts[(i / r->targets >= first ? kinds : 0) + (size_t)kind] += (double)r->weights[i];
  }
  for (int64_t i = first * r->targets; i < r->n * r->targets; i++) {
    const int64_t kind = kind_of(r, l, i);
    const double ours = kind >= 0 ? counts[kind] : 0, taught = kind >= 0 ? counts[(int64_t)kinds + kind] : 0;
    if (taught > ours) r->weights[i] *= (float)(ours / taught);
  }
  free(counts);
  return OK;
}

void labelled_checksum(const labelled_rows *r, char hex[65]) {
  sha256 h;
  const size_t n = (size_t)r->n, tokens = n > 0 ? (size_t)r->ends[2 * n - 1] : 0;
  sha256_init(&h);
  sha256_update(&h, &r->targets, sizeof r->targets);
  sha256_update(&h, r->ends, 2 * n * sizeof *r->ends);
  sha256_update(&h, r->tokens, tokens * sizeof *r->tokens);
  sha256_update(&h, r->events, tokens);
  sha256_update(&h, r->labels, n * (size_t)r->targets * sizeof *r->labels);
  sha256_update(&h, r->weights, n * (size_t)r->targets * sizeof *r->weights);
  sha256_final(&h, hex);
}
