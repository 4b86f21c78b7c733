// What the targets of logs share: rows do not depend on where the blocks end that they are read in.
#ifndef SOUK_TESTS_FUZZ_LOG_ROWS_H
#define SOUK_TESTS_FUZZ_LOG_ROWS_H

#include "prepare/log_reader.h"

// Reads the file with blocks of one row and with blocks that hold it all; rows, lines, excerpts and what is told must be the same.
void fuzz_same_rows(const char *path, log_format format, const char *const *columns, int n);

#endif
