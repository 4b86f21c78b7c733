// souk vocab: a WordPiece vocabulary out of texts.
#include "cmd/cmd.h"
#include "vocab/vocab_train.h"

status cmd_vocab(int argc, char **argv) {
  static vocab_config c;
  const option_section section = {"", "Vocabulary", vocab_options, n_vocab_options, &c};
  const option_set set = {
      .usage = "souk vocab --input FILES --out DIR [--columns NAMES] [options]",
      .summary = "Makes a WordPiece vocabulary of texts: catalogues, queries, reviews, copy. Words are cut "
                 "as BERT does it, and\n"
                 "the most frequent pair of neighbouring pieces is merged until there are enough. "
                 "DIR/vocab.txt and\n"
                 "tokenizer_config.json are for souk prepare --words and for Hugging Face's BertTokenizer.",
      .sections = &section,
      .count = 1};
  const char *positionals[1];
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, positionals, 0, &n, &help));
  return help ? OK : vocab_train(&c);
}
