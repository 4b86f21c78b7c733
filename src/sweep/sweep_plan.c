// The file of a sweep; see sweep_plan.h.
#include "sweep/sweep_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/yaml_file.h"
#include "train/config.h"

#define FIELD(name) offsetof(sweep_settings, name)
static const option top_options[] = {
    {"base", OPT_STRING, FIELD(base), "", 0, 0, "FILE", "the configuration that trials begin with"},
    {"trials", OPT_INT, FIELD(trials), "20", 1, SWEEP_MOST_TRIALS, NULL, "configurations that are tried"},
    {"seed", OPT_INT, FIELD(seed), "1", 0, 9e15, NULL, "of the values of trials"},
};
static const option halving_options[] = {
    {"by", OPT_CHOICE, FIELD(by), "steps", 0, 0, "steps|epochs|minutes", "what rungs count"},
    {"factor", OPT_FLOAT, FIELD(factor), "3", 1.0001, 1000, NULL, "of n trials ceil(n / factor) go on"},
};

enum { WHERE = OPTION_STRING + 64 };

typedef struct plan_reader {
  sweep_plan *plan;
  option_set known; // of souk pretrain, over a configuration that only serves to try values
  option_set own;   // of the file itself
  bool ranges;      // fixed options are read, or ranges
  const char *prefix;
} plan_reader;

static void say_where(char where[WHERE], const yaml_file *y, const yaml_node_t *node) {
  snprintf(where, WHERE, "%.*s line %zu", OPTION_STRING, y->path, yaml_line_of(node));
}

// ---- one option ----------------------------------------------------------------------------------------------

static status check_new(const sweep_plan *p, const char *name, const char *where) {
  for (size_t i = 0; i < p->n_fixed; i++)
    if (strcmp(p->fixed[i].name, name) == 0)
      return fail(ERR_ARGUMENT, "%s: %s is given in line %zu already", where, name, p->fixed[i].line);
  for (size_t i = 0; i < p->n_ranges; i++)
    if (strcmp(p->ranges[i].name, name) == 0)
      return fail(ERR_ARGUMENT, "%s: %s is given in line %zu already", where, name, p->ranges[i].line);
  return OK;
}

// What the sweep decides by itself, and what would make the figures of trials incomparable.
static status check_allowed(const char *name, bool range, const char *where) {
  static const char *const own[] = {"train.out", "train.tried"};
  static const char *const same[] = {"data.dir",     "train.metric",       "train.eval_users",
                                     "labels.valid", "labels.valid_share", "labels.label"};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (strcmp(name, own[i]) == 0)
      return fail(ERR_ARGUMENT, "%s: %s is what the sweep itself gives each trial", where, name);
  for (size_t i = 0; range && i < sizeof same / sizeof *same; i++)
    if (strcmp(name, same[i]) == 0)
      return fail(ERR_ARGUMENT, "%s: %s must be the same for all trials, since they are ranked by one figure",
                  where, name);
  return OK;
}

// The number that a text is for an option, by the option's own rules.
static status number_of(const plan_reader *r, const char *name, const yaml_file *y, const yaml_node_t *node,
                        double *number) {
  char where[WHERE];
  const option_section *section;
  const option *o;
  int64_t whole;
  const char *text = yaml_text(node);
  say_where(where, y, node);
  if (text == NULL) return fail(ERR_FORMAT, "%s: %s: a number is expected", where, name);
  TRY(options_set(&r->known, name, text, where));
  TRY(options_find(&r->known, name, where, &section, &o));
  const char *field = (const char *)section->target + o->offset;
  if (o->type == OPT_FLOAT) memcpy(number, field, sizeof *number);
  if (o->type == OPT_INT || o->type == OPT_BYTES) {
    memcpy(&whole, field, sizeof whole);
    *number = (double)whole;
  }
  return OK;
}

static status add_fixed(plan_reader *r, const char *name, const yaml_file *y, const yaml_node_t *node) {
  char where[WHERE];
  sweep_plan *p = r->plan;
  const char *text = yaml_text(node);
  say_where(where, y, node);
  if (text == NULL)
    return fail(ERR_FORMAT, "%s: %s must be one value; what differs belongs in ranges", where, name);
  TRY(options_set(&r->known, name, text, where));
  TRY(mem_grow(&p->fixed, &p->cap_fixed, p->n_fixed + 1, sizeof *p->fixed, "the options of a sweep"));
  sweep_option *o = &p->fixed[p->n_fixed];
  *o = (sweep_option){.line = yaml_line_of(node)};
  snprintf(o->name, sizeof o->name, "%s", name);
  TRY(mem_strdup(&o->value, text));
  p->n_fixed++;
  return OK;
}

// ---- ranges --------------------------------------------------------------------------------------------------

static const struct {
  const char *name;
  range_kind kind;
  bool whole, positive;
} kinds[] = {{"uniform", RANGE_UNIFORM, false, false},
             {"log_uniform", RANGE_LOG_UNIFORM, false, true},
             {"integers", RANGE_INTEGERS, true, false},
             {"log_integers", RANGE_LOG_INTEGERS, true, true}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static status add_choices(plan_reader *r, sweep_range *range, yaml_file *y, const yaml_node_t *list) {
  char where[WHERE];
  const yaml_node_item_t *items = list->data.sequence.items.start;
  const size_t n = (size_t)(list->data.sequence.items.top - items);
  say_where(where, y, list);
  if (n == 0) return fail(ERR_FORMAT, "%s: %s has no choices", where, range->name);
  TRY(mem_new(&range->choices, n, sizeof *range->choices, "the choices of a range"));
  for (size_t i = 0; i < n; i++) {
    const yaml_node_t *item = yaml_document_get_node(&y->document, items[i]);
    const char *text = yaml_text(item);
    say_where(where, y, item);
    if (text == NULL) return fail(ERR_FORMAT, "%s: a choice of %s must be one value", where, range->name);
    TRY(options_set(&r->known, range->name, text, where));
    TRY(mem_strdup(&range->choices[i], text));
    range->n_choices++;
  }
  return OK;
}

// Does an option of this type take what a range of this kind gives?
static status check_kind(const plan_reader *r, const char *name, int kind, const char *where) {
  const option_section *section;
  const option *o;
  TRY(options_find(&r->known, name, where, &section, &o));
  const bool whole = o->type == OPT_INT || o->type == OPT_BYTES;
  if (!whole && o->type != OPT_FLOAT)
    return fail(ERR_ARGUMENT, "%s: %s is no number, so its range is a list of choices: [a, b]", where, name);
  if (whole && !kinds[kind].whole)
    return fail(ERR_ARGUMENT, "%s: %s is a whole number, so its range is %s", where, name,
                kinds[kind].positive ? "log_integers" : "integers");
  return OK;
}

static status check_ends(const sweep_range *range, int kind, const char *where) {
  const char *name = range->name;
  if (!(range->low < range->high))
    return fail(ERR_ARGUMENT, "%s: the range of %s must go from a smaller to a larger number", where, name);
  if (kinds[kind].positive && !(range->low > 0))
    return fail(ERR_ARGUMENT, "%s: %s of %s must begin above 0", where, kinds[kind].name, name);
  if (kinds[kind].whole && (range->low != floor(range->low) || range->high != floor(range->high)))
    return fail(ERR_ARGUMENT, "%s: %s of %s must have whole ends", where, kinds[kind].name, name);
  return OK;
}

static status read_step(sweep_range *range, const yaml_file *y, const yaml_node_t *node) {
  char where[WHERE], *end;
  const char *text = yaml_text(node);
  say_where(where, y, node);
  range->step = text != NULL ? strtod(text, &end) : 0;
  if (text != NULL && *end == '\0' && range->step >= 1 && range->step == floor(range->step)) return OK;
  return fail(ERR_ARGUMENT, "%s: the distance of values of %s must be a whole number of at least 1", where,
              range->name);
}

// {uniform: [a, b]} and so on.
static status add_numbers(plan_reader *r, sweep_range *range, int kind, yaml_file *y,
                          const yaml_node_t *list) {
  char where[WHERE];
  say_where(where, y, list);
  range->kind = kinds[kind].kind;
  range->step = 1;
  TRY(check_kind(r, range->name, kind, where));
  const bool is_list = list->type == YAML_SEQUENCE_NODE;
  const yaml_node_item_t *items = is_list ? list->data.sequence.items.start : NULL;
  const size_t n = is_list ? (size_t)(list->data.sequence.items.top - items) : 0;
  const size_t most = range->kind == RANGE_INTEGERS ? 3 : 2;
  if (n < 2 || n > most)
    return fail(ERR_FORMAT, "%s: %s of %s needs its two ends: [low, high]", where, kinds[kind].name,
                range->name);
  TRY(number_of(r, range->name, y, yaml_document_get_node(&y->document, items[0]), &range->low));
  TRY(number_of(r, range->name, y, yaml_document_get_node(&y->document, items[1]), &range->high));
  if (n == 3) TRY(read_step(range, y, yaml_document_get_node(&y->document, items[2])));
  return check_ends(range, kind, where);
}

// The kind that the one key of a map names; -1: the map is none of a range.
static int kind_of_map(yaml_file *y, const yaml_node_t *map, const yaml_node_t **list) {
  const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
  if (map->data.mapping.pairs.top != pair + 1) return -1;
  const char *key = yaml_text(yaml_document_get_node(&y->document, pair->key));
  *list = yaml_document_get_node(&y->document, pair->value);
  for (int i = 0; key != NULL && i < KINDS; i++)
    if (strcmp(key, kinds[i].name) == 0) return i;
  return -1;
}

static status add_range(plan_reader *r, const char *name, yaml_file *y, const yaml_node_t *node) {
  char where[WHERE];
  sweep_plan *p = r->plan;
  const yaml_node_t *list;
  TRY(mem_grow(&p->ranges, &p->cap_ranges, p->n_ranges + 1, sizeof *p->ranges, "the ranges of a sweep"));
  sweep_range *range = &p->ranges[p->n_ranges++];
  *range = (sweep_range){.kind = RANGE_CHOICES, .line = yaml_line_of(node)};
  snprintf(range->name, sizeof range->name, "%s", name);
  say_where(where, y, node);
  if (node->type == YAML_SEQUENCE_NODE) return add_choices(r, range, y, node);
  const int kind = node->type == YAML_MAPPING_NODE ? kind_of_map(y, node, &list) : -1;
  if (kind >= 0) return add_numbers(r, range, kind, y, list);
  return fail(
      ERR_FORMAT,
      "%s: %s needs a range: [a, b, c], {uniform: [low, high]}, or log_uniform, integers, log_integers",
      where, name);
}

// ---- the file ------------------------------------------------------------------------------------------------

static bool is_section(const plan_reader *r, const char *name) {
  for (size_t s = 0; s < r->known.count; s++)
    if (strcmp(r->known.sections[s].prefix, name) == 0) return true;
  return false;
}

static status read_option(void *self, yaml_file *y, const char *key, yaml_node_t *key_node,
                          yaml_node_t *value) {
  plan_reader *r = self;
  char name[OPTION_NAME], where[WHERE];
  const option_section *section;
  const option *o;
  const char *prefix = r->prefix;
  say_where(where, y, key_node);
  if (snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key) >= (int)sizeof name)
    return fail(ERR_FORMAT, "%s: the key is too long", where);
  if (prefix[0] == '\0' && value->type == YAML_MAPPING_NODE && is_section(r, key)) {
    r->prefix = key;
    const status rc = yaml_each(y, value, read_option, r);
    r->prefix = "";
    return rc;
  }
  TRY(options_find(&r->known, name, where, &section, &o));
  options_name(name, section, o);
  TRY(check_new(r->plan, name, where));
  TRY(check_allowed(name, r->ranges, where));
  return r->ranges ? add_range(r, name, y, value) : add_fixed(r, name, y, value);
}

static status read_rungs(sweep_plan *p, yaml_file *y, const yaml_node_t *list) {
  char where[WHERE], *end;
  say_where(where, y, list);
  const bool is_list = list->type == YAML_SEQUENCE_NODE;
  const yaml_node_item_t *items = is_list ? list->data.sequence.items.start : NULL;
  const int64_t n = is_list ? list->data.sequence.items.top - items : 0;
  if (n < 2 || n > SWEEP_RUNGS)
    return fail(ERR_FORMAT, "%s: halving.rungs is a list of 2 to %d rising numbers", where, SWEEP_RUNGS);
  for (int64_t i = 0; i < n; i++) {
    const char *text = yaml_text(yaml_document_get_node(&y->document, items[i]));
    const double v = text != NULL ? strtod(text, &end) : NAN;
    if (text == NULL || *end != '\0' || !isfinite(v) || !(v > (i > 0 ? p->rungs[i - 1] : 0)))
      return fail(ERR_FORMAT, "%s: halving.rungs is a list of 2 to %d rising numbers", where, SWEEP_RUNGS);
    p->rungs[i] = v;
  }
  p->n_rungs = (int32_t)n;
  return OK;
}

static status read_halving(void *self, yaml_file *y, const char *key, yaml_node_t *key_node,
                           yaml_node_t *value) {
  plan_reader *r = self;
  char name[OPTION_NAME], where[WHERE];
  say_where(where, y, key_node);
  if (strcmp(key, "rungs") == 0) return read_rungs(r->plan, y, value);
  snprintf(name, sizeof name, "halving.%.200s", key);
  const char *text = yaml_text(value);
  if (text == NULL) return fail(ERR_FORMAT, "%s: %s must be one value", where, name);
  return options_set(&r->own, name, text, where);
}

static status read_top(void *self, yaml_file *y, const char *key, yaml_node_t *key_node, yaml_node_t *value) {
  plan_reader *r = self;
  char where[WHERE];
  say_where(where, y, key_node);
  r->prefix = "";
  r->ranges = strcmp(key, "ranges") == 0;
  const bool halving = strcmp(key, "halving") == 0;
  if (r->ranges || halving || strcmp(key, "fixed") == 0) {
    if (value->type != YAML_MAPPING_NODE) return fail(ERR_FORMAT, "%s: %s is a map", where, key);
    if (halving) r->plan->halving = true;
    return yaml_each(y, value, halving ? read_halving : read_option, r);
  }
  const char *text = yaml_text(value);
  for (size_t i = 0; i < sizeof top_options / sizeof *top_options; i++) {
    if (strcmp(key, top_options[i].name) != 0) continue;
    if (text == NULL) return fail(ERR_FORMAT, "%s: %s must be one value", where, key);
    return options_set(&r->own, key, text, where);
  }
  return fail(ERR_ARGUMENT, "%s: a sweep has base, trials, seed, fixed, ranges and halving, but no \"%s\"",
              where, key);
}

// What the parts of the file say together.
static status check_whole(const sweep_plan *p, const char *path) {
  static const char *const lengths[] = {"train.steps", "train.epochs", "train.minutes"};
  if (p->settings.base[0] == '\0') return fail(ERR_ARGUMENT, "%s: base names no configuration", path);
  if (p->n_ranges == 0)
    return fail(ERR_ARGUMENT, "%s: ranges has no option, so there is nothing to try", path);
  if (!p->halving) return OK;
  if (p->n_rungs < 2) return fail(ERR_ARGUMENT, "%s: halving needs rungs: [first, ..., whole run]", path);
  for (int32_t i = 0; i < p->n_rungs && p->settings.by != SWEEP_MINUTES; i++)
    if (p->rungs[i] != floor(p->rungs[i]))
      return fail(ERR_ARGUMENT, "%s: halving.rungs are whole numbers of steps or epochs", path);
  char where[WHERE];
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    snprintf(where, sizeof where, "%.*s: halving.rungs says how long a run is", OPTION_STRING, path);
    TRY(check_new(p, lengths[i], where));
  }
  return OK;
}

static status read_all(plan_reader *r, const char *path) {
  yaml_file y;
  TRY(options_defaults(&r->known));
  TRY(options_defaults(&r->own));
  TRY(yaml_file_open(&y, path));
  const status rc = yaml_each(&y, yaml_top(&y), read_top, r);
  yaml_file_close(&y);
  return rc == OK ? check_whole(r->plan, path) : rc;
}

status sweep_plan_open(sweep_plan *p, const char *path) {
  *p = (sweep_plan){.n_rungs = 1};
  run_config *scratch;
  option_section sections[RUN_SECTIONS];
  const option_section own[] = {
      {"", "Sweep", top_options, sizeof top_options / sizeof *top_options, &p->settings},
      {"halving", "Halving", halving_options, sizeof halving_options / sizeof *halving_options,
       &p->settings}};
  TRY(mem_new(&scratch, 1, sizeof *scratch, "a configuration"));
  plan_reader r = {.plan = p,
                   .known = {.sections = sections, .count = run_sections(scratch, sections)},
                   .own = {.sections = own, .count = 2},
                   .prefix = ""};
  const status rc = read_all(&r, path);
  free(scratch);
  return rc;
}

void sweep_plan_close(sweep_plan *p) {
  for (size_t i = 0; i < p->n_fixed; i++) free(p->fixed[i].value);
  for (size_t i = 0; i < p->n_ranges; i++) {
    for (size_t k = 0; k < p->ranges[i].n_choices; k++) free(p->ranges[i].choices[k]);
    free(p->ranges[i].choices);
  }
  free(p->fixed);
  free(p->ranges);
  *p = (sweep_plan){.n_rungs = 1};
}
