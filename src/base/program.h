// The files that come with the program: in the tree that it was built in, or where it is installed.
#ifndef SOUK_BASE_PROGRAM_H
#define SOUK_BASE_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

// The first of some places (relative to the program's own directory, NULL ends the list) where there is something that may be
// read, into path; false: none.
bool program_file(char path[PATH_MAX], const char *const *places);

#endif
