// The manifest.json of a data set: reading it. writer.c writes it; docs/formats.md has its fields.
#ifndef SOUK_DATA_DATASET_MANIFEST_H
#define SOUK_DATA_DATASET_MANIFEST_H

#include <jansson.h>
#include "data/dataset.h"

// Fills *info, checking every field; files [new reference]: what the manifest lists; tokenizer [new reference]: settings of that of
// the words (tokenizer.h), NULL: none. A field that is missing has its
// default where there is one. A field that is not known is an error that names the version which wrote it
// (ERR_UNSUPPORTED: the data set is not damaged).
status dataset_manifest_read(const char *path, dataset_info *info, json_t **files, json_t **tokenizer);

// What is read must be listed, so that it has a checksum: vocabulary, users, and the shards, as many as there are. `files` is
// an object, path the manifest's.
status dataset_files_check(const json_t *files, int32_t shards, const char *path);

// Into *info from an array of names, all different, "none" first; false: it is none, or does not fit.
bool event_types_from_json(dataset_info *info, const json_t *names);

#endif
