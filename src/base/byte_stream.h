// The bytes of a file that somebody else wrote (a log, a catalogue): decompressed, and in UTF-8.
//
//     file or pipe -> gzip, zstd, xz or bzip2, told by content -> text in UTF-8
//
// The file is read once from its beginning to its end, so a pipe will do. Memory is bounded whatever the file asks for.
// What Souk cannot read (Parquet, zip, tar, a saved web page ...) is named when it is opened, with a command that turns it
// into something readable (foreign_formats.h). A stream may be opened by one thread and read by another; the progress may be
// asked for by any.
#ifndef SOUK_BASE_BYTE_STREAM_H
#define SOUK_BASE_BYTE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct byte_stream byte_stream;

typedef struct byte_stream_how {
  // A name that iconv knows, or that Python knows; NULL or "": UTF-8. UTF-16 and UTF-32 are also told by a byte order mark,
  // whatever this says.
  const char *encoding;
  const char *encoding_option; // where that name comes from ("input.encoding"), for messages; NULL: nowhere
} byte_stream_how;

// Opens a file or a pipe; "-" is the standard input. how may be NULL: UTF-8.
status byte_stream_open(byte_stream **out, const char *path, const byte_stream_how *how);
// Our own files: their bytes as they are. What a user is called must not make a format of them.
status byte_stream_open_plain(byte_stream **out, const char *path);
// Fills buf (cap bytes, at least 1) and says in *n how many bytes it has: 0 at the end. Fewer than cap are the last: the next
// call says that it is the end, or what went wrong. So a stream that breaks off gives what it holds up to there, and then the
// error, which names the file and the place. Blocks of a megabyte are a good size. Bytes that the encoding does not have become
// BYTE_STREAM_BAD each, which is no UTF-8: whoever checks the text finds them. A text that is UTF-8 already is not checked here.
status byte_stream_read(byte_stream *s, void *buf, size_t cap, size_t *n);
enum { BYTE_STREAM_BAD = 0xFF };

const char *byte_stream_name(const byte_stream *s);        // for messages: the path, or "the standard input"
const char *byte_stream_compression(const byte_stream *s); // "gzip", "zstd", "xz", "bzip2"; NULL: none
const char *byte_stream_encoding(const byte_stream *s); // what the text is converted from; NULL: it is UTF-8
// The i-th thing to tell of the file, without its name: what a byte order mark says, bytes that are ignored ... NULL: no more.
// Complete when the stream has been read; without a `how` they are warnings on stderr instead.
const char *byte_stream_note(const byte_stream *s, int i);
double
byte_stream_progress(const byte_stream *s); // share of the (compressed) file read; -1: of a pipe, not known
void byte_stream_close(byte_stream *s);     // NULL is safe

#endif
