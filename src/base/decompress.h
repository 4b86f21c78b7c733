// Compressed data, piece by piece and in bounded memory: one interface over zlib, libzstd, liblzma and libbz2.
//
// A file may hold several members (gzip), frames (zstd) or streams (xz, bzip2) one behind the other. The decompressor tells
// where one ends; what may follow it is the caller's business (byte_stream.c).
#ifndef SOUK_BASE_DECOMPRESS_H
#define SOUK_BASE_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

// So many bytes of a file are enough to tell how it is compressed.
enum { CODEC_HEAD = 10 };
// zstd's window and xz's dictionary may ask for as much memory as this and no more. It is what zstd's own decoder allows unless
// told otherwise, and what `xz -9` needs.
enum { DECOMPRESS_MEMORY = 1 << 27 };

typedef struct codec codec;
typedef enum codec_place {
  CODEC_MORE_FOLLOWS, // the n bytes are the beginning of more
  CODEC_WHOLE_FILE, // they are all: the first bytes of a magic number are a stream that is cut short, unless they may be text
  CODEC_LAST_PIECE, // they are all that follows a member: the first bytes of a magic number are a member that is cut short
} codec_place;
// By which codec does this begin? NULL: none.
const codec *codec_of(const unsigned char *head, size_t n, codec_place place);
const char *codec_name(const codec *c); // "gzip"
const char *codec_unit(const codec *c); // what a file may have several of: "member"
// The command that decompresses without our bound on memory, but for the name of the file: "xz -dc".
const char *codec_command(const codec *c);
// Does its own program ignore what stands behind the last member, with a warning?
bool codec_ignores_rest(const codec *c);

typedef struct decompressor decompressor;
status decompressor_new(decompressor **out, const codec *c);
void decompressor_free(decompressor *d); // NULL is safe

typedef struct decompressor_buffers {
  const unsigned char *in;
  size_t in_bytes;
  bool in_ends; // nothing follows these
  unsigned char *out;
  size_t out_bytes;
} decompressor_buffers;

typedef enum decompressor_state {
  DECOMPRESS_ON,     // wants input, or room
  DECOMPRESS_END,    // a member has ended; the next call begins another
  DECOMPRESS_BROKEN, // *why is the reason, valid until the decompressor is freed
  DECOMPRESS_LARGE,  // it asks for more than DECOMPRESS_MEMORY
  DECOMPRESS_MEMORY_OUT,
} decompressor_state;
// Moves both places of `b` on as far as it gets.
decompressor_state decompressor_run(decompressor *d, decompressor_buffers *b, const char **why);

#endif
