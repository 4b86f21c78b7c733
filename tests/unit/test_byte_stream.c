// Files of others as bytes: compressed by four programs, in several pieces, padded, cut short, damaged, of formats that are
// only named, and through pipes.
#include <bzlib.h>
#include <fcntl.h>
#include <lzma.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "base/byte_stream.h"
#include "base/decompress.h"
#include "base/file.h"
#include "base/memory.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256], path[300];

static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "log"));
  return 0;
}
static int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

// ---- compressing ---------------------------------------------------------------------------------------------

typedef struct bytes {
  char *data;
  size_t n;
} bytes;

static size_t as_gzip(const char *from, size_t n, char *to, size_t cap) {
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)from,
                .avail_in = (unsigned)n,
                .next_out = (unsigned char *)to,
                .avail_out = (unsigned)cap};
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return cap - z.avail_out;
}

static size_t as_zstd(const char *from, size_t n, char *to, size_t cap) {
  ZSTD_CCtx *c = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
  const size_t used = ZSTD_compress2(c, to, cap, from, n);
  assert_false(ZSTD_isError(used));
  ZSTD_freeCCtx(c);
  return used;
}

static size_t as_xz(const char *from, size_t n, char *to, size_t cap) {
  size_t used = 0;
  assert_int_equal(
      lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, (const uint8_t *)from, n, (uint8_t *)to, &used, cap),
      LZMA_OK);
  return used;
}

static size_t as_bzip2(const char *from, size_t n, char *to, size_t cap) {
  unsigned used = (unsigned)cap;
  assert_int_equal(BZ2_bzBuffToBuffCompress(to, &used, (char *)(uintptr_t)from, (unsigned)n, 1, 0, 0), BZ_OK);
  return used;
}

static size_t as_it_is(const char *from, size_t n, char *to, size_t cap) {
  assert_true(n <= cap);
  memcpy(to, from, n);
  return n;
}

static const struct {
  const char *name;
  size_t (*pack)(const char *from, size_t n, char *to, size_t cap);
} packers[] = {{NULL, as_it_is}, {"gzip", as_gzip}, {"zstd", as_zstd}, {"xz", as_xz}, {"bzip2", as_bzip2}};
enum { PACKERS = sizeof packers / sizeof *packers, PLAIN = 0, GZIP, ZSTD, XZ, BZIP2 };

// A log of n bytes that does not compress to nothing.
static bytes some_log(size_t n) {
  bytes b = {malloc(n + 64), 0};
  assert_non_null(b.data);
  for (unsigned i = 1; b.n < n; i++)
    b.n += (size_t)sprintf(b.data + b.n, "u%u,i%u,%u\n", i * 2654435761u % 997, i * 40503u % 4999, i);
  b.n = n;
  return b;
}

static void write_packed(int p, bytes b) {
  const size_t cap = b.n + b.n / 8 + 4096;
  char *to = malloc(cap);
  assert_non_null(to);
  check_ok(file_write_atomic(path, to, packers[p].pack(b.data, b.n, to, cap)));
  free(to);
}

// ---- reading -------------------------------------------------------------------------------------------------

// Reads all in pieces of `piece` bytes. What came before an error is in *out as well (data freed by the caller).
static status read_all(const char *from, size_t piece, bytes *out) {
  byte_stream *s;
  *out = (bytes){NULL, 0};
  TRY(byte_stream_open(&s, from, NULL));
  size_t cap = 0, n = piece;
  status rc = OK;
  while (rc == OK && n > 0) {
    check_ok(mem_grow(&out->data, &cap, out->n + piece, 1, "bytes"));
    rc = byte_stream_read(s, out->data + out->n, piece, &n);
    out->n += n;
  }
  if (rc == OK) {
    check_ok(byte_stream_read(s, out->data, 1, &n)); // the end stays the end
    assert_int_equal(n, 0);
    assert_true(byte_stream_progress(s) == 1.0);
  } else {
    assert_int_equal(byte_stream_read(s, out->data, 1, &n), rc); // and an error an error
  }
  byte_stream_close(s);
  return rc;
}

static void expect(bytes wanted, size_t piece) {
  bytes got;
  check_ok(read_all(path, piece, &got));
  assert_int_equal(got.n, wanted.n);
  assert_memory_equal(got.data, wanted.data, wanted.n);
  free(got.data);
}

static void test_kinds(void **unused) {
  (void)unused;
  static const size_t sizes[] = {0, 1, 511, 512, 513, 300000, 700001};
  for (int p = 0; p < PACKERS; p++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      bytes b = some_log(sizes[i]);
      write_packed(p, b);
      expect(b, 1 << 20);
      expect(b, 4099);
      if (b.n < 1000) expect(b, 1);
      byte_stream *s;
      check_ok(byte_stream_open(&s, path, NULL));
      assert_string_equal(byte_stream_compression(s) != NULL ? byte_stream_compression(s) : "",
                          packers[p].name != NULL ? packers[p].name : "");
      byte_stream_close(s);
      free(b.data);
    }
}

// Appends packed pieces and raw bytes to one file.
typedef struct file_maker {
  char data[1 << 16];
  size_t n;
} file_maker;

static void add(file_maker *f, int p, const char *text) {
  f->n += packers[p].pack(text, strlen(text), f->data + f->n, sizeof f->data - f->n);
}
static void add_bytes(file_maker *f, const char *data, size_t n) {
  memcpy(f->data + f->n, data, n);
  f->n += n;
}
static void expect_text(const file_maker *f, const char *text) {
  check_ok(file_write_atomic(path, f->data, f->n));
  expect((bytes){(char *)(uintptr_t)text, strlen(text)}, 1 << 20);
  expect((bytes){(char *)(uintptr_t)text, strlen(text)}, 3);
}
static void expect_failure(const file_maker *f, const char *text_before, status code, const char *sentence) {
  bytes got;
  check_ok(file_write_atomic(path, f->data, f->n));
  check_fails(read_all(path, 4096, &got), code, sentence);
  assert_non_null(strstr(fail_message(), path));
  assert_int_equal(got.n, strlen(text_before));
  assert_memory_equal(got.data, text_before, got.n);
  free(got.data);
}

static void test_several_members(void **unused) {
  (void)unused;
  for (int p = GZIP; p < PACKERS; p++) {
    file_maker f = {.n = 0};
    add(&f, p, "one,");
    add(&f, p, "");
    add(&f, p, "two\n");
    expect_text(&f, "one,two\n");
  }
  file_maker f = {
      .n =
          0}; // a frame that every zstd passes over, first and last, as pzstd and the seekable format have them
  add_bytes(&f, "\x50\x2A\x4D\x18\x03\0\0\0abc", 11);
  add(&f, ZSTD, "text");
  add_bytes(&f, "\x5E\x2A\x4D\x18\x01\0\0\0x", 9);
  expect_text(&f, "text");
}

static void test_what_follows(void **unused) {
  (void)unused;
  for (int p = GZIP; p < PACKERS; p++) {
    file_maker f = {.n = 0};
    add(&f, p, "text\n");
    add_bytes(&f, "\0\0\0\0\0\0\0\0\0\0\0\0", 12); // xz wants a multiple of four
    expect_text(&f, "text\n");
    add_bytes(&f, "rubbish, rubbish", 16);
    if (p == GZIP || p == BZIP2)
      expect_text(&f, "text\n"); // with a warning
    else
      expect_failure(&f, "text\n", ERR_FORMAT, "damaged at byte");
  }
}

static void test_cut_anywhere(void **unused) {
  (void)unused;
  for (int p = GZIP; p < PACKERS; p++) {
    file_maker f = {.n = 0};
    add(&f, p, "user,item\nu1,i1\nu2,i2\n");
    const size_t first = f.n;
    add(&f, p, "u3,i3\n");
    const size_t whole = f.n, from = p == BZIP2 ? 4 : p == ZSTD ? 2 : 1; // "BZh" and "(" may be text
    for (f.n = from; f.n < whole; f.n++) {
      bytes got;
      if (f.n == first) continue;
      check_ok(file_write_atomic(path, f.data, f.n));
      const status rc = read_all(path, 4096, &got);
      if (rc != ERR_FORMAT)
        fail_msg("%s cut after %zu of %zu bytes: %s", packers[p].name, f.n, whole,
                 rc == OK ? "ok" : fail_message());
      if (strstr(fail_message(), "cut short") == NULL) fail_msg("%s: %s", packers[p].name, fail_message());
      assert_true(got.n <= 28 && memcmp(got.data, "user,item\nu1,i1\nu2,i2\nu3,i3\n", got.n) == 0);
      free(got.data);
    }
  }
}

// Every changed byte is noticed, or does not matter.
static void test_damage_anywhere(void **unused) {
  (void)unused;
  const char *text = "user,item\nu1,i1\nu2,i2\n";
  for (int p = GZIP; p < PACKERS; p++) {
    file_maker f = {.n = 0};
    add(&f, p, text);
    int noticed = 0;
    for (size_t i = p == BZIP2 ? 10 : 6; i < f.n; i++) { // behind what makes it this format
      bytes got;
      f.data[i] = (char)(f.data[i] ^ 0x55);
      check_ok(file_write_atomic(path, f.data, f.n));
      const status rc = read_all(path, 4096, &got);
      if (rc == OK) {
        assert_int_equal(got.n, strlen(text));
        assert_memory_equal(got.data, text, got.n);
      } else {
        noticed++;
        assert_non_null(strstr(fail_message(), path));
      }
      free(got.data);
      f.data[i] = (char)(f.data[i] ^ 0x55);
    }
    assert_true(noticed > 20);
  }
}

// The bytes before the place where a large stream breaks off are given before the error.
static void test_text_before_an_error(void **unused) {
  (void)unused;
  bytes b = some_log(2 << 20), got, packed;
  for (int p = GZIP; p < PACKERS; p++) {
    write_packed(p, b);
    check_ok(file_read(path, 1 << 24, &packed.data, &packed.n));
    check_ok(file_write_atomic(path, packed.data, packed.n / 2));
    check_fails(read_all(path, 1 << 20, &got), ERR_FORMAT, "cut short at byte ");
    assert_true(got.n > b.n / 4 && memcmp(got.data, b.data, got.n) == 0);
    free(got.data);
    free(packed.data);
  }
  free(b.data);
}

static void test_memory(void **unused) {
  (void)unused;
  file_maker f = {.n = 0};
  add_bytes(&f, "\x28\xB5\x2F\xFD\0\x90\x01\0\0", 9); // a window of 2^28 bytes; an empty last block
  expect_failure(&f, "", ERR_UNSUPPORTED, "with a window of more than 128 MiB");
  f.n = 0;
  add_bytes(&f, "\x28\xB5\x2F\xFD\0\x88\x01\0\0", 9); // of 2^27
  expect_text(&f, "");
  f.n = 0;
  add(&f, XZ, "text");
  char *filter = memmem(f.data + 12, 24, "\x21\x01", 2);
  assert_non_null(filter);
  filter[2] = 34; // a dictionary of 512 MiB, in the header of the block
  const size_t header = 4 * ((size_t)f.data[12] + 1);
  const uint32_t sum = lzma_crc32((const uint8_t *)f.data + 12, header - 4, 0);
  memcpy(f.data + 12 + header - 4, &sum, 4); // on a little-endian machine
  expect_failure(&f, "", ERR_UNSUPPORTED, "with a window of more than 128 MiB");
}

// A file of some kilobytes that stands for 512 MiB.
static void test_bomb(void **unused) {
  (void)unused;
  enum { PIECE = 1 << 20, PIECES = 512 };
  char *zeros = calloc(1, PIECE), *packed = malloc(PIECE);
  assert_non_null(zeros);
  assert_non_null(packed);
  FILE *to = fopen(path, "wb");
  const size_t n = as_zstd(zeros, PIECE, packed, PIECE);
  for (int i = 0; i < PIECES; i++) assert_int_equal(fwrite(packed, 1, n, to), n);
  fclose(to);
  free(packed);
  byte_stream *s;
  size_t got = 1, all = 0;
  const size_t before = mem_peak_bytes();
  check_ok(byte_stream_open(&s, path, NULL));
  while (got > 0) {
    check_ok(byte_stream_read(s, zeros, PIECE, &got));
    all += got;
  }
  byte_stream_close(s);
  free(zeros);
  assert_int_equal(all, (size_t)PIECES * PIECE);
  assert_true(mem_peak_bytes() < before + (16 << 20));
}

// ---- formats that are only named -------------------------------------------------------------------------------

static void test_foreign(void **unused) {
  (void)unused;
#define RAW(text) text, sizeof(text) - 1
  static const struct {
    const char *data;
    size_t n;
    const char *sentence;
  } cases[] = {
      {RAW("PAR1\x15\x04\x15"), "is a Parquet file"},
      {RAW("PAR1\x15\x04\x15"), "duckdb -c \"COPY (SELECT * FROM '"},
      {RAW("ORC\x08\x03\x10"), "is an ORC file"},
      {RAW("Obj\x01\x04\x16"
           "avro.schema"),
       "is an Avro file"},
      {RAW("ARROW1\0\0\xFF\xFF\xFF\xFF"), "is an Arrow file"},
      {RAW("FEA1\0\0\0\0"), "is a Feather file"},
      {RAW("\x89HDF\r\n\x1a\n\0\0"), "is an HDF5 file"},
      {RAW("PK\x03\x04\x14\0\0\0\x08\0........................log.csv"), "is a zip archive"},
      {RAW("PK\x03\x04\x14\0\0\0\x08\0....................[Content_Types].xml"), "is a spreadsheet (.xlsx)"},
      {RAW("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "is a spreadsheet (.xls)"},
      {RAW("7z\xBC\xAF\x27\x1C\0\4"), "is a 7z archive"},
      {RAW("Rar!\x1A\x07\x01\0"), "is a rar archive"},
      {RAW("\x04\x22\x4D\x18\x64"), "is an lz4 file"},
      {RAW("\xFF\x06\0\0sNaPpY\1"), "is a snappy file"},
      {RAW("\x1F\x9D\x90"), "is a compress file"},
      {RAW("SQLite format 3\0\x10"), "is an SQLite database"},
      {RAW("\x93NUMPY\1\0v\0{'descr'"), "is a NumPy array"},
      {RAW("\x80\x04\x95\x1f"), "is a Python pickle"},
      {RAW("\n <!DOCTYPE HTML>\n<html>"), "is a web page"},
      {RAW("version https://git-lfs.github.com/spec/v1\noid sha256:"), "is a Git LFS pointer"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    byte_stream *s;
    check_ok(file_write_atomic(path, cases[i].data, cases[i].n));
    check_fails(byte_stream_open(&s, path, NULL), ERR_UNSUPPORTED, cases[i].sentence);
    assert_null(s);
    assert_non_null(strstr(fail_message(), path));
  }
}

// Logs may begin with anything that is text, and our own files with anything.
static void test_text_that_looks_foreign(void **unused) {
  (void)unused;
  static const char *const texts[] = {
      "PAR1,item\nu,i\n", "ORC,item\n", "FEA1\n", "BZh9,user,item\n", "BZh91AY&SX", "7z", "PK",
      "Rar!,x\n",         "(,x\n",      "htm",    "X\n1\n",           "a,b\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    check_ok(file_write_atomic(path, texts[i], strlen(texts[i])));
    expect((bytes){(char *)(uintptr_t)texts[i], strlen(texts[i])}, 1 << 20);
  }
  byte_stream *s;
  char buf[64];
  size_t n;
  check_ok(file_write_atomic(path,
                             "\x1f\x8b"
                             "BZh91AY&SY",
                             12));
  check_ok(byte_stream_open_plain(&s, path));
  check_ok(byte_stream_read(s, buf, sizeof buf, &n));
  assert_int_equal(n, 12);
  byte_stream_close(s);
}

static void test_archives_inside(void **unused) {
  (void)unused;
  char tar[1024] = "log.csv", packed[2048];
  memcpy(tar + 257,
         "ustar\0"
         "00",
         8);
  memcpy(tar + 512, "u,i\n", 4);
  byte_stream *s;
  check_ok(file_write_atomic(path, tar, sizeof tar));
  check_fails(byte_stream_open(&s, path, NULL), ERR_UNSUPPORTED, "is a tar archive, which");
  const size_t n = as_gzip(tar, sizeof tar, packed, sizeof packed);
  check_ok(file_write_atomic(path, packed, n));
  check_fails(byte_stream_open(&s, path, NULL), ERR_UNSUPPORTED, "is a tar archive under gzip");
  char twice[4096];
  check_ok(file_write_atomic(path, twice, as_xz(packed, n, twice, sizeof twice)));
  check_fails(byte_stream_open(&s, path, NULL), ERR_UNSUPPORTED,
              "is compressed twice, with gzip and then with xz");
}

// ---- pipes, threads, what cannot be opened -----------------------------------------------------------------------

typedef struct writer {
  int fd;
  bytes b;
} writer;

static void *write_slowly(void *w_) {
  const writer *w = w_;
  for (size_t at = 0; at < w->b.n;) {
    const size_t n = w->b.n - at < 777 ? w->b.n - at : 777;
    at += write(w->fd, w->b.data + at, n) == (ssize_t)n ? n : w->b.n;
  }
  close(w->fd);
  return NULL;
}

static void *read_elsewhere(void *s) {
  static char buf[1 << 20];
  size_t n;
  return byte_stream_read(s, buf, sizeof buf, &n) == OK && n == 200000 ? buf : NULL;
}

static void test_pipe_and_thread(void **unused) {
  (void)unused;
  bytes b = some_log(200000), packed;
  for (int p = 0; p < PACKERS; p++) {
    int ends[2];
    char name[64];
    pthread_t writing, reading;
    byte_stream *s;
    void *got;
    write_packed(p, b);
    check_ok(file_read(path, 1 << 24, &packed.data, &packed.n));
    assert_int_equal(pipe(ends), 0);
    writer w = {ends[1], packed};
    assert_int_equal(pthread_create(&writing, NULL, write_slowly, &w), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    check_ok(byte_stream_open(&s, name, NULL));
    assert_true(byte_stream_progress(s) == -1);
    assert_int_equal(pthread_create(&reading, NULL, read_elsewhere, s), 0);
    pthread_join(reading, &got);
    pthread_join(writing, NULL);
    assert_non_null(got);
    assert_memory_equal(got, b.data, b.n);
    byte_stream_close(s);
    close(ends[0]);
    free(packed.data);
  }
  free(b.data);
}

static void test_opening(void **unused) {
  (void)unused;
  byte_stream *s;
  char missing[320];
  check_ok(path_join(missing, sizeof missing, dir, "missing"));
  check_fails(byte_stream_open(&s, missing, NULL), ERR_NOT_FOUND, "missing: No such file");
  check_fails(byte_stream_open(&s, dir, NULL), ERR_IO, "it is a directory");
  check_ok(file_write_atomic(path, "u,i\n", 4));
  const int kept = dup(STDIN_FILENO), fd = open(path, O_RDONLY);
  assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
  char buf[16];
  size_t n;
  check_ok(byte_stream_open(&s, "-", NULL));
  assert_string_equal(byte_stream_name(s), "the standard input");
  check_ok(byte_stream_read(s, buf, sizeof buf, &n));
  assert_int_equal(n, 4);
  byte_stream_close(s);
  dup2(kept, STDIN_FILENO);
  close(kept);
  close(fd);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_kinds),
      CASE(test_several_members),
      CASE(test_what_follows),
      CASE(test_cut_anywhere),
      CASE(test_damage_anywhere),
      CASE(test_text_before_an_error),
      CASE(test_memory),
      CASE(test_bomb),
      CASE(test_foreign),
      CASE(test_archives_inside),
      CASE(test_text_that_looks_foreign),
      CASE(test_pipe_and_thread),
      CASE(test_opening),
  };
  return cmocka_run_group_tests_name("byte streams", tests, NULL, NULL);
}
