// Yaml files as trees; see yaml_file.h.
#include "base/yaml_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"

status yaml_failed(const yaml_parser_t *p, const char *name, const char *text, size_t bytes) {
  size_t line = p->problem_mark.line + 1;
  if (p->error == YAML_READER_ERROR) { // libyaml gives the byte, not the line
    line = 1;
    for (size_t i = 0; i < p->problem_offset && i < bytes; i++) line += text[i] == '\n';
  }
  return fail(ERR_FORMAT, "%s line %zu: %s", name, line, p->problem != NULL ? p->problem : "not yaml");
}

static status load(yaml_file *y, const char *text, size_t bytes) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) return fail(ERR_MEMORY, "out of memory: yaml parser");
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
  status rc = OK;
  if (!yaml_parser_load(&parser, &y->document)) rc = yaml_failed(&parser, y->path, text, bytes);
  yaml_parser_delete(&parser);
  return rc;
}

status yaml_file_open(yaml_file *y, const char *path) {
  char *text;
  size_t bytes;
  y->path = path;
  TRY(file_read(path, YAML_FILE_BYTES, &text, &bytes));
  const status rc = load(y, text, bytes);
  free(text);
  TRY(rc);
  const yaml_node_t *top = yaml_top(y);
  if (top != NULL && top->type == YAML_MAPPING_NODE) return OK;
  const size_t line = top != NULL ? yaml_line_of(top) : 1;
  yaml_file_close(y);
  return fail(ERR_FORMAT, "%s line %zu: a map is expected", path, line);
}

void yaml_file_close(yaml_file *y) {
  yaml_document_delete(&y->document);
}

yaml_node_t *yaml_top(yaml_file *y) {
  return yaml_document_get_root_node(&y->document);
}

size_t yaml_line_of(const yaml_node_t *node) {
  return node->start_mark.line + 1;
}

const char *yaml_text(const yaml_node_t *node) {
  if (node->type != YAML_SCALAR_NODE) return NULL;
  const char *text = (const char *)node->data.scalar.value;
  return strlen(text) == node->data.scalar.length ? text : NULL;
}

// Has an earlier entry of the map the same key?
static bool comes_twice(yaml_file *y, const yaml_node_t *map, const yaml_node_pair_t *at, const char *key) {
  for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < at; p++) {
    const char *other = yaml_text(yaml_document_get_node(&y->document, p->key));
    if (other != NULL && strcmp(other, key) == 0) return true;
  }
  return false;
}

status yaml_each(yaml_file *y, const yaml_node_t *map, yaml_entry each, void *self) {
  for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    yaml_node_t *key = yaml_document_get_node(&y->document, p->key);
    const char *text = yaml_text(key);
    if (text == NULL)
      return fail(ERR_FORMAT, "%s line %zu: a key is expected here", y->path, yaml_line_of(key));
    if (comes_twice(y, map, p, text))
      return fail(ERR_FORMAT, "%s line %zu: %s is given twice", y->path, yaml_line_of(key), text);
    TRY(each(self, y, text, key, yaml_document_get_node(&y->document, p->value)));
  }
  return OK;
}
