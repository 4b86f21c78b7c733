// Hints about encodings; see encoding_hint.h.
#include "prepare/encoding_hint.h"

#include <stdio.h>
#include <string.h>
#include "base/encoding.h"
#include "base/encoding_guess.h"

static const reject_reason *find(const reject_list *list) {
  for (int i = 0; i < list->n; i++)
    if (strcmp(list->reasons[i].text, LOG_NOT_UTF8) == 0) return &list->reasons[i];
  return NULL;
}

static bool read_as_utf8(const char *encoding) {
  return encoding == NULL || encoding[0] == '\0' || encoding_is_utf8(encoding);
}

void hint_encoding(prepare_job *job, const reject_list *list, const input_files *files, const char *encoding,
                   const char *source) {
  const reject_reason *x = find(list);
  if (x == NULL) return;
  const char *file = x->files[0] != NULL ? x->files[0] : files->names[0];
  const char *guess = read_as_utf8(encoding) ? encoding_guess_file(file) : NULL;
  file = list_title(file);
  const long long rows = x->count, line = x->lines[0];
  if (!read_as_utf8(encoding))
    prepare_warn(job, "%s: %lld rows (the first on line %lld) have bytes that %s does not have; is %s right?",
                 file, rows, line, encoding, source);
  else if (guess != NULL)
    prepare_warn(
        job, "%s: %lld rows (the first on line %lld) are not UTF-8; they may be %s: --%s %s reads them so",
        file, rows, line, guess, source, guess);
  else
    prepare_warn(
        job,
        "%s: %lld rows (the first on line %lld) are not UTF-8; if they are in another encoding, --%s "
        "names it",
        file, rows, line, source);
}

status hint_in_error(status rc, const char *path, const log_format *format) {
  const char *guess = rc == ERR_FORMAT && read_as_utf8(format->encoding) ? encoding_guess_file(path) : NULL;
  char old[MESSAGE_BYTES];
  if (guess == NULL) return rc;
  snprintf(old, sizeof old, "%s", fail_message());
  return fail(rc, "%s; the file is not UTF-8 and may be %s: --%s %s reads it so", old, guess,
              format->encoding_option, guess);
}
