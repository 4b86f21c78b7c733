// A directory for one test, with files by their names in it; and faults, in this process or in one that they kill.
#ifndef SOUK_TESTS_SCRATCH_H
#define SOUK_TESTS_SCRATCH_H

#include <stdbool.h>

// Set-up and tear-down of a test: an empty directory, and nothing but errors logged; then it goes, and the faults too.
int scratch_begin(void **unused);
int scratch_end(void **unused);

// The path of a name in it, until the fourth call after this one.
const char *scratch(const char *name);

void scratch_put(const char *name, const char *text);
const char *scratch_get(const char *name); // what is in a file, until the next call; "" where there is none
int scratch_count(const char *text);       // names in the directory that hold `text`

// The faults of base/fault.h; NULL: none.
void faults_set(const char *what);

// Does `action` in a process of its own that is killed at a fault. False: it came to its end.
bool is_killed(const char *fault, void (*action)(void));

#endif
