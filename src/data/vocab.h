// Vocabularies and the files they are in; the vocabulary itself is format/vocabulary.h, which the inference module shares.
#ifndef SOUK_DATA_VOCAB_H
#define SOUK_DATA_VOCAB_H

#include "base/file.h"
#include "base/status.h"
#include "format/vocabulary.h"

// vocabulary_new and vocabulary_add with a status.
status vocab_new(vocab **out);
status vocab_add(vocab *v, vocab_range range, const char *token, int64_t count, int32_t *id);

status vocab_read(vocab **out, const char *path, const int32_t range_end[RANGE_COUNT]);
status vocab_write(const vocab *v, const char *path);

// Writes a name into a tab-separated file, escaped; vocab_unescape undoes it.
status vocab_escape(out_file *f, const char *text);

#endif
