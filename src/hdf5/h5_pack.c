// Chunks compressed outside of HDF5; see h5_pack.h.
#include "hdf5/h5_pack.h"

#include <libdeflate.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/memory.h"
#include "hdf5/hdf5_glue.h"

// All first bytes of the elements, then all second ones, and so on.
static void shuffle(const uint8_t *raw, size_t elements, size_t width, uint8_t *out) {
  for (size_t b = 0; b < width; b++)
    for (size_t i = 0; i < elements; i++) *out++ = raw[i * width + b];
}

static status deflate_chunk(uint8_t *shuffled, size_t bytes, int level, h5_chunk *out) {
  struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
  if (c == NULL) return fail(ERR_MEMORY, "out of memory: cannot compress a chunk");
  uint8_t *packed = NULL;
  const status rc = mem_new(&packed, bytes, 1, "a compressed chunk");
  const size_t n = rc == OK ? libdeflate_zlib_compress(c, shuffled, bytes, packed, bytes - 1) : 0;
  libdeflate_free_compressor(c);
  TRY(rc);
  if (n == 0) { // no smaller than it was
    free(packed);
    *out = (h5_chunk){shuffled, bytes, false};
    return OK;
  }
  free(shuffled);
  void *fitting = realloc(packed, n);
  *out = (h5_chunk){fitting != NULL ? fitting : packed, n, true};
  return OK;
}

status h5_pack(const void *raw, size_t elements, size_t width, int level, h5_chunk *out) {
  uint8_t *shuffled;
  *out = (h5_chunk){.data = NULL};
  TRY(mem_new(&shuffled, elements * width, 1, "a chunk"));
  shuffle(raw, elements, width, shuffled);
  const status rc = deflate_chunk(shuffled, elements * width, level, out);
  if (rc != OK) free(shuffled);
  return rc;
}

status h5_write_chunks(hid_t file, const char *path, const char *name, hid_t type, hsize_t n,
                       const h5_chunk *chunks, size_t count, int level) {
  enum { WITHOUT_DEFLATE = 2 }; // the bit of the second filter
  TRY(h5_create_rows(file, path, name, type, 1, &n, level));
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  bool good = set >= 0;
  for (size_t i = 0; good && i < count; i++) {
    const hsize_t at = i * H5_CHUNK;
    good = H5Dwrite_chunk(set, H5P_DEFAULT, chunks[i].deflated ? 0 : WITHOUT_DEFLATE, &at, chunks[i].bytes,
                          chunks[i].data) >= 0;
  }
  if (set >= 0 && H5Dclose(set) < 0) good = false;
  return good ? OK : fail(ERR_IO, "%s: cannot write dataset \"%s\"", path, name);
}
