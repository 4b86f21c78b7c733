// The names of a data set's users, users.tsv, one after the other, each checked as docs/formats.md has it: UTF-8, escaped as
// in vocab.tsv, 1 to MAX_NAME_BYTES bytes; as many as there are histories.
#ifndef SOUK_DATA_USER_NAMES_H
#define SOUK_DATA_USER_NAMES_H

#include "data/dataset.h"

typedef struct user_names user_names;

status user_names_open(user_names **out, const dataset *d);
// The next one, unescaped, valid until the call after. ERR_FORMAT, naming file and line, also when there are no more.
status user_names_next(user_names *u, const char **name);
void user_names_close(user_names *u); // NULL is safe

// Reads the whole file; a name that two users have is an error, too.
status user_names_check(const dataset *d);
// Only that, for data sets of before the rules were.
status user_names_check_twice(const dataset *d);

#endif
