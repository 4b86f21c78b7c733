// The .npy writer of souk-infer against the format's description (numpy.lib.format, version 1.0): whatever
// the shape, the header parses, says the shape, and the data begin at a multiple of 64 bytes and come back
// bit by bit.
//
// The input: columns (one byte), then floats, as many rows of them as there are.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "fuzz/fuzz.h"
#include "infer_cli/cli.h"

// {'descr': '<f4', 'fortran_order': False, 'shape': (R, C), } filled with spaces up to a newline. Returns the
// data's place.
static size_t parse_header(const char *data, size_t bytes, long long *rows, long long *columns) {
  require(bytes >= 10 && memcmp(data, "\x93NUMPY\x01\x00", 8) == 0);
  const size_t header = (size_t)(unsigned char)data[8] | (size_t)(unsigned char)data[9] << 8;
  require((10 + header) % 64 == 0 && 10 + header <= bytes && data[10 + header - 1] == '\n');
  char text[256];
  int used = 0;
  require(header < sizeof text);
  memcpy(text, data + 10, header);
  text[header] = '\0';
  require(strlen(text) == header);
  require(sscanf(text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }%n", rows, columns,
                 &used) == 2);
  require(used > 0 && strspn(text + used, " ") == header - (size_t)used - 1);
  return 10 + header;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0) return 0;
  const size_t columns = (size_t)data[0] + 1, rows = (bytes - 1) / (columns * sizeof(float));
  const size_t floats_bytes = rows * columns * sizeof(float);
  static char path[PATH_MAX];
  require_ok(path_join(path, sizeof path, fuzz_directory(), "vectors.npy"));
  unlink(path);
  cli_output *o, *names;
  require(cli_npy_open(&o, &names, path, NULL) == 0 && names == NULL);
  for (size_t i = 0; i < rows; i++)
    require(output_write(o, data + 1 + i * columns * sizeof(float), columns * sizeof(float)) == 0);
  require(npy_commit(o, NULL, (int64_t)rows, (int64_t)columns) == 0);
  char *text;
  size_t n;
  long long found_rows, found_columns;
  require_ok(file_read(path, 1 << 24, &text, &n));
  const size_t at = parse_header(text, n, &found_rows, &found_columns);
  require((size_t)found_rows == rows && (size_t)found_columns == columns);
  require(n == at + floats_bytes && memcmp(text + at, data + 1, floats_bytes) == 0);
  fuzz_accepted();
  free(text);
  return 0;
}
