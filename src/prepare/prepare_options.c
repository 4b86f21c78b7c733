// The option tables of souk prepare.
#include "data/dataset.h"
#include "prepare/id_match.h"
#include "prepare/prepare.h"
#include "prepare/quantile_buckets.h"

#define IN(f) offsetof(prepare_input, f)
static const option input_options[] = {
    {"log", OPT_STRING, IN(log), "", 0, 0, "FILE",
     "behaviour log: files, patterns (logs/*.csv.gz) and folders, separated by commas, or - for the standard "
     "input; plain, gzip, zstd, xz or bzip2"},
    {"format", OPT_CHOICE, IN(format), "csv", 0, 0, "csv|tsv|space|jsonl",
     "of the log; jsonl: also one list of objects, or Python dicts"},
    {"header", OPT_BOOL, IN(header), "true", 0, 0, NULL, "the first line names the columns"},
    {"encoding", OPT_STRING, IN(encoding), "", 0, 0, NULL,
     "of the text, as iconv names it (GBK, latin-1, UTF-16 ...); empty: UTF-8, or what a byte order mark "
     "says"},
    {"separator", OPT_STRING, IN(separator), "", 0, 0, NULL,
     "what stands between the columns of csv, up to 8 bytes, or tab, comma, semicolon, pipe, space, \\x01; "
     "empty: guessed"},
    {"list_separator", OPT_STRING, IN(list_separator), "", 0, 0, NULL,
     "what stands between items where a cell of the item column is a list of them, named like separator: an "
     "event each; empty: a cell is one item"},
    {"quotes", OPT_CHOICE, IN(quotes), "auto", 0, 0, "auto|double|backslash|none",
     "how csv writes a quote in a quoted field: doubled, or behind a backslash (as Spark does); auto: "
     "doubled, and behind "
     "a backslash in rows that come out right only so; none: quotes are text"},
    {"time_format", OPT_CHOICE, IN(time_format), "seconds", 0, 0, TIME_FORMATS,
     "of the time column: numbers of these since 1970, dates (iso: all but 03/04/2021, which day_first "
     "and month_first read), or order: a number that rises with time and is none"},
    {"time_zone", OPT_STRING, IN(time_zone), "UTC", 0, 0, NULL,
     "zone of dates that name none: UTC, or an offset such as +08:00"},
    {"missing", OPT_STRING, IN(missing), "", 0, 0, NULL,
     "texts that mean no value in log and catalogue, separated by commas: NA,NULL,\\N"},
    {"events", OPT_STRING, IN(events), "", 0, 0, NULL,
     "event types to keep, separated by commas; empty: all"},
    {"catalogue", OPT_STRING, IN(catalogue), "", 0, 0, "FILE",
     "catalogue of the items, like log; empty: none"},
    {"catalogue_format", OPT_CHOICE, IN(catalogue_format), "csv", 0, 0, "csv|tsv|space|jsonl",
     "of the catalogue"},
    {"catalogue_header", OPT_BOOL, IN(catalogue_header), "true", 0, 0, NULL,
     "its first line names the columns"},
    {"catalogue_encoding", OPT_STRING, IN(catalogue_encoding), "", 0, 0, NULL,
     "like encoding, of the catalogue; empty: the log's"},
    {"catalogue_separator", OPT_STRING, IN(catalogue_separator), "", 0, 0, NULL,
     "like separator, of the catalogue"},
    {"catalogue_quotes", OPT_CHOICE, IN(catalogue_quotes), "auto", 0, 0, "auto|double|backslash|none",
     "like quotes, of the catalogue"},
    {"domains", OPT_STRING, IN(domains), "", 0, 0, NULL,
     "shops or platforms, a name for each file of the log, separated by commas: items become DOMAIN/ITEM, "
     "and models read a "
     "domain's token in front of its events; empty: none"},
    {"catalogue_domains", OPT_STRING, IN(catalogue_domains), "", 0, 0, NULL,
     "the same for the files of the catalogue; empty: its ids are DOMAIN/ITEM already"},
    {"user_map", OPT_STRING, IN(user_map), "", 0, 0, "FILE",
     "csv with columns domain, user and person: who is one user under several names; others are one where "
     "their names are the "
     "same"},
    {"users", OPT_STRING, IN(users), "", 0, 0, "FILE",
     "attributes of users, a row a user, which models read in front of the history; empty: none"},
    {"users_format", OPT_CHOICE, IN(users_format), "csv", 0, 0, "csv|tsv|space|jsonl", "of it"},
    {"users_user", OPT_STRING, IN(users_user), "user_id", 0, 0, NULL, "its column of the user"},
    {"users_columns", OPT_STRING, IN(users_columns), "", 0, 0, NULL,
     "its columns that are attributes, separated by commas, in the order in which models read them"},
    {"users_numbers", OPT_STRING, IN(users_numbers), "", 0, 0, NULL,
     "those of them that are numbers, which become buckets"},
    {"users_buckets", OPT_INT, IN(users_buckets), "5", 1, MAX_BUCKETS, NULL,
     "buckets of a number, of about equally many users each"},
    {"features", OPT_STRING, IN(features), "", 0, 0, "FILE",
     "dense features of items, such as vectors of images: .npy or HDF5 of float32, a row an item; empty: "
     "none"},
    {"features_names", OPT_STRING, IN(features_names), "", 0, 0, "FILE",
     "the items of its rows, a name a line; empty: FILE.names.tsv, as souk vectors writes it"},
    {"features_array", OPT_STRING, IN(features_array), "item_vectors", 0, 0, NULL,
     "name of the dataset in an HDF5 file"},
    {"max_rejects", OPT_FLOAT, IN(max_rejects), "0.1", 0, 1, NULL,
     "share of unreadable rows above which the command fails"},
    {"copy", OPT_STRING, IN(copy), "", 0, 0, "FILE",
     "rows of promotion copy, csv, tsv or jsonl, to train souk finetune --task promo on: files, patterns and "
     "folders; a log may be missing then; empty: none"},
    {"copy_valid", OPT_STRING, IN(copy_valid), "", 0, 0, "FILE",
     "the same, to validate with; empty: copy.valid_share of the former"},
    {"copy_test", OPT_STRING, IN(copy_test), "", 0, 0, "FILE",
     "the same, to test with; empty: copy.test_share of the former"},
    {"copy_format", OPT_CHOICE, IN(copy_format), "auto", 0, 0, "auto|csv|tsv|space|jsonl",
     "of these files; auto: by the name"},
    {"copy_fields", OPT_STRING, IN(copy_fields), "", 0, 0, "LIST",
     "their columns that have other names than usual, FIELD=COLUMN separated by commas: "
     "copy=summary,attributes=content; fields are copy, user, item, title, attributes, goal, type, market, "
     "language, price, was, percent, amount, threshold, date, code, name, time, click, propensity and style"},
    {"copy_time_format", OPT_CHOICE, IN(copy_time_format), "iso", 0, 0, TIME_FORMATS, "of their time"},
};
#define FD(f) offsetof(prepare_fields, f)
static const option field_options[] = {
    {"user", OPT_STRING, FD(user), "user_id", 0, 0, NULL,
     "column of the user: a name, a number from 1, or a path (a.b) in jsonl"},
    {"item", OPT_STRING, FD(item), "item_id", 0, 0, NULL,
     "column of the item; 2..: each column from the second on is one"},
    {"time", OPT_STRING, FD(time), "", 0, 0, NULL, "column of the time; empty: order in the file"},
    {"event", OPT_STRING, FD(event), "", 0, 0, NULL, "column of the event type"},
    {"session", OPT_STRING, FD(session), "", 0, 0, NULL, "column of the session; empty: by session_gap"},
    {"price", OPT_STRING, FD(price), "", 0, 0, NULL,
     "column of the price; an item's mean is its price where the catalogue has none"},
    {"rating", OPT_STRING, FD(rating), "", 0, 0, NULL,
     "column of a rating; an item's mean is its rating where the catalogue has none"},
    {"domain", OPT_STRING, FD(domain), "", 0, 0, NULL, "column of the domain, in place of input.domains"},
    {"query", OPT_STRING, FD(query), "", 0, 0, NULL,
     "column of the text of a search, whose words models read between the events (output.words); rows with "
     "it need no item"},
};
#define CA(f) offsetof(prepare_catalogue, f)
static const option catalogue_options[] = {
    {"item", OPT_STRING, CA(item), "item_id", 0, 0, NULL, "column of the item"},
    {"match", OPT_CHOICE, CA(match), "exact", 0, 0, ID_RULES,
     "how its item ids are compared with the log's: as they are, without spaces and quotes around them, in "
     "lower case, without "
     "leading zeros, as numbers, or by their last digits"},
    {"property", OPT_STRING, CA(property), "", 0, 0, NULL,
     "column of a property's name, if each row is one property of an item; title, category and so on are "
     "names of "
     "properties then"},
    {"value", OPT_STRING, CA(value), "", 0, 0, NULL, "column of the property's value"},
    {"snapshot", OPT_STRING, CA(snapshot), "", 0, 0, NULL,
     "column of the property's time: the latest value before the end of the log counts; empty: the last one"},
    {"snapshot_format", OPT_CHOICE, CA(snapshot_format), "log", 0, 0, "log|" TIME_FORMATS,
     "of that column; log: input.time_format"},
    {"title", OPT_STRING, CA(title), "", 0, 0, NULL, "column of the title"},
    {"category", OPT_STRING, CA(category), "", 0, 0, NULL, "column of the category"},
    {"brand", OPT_STRING, CA(brand), "", 0, 0, NULL, "column of the brand"},
    {"price", OPT_STRING, CA(price), "", 0, 0, NULL, "column of the price"},
    {"rating", OPT_STRING, CA(rating), "", 0, 0, NULL, "column of the rating, a number"},
    {"description", OPT_STRING, CA(description), "", 0, 0, NULL, "column of the description"},
    {"text", OPT_STRING, CA(text), CATALOGUE_TEXT, 0, 0, NULL,
     "with output.words, what an item's text is made of, in this order, separated by commas: title, "
     "category, brand, "
     "description, and names of keep"},
    {"keep", OPT_STRING, CA(keep), "", 0, 0, NULL,
     "further columns to keep by their names, separated by commas"},
};
#define FI(f) offsetof(prepare_filter, f)
static const option filter_options[] = {
    {"min_user", OPT_INT, FI(min_user), "1", 1, 1e9, NULL, "k-core: events that a user must have"},
    {"min_item", OPT_INT, FI(min_item), "1", 1, 1e9, NULL, "k-core: events that an item must have"},
    {"repeats", OPT_CHOICE, FI(repeats), "keep", 0, 0, "keep|merge|first",
     "repeated events of a user on an item: keep all, merge those in a row, or keep the first only"},
    {"session_gap", OPT_FLOAT, FI(session_gap), "1800", 0, 1e9, NULL,
     "seconds of silence that end a session; 0: never"},
};
#define OU(f) offsetof(prepare_output, f)
static const option output_options[] = {
    {"out", OPT_STRING, OU(out), "", 0, 0, "DIR", "directory of the data set"},
    {"name", OPT_STRING, OU(name), DATASET_NAME, 0, 0, NULL, "name of the data set, at most 127 bytes"},
    {"split", OPT_CHOICE, OU(split), "leave_one_out", 0, 0, SPLIT_CHOICES,
     "test and validation: the last event of a user and the one before; nothing; what comes from two dates "
     "on; or "
     "whole users"},
    {"targets", OPT_INT, OU(targets), "1", 1, 1e6, NULL,
     "leave_one_out and user: so many last events of a user are targets (leave_one_out: for each of the "
     "two)"},
    {"valid_from", OPT_STRING, OU(valid_from), "", 0, 0, "DATE",
     "time: events before this date train, such as 2024-03-01, or before the \"last 14d\" (h, d, w)"},
    {"test_from", OPT_STRING, OU(test_from), "", 0, 0, "DATE",
     "time: events from this date on are test, those before it and not in train validation"},
    {"valid_users", OPT_FLOAT, OU(valid_users), "0.1", 0, 1, NULL,
     "user: share of the users who are held out for validation"},
    {"test_users", OPT_FLOAT, OU(test_users), "0.1", 0, 1, NULL,
     "user: share of the users who are held out for test"},
    {"split_seed", OPT_INT, OU(split_seed), "1", 0, 9e15, NULL,
     "user: with a user's name it decides where the user belongs"},
    {"window", OPT_INT, OU(window), "50", 1, 32768, NULL, "default length of training windows"},
    {"stride", OPT_INT, OU(stride), "25", 1, 32768, NULL, "default distance of training windows"},
    {"shard_tokens", OPT_INT, OU(shard_tokens), "1M", 1, 1e9, NULL, "tokens of a shard"},
    {"deflate", OPT_INT, OU(deflate), "4", 0, 9, NULL, "compression level"},
    {"attributes", OPT_BOOL, OU(attributes), "true", 0, 0, NULL,
     "tokens for event types, categories and price buckets"},
    {"price_buckets", OPT_INT, OU(price_buckets), "10", 0, MAX_BUCKETS, NULL,
     "of about equally many items each"},
    {"rating_buckets", OPT_INT, OU(rating_buckets), "5", 0, MAX_BUCKETS, NULL,
     "the same, of fields.rating and catalogue.rating"},
    {"words", OPT_STRING, OU(words), "", 0, 0, "DIR",
     "words of the vocabulary, and texts of the items: a WordPiece vocab.txt, or a directory of Hugging "
     "Face's with one; "
     "empty: no words"},
    {"text_tokens", OPT_INT, OU(text_tokens), "128", 1, 1 << 20, NULL, "words of an item's text, at most"},
    {"memory", OPT_BYTES, OU(memory), "1G", 1 << 20, 1e15, NULL, "bound on the memory for events"},
    {"threads", OPT_INT, OU(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
    {"force", OPT_BOOL, OU(force), "false", 0, 0, NULL, "replace an existing data set"},
};

#define CO(f) offsetof(prepare_copy, f)
static const option copy_options[] = {
    {"language", OPT_STRING, CO(language), "", 0, 0, NULL,
     "zh or en, of rows of copy that name no language; empty: such rows cannot be used"},
    {"market", OPT_STRING, CO(market), "", 0, 0, NULL,
     "cn, us, gb, eu or jp, of rows that name no market; empty: not said"},
    {"goal", OPT_STRING, CO(goal), "", 0, 0, NULL, "goal of rows that name none; empty: not said"},
    {"type", OPT_STRING, CO(type), "", 0, 0, NULL,
     "type of promotion of rows that name none; empty: not said"},
    {"languages", OPT_STRING, CO(languages), "", 0, 0, "LIST",
     "languages that get a token though no row has them, separated by commas"},
    {"markets", OPT_STRING, CO(markets), "", 0, 0, "LIST", "the same for markets"},
    {"goals", OPT_STRING, CO(goals), "", 0, 0, "LIST", "the same for goals"},
    {"types", OPT_STRING, CO(types), "", 0, 0, "LIST", "the same for types of promotion"},
    {"valid_share", OPT_FLOAT, CO(valid_share), "0.1", 0, 0.9, NULL,
     "without input.copy_valid: share of the users, or of the rows without one, held out for validation"},
    {"test_share", OPT_FLOAT, CO(test_share), "0", 0, 0.9, NULL,
     "without input.copy_test: the same, for test"},
    {"seed", OPT_INT, CO(seed), "1", 0, 9e15, NULL, "with a user's name it decides where the user belongs"},
    {"tokens", OPT_INT, CO(tokens), "256", 1, 511, NULL, "tokens of copy, at most"},
    {"quantities", OPT_CHOICE, CO(quantities), "keep", 0, 0, "keep|drop",
     "rows whose copy states a quantity that is no term: keep them, and learn nothing of its words; or drop "
     "them"},
};

bool prepare_has_times(const prepare_config *c) {
  return c->fields.time[0] != '\0' && c->input.time_format != TIME_ORDER;
}

#define SECTION(prefix, title, table, target) \
  { prefix, title, table, sizeof(table) / sizeof *(table), target }
size_t prepare_sections(prepare_config *c, option_section *sections) {
  const option_section all[] = {
      SECTION("input", "Input", input_options, &c->input),
      SECTION("fields", "Columns of the log", field_options, &c->fields),
      SECTION("catalogue", "Columns of the catalogue", catalogue_options, &c->catalogue),
      SECTION("filter", "Filter and sessions", filter_options, &c->filter),
      SECTION("output", "Output", output_options, &c->output),
      SECTION("copy", "Promotion copy", copy_options, &c->copy),
  };
  for (size_t i = 0; i < PREPARE_SECTIONS; i++) sections[i] = all[i];
  return PREPARE_SECTIONS;
}
