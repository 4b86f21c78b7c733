// Shards for tests; see tiny_shards.h.
#include "lib/tiny_shards.h"

#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"

void tiny_vocab(const char *where) {
  char text[WORDS * 8] = "", path[300];
  for (int i = 0; i < WORDS; i++) {
    static const char *const specials[] = {"[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    char word[8];
    snprintf(word, sizeof word, "w%d", i);
    strcat(strcat(text, i == 0 ? "[PAD]" : i >= 10 && i < 14 ? specials[i - 10] : word), "\n");
  }
  snprintf(path, sizeof path, "%s/vocab.txt", where);
  check_ok(file_write_atomic(path, text, strlen(text)));
}

void make_rows(shard *s, int32_t first, int32_t n) {
  memset(s, 0, sizeof *s);
  s->n = n;
  for (int32_t i = 0; i < n; i++) {
    const int32_t r = first + i, length = 4 + r % 9;
    for (int32_t k = 0; k < length; k++) {
      s->ids[i * S + k] = k == 0 ? 11 : k == length - 1 ? 12 : 14 + (r * 5 + k) % (WORDS - 14);
      s->mask[i * S + k] = 1;
      s->segments[i * S + k] = k >= length / 2;
    }
    for (int32_t k = 0; k < r % 4; k++) {
      const int32_t at = 1 + k * (length > 6 ? 2 : 1);
      s->positions[i * P + k] = at;
      s->labels[i * P + k] = s->ids[i * S + at];
      s->ids[i * S + at] = 13;
    }
    s->next[i] = (int8_t)(r % 2);
  }
}

void tiny_shard(const char *path, const shard *s, const char *leave_out, hid_t id_type) {
  const hsize_t n = (hsize_t)s->n;
  const struct {
    const char *name;
    hid_t memory, type;
    const void *data;
    hsize_t dims[2];
    int ndim;
  } sets[] = {{"input_ids", H5T_NATIVE_INT32, id_type, s->ids, {n, S}, 2},
              {"input_mask", H5T_NATIVE_INT8, H5T_STD_I8LE, s->mask, {n, S}, 2},
              {"segment_ids", H5T_NATIVE_INT8, H5T_STD_I8LE, s->segments, {n, S}, 2},
              {"masked_lm_positions", H5T_NATIVE_INT32, H5T_STD_I32LE, s->positions, {n, P}, 2},
              {"masked_lm_ids", H5T_NATIVE_INT32, H5T_STD_I32LE, s->labels, {n, P}, 2},
              {"next_sentence_labels", H5T_NATIVE_INT8, H5T_STD_I8LE, s->next, {n, 1}, 1}};
  h5_lock();
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
    if (leave_out != NULL && strcmp(sets[k].name, leave_out) == 0) continue;
    const hid_t space = H5Screate_simple(sets[k].ndim, sets[k].dims, NULL);
    const hid_t set =
        H5Dcreate2(file, sets[k].name, sets[k].type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, sets[k].memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, sets[k].data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
  }
  H5Fclose(file);
  h5_unlock();
}
