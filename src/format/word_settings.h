// A tokeniser out of json: field "words" of a bundle's souk.json (docs/bundle.md).
#ifndef SOUK_FORMAT_WORD_SETTINGS_H
#define SOUK_FORMAT_WORD_SETTINGS_H

#include "format/jtree.h"
#include "format/word_tokenizer.h"

// The tokeniser that `object` describes, for the words of v. A field that is missing, unknown or out of range is named, with
// `path` in front.
bool word_settings_open(word_tokenizer **out, const vocab *v, const jtree *tree, const jnode *object,
                        const char *path, format_error *e);

#endif
