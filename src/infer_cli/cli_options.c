// The tables of souk-infer's commands and options, and parsing by them; see cli_options.h.
#include "infer_cli/cli_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(cli_options, name)

const cli_option cli_option_table[] = {
    {"input", OPTION_FILE, "FILE", FIELD(input), FOR_LINES, 0, 0, 0, "standard input",
     "read the questions from FILE"},
    {"output", OPTION_FILE, "FILE", FIELD(output), FOR_ALL & ~(unsigned)FOR_BENCH, 0, 0, 0, NULL,
     "write to FILE, which appears whole or not at all, instead of standard output; .npy needs it"},
    {"names", OPTION_FILE, "FILE", FIELD(names), FOR_USERS | FOR_ITEMS | FOR_EMBED, 0, 0, 0, NULL,
     "write what each row stands for into FILE, one JSON object a line"},
    {"k", OPTION_NUMBER, "N", FIELD(k), FOR_RANK | FOR_BENCH, 1, 1000000, 10, NULL, "items of a list"},
    {"allow", OPTION_FILE, "FILE", FIELD(allow), FOR_RANK, 0, 0, 0, NULL,
     "list only the items in FILE, one name a line"},
    {"deny", OPTION_FILE, "FILE", FIELD(deny), FOR_RANK, 0, 0, 0, NULL,
     "never list the items in FILE, one name a line"},
    {"keep-history", OPTION_SWITCH, NULL, FIELD(keep_history), FOR_RANK, 0, 0, 0, NULL,
     "items of the history may be listed again"},
    {"no-mix", OPTION_SWITCH, NULL, FIELD(no_mix), FOR_RANK, 0, 0, 0, NULL,
     "by the encoder alone, although the bundle has a mix with counts"},
    {"why", OPTION_SWITCH, NULL, FIELD(why), FOR_RANK, 0, 0, 0, NULL,
     "say of each item which share of its score each event of the history carries"},
    {"gradients", OPTION_SWITCH, NULL, FIELD(gradients), FOR_RANK, 0, 0, 0, NULL,
     "with --why: by integrated gradients, whose shares add up, also where leaving events out is cheaper"},
    {"adapter", OPTION_NAME, "NAME", FIELD(adapter), FOR_LINES | FOR_ITEMS, 0, 0, 0, NULL,
     "the adapter that encodes the lines that name none, or whose item vectors are wanted (souk-infer info "
     "lists them)"},
    {"texts", OPTION_FILE, "FILE", FIELD(texts), FOR_ITEMS, 0, 0, 0, NULL,
     "vectors of the items that FILE describes, a JSON object a line, instead of the bundle's"},
    {"logits", OPTION_SWITCH, NULL, FIELD(logits), FOR_CLASSIFY | FOR_PAIRS, 0, 0, 0, NULL,
     "logits, without temperature, instead of probabilities"},
    {"text", OPTION_SWITCH, NULL, FIELD(text), FOR_HISTORIES | FOR_TEXTS, 0, 0, 0, NULL,
     "a line is a text as it stands instead of JSON"},
    {"pooling", OPTION_WORD, "mean|cls|max", FIELD(pooling), FOR_EMBED, 0, 0, 0, "mean",
     "what becomes of the hidden states of a text's tokens"},
    {"normalise", OPTION_SWITCH, NULL, FIELD(normalise), FOR_EMBED, 0, 0, 0, NULL, "vectors of length 1"},
    {"tokens", OPTION_NUMBER, "N", FIELD(tokens), FOR_EMBED, 3, 1 << 15, 0,
     "as many as the model has positions", "read the first N tokens of a text, [CLS] and [SEP] among them"},
    {"npy", OPTION_SWITCH, NULL, FIELD(npy), FOR_EMBED, 0, 0, 0, NULL,
     "write rows of .npy (float32) instead of JSON lines; what is not answered is all NaN"},
    {"batch", OPTION_NUMBER, "N", FIELD(batch), FOR_LINES, 1, 65536, 1024, NULL,
     "answer at most N lines at a time; fewer where no more have come yet, or where they would take longer "
     "than about a quarter of a second (but one for each thread)"},
    {"threads", OPTION_NUMBER, "N", FIELD(threads), FOR_LINES | FOR_BENCH, 1, 1024, -1, "all processors",
     "threads to work with"},
    {"decode", OPTION_WORD, "greedy|beam|sample", FIELD(decode), FOR_COPY, 0, 0, 0, "greedy",
     "how copy is searched for: the most probable token each time, several texts side by side, or drawn"},
    {"beam", OPTION_NUMBER, "N", FIELD(beam), FOR_COPY, 1, 64, 4, NULL, "texts that a beam keeps"},
    {"n-best", OPTION_NUMBER, "N", FIELD(n_best), FOR_COPY, 1, 64, 1, NULL,
     "copies of a request, the best first; of a beam or of samples"},
    {"length-penalty", OPTION_REAL, "A", FIELD(length_penalty), FOR_COPY, -10, 10, 0, NULL,
     "a beam is ordered by log probability / ((5 + tokens) / 6)^A; above 0 for longer copy"},
    {"coverage-penalty", OPTION_REAL, "B", FIELD(coverage_penalty), FOR_COPY, 0, 100, 0, NULL,
     "and by B times how much of the request the copy has looked at"},
    {"beam-groups", OPTION_NUMBER, "N", FIELD(beam_groups), FOR_COPY, 1, 64, 1, NULL,
     "groups that a beam is divided into, kept apart by --diversity"},
    {"diversity", OPTION_REAL, "D", FIELD(diversity), FOR_COPY, 0, 100, 0, NULL,
     "what a token loses for each text of an earlier group that has it in the same place"},
    {"temperature", OPTION_POSITIVE, "T", FIELD(temperature), FOR_COPY, 0, 100, 1, NULL,
     "samples: logits are divided by T"},
    {"top-k", OPTION_NUMBER, "N", FIELD(top_k), FOR_COPY, 0, 1 << 30, 0, "all",
     "samples: among the N most probable tokens"},
    {"top-p", OPTION_POSITIVE, "P", FIELD(top_p), FOR_COPY, 0, 1, 1, NULL,
     "samples: among the fewest tokens whose probabilities add up to P"},
    {"seed", OPTION_NUMBER, "N", FIELD(seed), FOR_COPY, 0, INT32_MAX, 0, NULL,
     "of samples; the same seed gives a request the same bytes, whatever else is asked"},
    {"no-repeat", OPTION_NUMBER, "N", FIELD(no_repeat), FOR_COPY, 0, 64, 0, "may repeat",
     "no N tokens in a row come twice in a copy"},
    {"min-tokens", OPTION_NUMBER, "N", FIELD(min_tokens), FOR_COPY, 0, 32768, 1, NULL,
     "of copy; a request may say its own"},
    {"max-tokens", OPTION_NUMBER, "N", FIELD(max_tokens), FOR_COPY, 0, 32768, 0,
     "as long as the model was trained", "of copy; a request may say its own"},
    {"lexicon", OPTION_FILES, "FILE", FIELD(lexicons), FOR_COPY, 0, 0, 0, "those of the bundle",
     "what copy may not say and what it must (docs/copy.md); may be given several times, \"off\": nothing "
     "but quantities "
     "is kept out"},
    {"stream", OPTION_SWITCH, NULL, FIELD(stream), FOR_PROMO, 0, 0, 0, NULL,
     "write a line for each piece of text as soon as it can change no more, before the answer"},
    {"promote", OPTION_FILE, "FILE", FIELD(promote), FOR_RANK, 0, 0, 0, NULL,
     "place promotions of items among the first of each list, with copy; FILE has a request a line "
     "(souk-infer promo --help)"},
    {"promote-n", OPTION_NUMBER, "N", FIELD(promote_n), FOR_RANK, 0, 64, 1, NULL,
     "with --promote: at most N in a list"},
    {"promote-m", OPTION_NUMBER, "M", FIELD(promote_m), FOR_RANK, 1, 4096, 5, NULL,
     "with --promote: among the first M places"},
    {"promote-weight", OPTION_REAL, "W", FIELD(promote_weight), FOR_RANK, 0, 1000000, 1, NULL,
     "with --promote: a promotion is placed by relevance + W x the request's \"value\""},
    {"writer", OPTION_FILE, "BUNDLE", FIELD(writer), FOR_RANK, 0, 0, 0, "the one that ranks",
     "with --promote: the bundle that writes the copy"},
    {"copy", OPTION_SWITCH, NULL, FIELD(copy), FOR_BENCH, 0, 0, 0, NULL,
     "how fast it writes promotion copy, with and without the cache, instead of vectors and lists"},
    {"length", OPTION_NUMBER, "N", FIELD(length), FOR_BENCH, 1, 1 << 16, 0, "as many as the model reads",
     "events of a history"},
    {"seconds", OPTION_NUMBER, "N", FIELD(seconds), FOR_BENCH, 1, 3600, 2, NULL,
     "about how long each measurement takes"},
    {"json", OPTION_SWITCH, NULL, FIELD(json), FOR_INFO, 0, 0, 0, NULL, "print as JSON"},
    {"skip-checksums", OPTION_SWITCH, NULL, FIELD(skip_checksums), FOR_ALL, 0, 0, 0, NULL,
     "open the bundle without comparing its files with their checksums"}};
const size_t cli_option_count = sizeof cli_option_table / sizeof *cli_option_table;

// ---- what they do --------------------------------------------------------------------------------------------

const char cli_about[] =
    "User vectors, item vectors, scores and ranked lists, vectors and labels of texts, and labels of pairs "
    "from a bundle that souk export wrote.";

const char *const cli_questions_about[] = {
    "A question is a JSON object on a line of its own:",
    "  {\"user\": \"u1\", \"history\": [\"i1\", {\"item\": \"i2\", \"event\": \"buy\"}]}",
    "\"history\", oldest first, may be empty (a new user) and may hold items that the bundle does not know; "
    "the "
    "answer counts them as \"unknown\". Names may be strings or integers. Empty lines are ignored.",
    "Where the bundle has words, an event may be a text, such as a search, and \"text\" is one behind the "
    "history, in whose place "
    "it may stand:",
    "  {\"history\": [\"i1\", {\"text\": \"red shoes\"}, \"i2\"], \"text\": \"too small\"}",
    "Where it has attributes of users, \"attributes\" says those of this one, and where it has adapters, "
    "\"adapter\" names the one that encodes the line (souk-infer info lists both):",
    "  {\"history\": [\"i1\"], \"attributes\": {\"age\": 31}, \"adapter\": \"de\"}",
    NULL};

const char *const cli_texts_about[] = {
    "A question is a JSON object on a line of its own, or with --text a line of text:",
    "  {\"id\": \"t1\", \"text\": \"red shoes for running\"}",
    "\"id\" comes back in the answer and may be left out. Empty lines are ignored.", NULL};

const char *const cli_requests_about[] = {
    "A request is a JSON object on a line of its own:",
    "  {\"id\": \"r1\", \"history\": [\"i1\", \"i2\"], \"item\": \"i3\", \"goal\": \"win_back\",",
    "   \"type\": \"coupon\", \"market\": \"us\", \"language\": \"en\", \"threshold\": 300,",
    "   \"amount\": 50, \"date\": \"2026-12-31\"}",
    "\"language\" is en or zh; \"market\" says how terms are written (cn, us, gb, eu, jp). \"item\" may be "
    "unknown to the "
    "bundle, or missing where there is a \"title\".",
    "What may be said of the offer, its terms: \"price\", \"was\", \"percent\" (off), \"amount\" (off), "
    "\"threshold\", "
    "\"date\" (\"2026-12-31\" or \"12-31\", the last day), \"code\", and \"name\", what the item is called "
    "in the copy (its title if not given).",
    "Besides: \"id\", \"user\", \"title\" and \"attributes\" of the item, \"user_attributes\", \"adapter\", "
    "\"seed\", "
    "\"min_tokens\", \"max_tokens\", \"required\" and \"banned\" (phrases), \"required_terms\" (such as "
    "[\"price\"]), and for "
    "souk-infer rank --promote \"value\", \"cap\" and \"shown\". "
    "A field with another name is an error. Empty lines are ignored.",
    NULL};

const char *const cli_answers_about[] = {
    "Answers come in the order of the questions, and at once when no more lines are waiting: a program may "
    "write a "
    "line, read its answer, and write the next. A line that cannot be answered has an error in its place,",
    "  {\"user\":\"u1\",\"error\":\"what is wrong\",\"line\":3}",
    "with \"id\" for \"user\" where lines are texts, pairs or requests, and null for one that could not be "
    "read. The "
    "lines after it are answered. The first ten errors also go to standard error, and their number at the "
    "end, and the exit status is 1.",
    NULL};

const char *const cli_environment_about[] = {
    "SOUK_SIMD=c asks for the portable vector kernels instead of the fastest that the processor has.", NULL};

static const char *const about_rank[] = {
    "A question may have \"candidates\" (rank these only), \"allow\" (list these only) and \"deny\" (never "
    "list "
    "these), arrays of names. An answer is a line too, and has \"titles\" where the bundle has a catalogue:",
    "  {\"user\":\"u1\",\"items\":[\"i7\",\"i4\"],\"scores\":[9.1,8.7],\"unknown\":0}",
    "With --why it has",
    "  \"why\":{\"method\":\"leave-one-out\",\"passes\":4,\"base\":[2,3],",
    "   \"counts\":[0,0],\"rest\":[0.1,-0.3],\"shares\":[[5,2],[3,3]]}",
    "where shares has a row for each item and in it a number for each event of the history, 0 for those that "
    "the model "
    "does not read. The score of an item is its base, its shares, what the counts of a mix add, and the "
    "rest. "
    "With \"leave-one-out\" a share is what the score loses without the event, base is the score of an empty "
    "history, and "
    "rest what events carry only together. With \"integrated-gradients\", used where it is cheaper (few "
    "items, long "
    "histories) or with --gradients, base is the score of as many hidden events, and rest the integral's "
    "error.",
    "With --promote at most --promote-n of the items of its requests stand among the first --promote-m "
    "places, where the sum of "
    "relevance (the list's scores) and --promote-weight x \"value\" (1 if not given) of what is promoted is "
    "largest. Items that the list may not have "
    "are not promoted. A request with a \"user\" is for this one alone; one with a \"cap\" is shown to a "
    "user at most so many times in a run, "
    "of which \"shown\" have been before. Where question and request both say a "
    "\"language\" or a \"market\", they must be the same; one of them says it. The answer then has",
    "  \"promoted\":[{\"place\":2,\"id\":\"r1\",\"copy\":\"...\",\"log_probability\":-4.2,",
    "   \"tokens\":9,\"flags\":[]}],",
    "  \"relevance\":{\"first\":5,\"sum\":30.1,\"dcg\":19.2,\"lost_sum\":0.4,\"lost_dcg\":0.3}",
    "where sum and dcg (each place divided by log2(place + 1)) are of the relevance of the first places, and "
    "lost_... what they were more "
    "without promotions.",
    NULL};
static const char *const about_promo[] = {
    "An answer is a line too:",
    "  {\"id\":\"r1\",\"copy\":\"$50 off $300 until Dec 31, 2026\",\"log_probability\":-4.2,",
    "   \"tokens\":9,\"flags\":[],\"unknown\":0}",
    "Numbers, dates, codes and the item's name in it are those of the request, and no other quantity can be "
    "written, nor a phrase that the lexicon bans. "
    "Where no copy can be written so, or terms contradict each other, it is a template of the promotion's "
    "type: \"flags\" has "
    "\"template\", or \"refused\" and an empty copy where not even a template may be said, and \"reason\" "
    "says why. \"cut\" "
    "means that the copy ends because it was as long as it may be. With --n-best, \"n_best\" is an array of "
    "such copies. \"unknown\" counts items of the history that the bundle does not have; "
    "\"unknown_context\" goal, type, market and language that it was not trained on, \"dropped_terms\" terms "
    "that it "
    "cannot say. Their sums are printed at the end.",
    "With --stream, lines such as {\"id\":\"r1\",\"copy\":0,\"part\":\"$50 off\"} come before the answer.",
    NULL};
static const char *const about_score[] = {
    "A question must have \"candidates\", an array of names. The answer has them in their order, with null "
    "for those that are not items of the bundle:",
    "  {\"user\":\"u1\",\"items\":[\"i9\",\"who\"],\"scores\":[7.5,null],\"unknown\":0}", NULL};
static const char *const about_users[] = {
    "Row i of the .npy file (float32) belongs to question i; its product with a row of items is the score. "
    "With --names, a line for each row says whose it is:",
    "  {\"user\":\"u1\",\"unknown\":0}",
    "The row of a line that cannot be answered is all NaN, and its line of --names is "
    "{\"user\":\"u1\",\"error\":\"what is wrong\",\"line\":3}. The lines after it are answered. The first "
    "ten errors also go to standard error, and their number at the end, and the exit status is 1.",
    NULL};
static const char *const about_items[] = {
    "Rows of the .npy file (float32) are in the order of the "
    "vocabulary. With --names, a line for each row says what it is and "
    "how often it occurs in the training data:",
    "  {\"item\":\"i1\",\"count\":17}",
    "With --texts the rows are those of new items, of which each line says something:",
    "  {\"id\":\"n1\",\"text\":\"red shoes\",\"item_attributes\":[\"brand=x\"]}",
    "and \"features\", an array of numbers, where the bundle was trained with some. --names counts "
    "attributes that the vocabulary does not have as \"unknown\". The row of a line that cannot be used is "
    "all NaN.",
    NULL};
static const char *const about_embed[] = {
    "The answer has the vector, and how many tokens the text has, without [CLS] and [SEP]:",
    "  {\"id\":\"t1\",\"vector\":[0.5,-0.25],\"tokens\":4}", NULL};
static const char *const about_classify[] = {
    "A second text may be given as \"text_b\". The answer has the probability of each label:",
    "  {\"id\":\"t1\",\"labels\":{\"good\":0.9,\"bad\":0.1}}", NULL};
static const char *const about_pairs[] = {
    "A question has a history and the item that is shown, and may have the item's text and attributes:",
    "  {\"id\":1,\"history\":[\"i1\",\"i2\"],\"item\":\"i3\",\"text\":\"red shoes\",",
    "   \"item_attributes\":[\"brand=x\"]}",
    "The answer has the probability of each label, and says where the bundle does not know the item:",
    "  {\"id\":1,\"labels\":{\"click\":0.2,\"cart\":0.1},\"known\":false}",
    NULL};
static const char *const about_info[] = {"Its items, the encoder's shape, how much of a history it reads, "
                                         "its event types, what it makes of texts and new items, its labels, "
                                         "attributes of users and adapters, the memory that it takes, "
                                         "and what it was trained on.",
                                         NULL};
static const char *const about_bench[] = {"Random histories; user vectors, and lists from histories and from "
                                          "vectors, for one user a call and for 512. "
                                          "Each is repeated for a while (see --seconds; once at least) and "
                                          "printed when it is done: the median, the "
                                          "best and the number of calls.",
                                          NULL};

const cli_command cli_command_table[] = {
    {"rank", FOR_RANK, "ranked lists: a question a line in, a list a line out", about_rank, command_rank},
    {"score", FOR_SCORE, "scores of given candidates: a question a line in, a line out", about_score,
     command_score},
    {"users", FOR_USERS, "user vectors as .npy: a question a line in, a row out", about_users, command_users},
    {"items", FOR_ITEMS, "item vectors as .npy", about_items, command_items},
    {"embed", FOR_EMBED, "vectors of texts: a text a line in, a vector out, or .npy", about_embed,
     command_embed},
    {"classify", FOR_CLASSIFY, "labels of texts: a text a line in, a line out", about_classify,
     command_classify},
    {"pairs", FOR_PAIRS, "labels of pairs: a history and an item a line in, a line out", about_pairs,
     command_pairs},
    {"promo", FOR_PROMO, "promotion copy: a request a line in, copy a line out", about_promo, command_promo},
    {"info", FOR_INFO, "what the bundle is", about_info, command_info},
    {"bench", FOR_BENCH, "how fast it answers on this machine", about_bench, command_bench}};
const size_t cli_command_count = sizeof cli_command_table / sizeof *cli_command_table;

const cli_command *cli_find_command(const char *name) {
  for (size_t i = 0; i < cli_command_count; i++)
    if (strcmp(cli_command_table[i].name, name) == 0) return &cli_command_table[i];
  return NULL;
}

bool option_is_real(const cli_option *option) {
  return option->kind == OPTION_REAL || option->kind == OPTION_POSITIVE;
}

const char *option_default(const cli_option *option, char buf[16]) {
  if (option->usual_text != NULL) return option->usual_text;
  if (option->kind != OPTION_NUMBER && !option_is_real(option)) return "";
  snprintf(buf, 16, "%d", option->usual);
  return buf;
}

// ---- parsing -------------------------------------------------------------------------------------------------

static void *field_of(cli_options *o, const cli_option *option) {
  return (char *)o + option->offset;
}

static int parse_number(cli_options *o, const cli_option *option, const char *value) {
  char *end;
  errno = 0;
  const long n = strtol(value, &end, 10);
  if (end == value || *end != '\0' || errno != 0 || n < option->least || n > option->most)
    return cli_fail(EXIT_USAGE, "--%s must be a whole number from %d to %d, not \"%s\"", option->name,
                    option->least, option->most, value);
  *(int32_t *)field_of(o, option) = (int32_t)n;
  return 0;
}

static int parse_real(cli_options *o, const cli_option *option, const char *value) {
  double x = 0;
  const bool positive = option->kind == OPTION_POSITIVE;
  if (!jtree_decimal(value, strlen(value), &x) || x < option->least || x > option->most ||
      (positive && x <= 0))
    return cli_fail(EXIT_USAGE, "--%s must be a number %s %d %s %d, not \"%s\"", option->name,
                    positive ? "above" : "from", option->least, positive ? "and at most" : "to", option->most,
                    value);
  *(double *)field_of(o, option) = x;
  return 0;
}

static int parse_files(cli_options *o, const cli_option *option, const char *value) {
  cli_files *files = field_of(o, option);
  if (files->n == MOST_FILES)
    return cli_fail(EXIT_USAGE, "--%s may be given %d times", option->name, MOST_FILES);
  files->at[files->n++] = value;
  return 0;
}

// Writes the commands that take an option: "rank, score and users".
static void list_takers(const cli_option *option, char *text, size_t bytes) {
  unsigned left = option->commands;
  size_t at = 0;
  for (size_t i = 0; i < cli_command_count && at < bytes; i++) {
    if ((left & cli_command_table[i].bit) == 0) continue;
    left &= ~cli_command_table[i].bit;
    const char *before = at == 0 ? "" : left == 0 ? " and " : ", ";
    at += (size_t)snprintf(text + at, bytes - at, "%s%s", before, cli_command_table[i].name);
  }
}

static int not_taken(const cli_command *c, const cli_option *option) {
  char takers[128] = "";
  list_takers(option, takers, sizeof takers);
  return cli_fail(EXIT_USAGE, "%s takes no --%s, which is for %s; souk-infer %s --help lists its options",
                  c->name, option->name, takers, c->name);
}

// The value must be one of the words of the table.
static int parse_word(cli_options *o, const cli_option *option, const char *value) {
  const size_t bytes = strlen(value);
  for (const char *word = option->argument; *word != '\0';) {
    const size_t length = strcspn(word, "|");
    if (length == bytes && memcmp(word, value, bytes) == 0) {
      *(const char **)field_of(o, option) = value;
      return 0;
    }
    word += length + (word[length] == '|');
  }
  return cli_fail(EXIT_USAGE, "--%s must be one of %s, not \"%s\"", option->name, option->argument, value);
}

// Is text [bytes] the option's name? As with souk, _ may be typed for -.
static bool is_named(const cli_option *option, const char *text, size_t bytes) {
  if (strlen(option->name) != bytes) return false;
  for (size_t i = 0; i < bytes; i++)
    if ((text[i] == '_' ? '-' : text[i]) != option->name[i]) return false;
  return true;
}

static int parse_value(cli_options *o, const cli_option *option, const char *value) {
  switch (option->kind) {
  case OPTION_NUMBER:
    return parse_number(o, option, value);
  case OPTION_REAL:
  case OPTION_POSITIVE:
    return parse_real(o, option, value);
  case OPTION_WORD:
    return parse_word(o, option, value);
  case OPTION_FILES:
    return parse_files(o, option, value);
  default:
    *(const char **)field_of(o, option) = value;
    return 0;
  }
}

// Notes an option that has a use beside certain others only, for the command to refuse it without them.
static void note_needs(cli_options *o, const cli_option *option) {
  const void *const beam[] = {&o->beam, &o->beam_groups, &o->length_penalty, &o->coverage_penalty,
                              &o->diversity},
                    *const sample[] = {&o->temperature, &o->top_k, &o->top_p, &o->seed},
                    *field = field_of(o, option);
  if (o->needs_promote == NULL && (option->commands == FOR_COPY || (const char *)field > (char *)&o->promote))
    o->needs_promote = option->name;
  for (size_t i = 0; o->needs_beam == NULL && i < sizeof beam / sizeof *beam; i++)
    if (beam[i] == field) o->needs_beam = option->name;
  for (size_t i = 0; o->needs_sample == NULL && i < sizeof sample / sizeof *sample; i++)
    if (sample[i] == field) o->needs_sample = option->name;
}

// Parses one option, "--name VALUE", "--name=VALUE" or "--name"; *i moves past it.
static int parse_option(cli_options *o, const cli_command *c, int argc, char **argv, int *i) {
  const char *text = argv[*i] + 2, *equals = strchr(text, '=');
  const size_t bytes = equals != NULL ? (size_t)(equals - text) : strlen(text);
  for (const cli_option *option = cli_option_table; option < cli_option_table + cli_option_count; option++) {
    if (!is_named(option, text, bytes)) continue;
    if ((option->commands & c->bit) == 0) return not_taken(c, option);
    note_needs(o, option);
    if (option->kind == OPTION_SWITCH) {
      if (equals != NULL) return cli_fail(EXIT_USAGE, "--%s takes no value", option->name);
      *(bool *)field_of(o, option) = true;
      return 0;
    }
    const char *value = equals != NULL ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (value == NULL || value[0] == '\0') return cli_fail(EXIT_USAGE, "--%s needs a value", option->name);
    return parse_value(o, option, value);
  }
  return cli_fail(EXIT_USAGE, "unknown option \"%s\"; souk-infer %s --help lists them", argv[*i], c->name);
}

int cli_parse(cli_options *o, const cli_command *c, int argc, char **argv, bool *wants_help) {
  *o = (cli_options){0};
  *wants_help = false;
  for (const cli_option *option = cli_option_table; option < cli_option_table + cli_option_count; option++)
    if (option->kind == OPTION_NUMBER)
      *(int32_t *)field_of(o, option) = option->usual;
    else if (option_is_real(option))
      *(double *)field_of(o, option) = option->usual;
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      *wants_help = true;
      return 0;
    }
    if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
      const int rc = parse_option(o, c, argc, argv, &i);
      if (rc != 0) return rc;
    } else if (o->bundle == NULL) {
      o->bundle = argv[i];
    } else {
      return cli_fail(EXIT_USAGE, "only one bundle is expected, \"%s\" is one too many", argv[i]);
    }
  }
  if (o->bundle != NULL) return 0;
  return cli_fail(EXIT_USAGE, "a bundle is needed: souk-infer %s BUNDLE", c->name);
}
