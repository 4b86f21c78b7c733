// Hostile and damaged bundles: a good one is changed in one place a case, and opening must refuse it with the
// right code and a sentence that names file and field. Unless the case is about checksums, souk.json is made
// to agree with the changed files, as a malicious author would.
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/hostile.h"
#include "lib/mixed_bundle.h"
#include "souk/infer.h"

static mixed_bundle made;

static int make_bundle(void **state) {
  (void)state;
  mixed_bundle_make(&made);
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  mixed_bundle_remove(&made);
  return 0;
}

// ---- cases ---------------------------------------------------------------------------------------------------

#define WORD  "bert.embeddings.word_embeddings.weight"
#define QUERY "bert.encoder.layer.0.attention.self.query.weight"
#define DEEP  "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
#define BAD   SOUK_ERR_FORMAT
#define TERM  "[[1, 1]]"
#define SUM(channel, span, decay, terms)                              \
  "[{\"channel\": " channel ", \"span\": " span ", \"decay\": " decay \
  ", \"row_power\": 1, \"row_shrink\": 0, \"column_power\": 0, \"terms\": " terms "}]"

static const hostile cases[] = {
    // souk.json as a whole
    {"souk.json", ABSENT, 0, 0, true, SOUK_ERR_IO, "souk.json"},
    {"souk.json", WHOLE, 0, "", true, BAD, "souk.json line 1: it ends too early"},
    {"souk.json", WHOLE, 0, "[]", true, BAD, "souk.json must hold an object"},
    {"souk.json", WHOLE, 0, "{\"schema\":" DEEP "}", true, BAD, "souk.json line 1: it is nested too deeply"},
    {"souk.json", CUT, 0, "700", true, BAD, "souk.json line "},
    {"souk.json", APPEND, 0, "{}", true, BAD, "something follows the value"},
    {"souk.json", REPLACE, "\"version\"", "\"schema\"", true, BAD, "the key \"schema\" appears twice"},
    {"souk.json", REPLACE, "souk.bundle", "souk.\xff", true, BAD, "not valid UTF-8"},
    {"souk.json", LINK, 0, 0, true, BAD, "souk.json is a symbolic link"},
    {"souk.json", DIRECTORY, 0, 0, true, BAD, "souk.json is not a regular file"},
    {"souk.json", PIPE, 0, 0, true, BAD, "souk.json is not a regular file"},
    {"souk.json", SET, "schema", "\"souk.checkpoint\"", false, BAD,
     "field \"schema\" must be \"souk.bundle\""},
    {"souk.json", DELETE, "schema", 0, false, BAD, "souk.json: field \"schema\" must be a string"},
    {"souk.json", SET, "version", "2", false, BAD, "has version 2"},
    {"souk.json", SET, "future", "{\"a\": [1]}", false, BAD,
     "evil/souk.json: field \"future\" is unknown; souk " SOUK_VERSION
     " wrote it, this is souk " SOUK_VERSION},
    {"souk.json", SET, "layout/future", "true", false, BAD, "field \"layout.future\" is unknown"},
    {"souk.json", SET, "encoder/rotary", "true", false, BAD, "field \"encoder.rotary\" is unknown"},
    {"souk.json", SET, "vocabulary/merges", "[5, 5]", false, BAD, "field \"vocabulary.merges\" is unknown"},
    {"souk.json", SET, "head/adapter", "\"lora\"", false, BAD, "field \"head.adapter\" is unknown"},
    {"souk.json", SET, "training/x\ny", "1", false, BAD, "field \"training.x"},
    {"config.json", SET, "position_embedding_type", "\"relative_key\"", false, BAD,
     "evil/config.json: field \"position_embedding_type\" is unknown; souk " SOUK_VERSION " wrote it"},
    {"souk.json", SET, "version", "1.0", false, BAD, "field \"version\""},
    {"souk.json", SET, "version", "\"1\"", false, BAD, "field \"version\""},
    {"souk.json", SET, "created_by", "7", false, BAD, "field \"created_by\" must be a string"},
    // its layout
    {"souk.json", DELETE, "layout", 0, false, BAD, "field \"layout.cls_sep\" must be true or false"},
    {"souk.json", SET, "layout/cls_sep", "1", false, BAD, "field \"layout.cls_sep\" must be true or false"},
    {"souk.json", SET, "layout/max_positions", "0", false, BAD,
     "field \"layout.max_positions\" must be an integer from 1"},
    {"souk.json", SET, "layout/max_positions", "-1", false, BAD, "layout.max_positions"},
    {"souk.json", SET, "layout/max_positions", "9223372036854775807", false, BAD, "layout.max_positions"},
    {"souk.json", REPLACE, "\"max_positions\": 10", "\"max_positions\": 9223372036854775808", true, BAD,
     "layout.max_positions"},
    {"souk.json", REPLACE, "\"max_positions\": 10", "\"max_positions\": 1e1", true, BAD,
     "layout.max_positions"},
    {"souk.json", REPLACE, "\"max_positions\": 10", "\"max_positions\": 1e999", true, BAD,
     "a number is out of range"},
    {"souk.json", SET, "layout/max_positions", "11", false, BAD,
     "config.json: field \"max_position_embeddings\""},
    {"souk.json", SET, "layout/types_per_segment", "65", false, BAD, "field \"layout.types_per_segment\""},
    {"souk.json", SET, "layout/types_per_segment", "2", false, BAD, "field \"layout.event_types\""},
    {"souk.json", SET, "layout/types_per_segment", "4", false, BAD, "config.json: field \"type_vocab_size\""},
    {"souk.json", SET, "layout/segments", "17", false, BAD, "field \"layout.segments\""},
    {"souk.json", SET, "layout/event_types", "[]", false, BAD, "field \"layout.event_types\""},
    {"souk.json", SET, "layout/event_types", "{\"a\":\"none\"}", false, BAD, "field \"layout.event_types\""},
    {"souk.json", SET, "layout/event_types", "[\"none\", 5]", false, BAD, "array of strings"},
    {"souk.json", SET, "layout/event_types", "[\"none\",\"view\",\"view\"]", false, BAD,
     "array of different names"},
    {"souk.json", SET, "encoder/pre_norm", "null", false, BAD,
     "field \"encoder.pre_norm\" must be true or false"},
    {"souk.json", SET, "encoder/pre_norm", "true", false, BAD,
     "has no tensor \"bert.encoder.layer.0.attention.ln.weight\""},
    // vocabulary
    {"souk.json", SET, "vocabulary", "[]", false, BAD, "field \"vocabulary.size\""},
    {"souk.json", SET, "vocabulary/size", "2147483648", false, BAD, "field \"vocabulary.size\""},
    {"souk.json", SET, "vocabulary/size", "2147483647", false, BAD, "field \"vocabulary.items\""},
    {"souk.json", SET, "vocabulary/special", "[0, 4]", false, BAD, "field \"vocabulary.special\""},
    {"souk.json", SET, "vocabulary/words", "[5, 4]", false, BAD, "field \"vocabulary.words\""},
    {"souk.json", SET, "vocabulary/words", "[5]", false, BAD, "field \"vocabulary.words\""},
    {"souk.json", SET, "vocabulary/words", "[5, \"5\"]", false, BAD, "field \"vocabulary.words\""},
    {"souk.json", SET, "vocabulary/attributes", "[6, 6]", false, BAD, "field \"vocabulary.attributes\""},
    {"souk.json", SET, "vocabulary/items", "[5, 18]", false, BAD, "field \"vocabulary.items\""},
    {"souk.json", SET, "vocabulary/items", "[5, 16]", false, BAD, "field \"vocabulary.items\""},
    {"souk.json", SET, "vocabulary/items", "[5, 9223372036854775807]", false, BAD,
     "field \"vocabulary.items\""},
    // head and training
    {"souk.json", SET, "head/score", "\"euclid\"", false, BAD,
     "field \"head.score\" must be \"dot\" or \"cosine\""},
    {"souk.json", SET, "head/inv_temperature", "0", false, BAD,
     "field \"head.inv_temperature\" must be a number"},
    {"souk.json", SET, "head/inv_temperature", "1e300", false, BAD, "field \"head.inv_temperature\""},
    {"souk.json", SET, "head/class_base", "6", false, BAD, "field \"head.class_base\""},
    {"souk.json", SET, "head/classes", "11", false, BAD, "field \"head.classes\""},
    {"souk.json", SET, "head/classes", "13", false, BAD, "field \"head.classes\" reaches beyond"},
    {"souk.json", SET, "training/step", "-1", false, BAD, "field \"training.step\""},
    {"souk.json", SET, "training/data", "[]", false, BAD, "field \"training.data\" must be a string"},
    // the list of files
    {"souk.json", SET, "files", "[]", false, BAD, "field \"files\" must be an object"},
    {"souk.json", DELETE, "files/vocab.tsv", 0, false, BAD, "field \"files\" lacks vocab.tsv"},
    {"souk.json", SET, "files/x", "{}", false, BAD, "field \"files.x\" must have \"bytes\""},
    {"souk.json", SET, "files/x",
     "{\"bytes\": 0, \"sha256\": \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}",
     false, SOUK_ERR_IO, "/x"},
    {"souk.json", REPLACE, "vocab.tsv", "../vocab.tsv", true, BAD,
     "\"../vocab.tsv\" is not a plain file name"},
    {"souk.json", REPLACE, "vocab.tsv", "/etc/passwd", true, BAD, "\"/etc/passwd\" is not a plain file name"},
    {"souk.json", REPLACE, "vocab.tsv", "a/b", true, BAD, "\"a/b\" is not a plain file name"},
    {"souk.json", REPLACE, "vocab.tsv", "..", true, BAD, "\"..\" is not a plain file name"},
    {"souk.json", REPLACE, "vocab.tsv", "", true, BAD, "\"\" is not a plain file name"},
    {"souk.json", REPLACE, "vocab.tsv", "souk.json", true, BAD, "\"souk.json\" cannot list itself"},
    {"souk.json", REPLACE, "vocab.tsv", "a\\u001b[2Jb", true, BAD, "a\\x1b[2Jb"},
    {"souk.json", REPLACE, "vocab.tsv", "config.json", true, BAD, "the key \"config.json\" appears twice"},
    {"souk.json", SET, "files/vocab.tsv/bytes", "-1", true, BAD,
     "field \"files.vocab.tsv\" must have \"bytes\""},
    {"souk.json", SET, "files/vocab.tsv/bytes", "9223372036854775807", true, BAD,
     "it is damaged or cut short"},
    {"souk.json", SET, "files/vocab.tsv/bytes", "\"1\"", true, BAD, "field \"files.vocab.tsv\""},
    {"souk.json", SET, "files/vocab.tsv/sha256", "\"abc\"", true, BAD, "field \"files.vocab.tsv\""},
    {"souk.json", SET, "files/vocab.tsv", "null", true, BAD, "field \"files.vocab.tsv\""},
    // files that are not what souk.json says
    {"vocab.tsv", REPLACE, "item3", "item4", true, SOUK_ERR_CHECKSUM, "vocab.tsv: its checksum"},
    {"model.safetensors", FLOAT, "20", "0x3f800000", true, SOUK_ERR_CHECKSUM,
     "model.safetensors: its checksum"},
    {"items.safetensors", FLOAT, "40", "0x3f800000", true, SOUK_ERR_CHECKSUM,
     "items.safetensors: its checksum"},
    {"catalogue.jsonl", REPLACE, "Tea", "Tee", true, SOUK_ERR_CHECKSUM, "catalogue.jsonl: its checksum"},
    {"config.json", APPEND, 0, " ", true, BAD, "config.json has "},
    {"model.safetensors", CUT, 0, "1000", true, BAD, "model.safetensors has 1000 bytes"},
    {"model.safetensors", ABSENT, 0, 0, true, SOUK_ERR_IO, "model.safetensors"},
    {"config.json", LINK, 0, 0, false, BAD, "config.json is a symbolic link"},
    {"model.safetensors", LINK, 0, 0, false, BAD, "model.safetensors is a symbolic link"},
    {"items.safetensors", LINK, 0, 0, false, BAD, "items.safetensors is a symbolic link"},
    {"vocab.tsv", DIRECTORY, 0, 0, false, BAD, "vocab.tsv is not a regular file"},
    {"catalogue.jsonl", PIPE, 0, 0, false, BAD, "catalogue.jsonl is not a regular file"},
    // config.json
    {"config.json", WHOLE, 0, "", false, BAD, "config.json line 1: it ends too early"},
    {"config.json", WHOLE, 0, DEEP, false, BAD, "config.json line 1: it is nested too deeply"},
    {"config.json", SET, "hidden_size", "0", false, BAD,
     "config.json: field \"hidden_size\" must be an integer from 1"},
    {"config.json", SET, "hidden_size", "65537", false, BAD, "field \"hidden_size\""},
    {"config.json", SET, "hidden_size", "16", false, BAD,
     "\"" WORD "\" has shape [17, 8], [17, 16] is expected"},
    {"config.json", DELETE, "hidden_size", 0, false, BAD, "field \"hidden_size\""},
    {"config.json", SET, "num_attention_heads", "3", false, BAD,
     "field \"num_attention_heads\" must be a divisor"},
    {"config.json", SET, "num_attention_heads", "0", false, BAD, "field \"num_attention_heads\""},
    {"config.json", SET, "num_hidden_layers", "2", false, BAD, "has no tensor \"bert.encoder.layer.1."},
    {"model.safetensors", HEADER, "bert.encoder.layer.7.bias",
     "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", false, BAD,
     "1 tensor, \"bert.encoder.layer.7.bias\" first, has no place in the model of config.json, which has 1 "
     "layer"},
    {"config.json", SET, "num_hidden_layers", "513", false, BAD, "field \"num_hidden_layers\""},
    {"config.json", SET, "intermediate_size", "1048577", false, BAD, "field \"intermediate_size\""},
    {"config.json", SET, "vocab_size", "16", false, BAD, "field \"vocab_size\""},
    {"config.json", SET, "vocab_size", "18", false, BAD,
     "\"" WORD "\" has shape [17, 8], [18, 8] is expected"},
    {"config.json", SET, "hidden_act", "\"relu\"", false, BAD, "field \"hidden_act\" must be \"gelu\""},
    {"config.json", SET, "layer_norm_eps", "0", false, BAD, "field \"layer_norm_eps\" must be a number"},
    {"config.json", SET, "layer_norm_eps", "-1e-12", false, BAD, "field \"layer_norm_eps\""},
    // safetensors: the size of the header
    {"model.safetensors", WHOLE, 0, "", false, BAD, "model.safetensors is cut short"},
    {"model.safetensors", CUT, 0, "7", false, BAD, "model.safetensors is cut short"},
    {"model.safetensors", CUT, 0, "100", false, BAD, "reaches beyond the file's end"},
    {"model.safetensors", NUMBER, 0, "0", false, BAD, "model.safetensors: header line 1: it ends too early"},
    {"model.safetensors", NUMBER, 0, "0x7fffffffffffffff", false, BAD,
     "its header of 9223372036854775807 bytes"},
    {"model.safetensors", NUMBER, 0, "0x8000000000000000", false, BAD, "reaches beyond the file's end"},
    {"model.safetensors", NUMBER, 0, "0xffffffffffffffff", false, BAD, "reaches beyond the file's end"},
    {"model.safetensors", NUMBER, 0, "0xfffffffffffffff8", false, BAD, "reaches beyond the file's end"},
    {"model.safetensors", NUMBER, 0, "500", false, BAD, "model.safetensors: header line 1: "},
    // and what it says
    {"model.safetensors", HEADER, "__metadata__", "7", false, BAD,
     "\"__metadata__\" must be an object of strings"},
    {"model.safetensors", HEADER, "__metadata__", "{\"a\":1}", false, BAD, "\"__metadata__\""},
    {"model.safetensors", UNHEADER, WORD, 0, false, BAD, "belong to no tensor"},
    {"model.safetensors", HEADER, WORD, "[]", false, BAD,
     "tensor \"" WORD "\": it must be described by an object"},
    {"model.safetensors", HEADER, WORD "/dtype", "\"F16\"", false, BAD, "\"data_offsets\" do not span"},
    {"model.safetensors", HEADER, WORD "/dtype", "\"I32\"", false, BAD, "has dtype I32, F32 is expected"},
    {"model.safetensors", HEADER, WORD "/dtype", "\"F31\"", false, BAD, "\"dtype\" is missing or unknown"},
    {"model.safetensors", HEADER, WORD "/dtype", "4", false, BAD, "\"dtype\" is missing or unknown"},
    {"model.safetensors", UNHEADER, WORD "/dtype", 0, false, BAD, "\"dtype\" is missing or unknown"},
    {"model.safetensors", HEADER, WORD "/shape", "[8, 17]", false, BAD,
     "has shape [8, 17], [17, 8] is expected"},
    {"model.safetensors", HEADER, WORD "/shape", "[136]", false, BAD, "has shape [136], [17, 8] is expected"},
    {"model.safetensors", HEADER, WORD "/shape", "[17, 8, 1]", false, BAD,
     "has shape [17, 8, ...], [17, 8] is expected"},
    {"model.safetensors", HEADER, WORD "/shape", "[17, 9]", false, BAD, "\"data_offsets\" do not span"},
    {"model.safetensors", HEADER, WORD "/shape", "[-17, -8]", false, BAD,
     "\"shape\" must hold integers from 0"},
    {"model.safetensors", HEADER, WORD "/shape", "[17.0, 8]", false, BAD, "\"shape\" must hold integers"},
    {"model.safetensors", HEADER, WORD "/shape", "\"17\"", false, BAD, "\"shape\" must be an array"},
    {"model.safetensors", HEADER, WORD "/shape", "[4611686018427387904, 8]", false, BAD,
     "does not fit 64 bits"},
    {"model.safetensors", HEADER, WORD "/shape", "[4294967296, 4294967296]", false, BAD,
     "does not fit 64 bits"},
    {"model.safetensors", HEADER, WORD "/shape", "[9223372036854775807]", false, BAD, "does not fit 64 bits"},
    {"model.safetensors", REPLACE, "\"shape\":[17,8]", "\"shape\":[9223372036854775808,8]", false, BAD,
     "\"shape\" must hold integers"}, // the spaces behind the header make room
    {"model.safetensors", HEADER, WORD "/shape", "[1,1,1,1,1,1,1,17,8]", false, BAD,
     "more than 8 dimensions"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[0]", false, BAD,
     "\"data_offsets\" must be two integers"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[0, 1.5]", false, BAD,
     "\"data_offsets\" must be two integers"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[-544, 0]", false, BAD,
     "\"data_offsets\" must be two integers"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[544, 0]", false, BAD,
     "\"data_offsets\" must be two integers"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[9223372036854775263, 9223372036854775807]", false,
     BAD, "\"data_offsets\" point beyond the file's end"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[0, 548]", false, BAD,
     "\"data_offsets\" do not span"},
    {"model.safetensors", HEADER, WORD "/data_offsets", "[4, 548]", false, BAD,
     "bytes before it belong to no tensor"},
    {"model.safetensors", HEADER, QUERY "/data_offsets", "[0, 256]", false, BAD,
     "tensors \"" QUERY "\" and \"" WORD "\" overlap"},
    {"model.safetensors", HEADER, "more", "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}", false,
     BAD, "overlap"},
    {"model.safetensors", APPEND, 0, "abcd", false, BAD, "4 bytes at its end belong to no tensor"},
    {"model.safetensors", REPLACE, "self.value.weight", "self.query.weight", false, BAD, "appears twice"},
    {"model.safetensors", REPLACE, "self.value.weight", "self.valuE.weight", false, BAD,
     "has no tensor \"bert.encoder.layer.0.attention.self.value.weight\""},
    // weights that are not numbers; the word table comes first in the file
    {"model.safetensors", FLOAT, "3", "0x7fc00000", false, SOUK_ERR_NONFINITE,
     "tensor \"" WORD "\" holds a NaN"},
    {"model.safetensors", FLOAT, "135", "0x7f800000", false, SOUK_ERR_NONFINITE,
     "tensor \"" WORD "\" holds a NaN"},
    {"model.safetensors", FLOAT, "136", "0xff800001", false, SOUK_ERR_NONFINITE,
     "position_embeddings.weight\" holds"},
    {"items.safetensors", FLOAT, "24", "0xffc00000", false, SOUK_ERR_NONFINITE,
     "tensor \"vectors\" holds a NaN"},
    {"items.safetensors", FLOAT, "131", "0x7f800000", false, SOUK_ERR_NONFINITE,
     "tensor \"vectors\" holds a NaN"},
    // items
    {"items.safetensors", WHOLE, 0, "1234567", false, BAD, "items.safetensors is cut short"},
    {"items.safetensors", HEADER, "vectors/shape", "[9, 12]", false, BAD,
     "\"vectors\" has shape [9, 12], [12, 9] is expected"},
    {"items.safetensors", REPLACE, "vectors", "vectorz", false, BAD,
     "items.safetensors has no tensor \"vectors\""},
    {"items.safetensors", REPLACE, "counts", "count_", false, BAD,
     "items.safetensors has no tensor \"counts\""},
    {"items.safetensors", HEADER, "counts/dtype", "\"F64\"", false, BAD,
     "\"counts\" has dtype F64, I64 is expected"},
    // vocabulary
    {"vocab.tsv", WHOLE, 0, "", false, BAD, "vocab.tsv is too short"},
    {"vocab.tsv", CUT, 0, "60", false, BAD, "vocab.tsv is cut short: its last line is incomplete"},
    {"vocab.tsv", APPEND, 0, "more\t1\n", false, BAD, "vocab.tsv has more lines"},
    {"vocab.tsv", REPLACE, "item11\t0\n", "", false, BAD, "vocab.tsv has 16 lines"},
    {"vocab.tsv", REPLACE, "item4\t", "item4 ", false, BAD,
     "vocab.tsv line 10: TOKEN <tab> COUNT is expected"},
    {"vocab.tsv", REPLACE, "item4\t", "item4\t-", false, BAD,
     "vocab.tsv line 10: TOKEN <tab> COUNT is expected"},
    {"vocab.tsv", REPLACE, "item4\t", "item4\t9999999999999999999", false, BAD, "vocab.tsv line 10"},
    {"vocab.tsv", REPLACE, "item4\t", "item4\t1\t", false, BAD,
     "vocab.tsv line 10: TOKEN <tab> COUNT is expected"},
    {"vocab.tsv", REPLACE, "item4", "it\\em", false, BAD, "vocab.tsv line 10: unknown escape"},
    {"vocab.tsv", REPLACE, "item4", "item\\", false, BAD, "vocab.tsv line 10: unknown escape"},
    {"vocab.tsv", REPLACE, "item4", "item3", false, BAD,
     "vocab.tsv line 10: the item \"item3\" appears twice"},
    {"vocab.tsv", REPLACE, "[MASK]", "[mask]", false, BAD, "vocab.tsv line 5: the token must be [MASK]"},
    // catalogue
    {"catalogue.jsonl", APPEND, 0, "{\"item\":\"item4\"}", false, BAD, "catalogue.jsonl is cut short"},
    {"catalogue.jsonl", APPEND, 0, "\n", false, BAD, "catalogue.jsonl line 6: it ends too early"},
    {"catalogue.jsonl", APPEND, 0, "[]\n", false, BAD,
     "catalogue.jsonl line 6: an object with a string \"item\""},
    {"catalogue.jsonl", APPEND, 0, "{\"item\":4}\n", false, BAD, "catalogue.jsonl line 6"},
    {"catalogue.jsonl", APPEND, 0, "{\"item\":\"item4\",\"title\":4}\n", false, BAD,
     "line 6: \"title\" must be a string"},
    {"catalogue.jsonl", APPEND, 0, DEEP "\n", false, BAD, "catalogue.jsonl line 6: it is nested too deeply"},
    // the mix: its settings
    {"souk.json", DELETE, "mix", 0, false, BAD,
     "field \"files\" lists mix.safetensors, and there is no \"mix\""},
    {"souk.json", DELETE, "files/mix.safetensors", 0, false, BAD, "field \"files\" lacks mix.safetensors"},
    {"souk.json", SET, "mix", "[]", false, BAD, "field \"mix\" must be an object"},
    {"souk.json", SET, "mix/future", "1", false, BAD, "field \"mix.future\" is unknown"},
    {"souk.json", DELETE, "mix/scale", 0, false, BAD,
     "field \"mix.scale\" must be a number from -1e+06 to 1e+06"},
    {"souk.json", SET, "mix/scale", "1e7", false, BAD, "field \"mix.scale\""},
    {"souk.json", SET, "mix/popularity", "\"1\"", false, BAD, "field \"mix.popularity\""},
    {"souk.json", SET, "mix/unseen", "null", false, BAD, "field \"mix.unseen\""},
    {"souk.json", SET, "mix/reached", "-1e300", false, BAD, "field \"mix.reached\""},
    {"souk.json", SET, "mix/reached_popularity", "true", false, BAD, "field \"mix.reached_popularity\""},
    {"souk.json", SET, "mix/neighbours", "0", false, BAD, "field \"mix.neighbours\""},
    {"souk.json", SET, "mix/window", "1e10", false, BAD, "field \"mix.window\""},
    {"souk.json", SET, "mix/distance_power", "-1", false, BAD, "field \"mix.distance_power\""},
    {"souk.json", SET, "mix/counted", "7", false, BAD, "field \"mix.counted\" must be a short string"},
    {"souk.json", SET, "mix/counted", "\"a text that is longer than thirty-one\"", false, BAD,
     "field \"mix.counted\" must be a short string"},
    {"souk.json", SET, "mix/sums", "{}", false, BAD, "field \"mix.sums\" must be an array of at most 16"},
    {"souk.json", SET, "mix/sums", "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]", false, BAD,
     "field \"mix.sums\" must be an array of at most 16"},
    {"souk.json", SET, "mix/sums", "[7]", false, BAD, "field \"mix.sums\" must be an array of objects"},
    {"souk.json", SET, "mix/sums", SUM("\"last\"", "1", "1", TERM), false, BAD, "field \"mix.sums.channel\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "0", "1", TERM), false, BAD, "field \"mix.sums.span\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1001", "1", TERM), false, BAD, "field \"mix.sums.span\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1", "1.5", TERM), false, BAD, "field \"mix.sums.decay\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1", "1", "[]"), false, BAD, "field \"mix.sums.terms\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1", "1", "[[1]]"), false, BAD,
     "field \"mix.sums.terms\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1", "1", "[[-1, 1]]"), false, BAD,
     "field \"mix.sums.terms\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1", "1", "[[1, 1], [1, 1], [1, 1], [1, 1], [1, 1]]"),
     false, BAD, "field \"mix.sums.terms\""},
    {"souk.json", SET, "mix/sums", SUM("\"next\"", "1", "1", TERM ", \"power\": 2"), false, BAD,
     "field \"mix.sums.power\" is unknown"},
    // and its table
    {"mix.safetensors", FLOAT, "1", "0x3f800000", true, SOUK_ERR_CHECKSUM, "mix.safetensors: its checksum"},
    {"mix.safetensors", LINK, 0, 0, false, BAD, "mix.safetensors is a symbolic link"},
    {"mix.safetensors", WHOLE, 0, "1234567", false, BAD, "mix.safetensors is cut short"},
    {"mix.safetensors", REPLACE, "\"counts\"", "\"count_\"", false, BAD,
     "mix.safetensors has no tensor \"counts\""},
    {"mix.safetensors", REPLACE, "\"offsets\"", "\"offsetz\"", false, BAD, "has no tensor \"offsets\""},
    {"mix.safetensors", REPLACE, "\"others\"", "\"otherz\"", false, BAD, "has no tensor \"others\""},
    {"mix.safetensors", REPLACE, "\"weights\"", "\"weightz\"", false, BAD, "has no tensor \"weights\""},
    {"mix.safetensors", HEADER, "counts/dtype", "\"F64\"", false, BAD,
     "tensor \"counts\" has dtype F64, I64 is expected"},
    {"mix.safetensors", HEADER, "offsets/dtype", "\"F64\"", false, BAD, "tensor \"offsets\" has dtype F64"},
    {"mix.safetensors", HEADER, "others/dtype", "\"F32\"", false, BAD, "tensor \"others\" has dtype F32"},
    {"mix.safetensors", HEADER, "weights/dtype", "\"I32\"", false, BAD, "tensor \"weights\" has dtype I32"},
    {"mix.safetensors", FLOAT, "3", "0xffffffff", false, BAD, "tensor \"counts\" [1] is no count"},
    {"mix.safetensors", FLOAT, "3", "0x7fffffff", false, BAD, "tensor \"counts\" [1] is no count"},
    {"mix.safetensors", FLOAT, "24", "0x1", false, BAD, "tensor \"offsets\" does not divide the entries"},
    {"mix.safetensors", FLOAT, "27", "0x80000000", false, BAD,
     "tensor \"offsets\" does not divide the entries"},
    {"mix.safetensors", FLOAT, "26", "0x7fffffff", false, BAD,
     "tensor \"offsets\" does not divide the entries"},
    {"mix.safetensors", FLOAT, "48", "0x0", false, BAD, "tensor \"offsets\" does not divide the entries"},
};

// Places that depend on the counts.
static const struct {
  bool weight;
  int32_t at;
  const char *bits, *says;
} table_cases[] = {{false, 0, "0xffffffff", "row 0 is not a list of ascending items below 12"},
                   {false, 0, "0xc", "row 0 is not a list of ascending items below 12"},
                   {false, 1, "0x0", "is not a list of ascending items below 12"},
                   {true, 0, "0x7fc00000", "tensor \"weights\" holds a NaN or a number that is no weight"},
                   {true, 5, "0xbf800000", "tensor \"weights\" holds a NaN or a number that is no weight"},
                   {true, 9, "0x7f800000", "tensor \"weights\" holds a NaN or a number that is no weight"},
                   {true, 9, "0x7e000000", "tensor \"weights\" holds a NaN or a number that is no weight"}};

static void hostile_tables(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof table_cases / sizeof *table_cases; i++) {
    char where[16];
    souk_bundle *b;
    souk_error e;
    snprintf(where, sizeof where, "%d",
             (table_cases[i].weight ? made.mix_weights : made.mix_others) + table_cases[i].at);
    const hostile h = {
        .file = "mix.safetensors", .change = FLOAT, .where = where, .with = table_cases[i].bits};
    hostile_copy();
    hostile_apply(&h);
    hostile_agree();
    assert_int_equal(souk_open(&b, made.evil, 0, &e), SOUK_ERR_FORMAT);
    if (strstr(e.message, table_cases[i].says) == NULL) fail_msg("case %zu: \"%s\"", i, e.message);
  }
}

static void every_case_has_its_sentence(void **state) {
  (void)state;
  hostile_all(cases, sizeof cases / sizeof *cases);
  print_message("# %zu hostile bundles refused\n", sizeof cases / sizeof *cases);
}

// What must not disturb: where config.json was before, further files, further tensors, a link to the directory, an
// unaligned header.
static void harmless_changes(void **state) {
  (void)state;
  static const hostile harmless[] = {
      {"config.json", SET, "transformers_version", "\"5\"", false, SOUK_OK, ""},
      {"model.safetensors", HEADER, "empty", "{\"dtype\":\"BF16\",\"shape\":[0, 9],\"data_offsets\":[0, 0]}",
       false, SOUK_OK, ""},
      {"model.safetensors", HEADER, "__metadata__/odd", "\"12345\"", false, SOUK_OK, ""},
      {"model.safetensors", HEADER, "__metadata__/odd", "\"123456\"", false, SOUK_OK, ""},
      {"model.safetensors", HEADER, "__metadata__/odd", "\"1234567\"", false, SOUK_OK, ""},
      {"items.safetensors", HEADER, "__metadata__/odd", "\"12345\"", false, SOUK_OK, ""},
      {"items.safetensors", HEADER, "__metadata__/odd", "\"123456\"", false, SOUK_OK, ""},
      {"mix.safetensors", HEADER, "__metadata__/odd", "\"123\"", false, SOUK_OK, ""},
      {"vocab.tsv", REPLACE, "item4\t", "\xff \\\\\\t\\n\\r\"\t", false, SOUK_OK, ""}};
  souk_bundle *b, *first;
  souk_error e;
  float u[9], v[2 * 9], same_u[9], same_v[2 * 9];
  const int32_t items[] = {1, 2, 3};
  const souk_history history = {.n = 3, .items = items};
  assert_int_equal(souk_open(&first, made.good, 0, &e), SOUK_OK);
  assert_int_equal(souk_user_vectors(first, &history, 1, 1, u, NULL, &e), SOUK_OK);
  assert_int_equal(souk_item_vectors(first, 10, 2, v, &e), SOUK_OK);
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
    hostile_copy();
    hostile_apply(&harmless[i]);
    hostile_agree();
    if (souk_open(&b, made.evil, 0, &e) != SOUK_OK) fail_msg("case %zu: %s", i, e.message);
    assert_int_equal(souk_user_vectors(b, &history, 1, 1, same_u, NULL, &e), SOUK_OK);
    assert_int_equal(souk_item_vectors(b, 10, 2, same_v, &e), SOUK_OK);
    assert_memory_equal(u, same_u, sizeof u);
    assert_memory_equal(v, same_v, sizeof v);
    if (harmless[i].file == harmless[8].file) assert_int_equal(souk_find_item(b, "\xff \\\t\n\r\""), 4);
    souk_close(b);
  }
  if (dir_exists(made.evil)) check_ok(dir_remove(made.evil));
  assert_int_equal(symlink(made.good, made.evil), 0);
  assert_int_equal(souk_open(&b, made.evil, 0, &e), SOUK_OK);
  souk_close(b);
  souk_close(first);
  assert_int_equal(unlink(made.evil), 0);
}

static void titles(void **state) {
  (void)state;
  souk_bundle *b;
  souk_info info;
  char title[64];
  size_t bytes;
  assert_int_equal(souk_open(&b, made.good, 0, NULL), SOUK_OK);
  assert_int_equal(souk_get_info(b, &info, NULL), SOUK_OK);
  assert_int_equal(info.has_catalogue, 1);
  assert_int_equal(souk_item_title(b, 1, title, sizeof title), 13);
  assert_string_equal(title, "Tea \xe2\x80\x93 gr\xc3\xbcn");
  assert_int_equal(souk_item_title(b, 1, NULL, 0), 13);
  assert_int_equal(souk_item_title(b, 1, title, 7), 13); // would cut the dash in two
  assert_string_equal(title, "Tea ");
  assert_int_equal(souk_item_title(b, 1, title, 8), 13);
  assert_string_equal(title, "Tea \xe2\x80\x93");
  assert_int_equal(souk_item_title(b, 1, title, 1), 13);
  assert_string_equal(title, "");
  assert_int_equal(souk_item_title(b, 2, title, sizeof title), 0);
  assert_int_equal(souk_item_title(b, 3, title, sizeof title), 3);
  assert_string_equal(title, "new");
  assert_memory_equal(souk_item_record(b, 2, &bytes), "{\"item\":\"item2\"}", 16);
  assert_int_equal(bytes, 16);
  assert_null(souk_item_record(b, 0, &bytes));
  assert_int_equal(bytes, 0);
  souk_close(b);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_has_its_sentence),
                                     cmocka_unit_test(hostile_tables), cmocka_unit_test(harmless_changes),
                                     cmocka_unit_test(titles)};
  return cmocka_run_group_tests(tests, make_bundle, remove_all);
}
