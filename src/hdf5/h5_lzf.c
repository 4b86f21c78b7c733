// The filter lzf; see h5_lzf.h.
#include "hdf5/h5_lzf.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include "hdf5/h5_stored.h"

enum { LZF_FILTER = 32000, LONGEST_LITERAL = 32, RATIO = 88 }; // three bytes repeat at most 264

// Repeats `bytes` bytes that begin `back` before to + used; they may reach into themselves.
static void repeat(uint8_t *to, size_t used, size_t back, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) to[used + i] = to[used + i - back];
}

size_t lzf_unpack(const uint8_t *from, size_t n, uint8_t *to, size_t room) {
  size_t at = 0, used = 0;
  while (at < n) {
    const size_t b = from[at++];
    if (b < LONGEST_LITERAL) {
      if (n - at < b + 1 || room - used < b + 1) return 0;
      memcpy(to + used, from + at, b + 1);
      at += b + 1;
      used += b + 1;
      continue;
    }
    const size_t longer = b >> 5 == 7;
    if (n - at < 1 + longer) return 0;
    const size_t bytes = (b >> 5) + 2 + (longer ? from[at] : 0), back = (b & 0x1F) << 8 | from[at + longer];
    at += 1 + longer;
    if (back + 1 > used || room - used < bytes) return 0;
    repeat(to, used, back + 1, bytes);
    used += bytes;
  }
  return used;
}

// H5Z_func_t: the third value of the dataset is the size of a chunk before it was packed.
static size_t undo(unsigned flags, size_t n_values, const unsigned values[], size_t bytes, size_t *capacity,
                   void **buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0; // packing, which Souk does not
  size_t room = n_values >= 3 && values[2] > 0 ? values[2] : bytes * RATIO;
  if (room > H5_CHUNK_BYTES_MOST) room = H5_CHUNK_BYTES_MOST;
  uint8_t *to = malloc(room + 1);
  const size_t got = to != NULL ? lzf_unpack(*buffer, bytes, to, room) : 0;
  if (got == 0) {
    free(to);
    return 0;
  }
  free(*buffer); // the library allocates with malloc, too
  *buffer = to;
  *capacity = room;
  return got;
}

void h5_lzf_register(void) {
  static const H5Z_class2_t lzf = {
      .version = H5Z_CLASS_T_VERS, .id = LZF_FILTER, .decoder_present = 1, .name = "lzf", .filter = undo};
  H5Zregister(&lzf);
}
