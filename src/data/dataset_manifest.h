// The manifest.json of a data set: reading it. writer.c writes it; docs/formats.md has its fields.
#ifndef SOUK_DATA_DATASET_MANIFEST_H
#define SOUK_DATA_DATASET_MANIFEST_H

#include <jansson.h>
#include "data/dataset.h"

// Fills *info, checking every field; files [new reference]: what the manifest lists. A field that is missing has its
// default where there is one. A field that is not known is an error that names the version which wrote it
// (ERR_UNSUPPORTED: the data set is not damaged).
status dataset_manifest_read(const char *path, dataset_info *info, json_t **files);

// Into *info from an array of names; false: it is none, or does not fit.
bool event_types_from_json(dataset_info *info, const json_t *names);

#endif
