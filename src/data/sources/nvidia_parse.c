// The process that parses NVIDIA's shards. A file that crashes libhdf5 crashes this process only.
//
// It was forked by the thread that held the HDF5 lock, and has no other threads, so it calls the library without
// locking.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/child.h"
#include "base/memory.h"
#include "hdf5/h5_lzf.h"
#include "hdf5/h5_stored.h"
#include "hdf5/hdf5_glue.h"
#include "data/sources/nvidia_internal.h"

enum { SECONDS_A_SHARD = 1800 };
#define MAX_SHARD_BYTES ((int64_t)4 << 30)
#define MEMORY_BYTES    (8ull << 30) // a shard, a few of its chunks, and what came with the fork

typedef enum set_kind { SET_IDS, SET_MASK, SET_SEGMENTS, SET_POSITIONS, SET_LABELS, SET_NEXT, SETS } set_kind;
static const struct {
  const char *name;
  size_t bytes;     // of an element in memory
  bool may_be_list; // of one dimension, where there is one column
} sets[SETS] = {{"input_ids", 4, false},    {"input_mask", 1, false},
                {"segment_ids", 1, false},  {"masked_lm_positions", 4, true},
                {"masked_lm_ids", 4, true}, {"next_sentence_labels", 1, true}};

typedef struct shard_file {
  const char *path;
  hid_t file;
  int64_t n, S, P;
  bool bits[SETS]; // booleans as PyTables stores them
  void *data[SETS];
} shard_file;

// h5py's booleans are an enum of int8, which the library converts like any integers.
static status check_type(shard_file *f, set_kind kind, hid_t type) {
  const char *name = sets[kind].name;
  const H5T_class_t found = H5Tget_class(type);
  f->bits[kind] = found == H5T_BITFIELD && H5Tget_size(type) == 1 && sets[kind].bytes == 1;
  if (found == H5T_INTEGER || found == H5T_ENUM || f->bits[kind]) return OK;
  if (found == H5T_FLOAT)
    return fail(ERR_FORMAT,
                "%s: dataset \"%s\" does not hold integers but floating-point numbers; write it again as "
                "integers (h5py: .astype(\"int32\"))",
                f->path, name);
  if (found == H5T_VLEN)
    return fail(ERR_FORMAT,
                "%s: dataset \"%s\" does not hold integers but lists of different lengths; write rows of one "
                "length, padded with 0",
                f->path, name);
  return fail(ERR_FORMAT, "%s: dataset \"%s\" does not hold integers or booleans", f->path, name);
}

static status check_shape(const shard_file *f, set_kind kind, hid_t space, hsize_t dims[2], int *ndim) {
  const char *name = sets[kind].name;
  *ndim = H5Sget_simple_extent_ndims(space);
  dims[1] = 1;
  if (*ndim == 2 || (*ndim == 1 && sets[kind].may_be_list))
    return H5Sget_simple_extent_dims(space, dims, NULL) == *ndim
               ? OK
               : fail(ERR_FORMAT, "%s: dataset \"%s\" cannot be opened", f->path, name);
  return fail(ERR_FORMAT, "%s: dataset \"%s\" has %d dimension(s), not 2: a row an example", f->path, name,
              *ndim);
}

static status check_set(shard_file *f, set_kind kind, hsize_t dims[2]) {
  const char *name = sets[kind].name;
  TRY(h5_check_way(f->file, f->path, name));
  const hid_t set = H5Dopen2(f->file, name, H5P_DEFAULT);
  if (set < 0) return fail(ERR_FORMAT, "%s: \"%s\" cannot be opened as a dataset", f->path, name);
  const hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  int ndim = 0;
  status rc = check_shape(f, kind, space, dims, &ndim);
  if (rc == OK) rc = check_type(f, kind, type);
  if (rc == OK) rc = h5_check_stored(set, f->path, name, ndim, H5Tget_size(type), H5_FILTERS_ANY, NULL);
  H5Tclose(type);
  H5Sclose(space);
  H5Dclose(set);
  return rc;
}

// Nothing is allocated by what a file says of its size alone.
static status check_size(const shard_file *f) {
  const int64_t bytes = f->n * (6 * f->S + 8 * f->P);
  hsize_t there = 0;
  if (bytes > MAX_SHARD_BYTES)
    return fail(ERR_FORMAT, "%s: unpacked it is larger than 4 GiB; split it into several files", f->path);
  if (H5Fget_filesize(f->file, &there) >= 0 && (hsize_t)bytes / DEFLATE_RATIO <= there) return OK;
  return fail(ERR_FORMAT, "%s: its %lld examples of %lld tokens are larger than this file can hold", f->path,
              (long long)f->n, (long long)f->S);
}

static status check_shapes(shard_file *f) {
  hsize_t dims[SETS][2];
  for (int k = 0; k < SETS; k++) TRY(check_set(f, (set_kind)k, dims[k]));
  const hsize_t n = dims[SET_IDS][0], S = dims[SET_IDS][1], P = dims[SET_POSITIONS][1];
  if (n < 1 || n > MAX_SHARD_ROWS || S < 1 || S > MAX_SHARD_POSITIONS)
    return fail(ERR_FORMAT, "%s: dataset \"input_ids\" has %llu x %llu elements; 1 to %d x 1 to %d are read",
                f->path, (unsigned long long)n, (unsigned long long)S, MAX_SHARD_ROWS, MAX_SHARD_POSITIONS);
  if (P < 1 || P > S)
    return fail(ERR_FORMAT, "%s: dataset \"masked_lm_positions\" has %llu columns, \"input_ids\" has %llu",
                f->path, (unsigned long long)P, (unsigned long long)S);
  for (int k = 0; k < SETS; k++) {
    const hsize_t columns = k == SET_NEXT ? 1 : k == SET_POSITIONS || k == SET_LABELS ? P : S;
    if (dims[k][0] != n)
      return fail(ERR_FORMAT, "%s: dataset \"%s\" has %llu rows, \"input_ids\" has %llu", f->path,
                  sets[k].name, (unsigned long long)dims[k][0], (unsigned long long)n);
    if (dims[k][1] != columns)
      return fail(ERR_FORMAT, "%s: dataset \"%s\" has %llu columns, not %llu", f->path, sets[k].name,
                  (unsigned long long)dims[k][1], (unsigned long long)columns);
  }
  f->n = (int64_t)n;
  f->S = (int64_t)S;
  f->P = (int64_t)P;
  return check_size(f);
}

static status read_set(shard_file *f, set_kind kind) {
  const int64_t columns = kind == SET_NEXT ? 1 : kind == SET_POSITIONS || kind == SET_LABELS ? f->P : f->S;
  const hid_t type = f->bits[kind]           ? H5T_NATIVE_B8
                     : sets[kind].bytes == 1 ? H5T_NATIVE_INT8
                                             : H5T_NATIVE_INT32;
  TRY(mem_new(&f->data[kind], (size_t)(f->n * columns), sets[kind].bytes, "a shard"));
  return h5_read(f->file, f->path, sets[kind].name, type, 0, (hsize_t)f->n, f->data[kind]);
}

// Tokens of each row: input_mask is ones, then zeros.
static status row_lengths(const shard_file *f, int32_t *lengths) {
  const int8_t *mask = f->data[SET_MASK];
  for (int64_t i = 0; i < f->n; i++, mask += f->S) {
    int64_t n = 0, rest;
    while (n < f->S && mask[n] == 1) n++;
    for (rest = n; rest < f->S && mask[rest] == 0;) rest++;
    if (rest < f->S)
      return fail(ERR_FORMAT, "%s: dataset \"input_mask\" row %lld is not ones followed by zeros", f->path,
                  (long long)i);
    if (n == 0)
      return fail(ERR_FORMAT, "%s: dataset \"input_mask\" row %lld is empty", f->path, (long long)i);
    lengths[i] = (int32_t)n;
  }
  return OK;
}

// ---- answers -------------------------------------------------------------------------------------------------

static void close_file(shard_file *f) {
  if (f->file >= 0) H5Fclose(f->file);
  for (int k = 0; k < SETS; k++) free(f->data[k]);
}

static status open_file(shard_file *f, const char *path) {
  *f = (shard_file){.path = path, .file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT)};
  return f->file >= 0 ? check_shapes(f) : fail(ERR_FORMAT, "cannot open %s as an HDF5 file", path);
}

static bool send_error(int channel, status rc) {
  const char *text = fail_message();
  const shard_head head = {.rc = (int32_t)rc, .message_bytes = (int32_t)strlen(text)};
  return channel_write(channel, &head, sizeof head) &&
         channel_write(channel, text, (size_t)head.message_bytes);
}

static bool send_index(int channel, const shard_file *f, const int32_t *lengths) {
  const shard_head head = {.rows = f->n, .positions = (int32_t)f->S, .masked = (int32_t)f->P};
  return channel_write(channel, &head, sizeof head) &&
         channel_write(channel, lengths, (size_t)f->n * sizeof *lengths);
}

// Packs rows of `width` elements, each shortened to its count, in place.
static void compact(void *data, size_t bytes, int64_t n, int64_t width, const int32_t *counts) {
  char *to = data;
  const char *from = data;
  for (int64_t i = 0; i < n; i++) {
    memmove(to, from, (size_t)counts[i] * bytes);
    to += (size_t)counts[i] * bytes;
    from += (size_t)width * bytes;
  }
}

static bool send_rows(int channel, shard_file *f, const int32_t *lengths, int32_t *counts) {
  shard_head head = {.rows = f->n, .positions = (int32_t)f->S, .masked = (int32_t)f->P};
  const int32_t *positions = f->data[SET_POSITIONS];
  for (int64_t i = 0; i < f->n; i++) {
    counts[i] = 0;
    while (counts[i] < f->P && positions[i * f->P + counts[i]] != 0) counts[i]++;
    head.all_tokens += lengths[i];
    head.all_masked += counts[i];
  }
  compact(f->data[SET_IDS], 4, f->n, f->S, lengths);
  compact(f->data[SET_SEGMENTS], 1, f->n, f->S, lengths);
  compact(f->data[SET_POSITIONS], 4, f->n, f->P, counts);
  compact(f->data[SET_LABELS], 4, f->n, f->P, counts);
  const size_t rows = (size_t)f->n, tokens = (size_t)head.all_tokens, masked = (size_t)head.all_masked;
  return channel_write(channel, &head, sizeof head) && channel_write(channel, counts, rows * 4) &&
         channel_write(channel, f->data[SET_NEXT], rows) &&
         channel_write(channel, f->data[SET_IDS], tokens * 4) &&
         channel_write(channel, f->data[SET_SEGMENTS], tokens) &&
         channel_write(channel, f->data[SET_POSITIONS], masked * 4) &&
         channel_write(channel, f->data[SET_LABELS], masked * 4);
}

static bool answer(int channel, const char *path, bool whole) {
  shard_file f;
  int32_t *lengths = NULL, *counts = NULL;
  status rc = open_file(&f, path);
  if (rc == OK) rc = read_set(&f, SET_MASK);
  if (rc == OK) rc = mem_new(&lengths, (size_t)f.n, sizeof *lengths, "a shard");
  if (rc == OK) rc = row_lengths(&f, lengths);
  for (int k = 0; rc == OK && whole && k < SETS; k++)
    if (k != SET_MASK) rc = read_set(&f, (set_kind)k);
  if (rc == OK && whole) rc = mem_new(&counts, (size_t)f.n, sizeof *counts, "a shard");
  const bool sent = rc != OK ? send_error(channel, rc)
                    : whole  ? send_rows(channel, &f, lengths, counts)
                             : send_index(channel, &f, lengths);
  close_file(&f);
  free(lengths);
  free(counts);
  return sent;
}

void nvidia_serve(void *self, int channel) {
  const shard_paths *p = self;
  int32_t request[2];
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  h5_limit_process(MEMORY_BYTES);
  h5_lzf_register();
  do {
    if (!channel_read(channel, request, sizeof request) || request[1] < 0 || request[1] >= p->n) return;
    child_time_limit(SECONDS_A_SHARD);
  } while (answer(channel, p->paths[request[1]], request[0] == SHARD_READ));
}
