// How often each user has been shown each promotion in a run.
#ifndef SOUK_INFER_CLI_CLI_SHOWN_H
#define SOUK_INFER_CLI_CLI_SHOWN_H

#include <stdint.h>

typedef struct cli_shown cli_shown;
int shown_new(cli_shown **out);
void shown_free(cli_shown *s); // NULL is safe
int64_t shown_times(const cli_shown *s, const char *user, int32_t promotion);
int shown_add(cli_shown *s, const char *user, int32_t promotion); // once more
void shown_mark(cli_shown *s);                                    // what comes from here on
void shown_undo(cli_shown *s);                                    // has not been, since the last mark

#endif
