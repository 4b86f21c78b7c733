// Bytes of files; see byte_stream.h.
//
// Three stages, each of which fills a buffer of the next: `in` has the file's bytes, decode() makes plain bytes of them, and
// convert() UTF-8 of those. Without compression and conversion a large read goes from the file straight into the caller's
// buffer.
#include "base/byte_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/decompress.h"
#include "base/encoding.h"
#include "base/foreign_formats.h"
#include "base/log.h"
#include "base/memory.h"

#ifdef SOUK_SMALL_BUFFERS // for fuzzing, so that small inputs cross the buffers' ends too
enum { CHUNK = FOREIGN_HEAD, TEXT = FOREIGN_HEAD };
#else
enum { CHUNK = 1 << 18, TEXT = 1 << 16 };
#endif

enum { NOTES = 4, NOTE_BYTES = 256 };

typedef struct buffer {
  unsigned char *data; // [at, end) is unread
  size_t at, end, cap;
} buffer;

struct byte_stream {
  char *name, *path; // path NULL: no other program could open it
  int fd;
  bool regular; // a file of file_bytes
  double file_bytes;
  _Atomic int64_t taken; // from the file
  buffer in;
  bool in_ends;
  const codec *codec; // NULL: none
  decompressor *unpack;
  bool between;    // two members
  bool ended;      // all is decoded
  int64_t decoded; // bytes
  buffer plain;    // decoded bytes: the first ones, which were looked at; all, where they are converted
  bool plain_ends;
  converter *convert;           // NULL: UTF-8
  char encoding[ENCODING_NAME]; // of what is converted
  buffer text;                  // in UTF-8, converted
  bool text_ends;
  failure broken; // what every further read says
  bool keeps_notes;
  char notes[NOTES][NOTE_BYTES];
  int n_notes;
};

// Says something of the file, or keeps it for the caller to say.
__attribute__((format(printf, 2, 3))) static void add_note(byte_stream *s, const char *format, ...) {
  char text[NOTE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (!s->keeps_notes)
    log_warn("%s: %s", s->name, text);
  else if (s->n_notes < NOTES)
    strcpy(s->notes[s->n_notes++], text);
}

// ---- the file ------------------------------------------------------------------------------------------------

static status open_file(byte_stream *s, const char *path, bool standard) {
  struct stat st;
  s->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
  if (s->fd < 0 || fstat(s->fd, &st) != 0)
    return fail(s->fd < 0 && errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", s->name,
                strerror(errno));
  if (S_ISDIR(st.st_mode)) return fail(ERR_IO, "cannot open %s: it is a directory", s->name);
  if (S_ISREG(st.st_mode)) {
    s->regular = true;
    s->file_bytes = (double)st.st_size;
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!standard) return mem_strdup(&s->path, path);
  }
  return OK;
}

static int64_t place(const byte_stream *s) { // in the file
  return atomic_load(&s->taken) - (int64_t)(s->in.end - s->in.at);
}

static status read_file(byte_stream *s, void *to, size_t cap, size_t *n) {
  ssize_t got;
  do got = read(s->fd, to, cap);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return fail(ERR_IO, "cannot read %s at byte %lld: %s", s->name, (long long)place(s), strerror(errno));
  atomic_fetch_add(&s->taken, got);
  s->in_ends = got == 0;
  *n = (size_t)got;
  return OK;
}

// Reads on until `need` bytes are there, or the file ends.
static status look_ahead(byte_stream *s, size_t need) {
  buffer *in = &s->in;
  while (in->end - in->at < need && !s->in_ends) {
    size_t n;
    if (in->at > 0) memmove(in->data, in->data + in->at, in->end - in->at);
    in->end -= in->at;
    in->at = 0;
    TRY(read_file(s, in->data + in->end, in->cap - in->end, &n));
    in->end += n;
  }
  return OK;
}

static size_t take(buffer *from, void *to, size_t cap) {
  size_t n = from->end - from->at;
  if (n > cap) n = cap;
  if (n > 0) memcpy(to, from->data + from->at, n);
  from->at += n;
  return n;
}

// ---- decompression -------------------------------------------------------------------------------------------

static status broken_stream(const byte_stream *s, const char *why) {
  return fail(ERR_FORMAT,
              "cannot read %s: the %s stream is damaged at byte %lld (after %lld bytes of text): %s", s->name,
              codec_name(s->codec), (long long)place(s), (long long)s->decoded, why);
}

// More memory than a decompressor gets, or than there is.
static status no_room(const byte_stream *s, decompressor_state state) {
  if (state == DECOMPRESS_MEMORY_OUT) return fail(ERR_MEMORY, "out of memory: cannot decompress %s", s->name);
  return fail(ERR_UNSUPPORTED,
              "%s was compressed by %s with a window of more than %d MiB, which Souk gives no memory for; "
              "this makes text of "
              "it, for --log - or --catalogue -: %s '%s'",
              s->name, codec_name(s->codec), DECOMPRESS_MEMORY >> 20, codec_command(s->codec),
              s->path != NULL ? s->path : "FILE");
}

static status cut_short(const byte_stream *s) {
  return fail(ERR_FORMAT,
              "cannot read %s: the %s stream is cut short at byte %lld (after %lld bytes of text)", s->name,
              codec_name(s->codec), (long long)place(s), (long long)s->decoded);
}

// What stands behind the last member: zeros that fill a block (tapes have them), or something else, which gzip and bzip2
// ignore with a warning.
static status read_rest(byte_stream *s) {
  buffer *in = &s->in;
  int64_t from = -1;
  while (in->at < in->end) {
    while (from < 0 && in->at < in->end && in->data[in->at] == 0) in->at++;
    if (from < 0 && in->at < in->end) from = place(s);
    if (from >= 0 && !codec_ignores_rest(s->codec))
      return broken_stream(s, "something else follows its last frame");
    in->at = in->end;
    TRY(look_ahead(s, 1));
  }
  if (from >= 0)
    add_note(s, "the %lld bytes from byte %lld on are no %s %s and are ignored, as %s does",
             (long long)(place(s) - from), (long long)from, codec_name(s->codec), codec_unit(s->codec),
             codec_name(s->codec));
  return OK;
}

static status next_member(byte_stream *s) {
  TRY(look_ahead(s, CODEC_HEAD));
  const size_t n = s->in.end - s->in.at;
  s->between = n > 0 && codec_of(s->in.data + s->in.at, n,
                                 s->in_ends ? CODEC_LAST_PIECE : CODEC_MORE_FOLLOWS) != s->codec;
  s->ended = n == 0 || s->between;
  return s->between ? read_rest(s) : OK;
}

// Some bytes at least, unless all has ended. With an error there may be bytes as well.
static status decompress(byte_stream *s, unsigned char *to, size_t cap, size_t *n) {
  *n = 0;
  while (*n == 0 && !s->ended) {
    const char *why = NULL;
    TRY(look_ahead(s, 1));
    decompressor_buffers b = {s->in.data + s->in.at, s->in.end - s->in.at, s->in_ends, to, cap};
    const decompressor_state state = decompressor_run(s->unpack, &b, &why);
    s->in.at = s->in.end - b.in_bytes;
    *n = cap - b.out_bytes;
    s->decoded += (int64_t)*n;
    if (state == DECOMPRESS_BROKEN) return broken_stream(s, why);
    if (state == DECOMPRESS_LARGE || state == DECOMPRESS_MEMORY_OUT) return no_room(s, state);
    if (state == DECOMPRESS_END) TRY(next_member(s));
    if (state == DECOMPRESS_ON && *n == 0 && s->in_ends && b.in_bytes == 0) return cut_short(s);
  }
  return OK;
}

// ---- stages --------------------------------------------------------------------------------------------------

// Plain bytes: what was looked at first, then more.
static status decode(byte_stream *s, unsigned char *to, size_t cap, size_t *n) {
  *n = take(&s->plain, to, cap);
  if (*n > 0 || s->ended) return OK;
  if (s->codec != NULL) return decompress(s, to, cap, n);
  *n = take(&s->in, to, cap);
  if (*n == 0 && !s->in_ends) TRY(read_file(s, to, cap, n));
  s->ended = *n == 0;
  s->decoded += (int64_t)*n;
  return OK;
}

// Fills `to` from decode().
static status fill_plain(byte_stream *s, unsigned char *to, size_t cap, size_t *n) {
  status rc = OK;
  size_t got = 1;
  for (*n = 0; rc == OK && got > 0 && *n < cap; *n += got) rc = decode(s, to + *n, cap - *n, &got);
  return rc;
}

// The next text in UTF-8, unless all has ended. The bytes of a character that is not complete yet stay in
// `plain` for the next time.
static void convert(byte_stream *s) {
  buffer *plain = &s->plain, *text = &s->text;
  text->at = text->end = 0;
  while (text->end == 0 && !s->text_ends) {
    const size_t kept = plain->end - plain->at;
    size_t n = 0;
    memmove(plain->data, plain->data + plain->at, kept);
    plain->at = plain->end = 0; // so that decode() does not give them once more
    if (!s->ended && s->broken.rc == OK) {
      const status rc = fill_plain(s, plain->data + kept, plain->cap - kept, &n);
      if (rc != OK) failure_keep(&s->broken, rc);
    }
    plain->end = kept + n;
    converter_buffers b = {(char *)plain->data, plain->end, (char *)text->data, text->cap};
    s->text_ends = converter_run(s->convert, &b, (char)BYTE_STREAM_BAD, s->ended || s->broken.rc != OK);
    plain->at = plain->end - b.in_bytes;
    text->end = text->cap - b.out_bytes;
  }
}

static void fill_text(byte_stream *s, unsigned char *to, size_t cap, size_t *n) {
  for (*n = 0; *n < cap;) {
    const size_t got = take(&s->text, to + *n, cap - *n);
    *n += got;
    if (got == 0 && s->text_ends) break;
    if (got == 0) convert(s);
  }
}

status byte_stream_read(byte_stream *s, void *buf, size_t cap, size_t *n) {
  *n = 0;
  if (s->convert != NULL) {
    fill_text(s, buf, cap, n);
  } else if (s->broken.rc == OK) {
    const status rc = fill_plain(s, buf, cap, n);
    if (rc != OK) failure_keep(&s->broken, rc);
  } else {
    *n = take(&s->plain, buf, cap); // it broke when it was opened
  }
  return *n > 0 ? OK : failure_raise(&s->broken);
}

// ---- opening -------------------------------------------------------------------------------------------------

// A text without a byte order mark is what the option says.
static status choose_unmarked(byte_stream *s, const char *asked, const char *option, const char **chosen) {
  const buffer *head = &s->plain;
  const char *nuls = encoding_of_nuls(head->data, head->end);
  const size_t unit = encoding_unit(asked);
  if (nuls != NULL && option != NULL && encoding_is_utf8(asked))
    return fail(ERR_FORMAT,
                "%s has a NUL in every second byte, as a text in %s has; if it is one, set %s to that",
                s->name, nuls, option);
  const char *says = option != NULL ? option : "the option";
  if (unit > 1 && head->end >= 4 * unit && memchr(head->data, '\0', head->end) == NULL)
    return fail(ERR_FORMAT, "%s has no NUL at its beginning, so it is not in %s, as %s says", s->name, asked,
                says);
  if (!encoding_is_utf8(asked) && encoding_is_utf8_text(head->data, head->end, head->end == head->cap))
    add_note(s, "its text is valid UTF-8 but is read as %s, as %s says; is that right?", asked, says);
  const bool any_order = strcasecmp(asked, "utf-16") == 0 || strcasecmp(asked, "utf16") == 0;
  *chosen = !any_order ? asked : nuls != NULL ? nuls : "UTF-16LE";
  return OK;
}

// Which encoding the text has, by its mark or else by the option; *mark: bytes of the mark that are passed over.
static status choose_encoding(byte_stream *s, const char *asked, const char *option, const char **chosen,
                              size_t *mark) {
  const char *marked = encoding_of_mark(s->plain.data, s->plain.end, mark);
  if (marked == NULL) return choose_unmarked(s, asked, option, chosen);
  const bool utf8 = encoding_is_utf8(marked), default_asked = encoding_is_utf8(asked);
  const bool agrees = default_asked || (!utf8 && strncasecmp(asked, "utf", 3) == 0);
  if (utf8) *mark = 0; // who reads the text passes it over
  if (default_asked && !utf8)
    add_note(s, "its byte order mark says that it is %s", marked);
  else if (!agrees)
    add_note(s, "its byte order mark says that it is %s, so it is not read as %s", marked, asked);
  *chosen = marked;
  return OK;
}

static status new_buffer(buffer *b, size_t cap) {
  b->cap = cap;
  return mem_new(&b->data, cap, 1, "a buffer for reading");
}

// What the first bytes say of compression and format. A stream that is broken so early says so when it is read.
static status look(byte_stream *s) {
  TRY(look_ahead(s, FOREIGN_HEAD));
  s->codec = codec_of(s->in.data, s->in.end, s->in_ends ? CODEC_WHOLE_FILE : CODEC_MORE_FOLLOWS);
  if (s->codec != NULL) TRY(decompressor_new(&s->unpack, s->codec));
  size_t n;
  const status rc = fill_plain(s, s->plain.data, s->plain.cap, &n);
  s->plain.end = n;
  if (rc != OK) failure_keep(&s->broken, rc);
  const foreign_file f = {s->name, s->path, byte_stream_compression(s)};
  return foreign_formats_check(s->plain.data, n < FOREIGN_HEAD ? n : FOREIGN_HEAD, &f);
}

static status prepare_text(byte_stream *s, const byte_stream_how *how) {
  const char *asked =
      how != NULL && how->encoding != NULL && how->encoding[0] != '\0' ? how->encoding : "UTF-8";
  const char *option = how != NULL ? how->encoding_option : NULL;
  const char *chosen = asked;
  size_t mark;
  TRY(converter_new(&s->convert, asked,
                    option)); // a name that is not known is an error, whatever the mark says
  TRY(choose_encoding(s, asked, option, &chosen, &mark));
  s->plain.at = mark;
  if (chosen != asked) {
    converter_free(s->convert);
    TRY(converter_new(&s->convert, chosen, option));
  }
  if (s->convert == NULL) return OK;
  strcpy(s->encoding, chosen); // its name has been checked
  return new_buffer(&s->text, TEXT);
}

static status open_stream(byte_stream **out, const char *path, const byte_stream_how *how, bool as_is) {
  byte_stream *s;
  status rc;
  *out = NULL;
  TRY(mem_new(&s, 1, sizeof *s, "a byte stream"));
  s->fd = -1;
  s->keeps_notes = how != NULL;
  const bool standard = !as_is && strcmp(path, "-") == 0;
  TRY_GOTO(mem_strdup(&s->name, standard ? "the standard input" : path), bad);
  TRY_GOTO(open_file(s, path, standard), bad);
  TRY_GOTO(new_buffer(&s->in, as_is ? 64 : CHUNK), bad);
  TRY_GOTO(new_buffer(&s->plain, as_is ? 64 : TEXT), bad);
  if (!as_is) TRY_GOTO(look(s), bad);
  if (!as_is) TRY_GOTO(prepare_text(s, how), bad);
  *out = s;
  return OK;
bad:
  byte_stream_close(s);
  return rc;
}

status byte_stream_open(byte_stream **out, const char *path, const byte_stream_how *how) {
  return open_stream(out, path, how, false);
}

status byte_stream_open_plain(byte_stream **out, const char *path) {
  return open_stream(out, path, NULL, true);
}

const char *byte_stream_name(const byte_stream *s) {
  return s->name;
}

const char *byte_stream_compression(const byte_stream *s) {
  return s->codec != NULL ? codec_name(s->codec) : NULL;
}

const char *byte_stream_encoding(const byte_stream *s) {
  return s->convert != NULL ? s->encoding : NULL;
}

const char *byte_stream_note(const byte_stream *s, int i) {
  return i < s->n_notes ? s->notes[i] : NULL;
}

double byte_stream_progress(const byte_stream *s) {
  if (!s->regular) return -1;
  const double share = s->file_bytes > 0 ? (double)atomic_load(&s->taken) / s->file_bytes : 1.0;
  return share < 1 ? share : 1.0;
}

void byte_stream_close(byte_stream *s) {
  if (s == NULL) return;
  if (s->fd >= 0) close(s->fd);
  decompressor_free(s->unpack);
  converter_free(s->convert);
  buffer *const buffers[] = {&s->in, &s->plain, &s->text};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) free(buffers[i]->data);
  free(s->name);
  free(s->path);
  free(s);
}
