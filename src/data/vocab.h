// One vocabulary, in ranges: special | words | attributes | items. Token ids are int32 and dense.
//
// On disk: vocab.tsv, one token a line in id order: TOKEN <tab> COUNT <newline>; in TOKEN a backslash, tab,
// newline and CR are written \\ \t \n \r. The ranges are in the manifest. COUNT of an item is its number of
// occurrences in the training parts only (the test and validation targets are not counted).
#ifndef SOUK_DATA_VOCAB_H
#define SOUK_DATA_VOCAB_H

#include <stdint.h>
#include <stdbool.h>
#include "base/file.h"
#include "base/status.h"
#include "format/vocabulary.h"

typedef struct vocab vocab;

// A vocabulary being built: ranges are filled in order. Takes copies of the names.
status vocab_new(vocab **out); // holds the specials already
status vocab_add(vocab *v, vocab_range range, const char *token, int64_t count, int32_t *id);
void vocab_free(vocab *v); // NULL is safe

status vocab_read(vocab **out, const char *path, const int32_t range_end[RANGE_COUNT]);
status vocab_write(const vocab *v, const char *path);

int32_t vocab_size(const vocab *v);
int32_t vocab_begin(const vocab *v, vocab_range range); // first id of a range
int32_t vocab_end(const vocab *v, vocab_range range);   // one past its last
const char *vocab_token(const vocab *v, int32_t id);    // owned by v
int64_t vocab_token_count(const vocab *v, int32_t id);
int32_t vocab_find(const vocab *v, vocab_range range, const char *token); // -1: not there

// The escapes of names in tab-separated files: writes text escaped; undoes them in place (false: an unknown one).
status vocab_escape(out_file *f, const char *text);
bool vocab_unescape(char *text);

#endif
