// Options, files, lines, randomness, formatting of figures.
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/philox.h"
#include "base/terminal.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

typedef struct first {
  int64_t count, bytes;
  double rate;
  int mode;
} first;
typedef struct second {
  bool flag;
  int64_t count;
  char name[OPTION_STRING];
} second;
static first a;
static second b;
static const option first_options[] = {
    {"count", OPT_INT, offsetof(first, count), "5", 1, 1000000, NULL, "a number"},
    {"bytes", OPT_BYTES, offsetof(first, bytes), "1G", 0, 0, NULL, "a size"},
    {"rate", OPT_FLOAT, offsetof(first, rate), "0.5", 0, 1, NULL, "a share"},
    {"mode", OPT_CHOICE, offsetof(first, mode), "fast", 0, 0, "fast|slow|other", "a choice"},
    {"share", OPT_ALIAS, 0, "rate", 0, 0, NULL, "old name of rate"},
};
static const option second_options[] = {
    {"flag", OPT_BOOL, offsetof(second, flag), "false", 0, 0, NULL, "a switch"},
    {"count", OPT_INT, offsetof(second, count), "1", 0, 0, NULL, "another number"},
    {"name", OPT_STRING, offsetof(second, name), "x", 0, 0, NULL, "a name"},
    {"switch", OPT_ALIAS, 0, "flag", 0, 0, NULL, "old name of flag"},
};
static const option_section sections[] = {{"one", "One", first_options, 5, &a},
                                          {"two", "Two", second_options, 4, &b}};
static const option_set set = {"test", "A test.", sections, 2};

static status args(int n, const char **argv) {
  const char *positionals[2];
  size_t count;
  bool help;
  return options_args(&set, n, (char **)argv, positionals, 2, &count, &help);
}
#define ARGS(...) \
  args((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__})

static void test_options_values(void **unused) {
  (void)unused;
  check_ok(options_defaults(&set));
  assert_int_equal(a.count, 5);
  assert_int_equal(a.bytes, 1 << 30);
  check_ok(ARGS("--one.count", "4k", "--rate=0.25", "--mode", "slow", "--flag", "--two.count=7", "--name",
                "a b", "pos"));
  assert_int_equal(a.count, 4000);
  assert_true(fabs(a.rate - 0.25) < 1e-15);
  assert_int_equal(a.mode, 1);
  assert_true(b.flag);
  assert_int_equal(b.count, 7);
  assert_string_equal(b.name, "a b");
  check_ok(ARGS("--no-flag", "--bytes", "3MiB"));
  assert_false(b.flag);
  assert_int_equal(a.bytes, 3 << 20);
}

static void test_options_errors(void **unused) {
  (void)unused;
  check_ok(options_defaults(&set));
  check_fails(ARGS("--raet", "1"), ERR_ARGUMENT, "did you mean \"one.rate\"");
  check_fails(ARGS("--count", "1"), ERR_ARGUMENT, "several sections");
  check_fails(ARGS("--rate", "2"), ERR_ARGUMENT, "one.rate = 2 is out of range");
  check_fails(ARGS("--rate", "x"), ERR_ARGUMENT, "must be a number");
  check_fails(ARGS("--rate", "nan"), ERR_ARGUMENT, "must be a number");
  check_fails(ARGS("--mode", "fats"), ERR_ARGUMENT, "fast|slow|other");
  check_fails(ARGS("--one.count", "1.5"), ERR_ARGUMENT, "a whole number");
  check_fails(ARGS("--one.count", "99999999999999999999"), ERR_ARGUMENT, "a whole number");
  check_fails(ARGS("--rate"), ERR_ARGUMENT, "--rate needs a number");
  check_fails(ARGS("-x"), ERR_ARGUMENT, "begin with --");
  check_fails(ARGS("p", "q", "r"), ERR_ARGUMENT, "unexpected argument \"r\"");
}

static status yaml(const char *text) {
  return options_yaml_text(&set, text, strlen(text), "f.yaml");
}

static void test_options_yaml(void **unused) {
  (void)unused;
  check_ok(options_defaults(&set));
  check_ok(yaml("# comment\none:\n  count: 12\n  mode: other\ntwo:\n  flag: yes\n  name: \"q\"\n"));
  assert_int_equal(a.count, 12);
  assert_int_equal(a.mode, 2);
  assert_true(b.flag);
  check_ok(yaml(""));
  check_ok(yaml("# nothing\n"));
  check_fails(yaml("one:\n  cuont: 1\n"), ERR_ARGUMENT,
              "f.yaml line 2: unknown option \"one.cuont\"; did you mean \"one.count\"");
  check_fails(yaml("tow:\n  flag: 1\n"), ERR_ARGUMENT, "unknown section \"tow\"; did you mean \"two\"");
  check_fails(yaml("one:\n  count: [1, 2]\n"), ERR_FORMAT, "not a list");
  check_fails(yaml("one:\n  count: 1\n  count: 2\n"), ERR_FORMAT, "given twice");
  check_fails(yaml("- 1\n"), ERR_FORMAT, "a map of options");
  check_fails(yaml("one: {count: 1"), ERR_FORMAT, "f.yaml line");
  check_fails(yaml("count: 1\n"), ERR_ARGUMENT, "count");
}

// An old name sets what the new one sets and is never written. Whoever gives both is asked for one of them.
static void test_options_alias(void **unused) {
  (void)unused;
  check_ok(options_defaults(&set));
  check_ok(yaml("one:\n  share: 0.25\ntwo:\n  switch: true\n"));
  assert_true(fabs(a.rate - 0.25) < 1e-15);
  assert_true(b.flag);
  char *text;
  check_ok(options_dump(&set, &text));
  assert_non_null(strstr(text, "  rate: 0.25\n"));
  assert_null(strstr(text, "share"));
  free(text);
  check_ok(ARGS("--share", "0.75", "--no-switch"));
  assert_true(fabs(a.rate - 0.75) < 1e-15);
  assert_false(b.flag);
  check_ok(ARGS("--one.share=0.5", "--share", "0.125", "--switch"));
  assert_true(fabs(a.rate - 0.125) < 1e-15);
  assert_true(b.flag);
  check_fails(ARGS("--share", "2"), ERR_ARGUMENT, "one.rate = 2 is out of range");
  check_fails(ARGS("--share", "x"), ERR_ARGUMENT, "one.rate must be a number");
  check_fails(ARGS("--sharre", "1"), ERR_ARGUMENT, "unknown option \"sharre\"");
  check_fails(ARGS("--rate", "0.5", "--share", "0.5"), ERR_ARGUMENT,
              "command line: one.rate and one.share are two names of one option; give one of them");
  check_fails(ARGS("--switch", "--no-flag"), ERR_ARGUMENT, "two.switch and two.flag are two names");
  check_fails(yaml("one:\n  share: 0.5\n  rate: 0.5\n"), ERR_ARGUMENT,
              "f.yaml line 3: one.share and one.rate are two names of one option");
  check_fails(yaml("one: {share: 0.5, share: 0.5}\n"), ERR_FORMAT, "one.share is given twice");
  check_ok(yaml("one: {share: 0.5}\n"));
  check_ok(ARGS("--rate", "1")); // another place: the command line wins, whichever name the file has
  assert_true(fabs(a.rate - 1) < 1e-15);
}

static void test_options_dump(void **unused) {
  (void)unused;
  check_ok(options_defaults(&set));
  check_ok(ARGS("--rate", "0.1", "--name", "a \"quoted\" \\ name", "--one.count", "77"));
  char *text;
  check_ok(options_dump(&set, &text));
  const first old_a = a;
  const second old_b = b;
  check_ok(options_defaults(&set));
  check_ok(options_yaml_text(&set, text, strlen(text), "dump"));
  free(text);
  assert_memory_equal(&a.rate, &old_a.rate, sizeof a.rate);
  assert_int_equal(a.count, old_a.count);
  assert_string_equal(b.name, old_b.name);
}

// Texts that yaml takes only in escapes come back too; what it could not say is refused.
static void test_options_texts(void **unused) {
  (void)unused;
  static const char odd[] = "\x01\x1f\x7f\xc2\x85\xc2\xa0\xe2\x80\xa8\xef\xbb\xbf \xf0\x9f\x98\x80\t\n";
  check_ok(options_defaults(&set));
  check_ok(ARGS("--name", odd));
  char *text;
  check_ok(options_dump(&set, &text));
  check_ok(options_defaults(&set));
  check_ok(options_yaml_text(&set, text, strlen(text), "dump"));
  free(text);
  assert_string_equal(b.name, odd);
  check_fails(ARGS("--name", "caf\xe9"), ERR_ARGUMENT, "is not UTF-8");
  check_fails(yaml("two:\n  name: \"a\\0b\"\n"), ERR_FORMAT, "line 2: a value contains a NUL byte");
  check_fails(yaml("two:\n  name: b\n  x: \x07\n"), ERR_FORMAT, "line 3: control characters");
}

static void test_atomic_files(void **unused) {
  (void)unused;
  char dir[256], path[300], *data;
  size_t n;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "f"));
  check_ok(file_write_atomic(path, "old", 3));
  out_file *f;
  check_ok(out_open(&f, path));
  check_ok(out_printf(f, "%0200d", 1));
  out_abort(f);
  check_ok(file_read(path, 100, &data, &n));
  assert_string_equal(data, "old"); // untouched by what was not committed
  free(data);
  check_ok(out_open(&f, path));
  for (int i = 0; i < 3000; i++) check_ok(out_printf(f, "%0100d\n", i));
  check_ok(out_commit(f));
  check_ok(file_read(path, 1 << 20, &data, &n));
  assert_int_equal(n, 3000 * 101);
  free(data);
  check_fails(file_read(path, 100, &data, &n), ERR_FORMAT, "more than the 100 allowed");
  check_fails(file_read(dir, 100, &data, &n), ERR_IO, "it is a directory");
  check_fails(file_write_atomic("/no/such/dir/f", "x", 1), ERR_IO, "/no/such/dir/f");
  char hex[65];
  check_ok(file_write_atomic(path, "abc", 3));
  check_ok(file_sha256(path, hex, NULL));
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  tiny_remove(dir);
  assert_false(dir_exists(dir));
}

static void test_full_disk(void **unused) {
  (void)unused;
  if (!full_device()) skip();
  char dir[256], link_path[300];
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(link_path, sizeof link_path, dir, "f"));
  assert_int_equal(symlink("/dev/full", link_path), 0);
  check_fails(file_write_atomic(link_path, "x", 1), ERR_IO, "No space left");
  tiny_remove(dir);
}

static void write_gzip(const char *path, const char *text, size_t n) {
  gzFile g = gzopen(path, "wb");
  assert_non_null(g);
  assert_int_equal(gzwrite(g, text, (unsigned)n), (int)n);
  assert_int_equal(gzclose(g), Z_OK);
}

static void test_lines(void **unused) {
  (void)unused;
  char dir[256], path[300];
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "f"));
  const char *text = "one\r\n\nthree";
  for (int gzip = 0; gzip < 2; gzip++) {
    if (gzip)
      write_gzip(path, text, strlen(text));
    else
      check_ok(file_write_atomic(path, text, strlen(text)));
    line_reader *r;
    check_ok(lines_open_input(&r, path, 100, NULL));
    char *line;
    size_t n;
    bool end;
    const char *const wanted[] = {"one", "", "three"};
    for (int i = 0; i < 3; i++) {
      check_ok(lines_next(r, &line, &n, &end));
      assert_false(end);
      assert_string_equal(line, wanted[i]);
      assert_int_equal(lines_number(r), i + 1);
    }
    check_ok(lines_next(r, &line, &n, &end));
    assert_true(end);
    lines_close(r);
  }
  line_reader *r;
  char *line;
  size_t n;
  bool end;
  // In our own files a name may look like the beginning of a compressed file, or of a web page.
  check_ok(file_write_atomic(path, "BZh91AY&SY\n<!doctype html>\n", 27));
  check_ok(lines_open(&r, path, 100));
  check_ok(lines_next(r, &line, &n, &end));
  assert_string_equal(line, "BZh91AY&SY");
  lines_close(r);
  check_ok(file_write_atomic(path, "a\0b\n", 4));
  check_ok(lines_open_input(&r, path, 100, NULL));
  check_fails(lines_next(r, &line, &n, &end), ERR_FORMAT, "line 1 holds a NUL byte");
  lines_close(r);
  check_ok(file_write_atomic(path, "short\nthis one is long\n", 23));
  check_ok(lines_open(&r, path, 10));
  check_ok(lines_next(r, &line, &n, &end));
  check_fails(lines_next(r, &line, &n, &end), ERR_FORMAT, "line 2 is longer than 10 bytes");
  lines_close(r);
  tiny_remove(dir);
}

static void test_philox(void **unused) {
  (void)unused;
  // Known answers of Random123's kat_vectors for philox4x32-10; key = seed words, stream 0.
  philox_out o = philox4x32(0, 0, 0, 0, 0, 0);
  assert_int_equal(o.v[0], 0x6627e8d5);
  assert_int_equal(o.v[3], 0x9b00dbd8);
  o = philox4x32(0xffffffffffffffffu, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
  assert_int_equal(o.v[0], 0x408f276d);
  o = philox4x32(0x299f31d0a4093822u, 0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
  assert_int_equal(o.v[0], 0xd16cfe09);
  assert_int_equal(o.v[3], 0x24126ea1);
}

static void test_rng(void **unused) {
  (void)unused;
  rng r = rng_at(7, STREAM_MASK, 1, 2);
  double sum = 0, squares = 0, normal = 0, normal2 = 0;
  int counts[7] = {0};
  enum { N = 70000 };
  for (int i = 0; i < N; i++) {
    const double u = rng_unit(&r), z = rng_normal(&r);
    assert_true(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
    normal += z;
    normal2 += z * z;
    counts[rng_below(&r, 7)]++;
  }
  assert_true(fabs(sum / N - 0.5) < 0.01 && fabs(squares / N - 1.0 / 3) < 0.01);
  assert_true(fabs(normal / N) < 0.02 && fabs(normal2 / N - 1) < 0.03);
  for (int i = 0; i < 7; i++) assert_true(abs(counts[i] - N / 7) < 500);
  assert_int_equal(dropout_threshold(0.1), 26);
}

static void test_memory(void **unused) {
  (void)unused;
  void *p;
  assert_int_equal(mem_new(&p, SIZE_MAX / 2, 4, "too much"), ERR_MEMORY);
  assert_null(p);
  int *array = NULL;
  size_t cap = 0;
  for (size_t i = 0; i < 1000; i++) {
    check_ok(mem_grow(&array, &cap, i + 1, sizeof *array, "ints"));
    array[i] = (int)i;
  }
  for (int i = 0; i < 1000; i++) assert_int_equal(array[i], i);
  free(array);
  assert_true(mem_peak_bytes() > 1 << 20);
}

static void test_human(void **unused) {
  (void)unused;
  char s[32];
  assert_string_equal(human_bytes(s, 0), "0 B");
  assert_string_equal(human_bytes(s, 1536), "1.5 KiB");
  assert_string_equal(human_bytes(s, 1024 * 1024 - 1), "1.0 MiB");
  assert_string_equal(human_count(s, 9999), "9999");
  assert_string_equal(human_count(s, 10000), "10k");
  assert_string_equal(human_count(s, 12345), "12.3k");
  assert_string_equal(human_count(s, 6123000), "6.12M");
  assert_string_equal(human_count(s, 999600), "1M");
  assert_string_equal(human_count(s, -25000), "-25k");
  assert_string_equal(human_count(s, INFINITY), "unknown"); // a rate of no time at all
  assert_string_equal(human_unit(s, 2956.4e6, "FLOP"), "2.96 GFLOP");
  assert_string_equal(human_unit(s, 999.9e9, "FLOP/s"), "1 TFLOP/s");
  assert_string_equal(human_unit(s, 12, "FLOP"), "12 FLOP");
  assert_string_equal(human_seconds(s, 0), "0 s");
  assert_string_equal(human_seconds(s, -1), "0 s");
  assert_string_equal(human_seconds(s, 1e-9), "0 s");
  assert_string_equal(human_seconds(s, 4e-5), "40 us");
  assert_string_equal(human_seconds(s, 0.9996e-3), "1.0 ms");
  assert_string_equal(human_seconds(s, 0.002), "2.0 ms");
  assert_string_equal(human_seconds(s, 0.09996), "0.1 s");
  assert_string_equal(human_seconds(s, 59.99), "1 min 00 s");
  assert_string_equal(human_seconds(s, 3599.7), "1 h 00 min");
  assert_string_equal(human_seconds(s, 3700), "1 h 02 min");
  assert_string_equal(human_signal(s, SIGINT), "SIGINT");
  assert_string_equal(human_signal(s, 4711), "signal 4711");
}

static void fits(const char *text, int columns, const char *wanted) {
  char buf[64];
  snprintf(buf, sizeof buf, "%s", text);
  text_fit(buf, columns);
  assert_string_equal(buf, wanted);
  assert_true(text_columns(buf) <= columns);
}

static void test_text_width(void **unused) {
  (void)unused;
  assert_int_equal(text_columns("abc"), 3);
  assert_int_equal(text_columns("caf\u00e9"), 4);
  assert_int_equal(text_columns("cafe\u0301"), 4);
  assert_int_equal(text_columns("\u6570\u636e"), 4);
  fits("\u6570\u636e\u96c6", 6, "\u6570\u636e\u96c6");
  fits("\u6570\u636e\u96c6", 5, "\u6570\u636e"); // no half of a character
  fits("abc", 0, "");
  fits("a\033[2Jb\n", 20, "a?[2Jb?"); // nothing that moves the cursor
  fits("a\xff"
       "b",
       20, "a?b");
}

// The first error is what a caller hears, whatever a clean-up says after it.
static void test_kept_errors(void **unused) {
  (void)unused;
  char home[200], path[256];
  failure f;
  tiny_directory(home, sizeof home);
  fail(ERR_FORMAT, "the first");
  failure_keep(&f, ERR_FORMAT);
  fail(ERR_IO, "a later one");
  check_fails(failure_raise(&f), ERR_FORMAT, "the first");
  failure_keep(&f, OK);
  check_ok(failure_raise(&f));
  assert_string_equal(fail_message(), "the first"); // none was kept, so none comes back

  check_ok(path_join(path, sizeof path, home, "file"));
  out_file *file;
  check_ok(out_open(&file, path));
  check_fails(out_finish(file, fail(ERR_NONFINITE, "no number")), ERR_NONFINITE, "no number");
  assert_false(file_exists(path));
  check_ok(out_open(&file, path));
  check_ok(out_finish(file, OK));
  assert_true(file_exists(path));
  check_fails(out_finish(NULL, fail(ERR_IO, "was never opened")), ERR_IO, "was never opened");

  out_dir *dir;
  check_ok(path_join(path, sizeof path, home, "dir"));
  check_ok(out_dir_open(&dir, path, PATH_NOTHING, false));
  check_fails(out_dir_finish(dir, fail(ERR_MEMORY, "no room")), ERR_MEMORY, "no room");
  assert_false(dir_exists(path));
  check_ok(out_dir_open(&dir, path, PATH_NOTHING, false));
  check_ok(out_dir_finish(dir, OK));
  assert_true(dir_exists(path));
  tiny_remove(home);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_options_values),
      cmocka_unit_test(test_options_errors),
      cmocka_unit_test(test_options_yaml),
      cmocka_unit_test(test_options_alias),
      cmocka_unit_test(test_options_dump),
      cmocka_unit_test(test_options_texts),
      cmocka_unit_test(test_atomic_files),
      cmocka_unit_test(test_full_disk),
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_philox),
      cmocka_unit_test(test_rng),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_human),
      cmocka_unit_test(test_text_width),
      cmocka_unit_test(test_kept_errors),
  };
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
