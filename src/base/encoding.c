// Encodings; see encoding.h.
#include "base/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/memory.h"
#include "format/utf8.h"

const char *encoding_of_mark(const unsigned char *head, size_t n, size_t *bytes) {
  static const struct {
    const char *name;
    size_t bytes;
    const char *mark;
  } marks[] = {{"UTF-32LE", 4, "\xFF\xFE\0\0"}, // before UTF-16LE, whose mark it begins with
               {"UTF-32BE", 4, "\0\0\xFE\xFF"},
               {"UTF-16LE", 2, "\xFF\xFE"},
               {"UTF-16BE", 2, "\xFE\xFF"},
               {"UTF-8", 3, "\xEF\xBB\xBF"}};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    *bytes = marks[i].bytes;
    if (n >= *bytes && memcmp(head, marks[i].mark, *bytes) == 0) return marks[i].name;
  }
  *bytes = 0;
  return NULL;
}

const char *encoding_of_nuls(const unsigned char *head, size_t n) {
  size_t nuls[2] = {0, 0}; // at even places, at odd ones
  for (size_t i = 0; i < n; i++) nuls[i % 2] += head[i] == 0;
  const size_t enough = n / 8; // a header line in Latin letters has many more
  // A few characters have a NUL in the other place (U+4E00, say).
  if (nuls[1] > enough && nuls[0] * 20 < nuls[1]) return "UTF-16LE";
  return nuls[0] > enough && nuls[1] * 20 < nuls[0] ? "UTF-16BE" : NULL;
}

bool encoding_is_utf8_text(const unsigned char *text, size_t n, bool cut) {
  size_t high = 0;
  for (size_t i = 0, length; i < n; i += length) {
    length = utf8_length((const char *)text + i, n - i);
    if (length == 0) return cut && n - i < 4 && high >= 8;
    if (length > 1) high += length;
  }
  return high >= 8; // fewer say nothing
}

// ---- names ---------------------------------------------------------------------------------------------------

// Letters and digits alone, in upper case.
static void bare_name(char bare[ENCODING_NAME], const char *name) {
  size_t n = 0;
  for (const char *p = name; *p != '\0' && n + 1 < ENCODING_NAME; p++)
    if (isalnum((unsigned char)*p)) bare[n++] = (char)toupper((unsigned char)*p);
  bare[n] = '\0';
}

bool encoding_is_utf8(const char *name) {
  char bare[ENCODING_NAME];
  bare_name(bare, name);
  return strcmp(bare, "UTF8") == 0 || strcmp(bare, "UTF8SIG") == 0 || strcmp(bare, "CP65001") == 0;
}

// Python's spellings of names that iconv spells otherwise: "latin-1", "utf_16", "windows1252".
static iconv_t open_any_spelling(const char *name) {
  char other[ENCODING_NAME + 2];
  iconv_t cd = iconv_open("UTF-8", name);
  if (cd != (iconv_t)-1 || errno != EINVAL) return cd;
  bare_name(other, name);
  cd = iconv_open("UTF-8", other);
  if (cd != (iconv_t)-1 || errno != EINVAL) return cd;
  snprintf(other, sizeof other, "%s", name);
  for (char *p = other; *p != '\0'; p++)
    if (*p == '_') *p = '-';
  cd = iconv_open("UTF-8", other);
  if (cd != (iconv_t)-1 || errno != EINVAL || strncasecmp(name, "win", 3) != 0) return cd;
  snprintf(other, sizeof other, "CP%s", name + strcspn(name, "0123456789"));
  return iconv_open("UTF-8", other);
}

// Suffixes such as //IGNORE would drop what cannot be converted, without a word.
static bool is_name(const char *name) {
  for (const char *p = name; *p != '\0'; p++)
    if (!isalnum((unsigned char)*p) && strchr("-_.:()+", *p) == NULL) return false;
  return strlen(name) < ENCODING_NAME;
}

// ---- conversion ----------------------------------------------------------------------------------------------

struct converter {
  iconv_t cd;
  size_t unit; // bytes of the smallest part of a text: what is skipped when it makes no sense
  bool flushed;
};

size_t encoding_unit(const char *name) {
  char bare[ENCODING_NAME];
  bare_name(bare, name);
  if (strncmp(bare, "UTF16", 5) == 0 || strncmp(bare, "UCS2", 4) == 0) return 2;
  return strncmp(bare, "UTF32", 5) == 0 || strncmp(bare, "UCS4", 4) == 0 ? 4 : 1;
}

status converter_new(converter **out, const char *name, const char *option) {
  *out = NULL;
  if (encoding_is_utf8(name)) return OK;
  const iconv_t cd = is_name(name) ? open_any_spelling(name) : (errno = EINVAL, (iconv_t)-1);
  if (cd == (iconv_t)-1 && errno == EINVAL)
    return fail(ERR_ARGUMENT,
                "%s%s\"%.100s\" is no encoding that this system's iconv knows (iconv -l lists them)",
                option != NULL ? option : "", option != NULL ? ": " : "", name);
  if (cd == (iconv_t)-1)
    return fail(ERR_MEMORY, "cannot convert text from %.100s: %s", name, strerror(errno));
  converter *c;
  const status rc = mem_new(&c, 1, sizeof *c, "a converter of text");
  if (rc != OK) {
    iconv_close(cd);
    return rc;
  }
  c->cd = cd;
  c->unit = encoding_unit(name);
  *out = c;
  return OK;
}

status encoding_check(const char *name, const char *option) {
  converter *c = NULL;
  if (name[0] != '\0') TRY(converter_new(&c, name, option));
  converter_free(c);
  return OK;
}

void converter_free(converter *c) {
  if (c == NULL) return;
  iconv_close(c->cd);
  free(c);
}

static void put_bad(converter_buffers *b, char bad, size_t skip) {
  if (skip > b->in_bytes) skip = b->in_bytes;
  b->in += skip;
  b->in_bytes -= skip;
  *b->out++ = bad;
  b->out_bytes--;
}

bool converter_run(converter *c, converter_buffers *b, char bad, bool last) {
  while (b->in_bytes > 0) {
    char *in = (char *)(uintptr_t)b->in;
    const size_t rc = iconv(c->cd, &in, &b->in_bytes, &b->out, &b->out_bytes);
    b->in = in;
    if (rc != (size_t)-1) break;
    if (errno == E2BIG || b->out_bytes == 0) return false;
    if (errno == EINVAL && !last) return false; // a character that the next bytes complete
    put_bad(b, bad, errno == EINVAL ? b->in_bytes : c->unit);
  }
  // Some decoders wait with a character for what may combine with it.
  if (b->in_bytes == 0 && last && !c->flushed)
    c->flushed = iconv(c->cd, NULL, NULL, &b->out, &b->out_bytes) != (size_t)-1;
  return c->flushed;
}
