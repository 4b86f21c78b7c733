// Lexicons of bundles; see export_lexicons.h.
#include "convert/export_lexicons.h"

#include <limits.h>
#include <stdlib.h>
#include "base/file.h"
#include "format/lexicon.h"

const char *const lexicon_files[LEXICON_FILES] = {"lexicon-en.txt", "lexicon-zh.txt"};

static status check_lexicon(const char *path) {
  char *text = NULL;
  size_t bytes;
  format_error e;
  lexicon *l;
  TRY(file_read(path, LEXICON_MOST_BYTES, &text, &bytes));
  const lexicon_text one = {.text = text, .bytes = bytes, .name = path, .kind = LEXICON_FILE};
  const status rc = lexicon_compile(&l, &one, 1, &e) ? OK : fail_format(&e);
  if (rc == OK) lexicon_free(l);
  free(text);
  return rc;
}

status export_lexicons(const char *from, const char *bundle, bool copied[LEXICON_FILES]) {
  char path[PATH_MAX], to[PATH_MAX];
  bool any = false;
  for (int i = 0; i < LEXICON_FILES; i++) {
    TRY(path_join(path, sizeof path, from, lexicon_files[i]));
    copied[i] = file_exists(path);
    any |= copied[i];
    if (!copied[i]) continue;
    TRY(check_lexicon(path));
    TRY(path_join(to, sizeof to, bundle, lexicon_files[i]));
    TRY(file_copy(path, to));
  }
  return any ? OK
             : fail(ERR_NOT_FOUND, "--lexicons: %s has neither %s nor %s", from, lexicon_files[0],
                    lexicon_files[1]);
}
