// Whole runs of souk prepare; see prepare_run.h.
#include "lib/prepare_run.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

char dir[256];
prepare_config c;
static option_section sections[PREPARE_SECTIONS];
static option_set set = {.usage = "", .summary = "", .sections = sections};

int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  return 0;
}
int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

void begin(const char *name) {
  set.count = prepare_sections(&c, sections);
  check_ok(options_defaults(&set));
  c.output.force = true;
  snprintf(c.input.log, sizeof c.input.log, "%s/log", dir);
  snprintf(c.output.out, sizeof c.output.out, "%s/%s", dir, name);
}

void option_text(const char *name, const char *value) {
  check_ok(options_set(&set, name, value, "test"));
}

void write_log(const char *name, const char *text) {
  char path[300];
  check_ok(path_join(path, sizeof path, dir, name));
  check_ok(file_write_atomic(path, text, strlen(text)));
}

status run(void) {
  fflush(stdout);
  FILE *const kept = stdout; // the report is for people
  stdout = fopen("/dev/null", "w");
  assert_non_null(stdout);
  const status rc = prepare_run(&c);
  fclose(stdout);
  stdout = kept;
  return rc;
}

dataset *run_and_open(void) {
  dataset *d;
  check_ok(run());
  check_ok(dataset_open(&d, c.output.out, true));
  return d;
}

json_t *report(void) {
  char path[1200], *text;
  size_t n;
  snprintf(path, sizeof path, "%s/report.json", c.output.out);
  check_ok(file_read(path, 1 << 20, &text, &n));
  json_t *j = json_loadb(text, n, 0, NULL);
  free(text);
  assert_non_null(j);
  return j;
}

int64_t count_of(const json_t *j, const char *name) {
  assert_true(json_is_integer(json_object_get(j, name)));
  return json_integer_value(json_object_get(j, name));
}

void expect_user(dataset *d, const char *user, const char *wanted) {
  char path[1200], text[4096] = "";
  line_reader *r;
  sequence_block *b;
  snprintf(path, sizeof path, "%s/users.tsv", dataset_dir(d));
  check_ok(lines_open(&r, path, 1 << 16));
  check_ok(block_read(&b, d, 0, dataset_get_info(d)->sequences));
  for (int64_t i = 0;; i++) {
    char *name;
    size_t n;
    bool end;
    check_ok(lines_next(r, &name, &n, &end));
    if (end) break;
    if (strcmp(name, user) != 0) continue;
    sequence s;
    block_get(b, i, &s);
    assert_int_equal(s.user, i);
    for (int32_t k = 0; k < s.n; k++)
      sprintf(text + strlen(text), "%s%s%s%s%s/%d", k > 0 ? " " : "",
              k == s.valid_from || k == s.test_from ? "| " : "", vocab_token(dataset_vocab(d), s.tokens[k]),
              s.events[k] > 0 ? "." : "",
              s.events[k] > 0 ? dataset_get_info(d)->event_types[s.events[k]] : "", s.sessions[k]);
  }
  block_free(b);
  lines_close(r);
  assert_string_equal(text, wanted);
}
