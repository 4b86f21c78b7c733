// What a checkpoint was trained on, against a data set; see trained_on.h.
#include "eval/trained_on.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "eval/leaks.h"

const char *const trained_parts_names[] = {"here", "train", "train and validation", "all parts", "otherwise"};

// A manifest says nothing of plain leave-one-out, nor of holding nothing out.
static const char *split_text(const dataset_info *info, bool is_checkpoint, char buf[SPLIT_TEXT]) {
  if (info->split.said || (!is_checkpoint && info->valid_targets + info->test_targets > 0))
    return split_describe(&info->split, buf);
  return is_checkpoint ? "leave_one_out or none" : "none";
}

static status other_data(const checkpoint *c, const dataset *d, const char *remedy) {
  char theirs[SPLIT_TEXT], ours[SPLIT_TEXT];
  const dataset_info *info = dataset_get_info(d);
  return fail(ERR_ARGUMENT,
              "%s was trained on data set \"%s\" (split %s, %d tokens, checksum %.12s), and %s is \"%s\" "
              "(split %s, %d "
              "tokens, checksum %.12s): what is held out here may have been trained on%s",
              c->dir, c->data.name, split_text(&c->data, true, theirs), c->data.vocab_size, c->data.checksum,
              dataset_dir(d), info->name, split_text(info, false, ours), info->vocab_size, info->checksum,
              remedy);
}

static bool is_same(const checkpoint *c, const dataset *d) {
  return strcmp(c->data.checksum, dataset_get_info(d)->checksum) == 0;
}

status checkpoint_check_data(const checkpoint *c, const dataset *d) {
  return is_same(c, d) ? OK : other_data(c, d, "");
}

// Does every item occur as often in the parts before `before` as the checkpoint counts?
static status same_counts(const vocab *theirs, dataset *d, eval_part before, int64_t *counts, bool *same) {
  const int32_t first = vocab_begin(theirs, RANGE_ITEMS), end = vocab_end(theirs, RANGE_ITEMS);
  TRY(items_count(d, before, counts));
  *same = true;
  for (int32_t id = first; id < end; id++)
    *same = *same && counts[id - first] == vocab_token_count(theirs, id);
  return OK;
}

static status compare_counts(trained_on *t, const vocab *theirs, dataset *d) {
  static const trained_parts parts[] = {TRAINED_LIKE_TRAIN, TRAINED_LIKE_VALIDATION, TRAINED_LIKE_ALL};
  const int32_t first = vocab_begin(theirs, RANGE_ITEMS), end = vocab_end(theirs, RANGE_ITEMS);
  int64_t *counts;
  bool same = false;
  TRY(mem_new(&counts, (size_t)(end - first), sizeof *counts, "item counts"));
  status rc = OK;
  t->parts = TRAINED_OTHERWISE;
  for (int before = EVAL_VALID; rc == OK && before <= EVAL_NOTHING; before++) {
    rc = same_counts(theirs, d, (eval_part)before, counts, &same);
    if (rc == OK && same && t->parts == TRAINED_OTHERWISE) t->parts = parts[before];
    for (int32_t id = first; before == EVAL_VALID && id < end; id++) {
      t->events += vocab_token_count(theirs, id);
      t->more_often += vocab_token_count(theirs, id) > counts[id - first];
    }
  }
  free(counts);
  return rc;
}

// The checkpoint's tokens with the counts of the train part here, which is what an evaluation takes them for.
static status count_anew(vocab **out, const vocab *theirs, const vocab *ours) {
  status rc = vocab_new(out);
  for (int r = RANGE_WORDS; rc == OK && r < RANGE_COUNT; r++)
    for (int32_t id = vocab_begin(theirs, (vocab_range)r); rc == OK && id < vocab_end(theirs, (vocab_range)r);
         id++) {
      const int32_t own = vocab_find(ours, (vocab_range)r, vocab_token(theirs, id));
      rc = vocab_add(*out, (vocab_range)r, vocab_token(theirs, id),
                     own < 0 ? 0 : vocab_token_count(ours, own), NULL);
    }
  if (rc != OK) {
    vocab_free(*out);
    *out = NULL;
  }
  return rc;
}

static int64_t count_unknown(const vocab *theirs, const vocab *ours) {
  int64_t unknown = 0;
  for (int32_t id = vocab_begin(ours, RANGE_ITEMS); id < vocab_end(ours, RANGE_ITEMS); id++)
    unknown += vocab_find(theirs, RANGE_ITEMS, vocab_token(ours, id)) < 0;
  return unknown;
}

static status read_as_theirs(trained_on *t, const vocab *theirs, dataset *d) {
  vocab *v;
  const vocab *ours = dataset_vocab(d);
  t->unknown_items = count_unknown(theirs, ours);
  const int32_t items = vocab_end(ours, RANGE_ITEMS) - vocab_begin(ours, RANGE_ITEMS);
  if (t->unknown_items > 0)
    log_warn(
        "%lld of %d items of %s are not in the vocabulary of %s: unknown in histories, and misses as targets",
        (long long)t->unknown_items, items, dataset_dir(d), t->c->dir);
  if (items > 0 && t->unknown_items == items)
    return fail(ERR_ARGUMENT, "no item of %s is in the vocabulary of %s; are they of the same shop?",
                dataset_dir(d), t->c->dir);
  TRY(count_anew(&v, theirs, ours));
  return dataset_read_as(d, v, &t->c->data);
}

status trained_on_compare(trained_on *out, const checkpoint *c, dataset *d, bool other) {
  char path[PATH_MAX], text[TRAINED_TEXT];
  vocab *theirs;
  *out = (trained_on){.parts = TRAINED_HERE, .c = c};
  if (is_same(c, d)) return OK;
  if (!other) return other_data(c, d, "; --other_data evaluates it all the same");
  TRY(path_join(path, sizeof path, c->dir, "vocab.tsv"));
  TRY(vocab_read(&theirs, path, c->data.range_end));
  status rc = read_as_theirs(out, theirs, d);
  if (rc == OK) rc = compare_counts(out, theirs, d);
  vocab_free(theirs);
  if (rc == OK) log_warn("%s was trained %s", c->dir, trained_on_describe(out, text));
  return rc;
}

status trained_on_settle(const trained_on *t, dataset *d, eval_part part) {
  const training_choice *choice = &t->c->state.trained;
  training_part seen;
  if (t->parts != TRAINED_HERE) return OK;
  if (!choice->final) return leaks_check_counts(t->c, d);
  if (part == EVAL_VALID)
    return fail(
        ERR_ARGUMENT,
        "%s was trained on the validation part, too (data.final), so its figures on that part would be of "
        "what it has seen; --part test is what it has not",
        t->c->dir);
  status rc = training_part_make(&seen, d, choice);
  if (rc == OK) rc = training_part_count(&seen, d, choice);
  training_part_free(&seen);
  return rc == OK ? leaks_check_counts(t->c, d) : rc;
}

static const char *describe_here(const training_choice *c, char buf[TRAINED_TEXT]) {
  if (!c->final)
    snprintf(buf, TRAINED_TEXT, "on the train part");
  else if (c->final_users == 0)
    snprintf(buf, TRAINED_TEXT, "on train + validation (final training)");
  else
    snprintf(buf, TRAINED_TEXT, "on train + validation (final training; of %lld users on train only)",
             (long long)c->final_users);
  return buf;
}

const char *trained_on_describe(const trained_on *t, char buf[TRAINED_TEXT]) {
  char split[SPLIT_TEXT], what[128];
  const dataset_info *data = &t->c->data;
  if (t->parts == TRAINED_HERE) return describe_here(&t->c->state.trained, buf);
  if (t->parts == TRAINED_LIKE_TRAIN)
    snprintf(what, sizeof what, "which counts every item as the train part here does");
  else if (t->parts == TRAINED_OTHERWISE)
    snprintf(what, sizeof what, "which counts %lld items more often than the train part here",
             (long long)t->more_often);
  else
    snprintf(what, sizeof what, "which has in its train part what is %s here, by the counts of all items",
             t->parts == TRAINED_LIKE_VALIDATION ? "train and validation" : "train, validation and test");
  snprintf(buf, TRAINED_TEXT, "on another data set, \"%s\" (split %s, checksum %.12s), %s", data->name,
           split_text(data, true, split), data->checksum, what);
  return buf;
}

const char *trained_on_earlier(const trained_on *t, char buf[EARLIER_TEXT]) {
  const train_state *s = &t->c->state;
  size_t used = 0;
  buf[0] = '\0';
  for (int32_t i = 0; i < s->n_earlier && used < EARLIER_TEXT; i++)
    used += (size_t)snprintf(buf + used, EARLIER_TEXT - used, "%s\"%.100s\" (checksum %.12s)",
                             i == 0 ? "from parameters that were trained on other data: " : ", ",
                             s->earlier[i].name, s->earlier[i].checksum);
  return buf;
}
