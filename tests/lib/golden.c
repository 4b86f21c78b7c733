// Reads the array files of tools/golden_bert.py.
#include "lib/golden.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "lib/check.h"

enum { MOST = 1 << 24 }; // bytes of a file

struct golden {
  char *data;
  size_t bytes;
};

golden *golden_open(const char *path) {
  golden *g = calloc(1, sizeof *g);
  assert_non_null(g);
  gzFile f = gzopen(path, "rb"); // which reads plain files too
  assert_non_null(f);
  g->data = malloc(MOST);
  assert_non_null(g->data);
  const int n = gzread(f, g->data, MOST);
  assert_true(n > 8 && n < MOST);
  g->bytes = (size_t)n;
  gzclose(f);
  assert_memory_equal(g->data, "SOUKGOLD", 8);
  return g;
}

void golden_close(golden *g) {
  free(g->data);
  free(g);
}

static const void *find(const golden *g, const char *wanted, uint32_t kind, size_t *n) {
  const char *p = g->data + 8, *end = g->data + g->bytes;
  while (p < end) {
    uint32_t length, type, dims;
    memcpy(&length, p, 4);
    const char *name = p + 4;
    p = name + length;
    memcpy(&type, p, 4);
    memcpy(&dims, p + 4, 4);
    p += 8;
    size_t count = 1;
    for (uint32_t i = 0; i < dims; i++, p += 8) {
      uint64_t size;
      memcpy(&size, p, 8);
      count *= size;
    }
    if (length == strlen(wanted) && memcmp(name, wanted, length) == 0) {
      assert_int_equal(type, kind);
      *n = count;
      void *copy = malloc(4 * count + 4); // aligned; lives as long as the test program
      assert_non_null(copy);
      memcpy(copy, p, 4 * count);
      return copy;
    }
    p += 4 * count;
  }
  fail_msg("the golden file has no \"%s\"", wanted);
  return NULL;
}

const float *golden_floats(const golden *g, const char *name, size_t *n) {
  return find(g, name, 0, n);
}
const int32_t *golden_ints(const golden *g, const char *name, size_t *n) {
  return find(g, name, 1, n);
}
