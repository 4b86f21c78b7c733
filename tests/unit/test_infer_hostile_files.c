// Damaged and hostile files of bundles with words, labels, texts, content and adapters: each is refused with a sentence that names the
// file and the tensor or field. What test_infer_hostile.c asks of a plain bundle is not asked again.
#include <limits.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/hostile.h"
#include "lib/rich_bundle.h"
#include "lib/tiny_dataset.h"

#define BAD      SOUK_ERR_FORMAT
#define NAN_BITS "0x7fc00000"
#define INF_BITS "0xff800000"
#define TEXTS    "texts.safetensors"
#define MODEL    "model.safetensors"
#define CONTENT  "content.safetensors"
#define DE       "adapters/de/adapter_"
#define SALE     "adapters/sale/adapter_"
#define OWN      "adapters/de/labels.json"
#define NEW_WORD(text, id) \
  "[{\"text\": " text ", \"id\": " id ", \"normalized\": true, \"single_word\": false, \"in_model\": true}]"

// A model of labels of pairs, with the texts of its items.
static const hostile of_pairs[] = {
    {TEXTS, ABSENT, 0, 0, false, SOUK_ERR_IO, TEXTS},
    {TEXTS, LINK, 0, 0, false, BAD, TEXTS " is a symbolic link"},
    {TEXTS, CUT, 0, "5", false, BAD, TEXTS " is cut short"},
    {TEXTS, CUT, 0, "40", false, BAD, TEXTS ": its header of"},
    {TEXTS, CUT, 0, "300", false, BAD, TEXTS ": tensor \""},
    {TEXTS, APPEND, 0, "1234", false, BAD, TEXTS ": 4 bytes at its end belong to no tensor"},
    {TEXTS, NUMBER, 0, "0xffffffffffffffff", false, BAD, TEXTS ": its header of"},
    {TEXTS, ELEMENT, "tokens/0", "5", true, SOUK_ERR_CHECKSUM, TEXTS ": its checksum"},
    {TEXTS, REPLACE, "\"offsets\"", "\"offsetz\"", false, BAD, TEXTS " has no tensor \"offsets\""},
    {TEXTS, REPLACE, "\"tokens\"", "\"tokenz\"", false, BAD, TEXTS " has no tensor \"tokens\""},
    {TEXTS, HEADER, "offsets/dtype", "\"F64\"", false, BAD,
     TEXTS ": tensor \"offsets\" has dtype F64, I64 is expected"},
    {TEXTS, HEADER, "tokens/dtype", "\"F32\"", false, BAD,
     TEXTS ": tensor \"tokens\" has dtype F32, I32 is expected"},
    {TEXTS, HEADER, "offsets/shape", "[41, 1]", false, BAD,
     TEXTS ": tensor \"offsets\" has shape [41, 1], [41] is expected"},
    {TEXTS, HEADER, "offsets/shape", "[40]", false, BAD,
     TEXTS ": tensor \"offsets\": \"data_offsets\" do not span"},
    {TEXTS, HEADER, "tokens/data_offsets", "[0, 1000000]", false, BAD,
     TEXTS ": tensor \"tokens\": \"data_offsets\" point beyond"},
    {TEXTS, ELEMENT, "offsets/0", "1", false, BAD,
     TEXTS ": tensor \"offsets\" does not begin at 0 and rise at 0"},
    {TEXTS, ELEMENT, "offsets/2", "0x7fffffff", false, BAD,
     TEXTS ": tensor \"offsets\" does not begin at 0 and rise at 1"},
    {TEXTS, ELEMENT, "offsets/3", "0xffffffff", false, BAD,
     TEXTS ": tensor \"offsets\" does not begin at 0 and rise at 0"},
    {TEXTS, ELEMENT, "offsets/80", "0", false, BAD,
     TEXTS ": tensor \"offsets\" does not begin at 0 and rise at 39"},
    {TEXTS, ELEMENT, "offsets/81", "0x7fffffff", false, BAD,
     TEXTS ": tensor \"offsets\" does not end with the number of tokens"},
    {TEXTS, ELEMENT, "tokens/0", "0xffffffff", false, BAD, TEXTS ": tensor \"tokens\" holds -1"},
    {TEXTS, ELEMENT, "tokens/3", "19", false, BAD,
     TEXTS ": tensor \"tokens\" holds 19, which is no word and no attribute"},
    {TEXTS, ELEMENT, "tokens/3", "2", false, BAD,
     TEXTS ": tensor \"tokens\" holds 2, which is no word and no attribute"},
    {TEXTS, ELEMENT, "tokens/3", "0x7fffffff", false, BAD, TEXTS ": tensor \"tokens\" holds 2147483647"},
    // labels and their head
    {"souk.json", SET, "labels", "7", false, BAD, "souk.json: field \"labels.task\" must be"},
    {"souk.json", SET, "labels/task", "\"rank\"", false, BAD, "souk.json: field \"labels.task\" must be"},
    {"souk.json", SET, "labels/kind", "\"many\"", false, BAD, "souk.json: field \"labels.kind\" must be"},
    {"souk.json", DELETE, "labels/names", 0, false, BAD,
     "souk.json: field \"labels.names\" must be an array"},
    {"souk.json", SET, "labels/names", "[]", false, BAD,
     "souk.json: field \"labels.names\" must be an array"},
    {"souk.json", SET, "labels/names", "[\"a\", \"b\", 3]", false, BAD,
     "souk.json: field \"labels.names\" must be an array"},
    {"souk.json", SET, "labels/names", "[\"a\", \"b\", \"a\"]", false, BAD,
     "souk.json: field \"labels.names\" must be an array"},
    {"souk.json", SET, "labels/names", "[\"a\", \"b\", \"\"]", false, BAD,
     "souk.json: field \"labels.names\" must be an array"},
    {"souk.json", SET, "labels/temperature", "[1, 1]", false, BAD,
     "souk.json: field \"labels.temperature\" must be"},
    {"souk.json", SET, "labels/temperature", "[1, 1, 0]", false, BAD,
     "souk.json: field \"labels.temperature\" must be"},
    {"souk.json", SET, "labels/temperature", "[1, 1, -1]", false, BAD,
     "souk.json: field \"labels.temperature\" must be"},
    {"souk.json", SET, "labels/temperature", "[1, 1, \"1\"]", false, BAD,
     "souk.json: field \"labels.temperature\" must be"},
    {"souk.json", SET, "labels/future", "1", false, BAD, "souk.json: field \"labels.future\" is unknown"},
    {"souk.json", SET, "layout/cls_sep", "false", false, BAD,
     "souk.json: field \"layout.cls_sep\" must be true"},
    {"souk.json", SET, "layout/segments", "1", false, BAD,
     "souk.json: field \"layout.segments\" must be 2 or more"},
    {"souk.json", SET, "layout/max_positions", "4", false, BAD,
     "souk.json: field \"layout.max_positions\" must be 5 or more"},
    {"souk.json", SET, "training/untrained", "7", false, BAD,
     "souk.json: field \"training.untrained\" must be an array of names"},
    {"souk.json", SET, "training/untrained", "[\"ranking\", 7]", false, BAD,
     "souk.json: field \"training.untrained\" must be an array of names"},
    {MODEL, REPLACE, "\"classifier.weight\"", "\"classifier.w_ight\"", false, BAD,
     MODEL " has no tensor \"classifier.weight\""},
    {MODEL, REPLACE, "\"bert.pooler.dense.bias\"", "\"bert.pooler.dense.bi_s\"", false, BAD,
     MODEL " has no tensor \"bert.pooler.dense.bias\""},
    {MODEL, HEADER, "classifier.weight/dtype", "\"I32\"", false, BAD,
     MODEL ": tensor \"classifier.weight\" has dtype I32"},
    {MODEL, HEADER, "classifier.weight/shape", "[16, 3]", false, BAD,
     MODEL ": tensor \"classifier.weight\" has shape [16, 3], [3, 16] is expected"},
    {MODEL, HEADER, "classifier.bias/shape", "[1, 3]", false, BAD,
     MODEL ": tensor \"classifier.bias\" has shape [1, 3], [3] is expected"},
    {MODEL, ELEMENT, "classifier.weight/47", NAN_BITS, false, SOUK_ERR_NONFINITE,
     MODEL ": tensor \"classifier.weight\" holds a NaN"},
    {MODEL, ELEMENT, "bert.pooler.dense.weight/0", INF_BITS, false, SOUK_ERR_NONFINITE,
     MODEL ": tensor \"bert.pooler.dense.weight\" holds a NaN or an infinity"},
    // an adapter's temperatures
    {OWN, ABSENT, 0, 0, false, SOUK_ERR_IO, OWN},
    {OWN, CUT, 0, "9", false, BAD, OWN " line "},
    {OWN, WHOLE, 0, "[]", false, BAD, OWN " must hold an object"},
    {OWN, WHOLE, 0, "{}", false, BAD,
     OWN ": field \"temperature\" must be an array of a number for each label"},
    {OWN, SET, "temperature", "[1, 1]", false, BAD,
     OWN ": field \"temperature\" must be an array of a number"},
    {OWN, SET, "temperature", "[1, 0, 1]", false, BAD,
     OWN ": field \"temperature\" must be an array of numbers from"},
    {OWN, SET, "temperature", "[1, \"1\", 1]", false, BAD,
     OWN ": field \"temperature\" must be an array of numbers from"},
    {OWN, SET, "temperature", "[1, 1, 1e9]", true, BAD, OWN " has "},
    {OWN, SET, "future", "1", false, BAD, OWN ": field \"future\" is unknown"},
    {"souk.json", DELETE, "labels", 0, false, BAD, OWN " is of labels, and the bundle has none"},
    // words
    {"souk.json", SET, "words", "7", false, BAD, "souk.json: field \"words\" must be an object"},
    {"souk.json", SET, "words/rules", "\"slow\"", false, BAD, "souk.json: field \"words.rules\" must be"},
    {"souk.json", SET, "words/lower_case", "1", false, BAD,
     "souk.json: field \"words.lower_case\" must be true or false"},
    {"souk.json", SET, "words/strip_accents", "0", false, BAD,
     "souk.json: field \"words.strip_accents\" must be"},
    {"souk.json", DELETE, "words/clean_text", 0, false, BAD, "souk.json: field \"words.clean_text\" must be"},
    {"souk.json", SET, "words/longest_word", "0", false, BAD,
     "souk.json: field \"words.longest_word\" must be an integer from 1 to 1000"},
    {"souk.json", SET, "words/longest_word", "1001", false, BAD,
     "souk.json: field \"words.longest_word\" must be"},
    {"souk.json", DELETE, "words/prefix", 0, false, BAD, "souk.json: field \"words.prefix\" must be"},
    {"souk.json", SET, "words/specials", "[\"[PAD]\"]", false, BAD,
     "souk.json: field \"words.specials\" must be an array of five"},
    {"souk.json", SET, "words/specials", "[1, 2, 3, 4, 5]", false, BAD,
     "souk.json: field \"words.specials\" must be"},
    {"souk.json", SET, "words/added", "{}", false, BAD, "souk.json: field \"words.added\" must be an array"},
    {"souk.json", SET, "words/added", "[7]", false, BAD,
     "souk.json: field \"words.added\" must be an array of objects"},
    {"souk.json", SET, "words/added", NEW_WORD("\"\"", "5"), false, BAD,
     "souk.json: field \"words.added.text\" must be"},
    {"souk.json", SET, "words/added", NEW_WORD("\"new\"", "-1"), false, BAD,
     "souk.json: field \"words.added.id\" must be"},
    {"souk.json", SET, "words/added", NEW_WORD("\"new\"", "17"), false, BAD,
     "souk.json: field \"words.added.id\" must be"},
    {"vocab.tsv", REPLACE, "w7\t", "\xff\t", false, BAD,
     "souk.json: field \"words\": word 8 of the vocabulary is not UTF-8"},
    {"souk.json", SET, "words/future", "true", false, BAD, "souk.json: field \"words.future\" is unknown"},
};

// A model of labels of texts, of which one holds.
static const hostile of_classifies[] = {
    {"souk.json", SET, "labels/names", "[\"a\"]", false, BAD,
     "souk.json: field \"labels.names\" must be an array"},
    {"souk.json", SET, "labels/names", "[\"a\", \"b\"]", false, BAD,
     MODEL ": tensor \"classifier.weight\" has shape [3, 16], [2, 16] is expected"},
    {"souk.json", SET, "labels/temperature", "[1, 1, 1]", false, BAD,
     "souk.json: field \"labels.temperature\" must be an array of one number"},
    {"souk.json", SET, "labels/temperature", "[1e-9]", false, BAD,
     "souk.json: field \"labels.temperature\" must be"},
};

// A model that ranks, with content of items and two adapters.
static const hostile of_ranks[] = {
    {CONTENT, ABSENT, 0, 0, false, SOUK_ERR_IO, CONTENT},
    {CONTENT, DIRECTORY, 0, 0, false, BAD, CONTENT " is not a regular file"},
    {CONTENT, CUT, 0, "7", false, BAD, CONTENT " is cut short"},
    {CONTENT, CUT, 0, "400", false, BAD, CONTENT ": "},
    {CONTENT, APPEND, 0, "1234", false, BAD, CONTENT ": 4 bytes at its end belong to no tensor"},
    {CONTENT, REPLACE, "\"items.content.bias\"", "\"items.content.bi_s\"", false, BAD,
     CONTENT " has no tensor \"items.content.bias\""},
    {CONTENT, REPLACE, "\"items.new.bias\"", "\"items.new.bi_s\"", false, BAD,
     CONTENT " has no tensor \"items.new.bias\""},
    {CONTENT, HEADER, "items.content.bias/dtype", "\"I32\"", false, BAD,
     CONTENT ": tensor \"items.content.bias\" has dtype I32, F32 is expected"},
    {CONTENT, HEADER, "items.content.bias/shape", "[16, 1]", false, BAD,
     CONTENT ": tensor \"items.content.bias\" has shape [16, 1], [16] is expected"},
    {CONTENT, HEADER, "items.content.text.weight/shape", "[8, 32]", false, BAD,
     CONTENT ": tensor \"items.content.text.weight\" has shape [8, 32], [16, 16] is expected"},
    {CONTENT, HEADER, "items.content.features.weight/shape", "[48]", false, BAD,
     CONTENT ": tensor \"items.content.features.weight\" must have 1 to 65536 columns"},
    {CONTENT, HEADER, "items.content.features.weight/shape", "[3, 16]", false, BAD,
     CONTENT ": tensor \"items.content.features.weight\" has shape [3, 16], [16, 16] is expected"},
    {CONTENT, ELEMENT, "items.content.text.weight/255", NAN_BITS, false, SOUK_ERR_NONFINITE,
     CONTENT ": tensor \"items.content.text.weight\" holds a NaN or an infinity"},
    {CONTENT, ELEMENT, "items.content.features.weight/0", INF_BITS, false, SOUK_ERR_NONFINITE,
     CONTENT ": tensor \"items.content.features.weight\" holds a NaN or an infinity"},
    {CONTENT, ELEMENT, "items.new.bias/0", NAN_BITS, false, SOUK_ERR_NONFINITE,
     CONTENT ": tensor \"items.new.bias\" holds a NaN or an infinity"},
    // an adapter in low rank
    {DE "config.json", ABSENT, 0, 0, false, SOUK_ERR_IO, DE "config.json"},
    {DE "config.json", LINK, 0, 0, false, BAD, DE "config.json is a symbolic link"},
    {DE "config.json", CUT, 0, "9", false, BAD, DE "config.json line "},
    {DE "config.json", WHOLE, 0, "[]", false, BAD, DE "config.json must hold an object"},
    {DE "config.json", SET, "peft_type", "\"IA3\"", false, BAD,
     DE "config.json: field \"peft_type\" must be"},
    {DE "config.json", DELETE, "r", 0, false, BAD, DE "config.json: field \"r\" must be"},
    {DE "config.json", SET, "r", "0", false, BAD, DE "config.json: field \"r\" must be"},
    {DE "config.json", SET, "r", "4097", false, BAD, DE "config.json: field \"r\" must be"},
    {DE "config.json", SET, "r", "1000000000000", false, BAD, DE "config.json: field \"r\" must be"},
    {DE "config.json", SET, "r", "3", false, BAD,
     DE
     "model.safetensors: tensor \"base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight\" "
     "has shape [2, 16], [3, 16] is expected"},
    {DE "config.json", SET, "lora_alpha", "1e9", false, BAD, DE "config.json: field \"lora_alpha\" must be"},
    {DE "config.json", SET, "lora_alpha", "\"4\"", false, BAD,
     DE "config.json: field \"lora_alpha\" must be"},
    {DE "config.json", SET, "bias", "\"all\"", false, BAD, DE "config.json: field \"bias\" must be \"none\""},
    {DE "config.json", SET, "use_dora", "true", false, BAD,
     DE "config.json: field \"use_dora\" must be false"},
    {DE "config.json", SET, "rank_pattern", "{\"query\": 4}", false, BAD,
     DE "config.json: field \"rank_pattern\" must be empty"},
    {DE MODEL, CUT, 0, "100", false, BAD, DE MODEL ": its header of"},
    {DE MODEL, ABSENT, 0, 0, false, SOUK_ERR_IO, DE MODEL},
    {DE MODEL, REPLACE, "lora_A", "lora_Q", false, BAD,
     DE MODEL ": layer 1 has not all factors of attention.self.query"},
    {DE MODEL, REPLACE, "layer.1.", "layer.7.", false, BAD, DE MODEL ": "},
    {DE MODEL, HEADER, "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight/dtype",
     "\"I32\"", false, BAD,
     DE MODEL
     ": tensor \"base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight\" has dtype I32"},
    {DE MODEL, ELEMENT, "base_model.model.bert.encoder.layer.1.attention.self.value.lora_B.weight/5",
     NAN_BITS, false, SOUK_ERR_NONFINITE,
     DE MODEL
     ": tensor \"base_model.model.bert.encoder.layer.1.attention.self.value.lora_B.weight\" holds a NaN"},
    // and one behind the layers
    {SALE "config.json", CUT, 0, "9", false, BAD, SALE "config.json line "},
    {SALE "config.json", SET, "adapter_width", "0", false, BAD,
     SALE "config.json: field \"adapter_width\" must be an integer"},
    {SALE "config.json", SET, "adapter_width", "4", false, BAD, SALE MODEL ": tensor \""},
    {SALE "config.json", SET, "future", "4", false, BAD, SALE "config.json: field \"future\" is unknown"},
    {SALE MODEL, CUT, 0, "100", false, BAD, SALE MODEL ": its header of"},
    {SALE MODEL, ABSENT, 0, 0, false, SOUK_ERR_IO, SALE MODEL},
};

static void refuse_all(rich_kind kind, const hostile *cases, size_t n) {
  char dir[256], good[PATH_MAX], evil[PATH_MAX];
  tiny_directory(dir, sizeof dir);
  rich_bundle(dir, kind);
  check_ok(path_join(good, sizeof good, dir, "bundle"));
  check_ok(path_join(evil, sizeof evil, dir, "evil"));
  hostile_of(good, evil);
  hostile_all(cases, n);
  tiny_remove(dir);
}

static void bundles_of_pairs(void **state) {
  (void)state;
  refuse_all(RICH_PAIRS, of_pairs, sizeof of_pairs / sizeof *of_pairs);
}

static void bundles_of_labelled_texts(void **state) {
  (void)state;
  refuse_all(RICH_CLASSIFIES, of_classifies, sizeof of_classifies / sizeof *of_classifies);
}

static void bundles_that_rank(void **state) {
  (void)state;
  refuse_all(RICH_RANKS, of_ranks, sizeof of_ranks / sizeof *of_ranks);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bundles_of_pairs),
                                     cmocka_unit_test(bundles_of_labelled_texts),
                                     cmocka_unit_test(bundles_that_rank)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
