// One shard of a data set, collected sequence by sequence. Its columns are cut into chunks, which are compressed on the threads
// of a pool while more is collected.
#ifndef SOUK_DATA_SHARD_WRITER_H
#define SOUK_DATA_SHARD_WRITER_H

#include "base/tasks.h"
#include "data/dataset.h"

typedef struct shard shard;

// pool may be NULL: everything happens in the caller.
status shard_new(shard **out, task_pool *pool, int deflate_level);
void shard_free(shard *s); // NULL is safe; waits for its threads
status shard_add(shard *s, const sequence *q);
int64_t shard_tokens(const shard *s); // so far
// Begins to write it to a new file, which nothing can be added to; shard_finish waits until it is there, and synced.
status shard_store(shard *s, const char *path);
status shard_finish(shard *s);

#endif
