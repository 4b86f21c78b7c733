// Reading .npy; see npy_reader.h.
#include "data/npy_reader.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MOST_HEADER = 4096 };

// The dictionary of a header, with blanks anywhere: the shape of a float32 array of two dimensions in C order.
static bool read_shape(const char *text, int64_t *rows, int64_t *columns) {
  const char *order = strstr(text, "'fortran_order':"), *shape = strstr(text, "'shape':");
  long long n, m;
  if (strstr(text, "'<f4'") == NULL || order == NULL || shape == NULL) return false;
  order += strlen("'fortran_order':");
  if (strncmp(order + strspn(order, " "), "False", 5) != 0) return false;
  if (sscanf(shape, "'shape': ( %lld , %lld )", &n, &m) != 2) return false;
  *rows = n;
  *columns = m;
  return n >= 0 && m >= 1;
}

// Versions 1 and 2: magic, version, the dictionary's size in 2 or 4 bytes, the dictionary.
static bool read_header(FILE *f, int64_t *rows, int64_t *columns) {
  unsigned char head[12];
  char text[MOST_HEADER + 1];
  if (fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 2)
    return false;
  size_t bytes = (size_t)head[8] + 256 * (size_t)head[9];
  if (head[6] == 2) {
    if (fread(head + 10, 1, 2, f) != 2) return false;
    bytes += ((size_t)head[10] << 16) + ((size_t)head[11] << 24);
  }
  if (bytes > MOST_HEADER || fread(text, 1, bytes, f) != bytes) return false;
  text[bytes] = '\0';
  return read_shape(text, rows, columns);
}

status npy_open(npy_file *npy, const char *path) {
  *npy = (npy_file){.path = path, .f = fopen(path, "rbe")};
  if (npy->f == NULL)
    return fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (!read_header(npy->f, &npy->rows, &npy->columns))
    return fail(ERR_FORMAT, "%s is not a .npy file of float32 with two dimensions in C order", path);
  return OK;
}

status npy_values(npy_file *npy, float *values) {
  const size_t width = (size_t)npy->columns, n = (size_t)npy->rows;
  if (fread(values, width * sizeof *values, n, npy->f) != n || fgetc(npy->f) != EOF)
    return fail(ERR_FORMAT, "%s is shorter or longer than its header says", npy->path);
  for (size_t i = 0; i < n * width; i++)
    if (!isfinite(values[i]))
      return fail(ERR_NONFINITE, "%s: row %zu, column %zu is not finite", npy->path, i / width, i % width);
  return OK;
}

void npy_close(npy_file *npy) {
  if (npy->f != NULL) fclose(npy->f);
  npy->f = NULL;
}
