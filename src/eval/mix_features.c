// What a mix may be made of: families of sums, each with a plain term and two logarithmic ones, among which learning decides.
#include <string.h>
#include "eval/mix_learn.h"

#define MO(f) offsetof(mix_options, f)
const option mix_option_table[] = {
    {"features", OPT_STRING, MO(features), "", 0, 0, "LIST",
     "what is mixed: encoder, popularity, reached, next, recent, cosine, history, rate; none: all"},
    {"neighbours", OPT_INT, MO(count.neighbours), "100", 1, 1e5, NULL,
     "items kept for each item, those with the most weight; bounds the size of the file"},
    {"window", OPT_INT, MO(count.window), "20", 1, 10000, NULL, "largest distance of pairs in a history"},
    {"distance_power", OPT_FLOAT, MO(count.distance_power), "0.5", 0, 10, NULL,
     "a pair t places apart has weight t^-distance_power"},
    {"questions", OPT_INT, MO(questions), "4000", 0, 1e9, NULL,
     "users whose validation targets the weights are learned from; 0: all"},
    {"negatives", OPT_INT, MO(negatives), "200", 1, 1e5, NULL,
     "random items of a question that stand for the rest of the catalogue"},
    {"popular", OPT_FLOAT, MO(popular), "0.1", 0, 0.999, NULL,
     "share of the learning that is telling answers from as many items drawn by popularity"},
    {"focus", OPT_FLOAT, MO(focus), "0.45", 0, 1, NULL,
     "answers count by their probability to this power, so that hopeless ones count less; 0: likelihood"},
    {"top", OPT_INT, MO(top), "100", 1, 1e5, NULL, "items of a question that the encoder likes best"},
    {"prior", OPT_FLOAT, MO(prior), "0.001", 0, 1e6, NULL,
     "weight of the prior that holds the weights near 0, in questions"},
    {"seed", OPT_INT, MO(seed), "1", 0, 9e15, NULL, "of the users and the random items"},
    {"memory", OPT_BYTES, MO(count.memory), "512M", 1 << 16, 1e15, NULL,
     "for collecting pairs; less means more passes over the data"},
};
const size_t n_mix_options = sizeof mix_option_table / sizeof *mix_option_table;

typedef struct family {
  const char *name;
  mix_sum sum;
} family;

// clang-format off
static const family families[] = {
    // what followed the last item, as a share of all that did, and as a number
    {"next",    {.channel = MIX_NEXT,    .span = 1,  .decay = 1,   .row_power = 1,   .row_shrink = 2}},
    {"next",    {.channel = MIX_NEXT,    .span = 1,  .decay = 1,   .row_power = 0}},
    {"next",    {.channel = MIX_NEXT,    .span = 10, .decay = 0.5, .row_power = 1,   .row_shrink = 2}},
    // what came with the newest items, as the baseline co-occurrence+markov has it, in either order of time
    {"recent",  {.channel = MIX_LATER,   .span = 20, .decay = 0.7, .row_power = 0.5}},
    {"recent",  {.channel = MIX_EARLIER, .span = 20, .decay = 0.7, .row_power = 0.5}},
    // the same divided by the item's own popularity
    {"cosine",  {.channel = MIX_LATER,   .span = 20, .decay = 0.7, .row_power = 0.5, .column_power = 0.5}},
    {"cosine",  {.channel = MIX_EARLIER, .span = 20, .decay = 0.7, .row_power = 0.5, .column_power = 0.5}},
    // what came with any of the last fifty, whenever
    {"history", {.channel = MIX_LATER,   .span = 50, .decay = 1,   .row_power = 0.5, .column_power = 0.5}},
    {"history", {.channel = MIX_EARLIER, .span = 50, .decay = 1,   .row_power = 0.5, .column_power = 0.5}},
    // a share of what came with an item, for items that few have
    {"rate",    {.channel = MIX_LATER,   .span = 20, .decay = 0.7, .row_power = 1,   .row_shrink = 2}},
    {"rate",    {.channel = MIX_EARLIER, .span = 20, .decay = 0.7, .row_power = 1,   .row_shrink = 2}},
};
// clang-format on
enum { FAMILIES = sizeof families / sizeof *families };

static void take(mix_config *c, const family *f) {
  mix_sum *sum = &c->sums[c->n++];
  *sum = f->sum;
  sum->n = 3;
}

static bool is_name(const char *name, const char *text, size_t n) {
  return strlen(name) == n && strncmp(name, text, n) == 0;
}

// One name of the list.
static status take_name(mix_config *c, mix_fitting *f, const char *text, size_t n) {
  bool known = false;
  if (is_name("encoder", text, n)) known = f->encoder = true;
  if (is_name("popularity", text, n)) known = f->popularity = true;
  if (is_name("reached", text, n)) known = f->reached = true;
  for (int i = 0; i < FAMILIES; i++) {
    if (!is_name(families[i].name, text, n)) continue;
    known = true;
    if (c->n == MIX_SUMS) return fail(ERR_ARGUMENT, "mix.features names something twice");
    take(c, &families[i]);
  }
  if (known) return OK;
  return fail(ERR_ARGUMENT,
              "mix.features: \"%.*s\" is not one of encoder, popularity, reached, next, recent, cosine, "
              "history, rate",
              (int)n, text);
}

status mix_features_parse(mix_config *c, mix_fitting *f, const char *text) {
  static const char separators[] = ", ";
  *c = (mix_config){0};
  if (text[strspn(text, separators)] == '\0') {
    f->encoder = f->popularity = f->reached = true;
    for (int i = 0; i < FAMILIES; i++) take(c, &families[i]);
    return OK;
  }
  for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
    const size_t n = strcspn(text, separators);
    TRY(take_name(c, f, text, n));
    text += n;
  }
  return OK;
}
