// Starting from a checkpoint's parameters; see init.h.
#include "train/init.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "model/checkpoint_find.h"
#include "model/checkpoint_folded.h"
#include "model/item_vectors.h"
#include "model/objectives/label_head.h"
#include "train/copy_begin.h"
#include "train/init_from.h"
#include "train/peft_from.h"
#include "train/run_dir.h"
#include "train/run_objectives.h"
#include "train/tried.h"

// train.init_from names a Hugging Face BERT where a checkpoint was made of it.
const char *init_place(const run_config *c) {
  if (c->train.init_from[0] == '\0') return c->train.init;
  return c->imported[0] != '\0' ? c->imported : c->train.init_from;
}

static status open_named(checkpoint **out, const run_config *c) {
  TRY(checkpoint_open_chosen(out, init_place(c), WHICH_AUTO));
  if (c->train.init_from[0] != '\0' && c->imported[0] != '\0') (*out)->name = c->train.init_from;
  return OK;
}

static const char *option_of(const run_config *c) {
  return c->train.init_from[0] != '\0' ? "train.init_from" : "train.init";
}

bool init_is_wanted(const run_config *c) {
  return c->train.init[0] != '\0' || c->train.init_from[0] != '\0';
}

// What the base was trained for: an imported model may lack the weights of a head, which is random then. last: the run's own checkpoint, if
// it goes on; where that says that a head was never trained, it is frozen and stays so (before, all heads of a base were). NULL: there is none.
static status find_base_objectives(run_config *c, const checkpoint *base, const checkpoint *last) {
  objective_list all, trained = {.n = 0}, now;
  TRY(objectives_of(&all, &base->model));
  if (last != NULL) TRY(objectives_of(&now, &last->model));
  for (int32_t k = 0; k < all.n; k++) {
    const int32_t slot = last != NULL ? objectives_head_slot(&now, all.of[k]) : -1;
    if (base->state.untrained[k] && !(slot >= 0 && last->state.untrained[slot])) continue;
    trained.of[trained.n] = all.of[k];
    trained.weight[trained.n++] = all.weight[k];
  }
  objectives_text(&trained, c->base_objectives);
  if (trained.n == 0) strcpy(c->base_objectives, BASE_WITHOUT_HEADS);
  return OK;
}

// A new run begins without tuning, on a base without any; one that goes on keeps its own, and its base.
static status adopt_tuning(run_config *c, const checkpoint *from, bool goes_on) {
  const checkpoint *base = goes_on && from->base != NULL ? from->base : from;
  TRY(find_base_objectives(c, base, goes_on ? from : NULL));
  if (goes_on) return OK;
  const int64_t width = from->model.peft.adapter_width;
  TRY(peft_from_json(&c->model.peft, NULL, NULL));
  if (from->model.peft.kind == PEFT_ADAPTER) c->model.peft.adapter_width = width;
  return peft_from_adopt(c);
}

// What tunes a model of low rank is folded into its weights. Adapters cannot be, and are what the run goes on training.
static status check_tuning(const checkpoint *from, const run_config *c, const peft_config *now) {
  const peft_config *was = &from->model.peft;
  if (was->kind != PEFT_ADAPTER) return OK;
  if (now->kind != PEFT_ADAPTER || c->train.init_from[0] != '\0')
    return fail(ERR_ARGUMENT,
                "%s: %s is tuned by adapters, which cannot be folded into its weights: a run with --init and "
                "--peft adapter goes on training them, and with --train_also '*' all the rest too",
                option_of(c), from->dir);
  if (now->adapter_width != was->adapter_width)
    return fail(ERR_ARGUMENT, "peft.adapter_width is %lld, and the adapters of %s are %lld wide",
                (long long)now->adapter_width, from->dir, (long long)was->adapter_width);
  return OK;
}

status init_adopt_model(run_config *c, bool resume) {
  char dir[PATH_MAX];
  checkpoint *from = NULL;
  const bool goes_on = resume && checkpoint_choose(dir, sizeof dir, c->train.out, WHICH_LAST) == OK &&
                       checkpoint_open(&from, dir) == OK;
  if (!goes_on) TRY(open_named(&from, c));
  c->model = from->model;
  const status rc = adopt_tuning(c, from, goes_on);
  checkpoint_close(from);
  if (c->train.init_from[0] != '\0') c->model.vocab_size = c->model.event_types = 0; // the data set's
  return rc == OK ? run_objectives_adopt(c) : rc;
}

// What the parameters were trained with. Shapes are compared as they are loaded.
static status check_model(const model_config *a, const model_config *b, const char *dir, bool grows) {
  objective_list l;
  TRY(objectives_of(&l, a));
  // Labels and copy need [CLS], and learn it where the parameters lack it.
  const bool labels = objectives_labels(&l) != NULL || objectives_slot(&l, &objective_copy) >= 0;
  const struct {
    const char *name;
    bool same;
  } fields[] = {{"items", grows || a->items == b->items},
                {"heads", a->heads == b->heads},
                {"event_types", grows || a->event_types == b->event_types},
                {"activation", a->activation == b->activation},
                {"pre_norm", a->pre_norm == b->pre_norm},
                {"score", a->score == b->score},
                {"positions_from_end", a->positions_from_end == b->positions_from_end},
                {"cls_sep", a->cls_sep == b->cls_sep || labels}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (!fields[i].same)
      return fail(ERR_ARGUMENT, "model.%s is not that of %s (train.%s): left out, it is that model's",
                  fields[i].name, dir, grows ? "init_from" : "init");
  return OK;
}

status init_check_vocab(const checkpoint *from, const dataset *d, const char *where) {
  char path[PATH_MAX];
  vocab *v;
  const vocab *wanted = dataset_vocab(d);
  TRY(path_join(path, sizeof path, from->dir, "vocab.tsv"));
  TRY(vocab_read(&v, path, from->data.range_end));
  status rc = OK;
  for (int r = 0; rc == OK && r < RANGE_COUNT; r++)
    if (vocab_end(v, (vocab_range)r) != vocab_end(wanted, (vocab_range)r))
      rc = fail(ERR_ARGUMENT, "%s: %s has %d %s, %s has %d", where, from->dir,
                vocab_end(v, (vocab_range)r) - vocab_begin(v, (vocab_range)r), vocab_range_names[r],
                dataset_dir(d), vocab_end(wanted, (vocab_range)r) - vocab_begin(wanted, (vocab_range)r));
  for (int32_t i = 0; rc == OK && i < vocab_size(v); i++)
    if (strcmp(vocab_token(v, i), vocab_token(wanted, i)) != 0)
      rc = fail(ERR_ARGUMENT, "%s: token %d of %s is \"%.100s\", in %s it is \"%.100s\"", where, i, from->dir,
                vocab_token(v, i), dataset_dir(d), vocab_token(wanted, i));
  vocab_free(v);
  return rc;
}

// What the parameters have been trained on is no validation of this run either.
static status check_trained(const checkpoint *from, const run_config *c, const dataset *d) {
  const training_choice *seen = &from->state.trained, *now = &c->data.trains;
  if (!seen->final || strcmp(from->data.checksum, dataset_get_info(d)->checksum) != 0) return OK;
  if (now->final && now->final_users <= seen->final_users) return OK;
  return fail(ERR_ARGUMENT,
              "%s: %s was trained on the validation part, too (data.final, %lld users held out), so this "
              "run needs data.final = true and data.final_users of at most %lld",
              option_of(c), from->dir, (long long)seen->final_users, (long long)seen->final_users);
}

// The checkpoint that keeps all that is frozen: where adapters or biases go on being trained, the one that they were trained on.
static const checkpoint *keeper_of(const checkpoint *from, model *m) {
  const param_set *s = model_params(m);
  while (from->base != NULL &&
         (from->model.peft.kind == PEFT_ADAPTER || from->model.peft.kind == PEFT_BIAS)) {
    for (int32_t i = 0; i < s->count; i++)
      if (!s->items[i].trainable && !s->items[i].tuned && !checkpoint_takes_from_base(from, s->items[i].name))
        return from;
    from = from->base;
  }
  return from;
}

static status name_base(const checkpoint *from, checkpoint_base *base) {
  char path[PATH_MAX];
  if (checkpoint_bases(from) == CHECKPOINT_MOST_BASES) // what this run writes could not be opened
    return fail(ERR_ARGUMENT,
                "train.save_frozen = false: %s builds on %d other checkpoints, and no more are possible; set "
                "train.save_frozen = true",
                from->dir, CHECKPOINT_MOST_BASES);
  if (realpath(from->dir, path) == NULL)
    return fail(ERR_IO, "cannot look at %s: %s", from->dir, strerror(errno));
  if (strlen(path) >= sizeof base->dir) return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  strcpy(base->dir, path);
  strcpy(base->sha256, from->model_sha256);
  return OK;
}

// What the checkpoint lacks begins with the initial weights. Frozen it would stay there, and be in no base.
static status tell_lacking(const checkpoint *from, const param_set *s) {
  const char *told = NULL;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (p->tuned || !checkpoint_lacks(from, p)) continue;
    if (!p->trainable)
      return fail(ERR_ARGUMENT,
                  "train.freeze: %s cannot be frozen, %s was not trained for %s and has no value of it",
                  p->name, from->name, p->objective);
    if (told == NULL || strcmp(told, p->objective) != 0)
      log_info("%s was not trained for %s: its parameters begin with initial weights", from->name,
               p->objective);
    told = p->objective;
  }
  return OK;
}

// The words are those of the model that the run begins from; so is the way from texts to them, unless the data say.
static void adopt_tokenizer(const checkpoint *from, dataset *d) {
  const json_t *own = dataset_tokenizer(d);
  if (own == NULL)
    dataset_set_tokenizer(d, from->tokenizer);
  else if (from->tokenizer != NULL && !json_equal(own, from->tokenizer))
    log_warn("%s has other settings of its tokenizer than %s; the checkpoints get the former", dataset_dir(d),
             from->name);
}

static status find_untrained(const checkpoint *from, const model *m, bool untrained[MAX_SLOTS]) {
  objective_list theirs;
  train_state state = from->state;
  TRY(objectives_of(&theirs, &from->model));
  train_state_move_slots(&state, &theirs, model_objectives(m));
  memcpy(untrained, state.untrained, sizeof state.untrained);
  return OK;
}

// Other data than the run's, which the parameters have been trained on.
static void find_earlier(const checkpoint *from, const dataset *d, train_state *start) {
  const char *here = dataset_get_info(d)->checksum;
  for (int32_t i = 0; i < from->state.n_earlier; i++)
    if (strcmp(from->state.earlier[i].checksum, here) != 0)
      train_state_add_earlier(start, from->state.earlier[i].name, from->state.earlier[i].checksum);
  if (strcmp(from->data.checksum, here) != 0)
    train_state_add_earlier(start, from->data.name, from->data.checksum);
}

// Words that begin with initial values stay so where nobody trains their table.
static void warn_frozen_words(const checkpoint *from, const grown *g, model *run) {
  const param *table = param_find(model_params(run), "bert.embeddings.word_embeddings.weight");
  const peft_config *peft = &model_get_config(run)->peft;
  const bool tuned = peft_targets_table(peft);
  if (g->words == g->words_kept || table->trainable || tuned) return;
  log_warn(
      "%d words and attributes that %s does not know keep their initial values, since the table of words and "
      "items is frozen (--targets word_embeddings,query,value tunes it too)",
      g->words - g->words_kept, from->name);
}

// run: the model that is trained, m or one on top of it.
static status load_grown(const checkpoint *from, model *m, dataset *d, model *run) {
  grown g;
  TRY(tell_lacking(from, model_params(run)));
  TRY(init_from_load(from, m, d, run, &g));
  log_info(
      "%s: %d of %d words and attributes and %d of %d items are known; %d new items, %d of them from their "
      "texts; %d items are left behind",
      from->name, g.words_kept, g.words, g.items_kept, g.items, g.items - g.items_kept, g.of_text,
      g.left_behind);
  warn_frozen_words(from, &g, run);
  return OK;
}

static status load_same(const checkpoint *from, model *m, dataset *d) {
  TRY(init_check_vocab(from, d, "train.init"));
  TRY(tell_lacking(from, model_params(m)));
  return checkpoint_load_folded(from, m);
}

// An adapter that is trained on comes on top of its base's parameters.
static status load_adapter(const run_config *c, const checkpoint *base, model *m, dataset *d,
                           train_state *start) {
  checkpoint *from;
  int64_t tried = 0; // its base's among them
  TRY(peft_from_open(&from, c, base, m));
  if (from == NULL) return OK;
  status rc = check_trained(from, c, d);
  if (rc == OK) rc = checkpoint_load(from, m, false);
  if (rc == OK) rc = tried_before(&tried, from);
  if (tried > start->tried) start->tried = tried;
  if (rc == OK && from->state.step > 0) rc = find_untrained(from, m, start->untrained);
  if (rc == OK && from->state.step > 0) find_earlier(from, d, start);
  if (rc == OK) log_info("its adapter is that of %s", c->train.peft_from);
  checkpoint_close(from);
  return rc;
}

static void tell_start(const checkpoint *from) {
  log_info("starting from %s (step %lld, trained on %s)", from->name, (long long)from->state.step,
           from->data.name);
}

// ---- a base of the run's own ---------------------------------------------------------------------------------

// The run's encoder with the heads that the checkpoint has, which is not tuned.
static status make_base_model(model **base, const run_config *c, const checkpoint *from, model *m,
                              dataset *d) {
  const model_run run = {
      .caps = {.tokens = 8, .seqs = 1, .masked = 1}, .threads = 1, .seed = (uint64_t)c->train.seed};
  const model_config *was = &from->model;
  model_config as = *model_get_config(m);
  memcpy(as.objectives, was->objectives, sizeof as.objectives);
  as.pooler = was->pooler;
  as.labels = was->labels;
  as.label_kind = was->label_kind;
  as.copy_classes = was->copy_classes > 0 ? dataset_get_info(d)->range_end[RANGE_ATTRIBUTES] : 0;
  TRY(peft_from_json(&as.peft, NULL, NULL));
  TRY(model_create(base, "cpu", &as, &run));
  return model_take_items(*base, d);
}

static status find_base_state(const checkpoint *from, const dataset *d, train_state *state) {
  *state = (train_state){.step = from->state.step, .example = -1};
  memcpy(state->untrained, from->state.untrained, sizeof state->untrained);
  if (strcmp(from->data.checksum, dataset_get_info(d)->checksum) == 0) state->trained = from->state.trained;
  TRY(tried_before(&state->tried, from));
  find_earlier(from, d, state);
  return OK;
}

static status write_base(const run_config *c, const char *yaml, const checkpoint *from, model *base,
                         dataset *d) {
  char place[PATH_MAX];
  train_state state;
  TRY(find_base_state(from, d, &state));
  TRY(path_join(place, sizeof place, c->train.out, RUN_BASE));
  const checkpoint_content content = {.model = model_get_config(base),
                                      .params = model_params(base),
                                      .values = params_values(model_params(base)), // of the CPU
                                      .state = &state,
                                      .config_yaml = yaml,
                                      .data = d,
                                      .labels = from->labels,
                                      .items = model_items(base),
                                      .over = PATH_CHECKPOINT,
                                      .force = true};
  TRY(checkpoint_write(place, &content));
  tell_start(from);
  log_info("%s has its parameters for this vocabulary; the checkpoints of this run name it as their base",
           place);
  return OK;
}

status init_write_base(const run_config *c, const char *yaml, model *m, dataset *d) {
  checkpoint *from;
  model *base = NULL;
  TRY(open_named(&from, c));
  status rc = check_tuning(from, c, &model_get_config(m)->peft);
  if (rc == OK) rc = check_model(model_get_config(m), &from->model, from->name, true);
  if (rc == OK) rc = check_trained(from, c, d);
  if (rc == OK) rc = make_base_model(&base, c, from, m, d);
  if (rc == OK) rc = load_grown(from, base, d, m);
  if (rc == OK) adopt_tokenizer(from, d);
  if (rc == OK) rc = write_base(c, yaml, from, base, d);
  model_free(base);
  checkpoint_close(from);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

// With a base of its own the run begins from that, as from any other of its vocabulary.
static status open_beginning(checkpoint **from, const run_config *c, bool of_own) {
  char place[PATH_MAX];
  if (!of_own) return open_named(from, c);
  TRY(path_join(place, sizeof place, c->train.out, RUN_BASE));
  return checkpoint_open(from, place);
}

status init_load(const run_config *c, model *m, dataset *d, checkpoint_base *base, train_state *start) {
  checkpoint *from;
  const bool of_own = c->train.init_from[0] != '\0' && base != NULL,
             grows = c->train.init_from[0] != '\0' && !of_own;
  TRY(open_beginning(&from, c, of_own));
  status rc = check_tuning(from, c, &model_get_config(m)->peft);
  if (rc == OK) rc = check_model(model_get_config(m), &from->model, from->name, grows);
  if (rc == OK) rc = check_trained(from, c, d);
  if (rc == OK) rc = grows ? load_grown(from, m, d, m) : load_same(from, m, d);
  if (rc == OK) rc = copy_begin(from, m, d);
  if (rc == OK) rc = find_untrained(from, m, start->untrained);
  if (rc == OK) rc = tried_before(&start->tried, from);
  if (rc == OK) find_earlier(from, d, start);
  if (rc == OK && base != NULL) rc = name_base(keeper_of(from, m), base);
  if (rc == OK) adopt_tokenizer(from, d);
  if (rc == OK && !of_own) tell_start(from);
  if (rc == OK) rc = load_adapter(c, from, m, d, start);
  checkpoint_close(from);
  return rc;
}
