// Writes a data set directory: sequences in, shards, vocabulary, user names and manifest out. The directory is
// made beside its final place and renamed at the end.
#ifndef SOUK_DATA_WRITER_H
#define SOUK_DATA_WRITER_H

#include <jansson.h>
#include "base/tasks.h"
#include "data/dataset.h"

typedef struct dataset_writer dataset_writer;

// replace: an older data set at `dir` is removed at the end; otherwise its existence is an error here.
status writer_open(dataset_writer **out, const char *dir, int64_t shard_tokens, int deflate_level,
                   bool replace);
// Lets the pool's threads compress and write shards; it must live longer than w. The bytes are the same without.
void writer_use(dataset_writer *w, task_pool *pool);
// How the sequences are divided, and the unit of their times, before the first is added; without: leave-one-out with one
// target, and nothing is checked.
void writer_split(dataset_writer *w, const data_split *s, time_unit unit);
// Settings of the tokenizer of the vocabulary's words (tokenizer.h), which the manifest keeps; NULL is safe: none. The caller keeps
// its reference.
void writer_tokenizer(dataset_writer *w, json_t *settings);
// Appends one sequence (index is ignored) with its user's name.
status writer_add(dataset_writer *w, const sequence *s, const char *user_name);
// Where a file of the caller's own goes inside the directory; once written it is listed in the manifest.
status writer_path(const dataset_writer *w, const char *name, char *buf, size_t bytes);
status writer_list(dataset_writer *w, const char *name);
// Writes what is pending, vocabulary and manifest, and moves the directory into place. From *info it takes name,
// event types, window, stride, has_time and time_unit; the rest is counted here
// and filled in. report: written as report.json; may be NULL.
// Frees w in every case.
status writer_finish(dataset_writer *w, dataset_info *info, const vocab *v, const json_t *report);
void writer_abort(dataset_writer *w); // NULL is safe

#endif
