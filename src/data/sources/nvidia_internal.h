// The messages between the process that parses NVIDIA's shards and the one that uses their contents.
//
// Request: two int32, the command and a shard's number. Answer: a shard_head; after an error message_bytes
// of text; else
//   INDEX: lengths int32 [rows]
//   READ:  masked int32 [rows] (how many), next int8 [rows], then, for all rows end to end and as in the file,
//          tokens int32, segments int8, positions int32, labels int32.
#ifndef SOUK_DATA_SOURCES_NVIDIA_INTERNAL_H
#define SOUK_DATA_SOURCES_NVIDIA_INTERNAL_H

#include <stdint.h>

enum { SHARD_INDEX = 1, SHARD_READ = 2 };
enum { MAX_SHARD_ROWS = 1 << 26, MAX_SHARD_POSITIONS = 32768 };

typedef struct shard_head {
  int32_t rc, message_bytes; // a status
  int64_t rows;
  int32_t positions, masked; // S and P
  int64_t all_tokens, all_masked;
} shard_head;

typedef struct shard_paths {
  char *const *paths;
  int32_t n;
} shard_paths;

// Serves requests until the channel closes; self is a shard_paths.
void nvidia_serve(void *self, int channel);

#endif
