// A text file that the generator writes row by row, gzip if its name says so.
#ifndef SOUK_SYNTH_SYNTH_FILE_H
#define SOUK_SYNTH_SYNTH_FILE_H

#include <stdint.h>
#include "base/status.h"

typedef struct text_file text_file;

status text_open(text_file **out, const char *dir, const char *name, int64_t level); // level: of compression
__attribute__((format(printf, 2, 3))) status text_printf(text_file *t, const char *format, ...);
// Either one ends it. The file is there once it is committed.
status text_commit(text_file *t);
void text_abort(text_file *t); // NULL is safe

#endif
