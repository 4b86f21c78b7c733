// Field "words" of a bundle's souk.json: how its texts become tokens, for the inference module (format/word_settings.h).
#ifndef SOUK_CONVERT_EXPORT_WORDS_H
#define SOUK_CONVERT_EXPORT_WORDS_H

#include <jansson.h>
#include "base/status.h"
#include "format/vocabulary.h"

// *out [new reference]; NULL where v has no words. A tokenizer that is not BERT's is passed on to Hugging Face's library only:
// then *out is NULL as well, and a warning says so. settings: those of the checkpoint, NULL: BERT's defaults.
status export_words(json_t **out, const vocab *v, const json_t *settings);

#endif
