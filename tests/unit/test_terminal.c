// Status lines on a pseudo terminal: what stands on the screen afterwards, at any width and while it changes.
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/terminal.h"
#include "lib/check.h"
#include "lib/screen.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"

static int go[2];          // the child waits for a byte after its first part
static char seen[1 << 16]; // all that it has printed

static void wait_for_resize(void) {
  char c;
  if (read(go[0], &c, 1) != 1) _exit(3);
}

// Runs what `draw` prints on a terminal of that width, and narrows it to `then` (0: not) while draw waits.
static void play(screen *s, int columns, int then, void (*draw)(void)) {
  int master;
  struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
  if (access("/dev/pts", F_OK) != 0) skip();
  assert_int_equal(pipe(go), 0);
  screen_start(s, columns);
  seen[0] = '\0';
  const pid_t pid = forkpty(&master, NULL, NULL, &size);
  if (pid < 0) skip(); // as in a container without pseudo terminals
  if (pid == 0) {
    draw();
    _exit(0);
  }
  char bytes[4096];
  ssize_t n;
  if (then > 0) {
    n = read(master, bytes, sizeof bytes); // one write: a line is drawn whole
    assert_true(n > 0);
    screen_feed(s, bytes, (size_t)n);
    size.ws_col = (unsigned short)then;
    assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
    screen_resize(s, then);
    assert_int_equal(write(go[1], "x", 1), 1);
  }
  while ((n = read(master, bytes, sizeof bytes)) > 0) { // then EIO: it has ended
    screen_feed(s, bytes, (size_t)n);
    const size_t room = sizeof seen - 1 - strlen(seen);
    strncat(seen, bytes, (size_t)n < room ? (size_t)n : room);
  }
  int how;
  assert_int_equal(waitpid(pid, &how, 0), pid);
  if (how != 0) fail_msg("status %d: %s", how, seen);
  close(master);
  close(go[0]);
  close(go[1]);
}

static const status_field fields[] = {{100, "step    250/3000"}, {40, "epoch 2"},
                                      {90, "loss 4.1234"},       {20, "lr 0.001"},
                                      {15, "norm 0.523"},        {70, "1.2M tokens/s"},
                                      {10, "41.2 GFLOP/s"},      {30, "41% of peak"},
                                      {80, "eta 12 min 40 s"},   {5, ""},
                                      {1, "the least of them"}};
enum { FIELDS = sizeof fields / sizeof *fields };

static void draw_fields(void) {
  log_status_line(
      "a line that is longer than the one which follows it, so that something could be left of it");
  for (int i = 0; i < 3; i++) log_status_fields(fields, FIELDS);
}

static void test_fields_fit(void **unused) {
  (void)unused;
  static const struct {
    int columns;
    const char *wanted;
  } cases[] = {
      {200,
       "step    250/3000  epoch 2  loss 4.1234  lr 0.001  norm 0.523  1.2M tokens/s  41.2 GFLOP/s  41% of "
       "peak  eta 12 min 40 s  the least of them"},
      {80, "step    250/3000  epoch 2  loss 4.1234  1.2M tokens/s  eta 12 min 40 s"},
      {40, "step    250/3000  loss 4.1234"},
      {12, "step    250"},
      {3, "st"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    static screen s;
    play(&s, cases[i].columns, 0, draw_fields);
    assert_string_equal(screen_row(&s, 0), cases[i].wanted);
    assert_string_equal(screen_row(&s, 1), "");
  }
}

static void draw_wide(void) {
  for (int i = 0; i < 3; i++) log_status_line("prepare 数据集-市场-二〇二六: %d rows", 1000 + i);
}

static void test_wide_text(void **unused) {
  (void)unused;
  static screen s;
  play(&s, 80, 0, draw_wide);
  assert_string_equal(screen_row(&s, 0), "prepare 数据集-市场-二〇二六: 1002 rows");
  for (int columns = 2; columns < 40; columns++) { // also where a character would stand half outside
    play(&s, columns, 0, draw_wide);
    assert_true(text_columns(screen_row(&s, 0)) < columns);
    assert_string_equal(screen_row(&s, 1), "");
  }
}

#define OLD "the old line, which was made for a window of a hundred columns, and fills seventy-nine of them"
static void draw_resized(void) {
  log_status_line(OLD);
  wait_for_resize();
  for (int i = 0; i < 3; i++) log_status_line("the new line %d", i);
}

static void test_narrower(void **unused) {
  (void)unused;
  static screen s;
  play(&s, 100, 40, draw_resized);
  char text[400] = ""; // the old line in full, then the new one
  for (int row = 0; row < 3; row++) {
    strcat(text, screen_row(&s, row));
    if (row < 2 && strlen(screen_row(&s, row)) < 40) strcat(text, " "); // which folding took
  }
  assert_string_equal(text, OLD);
  assert_string_equal(screen_row(&s, 3), "the new line 2");
  assert_string_equal(screen_row(&s, 4), "");
  play(&s, 100, 99, draw_resized); // still wide enough: it is drawn over
  assert_string_equal(screen_row(&s, 0), "the new line 2");
  assert_string_equal(screen_row(&s, 1), "");
}

static void draw_with_columns(void) {
  setenv("COLUMNS", "30", 1);
  log_status_fields(fields, FIELDS);
}

static void draw_without_size(void) {
  unsetenv("COLUMNS");
  const struct winsize none = {0};
  ioctl(STDERR_FILENO, TIOCSWINSZ, &none);
  log_status_fields(fields, FIELDS);
}

static void test_columns(void **unused) {
  (void)unused;
  static screen s;
  play(&s, 80, 0, draw_with_columns);
  assert_string_equal(screen_row(&s, 0), "step    250/3000  loss 4.1234");
  play(&s, 200, 0, draw_without_size); // 80 are taken where nobody says
  assert_string_equal(screen_row(&s, 0),
                      "step    250/3000  epoch 2  loss 4.1234  1.2M tokens/s  eta 12 min 40 s");
}

static void draw_doing(void) {
  log_doing("reading %s", "a data set");
  log_doing("counting");
  log_info("what was found");
  log_status_line("step 1");
  log_doing("validating");
  log_info("a figure");
  log_doing("something\033[2Jodd");
  log_status_end();
  log_info("the end");
}

static void test_doing(void **unused) {
  (void)unused;
  static screen s;
  play(&s, 80, 0, draw_doing);
  assert_string_equal(screen_row(&s, 0), "what was found");
  assert_string_equal(screen_row(&s, 1), "step 1");
  assert_string_equal(screen_row(&s, 2), "a figure");
  assert_string_equal(screen_row(&s, 3), "the end");
}

// ---- the program ---------------------------------------------------------------------------------------------

static char souk[512], dir[256], data[300], run[300];

static void draw_training(void) {
  setenv("OMP_NUM_THREADS", "1", 1);
  execl(souk, "souk", "pretrain", "--data.dir", data, "--out", run, "--steps", "1000000", "--minutes",
        "0.045", "--eval_every", "0", "--log_every", "1000000", "--layers", "1", "--hidden", "8", "--heads",
        "1", "--accumulate", "16", "--peak_gflops", "10", "--threads", "1", "--device", "cpu", (char *)NULL);
  _exit(4);
}

// What is drawn over lines in place: between a carriage return and the order to erase what is behind.
static int count_drawn(const char *text, const char *word, int columns) {
  int n = 0;
  for (const char *p = text; (p = strchr(p, '\r')) != NULL; p++) {
    const char *end = strstr(p, "\033[K");
    char line[1024];
    if (end == NULL || strcspn(p + 1, "\r\n") < (size_t)(end - p - 1)) continue;
    snprintf(line, sizeof line, "%.*s", (int)(end - p - 1), p + 1);
    if (text_columns(line) >= columns) fail_msg("wider than %d columns: %s", columns, line);
    n += strstr(line, word) != NULL;
  }
  return n;
}

static void draw_evaluation(void) {
  setenv("OMP_NUM_THREADS", "1", 1);
  execl(souk, "souk", "eval", run, "--device", "cpu", "--bootstrap", "20", (char *)NULL);
  _exit(4);
}

// Of what stays on the screen, but for the line with the run's path.
static int widest_line(void) {
  int widest = 0;
  for (const char *p = seen; *p != '\0'; p += strcspn(p, "\n") + 1) {
    char line[1024];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "\r\n"), p);
    const int columns = strchr(line, '/') == NULL && line[0] != '\0' ? text_columns(line) : 0;
    if (columns > widest) widest = columns;
    if (strchr(p, '\n') == NULL) break;
  }
  return widest;
}

// A run of 2.7 seconds that would not say a word before its millionth step.
// 60 histories of 26 items.
static void shop(const char *to) {
  enum { USERS = 60, EVENTS = 8 };
  static char text[USERS][EVENTS + 5];
  const char *sequences[USERS];
  for (int u = 0; u < USERS; u++) {
    for (int i = 0; i < EVENTS; i++) text[u][i] = (char)('A' + (u * 7 + i * (3 + u % 5)) % 26);
    snprintf(text[u] + EVENTS, 5, "|%c|%c", 'A' + (u * 5 + 1) % 26, 'A' + u % 26);
    sequences[u] = text[u];
  }
  small_log(to, 26, sequences, USERS);
}

static void test_training(void **unused) {
  (void)unused;
  static screen s;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(run, sizeof run, dir, "run"));
  shop(data);
  play(&s, 60, 0, draw_training);
  assert_true(count_drawn(seen, "reading", 60) == 1);
  assert_true(count_drawn(seen, "composing the first batch", 60) == 1);
  assert_in_range(count_drawn(seen, "/1000000", 60), 2,
                  9); // one a second, also within a step, and one at the end
  assert_true(count_drawn(seen, "loss", 60) > 0);
  assert_non_null(strstr(seen, "done: "));
  play(&s, 80, 0, draw_evaluation);
  assert_non_null(strstr(seen, "4 more columns do not fit here"));
  assert_in_range(widest_line(), 70, 80);
  play(&s, 200, 0, draw_evaluation);
  assert_null(strstr(seen, "do not fit here"));
  assert_int_equal(widest_line(), 110); // 11 columns
  tiny_remove(dir);
}

int main(int argc, char **argv) {
  (void)argc;
  const char *slash = strrchr(argv[0], '/');
  snprintf(souk, sizeof souk, "%.*s../../souk", slash != NULL ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
  unsetenv("COLUMNS");
  setenv("TERM", "xterm", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fields_fit), cmocka_unit_test(test_wide_text), cmocka_unit_test(test_narrower),
      cmocka_unit_test(test_columns),    cmocka_unit_test(test_doing),     cmocka_unit_test(test_training),
  };
  return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
