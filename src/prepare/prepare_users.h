// Attributes of users, out of a file with a row a user: values as they stand, or numbers in buckets of about equally many users.
#ifndef SOUK_PREPARE_PREPARE_USERS_H
#define SOUK_PREPARE_PREPARE_USERS_H

#include "data/vocab.h"
#include "data/writer.h"
#include "prepare/prepare.h"
#include "prepare/rejects.h"

// Of a name the hash is kept (intern.h), 64 bits: two of ten million users have the same one with probability 3e-6.
typedef struct user_table user_table;

typedef struct user_table_counts {
  reject_list rows;  // of the file; those that cannot be used
  int64_t repeated;  // of a user who had one already
  int64_t rare;      // values beyond the MOST_USER_VALUES most frequent of their column
  int64_t described; // users that stay and have an attribute
  int64_t unknown;   // of the numbers: that cannot be read
  int64_t too_long;  // values of more than USER_VALUE_BYTES bytes, which are left out
} user_table_counts;
enum { MOST_USER_VALUES = 1000, USER_VALUE_BYTES = MAX_NAME_BYTES / 2 };

// *out NULL: input.users is not set. Reads the file.
status user_table_read(user_table **out, const prepare_config *c, user_table_counts *counts);
void user_table_free(user_table *t); // NULL is safe
// Adds the tokens, with how many users of the file have each.
status user_table_add_tokens(user_table *t, vocab *v);
// The user with the next history has that name. Their number is counted here.
status user_table_take(user_table *t, const char *name, user_table_counts *counts);
// users.h5 of the users taken.
status user_table_write(const user_table *t, dataset_writer *w, int deflate);

#endif
