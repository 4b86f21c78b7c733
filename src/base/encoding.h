// Texts that are not UTF-8: which encoding a name means, and the conversion, piece by piece.
#ifndef SOUK_BASE_ENCODING_H
#define SOUK_BASE_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

enum { ENCODING_NAME = 64 };

// The encoding of a text that begins with a byte order mark: "UTF-8", "UTF-16LE" ...; *bytes is the mark's length. NULL: no
// mark.
const char *encoding_of_mark(const unsigned char *head, size_t n, size_t *bytes);
// The encoding that a text without a mark has if every second byte is NUL: "UTF-16LE" or "UTF-16BE"; NULL: neither.
const char *encoding_of_nuls(const unsigned char *head, size_t n);

bool encoding_is_utf8(const char *name); // by any of its names
size_t encoding_unit(const char *name); // bytes of the smallest part of a text: 2 for UTF-16, 4 for UTF-32, 1
// Is this UTF-8 with characters enough to be so by no chance? cut: there is more of it.
bool encoding_is_utf8_text(const unsigned char *text, size_t n, bool cut);

typedef struct converter converter;
// name: as iconv or as Python writes it ("latin-1", "GBK", "utf_16", "cp1252"). *out is NULL if that is UTF-8 already. A name
// that is not known is ERR_ARGUMENT; option (may be NULL) says where it came from.
status converter_new(converter **out, const char *name, const char *option);
// OK if the name is known, or empty; else that error.
status encoding_check(const char *name, const char *option);
void converter_free(converter *c); // NULL is safe

typedef struct converter_buffers {
  const char *in;
  size_t in_bytes;
  char *out;
  size_t out_bytes;
} converter_buffers;
// Moves both places on as far as the room goes; characters that are cut at the end of the input stay there unless it is the
// last. A sequence that the encoding does not have becomes one byte `bad`. True: all of the last input is converted and written.
bool converter_run(converter *c, converter_buffers *b, char bad, bool last);

#endif
