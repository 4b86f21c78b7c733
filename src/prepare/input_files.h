// Which files a list in an option names: "e1.csv, logs/*.csv.gz, 2024/".
#ifndef SOUK_PREPARE_INPUT_FILES_H
#define SOUK_PREPARE_INPUT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct input_files {
  char **names; // [n]; in the order of the list, and sorted within a pattern or a folder
  size_t n, cap;
  int64_t passed_over; // in folders: hidden ones, and marks and checksums of Spark
  int64_t subfolders;  // in folders, likewise not read
} input_files;

// Names are separated by commas, blanks around them do not count. "-" is the standard input. A name that exists is that file,
// whatever characters it has, also commas; else it may be a pattern (*, ?, [a-z]). A folder stands for the regular files
// directly in it. Nothing found, a folder without files, a data set or run of Souk's in place of a log, and a file that is named
// twice are errors; source ("input.log") says in them where the list comes from. An empty list has no files.
// *f is zeroed at first; input_files_free frees it, after an error too.
status input_files_find(input_files *f, const char *list, const char *source);
bool input_files_have(const input_files *f, const char *name);
void input_files_free(input_files *f);

// The list for messages: "-" is the standard input.
const char *list_title(const char *list);
// The first name of a list in an option, without blanks around it, into name[OPTION_STRING]; where the rest begins.
const char *list_name(const char *list, char *name);

#endif
