// Options of parameter-efficient tuning; see peft_config.h.
#include "model/peft_config.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIELD(name) offsetof(peft_config, name)
const option peft_options[] = {
    {"peft", OPT_CHOICE, FIELD(kind), "none", 0, 0, "none|lora|adapter|bias|adalora",
     "train a few parameters on top of train.init or train.init_from, and leave the rest as it is"},
    {"rank", OPT_INT, FIELD(rank), "8", 1, 4096, NULL, "rank of lora; of adalora the mean of what remains"},
    {"alpha", OPT_FLOAT, FIELD(alpha), "16", 0, 1e6, NULL,
     "what lora adds is scaled by alpha / rank; 0: by 1"},
    {"rslora", OPT_BOOL, FIELD(rslora), "false", 0, 0, NULL, "lora: by alpha / root of the rank"},
    {"lora_dropout", OPT_FLOAT, FIELD(lora_dropout), "0", 0, 0.9, NULL,
     "dropout of what lora and adalora read (in steps of 1/256)"},
    {"targets", OPT_STRING, FIELD(targets), "query,value", 0, 0, "PATTERNS",
     "linear layers that lora and adalora tune: query,value or *.query or *.layer.1.*, of query, key, value, "
     "attention.output.dense, intermediate.dense, output.dense; and word_embeddings, the table of words and "
     "items"},
    {"train_also", OPT_STRING, FIELD(train_also), "", 0, 0, "PATTERNS",
     "parameters that are trained whole beside, by name: cls.*, *.LayerNorm.*"},
    {"adapter_width", OPT_INT, FIELD(adapter_width), "16", 1, 65536, NULL, "inner width of adapters"},
    {"init_rank", OPT_INT, FIELD(init_rank), "12", 1, 4096, NULL, "adalora: ranks at the beginning"},
    {"tinit", OPT_INT, FIELD(tinit), "0", 0, 1e12, NULL, "adalora: steps before ranks are cut"},
    {"tfinal", OPT_INT, FIELD(tfinal), "0", 0, 1e12, NULL, "adalora: steps after the last rank is cut"},
    {"deltat", OPT_INT, FIELD(deltat), "1", 1, 1e12, NULL, "adalora: steps between cuts"},
    {"total_steps", OPT_INT, FIELD(total_steps), "0", 0, 1e12, NULL,
     "adalora: steps that the budget is spread over; 0: train.steps"},
    {"importance_beta", OPT_FLOAT, FIELD(importance_beta), "0.85", 0, 0.999999, NULL,
     "adalora: decay of the importance"},
    {"uncertainty_beta", OPT_FLOAT, FIELD(uncertainty_beta), "0.85", 0, 0.999999, NULL,
     "adalora: decay of its uncertainty"},
    {"orthogonality", OPT_FLOAT, FIELD(orthogonality), "0.5", 0, 1e6, NULL,
     "adalora: weight of |P P' - 1|, the mean over its factors, in what is trained"},
};
const size_t n_peft_options = sizeof peft_options / sizeof *peft_options;

const char peft_table_module[] = "bert.embeddings.word_embeddings";

status peft_check(const peft_config *c) {
  if (c->kind != PEFT_ADALORA) return OK;
  if (c->rslora) return fail(ERR_ARGUMENT, "peft.rslora is of lora, not of adalora");
  if (c->init_rank < c->rank)
    return fail(ERR_ARGUMENT,
                "peft.init_rank = %lld is less than peft.rank = %lld, which adalora's ranks fall to",
                (long long)c->init_rank, (long long)c->rank);
  if (c->total_steps > 0 && c->tinit + c->tfinal >= c->total_steps)
    return fail(ERR_ARGUMENT, "peft.tinit + peft.tfinal = %lld leave no step of %lld to cut ranks in",
                (long long)(c->tinit + c->tfinal), (long long)c->total_steps);
  return OK;
}

int64_t peft_rank(const peft_config *c) {
  return c->kind == PEFT_ADALORA ? c->init_rank : c->rank;
}

// AdaLoRA's factor is alpha / rank of the beginning: peft has it as scaling / (ranknum + 1e-5), with lora_alpha as scaling.
double peft_scale(const peft_config *c) {
  const double r = (double)peft_rank(c), alpha = c->alpha > 0 ? c->alpha : r;
  if (c->kind == PEFT_ADALORA) return alpha / (r + 1e-5);
  return c->rslora ? alpha / sqrt(r) : alpha / r;
}

static bool names(const char *pattern, const char *module) {
  if (strpbrk(pattern, "*?[") != NULL) return fnmatch(pattern, module, 0) == 0;
  const size_t n = strlen(pattern), all = strlen(module);
  if (n > all || strcmp(module + all - n, pattern) != 0) return false;
  return n == all || module[all - n - 1] == '.';
}

// Does a pattern of the list name the module? If end is not NULL: one whose last part is that.
static bool list_names(const peft_config *c, const char *module, const char *end) {
  char copy[OPTION_STRING], *next = copy, *piece;
  snprintf(copy, sizeof copy, "%s", c->targets);
  while ((piece = strsep(&next, ",")) != NULL) {
    piece += strspn(piece, " ");
    for (size_t n = strlen(piece); n > 0 && piece[n - 1] == ' ';) piece[--n] = '\0';
    const char *dot = strrchr(piece, '.'), *last = dot != NULL ? dot + 1 : piece;
    if (piece[0] == '\0' || (end != NULL && strcmp(last, end) != 0)) continue;
    if (names(piece, module)) return true;
  }
  return false;
}

bool peft_targets(const peft_config *c, const char *module) {
  return list_names(c, module, NULL);
}

bool peft_targets_table(const peft_config *c) {
  if (c->kind != PEFT_LORA && c->kind != PEFT_ADALORA) return false;
  return list_names(c, peft_table_module, "word_embeddings");
}

json_t *peft_to_json(const peft_config *c) {
  peft_config copy = *c;
  const option_section part = {"model.peft", "", peft_options, n_peft_options, &copy};
  return c->kind == PEFT_NONE ? NULL : record_write(&part, 1);
}

status peft_from_json(peft_config *c, const json_t *j, const record_source *from) {
  const option_section part = {"model.peft", "", peft_options, n_peft_options, c};
  const option_set set = {.sections = &part, .count = 1};
  TRY(options_defaults(&set));
  if (j != NULL) TRY(record_read(&part, 1, j, &(record_rules){.from = from}));
  return OK;
}

bool peft_same(const peft_config *a, const peft_config *b) {
  peft_config x = *a, y = *b;
  x.lora_dropout = y.lora_dropout = 0;
  json_t *of_a = peft_to_json(&x), *of_b = peft_to_json(&y);
  const bool same = of_a != NULL && of_b != NULL ? json_equal(of_a, of_b) : of_a == of_b;
  json_decref(of_a);
  json_decref(of_b);
  return same;
}
