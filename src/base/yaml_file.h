// Yaml files as trees of libyaml's nodes, for those that hold more than a table of options (options.h reads those).
#ifndef SOUK_BASE_YAML_FILE_H
#define SOUK_BASE_YAML_FILE_H

#include <stddef.h>
#include <yaml.h>
#include "base/status.h"

enum { YAML_FILE_BYTES = 1 << 20 }; // the largest that is read

// The parser has refused [bytes] of text: ERR_FORMAT and a sentence that names file and line.
status yaml_failed(const yaml_parser_t *p, const char *name, const char *text, size_t bytes);

typedef struct yaml_file {
  const char *path; // the caller's; for messages
  yaml_document_t document;
} yaml_file;

// Reads the one document of a file, whose top is a map. yaml_file_close() is due only where this was OK.
status yaml_file_open(yaml_file *y, const char *path);
void yaml_file_close(yaml_file *y);
yaml_node_t *yaml_top(yaml_file *y);
// The line of a node, from 1.
size_t yaml_line_of(const yaml_node_t *node);
// The text of a scalar; NULL for a list, a map, or a text with a NUL byte.
const char *yaml_text(const yaml_node_t *node);

// Calls `each` for every entry of a map, in the order of the file, until one fails. A key that is no text or comes twice is an
// error.
typedef status (*yaml_entry)(void *self, yaml_file *y, const char *key, yaml_node_t *key_node,
                             yaml_node_t *value);
status yaml_each(yaml_file *y, const yaml_node_t *map, yaml_entry each, void *self);

#endif
