// What the fuzz targets share. A target hands arbitrary bytes to one reader and demands more than that it
// survives: what is refused is refused in a sentence that names the file, and what is accepted has the
// properties that the rest of the program builds on (a round trip, agreement with a second reader, ranges).
//
// libFuzzer calls LLVMFuzzerTestOneInput; `make fuzz` builds, replays the seeds in tests/fuzz/corpus and
// looks for more.
#ifndef SOUK_TESTS_FUZZ_H
#define SOUK_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerInitialize(int *argc, char ***argv);

// Ends the program with a message when a property does not hold, for the fuzzer to keep the input.
#define require(property)                                        \
  do {                                                           \
    if (!(property)) fuzz_broken(__FILE__, __LINE__, #property); \
  } while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *property);
// A call that must succeed.
#define require_ok(call)                                               \
  do {                                                                 \
    if ((call) != OK) fuzz_broken(__FILE__, __LINE__, fail_message()); \
  } while (0)
// The thread's message is one sentence that names `what` (NULL: anything).
void require_sentence(const char *what);

// Counts an input that the reader accepted. The sums are printed at the end: seeds that nothing accepts any
// more would test little, so the test that replays them looks at this line.
void fuzz_accepted(void);

// A file with these bytes, in memory, and its path; it lives until the next call with this slot (0 to 3).
const char *fuzz_file(int slot, const void *data, size_t bytes);
// A directory of this process, empty at first and removed at the end.
const char *fuzz_directory(void);
// Writes DIR/NAME below it.
void fuzz_write(const char *dir, const char *name, const void *data, size_t bytes);
// The input with its marks replaced by what DIR/NAME has: "@bytes NAME@" (in its quotes) by the size,
// "@sha256 NAME@" by the checksum, in quotes. So seeds fit the files of every build, and of every version of
// libhdf5. Freed with free().
char *fuzz_expand(const uint8_t *data, size_t bytes, const char *dir, size_t *n);
// Messages of the program under test go nowhere.
void fuzz_silence(void);

#endif
