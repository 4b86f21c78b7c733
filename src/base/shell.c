// Command lines as people repeat them; see shell.h.
#include "base/shell.h"

#include <stdbool.h>
#include <string.h>
#include "base/memory.h"

static bool is_plain(const char *text) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%^";
  return text[0] != '\0' && text[strspn(text, plain)] == '\0';
}

// Writes an argument to `to`; returns behind it. A quote in quotes is written '\'', four bytes for one.
static char *put_argument(char *to, const char *text) {
  *to++ = ' ';
  if (is_plain(text)) return stpcpy(to, text);
  *to++ = '\'';
  for (; *text != '\0'; text++) {
    if (*text == '\'')
      to = stpcpy(to, "'\\''");
    else
      *to++ = *text;
  }
  *to++ = '\'';
  return to;
}

status shell_command(char **out, const char *program, int argc, char *const *argv) {
  size_t room = strlen(program) + 1;
  for (int i = 0; i < argc; i++) room += 4 * strlen(argv[i]) + 3;
  TRY(mem_new(out, room, 1, "a command line"));
  char *to = stpcpy(*out, program);
  for (int i = 0; i < argc; i++) to = put_argument(to, argv[i]);
  *to = '\0';
  return OK;
}
