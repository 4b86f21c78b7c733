// The lexicon that souk-infer writes copy by: the files of --lexicon, or the texts that the bundle carries. A bundle carries those that
// souk export gave it, so that it is served by the same rules wherever it goes; none at all has to be asked for, by "off".
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "infer_cli/cli_copy.h"

enum { READ_AT_ONCE = 1 << 16, LEXICON_MOST = 1 << 26 };

typedef struct lexicon_files {
  souk_lexicon_text texts[MOST_FILES];
  char *owned[MOST_FILES]; // NULL: the bundle's
  size_t n;
} lexicon_files;

static int read_file(const char *path, char **text, size_t *bytes) {
  FILE *f = fopen(path, "rb");
  size_t cap = 0;
  int rc = f != NULL ? 0 : cli_fail(EXIT_FAILED, "cannot open %s: %s", path, strerror(errno));
  for (size_t got = 1; rc == 0 && got > 0; *bytes += got) {
    rc = *bytes <= LEXICON_MOST ? cli_grow(text, &cap, *bytes + READ_AT_ONCE, 1)
                                : cli_fail(EXIT_FAILED, "%s is longer than %d MiB", path, LEXICON_MOST >> 20);
    if (rc == 0) got = fread(*text + *bytes, 1, READ_AT_ONCE, f);
    if (rc == 0 && ferror(f)) rc = cli_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
  }
  if (f != NULL) fclose(f);
  return rc;
}

static bool is_off(const cli_files *files) {
  for (int32_t i = 0; i < files->n; i++)
    if (strcmp(files->at[i], "off") == 0) return true;
  return false;
}

static int take_files(lexicon_files *l, const cli_files *files) {
  for (int32_t i = 0; i < files->n; i++) {
    size_t bytes = 0;
    const int rc = read_file(files->at[i], &l->owned[l->n], &bytes);
    if (rc != 0) return rc;
    // A length of 0 would ask for the end of a string.
    if (bytes > 0) {
      l->texts[l->n] = (souk_lexicon_text){l->owned[l->n], bytes, files->at[i]};
      l->n++;
    }
  }
  return 0;
}

static void take_carried(lexicon_files *l, const souk_bundle *b) {
  const char *text;
  while (l->n < MOST_FILES &&
         (text = souk_carried_lexicon(b, (int32_t)l->n, &l->texts[l->n].bytes, &l->texts[l->n].name)) != NULL)
    l->texts[l->n++].text = text;
}

int lexicons_open(souk_lexicon **out, const cli_options *o, const souk_bundle *b) {
  lexicon_files l = {.n = 0};
  souk_error e = {.code = SOUK_OK};
  *out = NULL;
  if (is_off(&o->lexicons))
    return o->lexicons.n == 1 ? 0 : cli_fail(EXIT_USAGE, "--lexicon off cannot be given beside files");
  int rc = take_files(&l, &o->lexicons);
  if (rc == 0 && o->lexicons.n == 0) take_carried(&l, b);
  if (rc == 0 && souk_lexicon_new(out, b, l.texts, l.n, &e) != SOUK_OK)
    rc = cli_fail(EXIT_FAILED, "%s", e.message);
  for (size_t i = 0; i < MOST_FILES; i++) free(l.owned[i]);
  return rc;
}
