// Decompression; see decompress.h.
#include "base/decompress.h"

#include <bzlib.h>
#include <limits.h>
#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "base/memory.h"

struct codec {
  const char *name, *unit, *command;
  bool ignores_rest;
  bool (*begins)(const unsigned char *head, size_t n, codec_place place);
  bool (*start)(decompressor *d); // false: no memory
  decompressor_state (*run)(decompressor *d, decompressor_buffers *b, const char **why);
  void (*stop)(decompressor *d);
};

static const char damaged[] = "its data is damaged";

struct decompressor {
  const codec *c;
  bool started;
  z_stream gzip;
  ZSTD_DStream *zstd;
  lzma_stream xz;
  bz_stream bzip2;
};

static bool may_be_text(const unsigned char *head, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (head[i] < 0x20 || head[i] >= 0x7F) return false;
  return true;
}

// The bytes agree with the magic number as far as they go, and go far enough.
static bool has_magic(const unsigned char *head, size_t n, const char *magic, size_t bytes,
                      codec_place place) {
  const size_t common = n < bytes ? n : bytes;
  if (common == 0 || memcmp(head, magic, common) != 0) return false;
  if (common == bytes || place == CODEC_LAST_PIECE) return true;
  return place == CODEC_WHOLE_FILE && !may_be_text(head, common);
}

// ---- gzip ----------------------------------------------------------------------------------------------------

static bool gzip_begins(const unsigned char *head, size_t n, codec_place place) {
  return has_magic(head, n, "\x1f\x8b", 2, place);
}

static bool gzip_start(decompressor *d) {
  return inflateInit2(&d->gzip, 15 + 16) == Z_OK; // 16: gzip's header and nothing else
}

static uInt at_most_int(size_t bytes) {
  return bytes < INT_MAX ? (uInt)bytes : INT_MAX;
}

static decompressor_state gzip_run(decompressor *d, decompressor_buffers *b, const char **why) {
  z_stream *z = &d->gzip;
  z->next_in = (Bytef *)(uintptr_t)b->in;
  z->next_out = b->out;
  z->avail_in = at_most_int(b->in_bytes);
  z->avail_out = at_most_int(b->out_bytes);
  const int code = inflate(z, Z_NO_FLUSH);
  b->in_bytes -= (size_t)(z->next_in - b->in);
  b->out_bytes -= (size_t)(z->next_out - b->out);
  b->in = z->next_in;
  b->out = z->next_out;
  if (code == Z_OK || code == Z_BUF_ERROR) return DECOMPRESS_ON;
  if (code == Z_STREAM_END && inflateReset(z) == Z_OK) return DECOMPRESS_END;
  *why = z->msg != NULL ? z->msg : damaged;
  return code == Z_MEM_ERROR ? DECOMPRESS_MEMORY_OUT : DECOMPRESS_BROKEN;
}

static void gzip_stop(decompressor *d) {
  inflateEnd(&d->gzip);
}

// ---- zstd ----------------------------------------------------------------------------------------------------

// Frames of today, of the formats before 1.0 (the library says whether it was built with those), and frames to skip.
static bool zstd_begins(const unsigned char *head, size_t n, codec_place place) {
  if (n >= 4 && memcmp(head + 1, "\xB5\x2F\xFD", 3) == 0 && head[0] >= 0x22 && head[0] <= 0x28) return true;
  if (n >= 4 && (head[0] & 0xF0) == 0x50 && memcmp(head + 1, "\x2A\x4D\x18", 3) == 0) return true;
  return has_magic(head, n, "\x28\xB5\x2F\xFD", 4, place);
}

static bool zstd_start(decompressor *d) {
  const int window_log = __builtin_ctz(DECOMPRESS_MEMORY);
  d->zstd = ZSTD_createDStream();
  if (d->zstd != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, window_log)))
    return true;
  ZSTD_freeDStream(d->zstd); // NULL is safe
  return false;
}

static decompressor_state zstd_run(decompressor *d, decompressor_buffers *b, const char **why) {
  ZSTD_inBuffer in = {b->in, b->in_bytes, 0};
  ZSTD_outBuffer out = {b->out, b->out_bytes, 0};
  const size_t code = ZSTD_decompressStream(d->zstd, &out, &in);
  b->in += in.pos;
  b->in_bytes -= in.pos;
  b->out += out.pos;
  b->out_bytes -= out.pos;
  if (!ZSTD_isError(code)) return code == 0 ? DECOMPRESS_END : DECOMPRESS_ON;
  const ZSTD_ErrorCode which = ZSTD_getErrorCode(code);
  *why = ZSTD_getErrorString(which);
  return which == ZSTD_error_frameParameter_windowTooLarge ? DECOMPRESS_LARGE
         : which == ZSTD_error_memory_allocation           ? DECOMPRESS_MEMORY_OUT
                                                           : DECOMPRESS_BROKEN;
}

static void zstd_stop(decompressor *d) {
  ZSTD_freeDStream(d->zstd);
}

// ---- xz ------------------------------------------------------------------------------------------------------

static bool xz_begins(const unsigned char *head, size_t n, codec_place place) {
  return has_magic(head, n,
                   "\xFD"
                   "7zXZ\0",
                   6, place);
}

// The library reads several streams and the padding between them by itself, and says so if anything else follows.
static bool xz_start(decompressor *d) {
  d->xz = (lzma_stream)LZMA_STREAM_INIT;
  return lzma_stream_decoder(&d->xz, DECOMPRESS_MEMORY, LZMA_CONCATENATED) == LZMA_OK;
}

static const char *xz_reason(lzma_ret code) {
  switch (code) {
  case LZMA_FORMAT_ERROR:
    return "something that is no xz stream follows a stream";
  case LZMA_OPTIONS_ERROR:
    return "it was written with options that this liblzma does not know";
  default:
    return damaged;
  }
}

static decompressor_state xz_run(decompressor *d, decompressor_buffers *b, const char **why) {
  lzma_stream *z = &d->xz;
  z->next_in = b->in;
  z->avail_in = b->in_bytes;
  z->next_out = b->out;
  z->avail_out = b->out_bytes;
  const lzma_ret code = lzma_code(z, b->in_ends ? LZMA_FINISH : LZMA_RUN);
  b->in = z->next_in;
  b->in_bytes = z->avail_in;
  b->out = z->next_out;
  b->out_bytes = z->avail_out;
  if (code == LZMA_OK || code == LZMA_BUF_ERROR) return DECOMPRESS_ON;
  if (code == LZMA_STREAM_END) return DECOMPRESS_END;
  *why = xz_reason(code);
  return code == LZMA_MEMLIMIT_ERROR ? DECOMPRESS_LARGE
         : code == LZMA_MEM_ERROR    ? DECOMPRESS_MEMORY_OUT
                                     : DECOMPRESS_BROKEN;
}

static void xz_stop(decompressor *d) {
  lzma_end(&d->xz);
}

// ---- bzip2 ---------------------------------------------------------------------------------------------------

// The header alone, "BZh9", might be text. The first block, or the end of a stream without any, follows it.
static bool bzip2_begins(const unsigned char *head, size_t n, codec_place place) {
  static const char *const next[] = {"\x31\x41\x59\x26\x53\x59", "\x17\x72\x45\x38\x50\x90"};
  if (n < 4) return has_magic(head, n, "BZh", 3, place) && place == CODEC_LAST_PIECE;
  if (memcmp(head, "BZh", 3) != 0 || head[3] < '1' || head[3] > '9') return false;
  const size_t left = n - 4 < 6 ? n - 4 : 6;
  if (left < 6 && place == CODEC_MORE_FOLLOWS) return false;
  return memcmp(head + 4, next[0], left) == 0 || memcmp(head + 4, next[1], left) == 0;
}

static bool bzip2_start(decompressor *d) {
  memset(&d->bzip2, 0, sizeof d->bzip2);
  return BZ2_bzDecompressInit(&d->bzip2, 0, 0) == BZ_OK;
}

static decompressor_state bzip2_run(decompressor *d, decompressor_buffers *b, const char **why) {
  bz_stream *z = &d->bzip2;
  z->next_in = (char *)(uintptr_t)b->in;
  z->avail_in = at_most_int(b->in_bytes);
  z->next_out = (char *)b->out;
  z->avail_out = at_most_int(b->out_bytes);
  const int code = BZ2_bzDecompress(z);
  b->in_bytes -= (size_t)((const unsigned char *)z->next_in - b->in);
  b->out_bytes -= (size_t)((unsigned char *)z->next_out - b->out);
  b->in = (const unsigned char *)z->next_in;
  b->out = (unsigned char *)z->next_out;
  if (code == BZ_OK) return DECOMPRESS_ON;
  *why = damaged;
  if (code != BZ_STREAM_END) return code == BZ_MEM_ERROR ? DECOMPRESS_MEMORY_OUT : DECOMPRESS_BROKEN;
  BZ2_bzDecompressEnd(z);
  d->started = bzip2_start(d);
  return d->started ? DECOMPRESS_END : DECOMPRESS_MEMORY_OUT;
}

static void bzip2_stop(decompressor *d) {
  BZ2_bzDecompressEnd(&d->bzip2);
}

// ---- all -----------------------------------------------------------------------------------------------------

static const codec codecs[] = {
    {"gzip", "member", "gzip -dc", true, gzip_begins, gzip_start, gzip_run, gzip_stop},
    {"zstd", "frame", "zstd -dc --long=31", false, zstd_begins, zstd_start, zstd_run, zstd_stop},
    {"xz", "stream", "xz -dc", false, xz_begins, xz_start, xz_run, xz_stop},
    {"bzip2", "stream", "bzip2 -dc", true, bzip2_begins, bzip2_start, bzip2_run, bzip2_stop},
};

const codec *codec_of(const unsigned char *head, size_t n, codec_place place) {
  for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
    if (codecs[i].begins(head, n, place)) return &codecs[i];
  return NULL;
}

const char *codec_name(const codec *c) {
  return c->name;
}

const char *codec_unit(const codec *c) {
  return c->unit;
}

const char *codec_command(const codec *c) {
  return c->command;
}

bool codec_ignores_rest(const codec *c) {
  return c->ignores_rest;
}

status decompressor_new(decompressor **out, const codec *c) {
  decompressor *d;
  *out = NULL;
  TRY(mem_new(&d, 1, sizeof *d, "a decompressor"));
  d->c = c;
  d->started = c->start(d);
  if (d->started) {
    *out = d;
    return OK;
  }
  free(d);
  return fail(ERR_MEMORY, "out of memory: cannot decompress %s", c->name);
}

decompressor_state decompressor_run(decompressor *d, decompressor_buffers *b, const char **why) {
  return d->c->run(d, b, why);
}

void decompressor_free(decompressor *d) {
  if (d == NULL) return;
  if (d->started) d->c->stop(d);
  free(d);
}
