// Lines of the catalogue by item; see catalogue.h.
#include "infer/catalogue.h"

#include <stdlib.h>
#include <string.h>
#include "format/utf8.h"
#include "format/jtree.h"

static souk_status read_line(catalogue *c, jtree *j, const char *line, size_t bytes, const vocab *v,
                             long long number, const char *path, souk_error *e) {
  if (!jtree_parse(j, line, bytes))
    return infer_fail(e, j->memory ? SOUK_ERR_MEMORY : SOUK_ERR_FORMAT, "%s line %lld: %s", path, number,
                      j->why);
  const jnode *item = jtree_get(j, j->nodes, "item"), *title = jtree_get(j, j->nodes, "title");
  if (item == NULL || item->kind != J_STRING)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s line %lld: an object with a string \"item\" is expected", path,
                      number);
  if (title != NULL && title->kind != J_STRING)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s line %lld: \"title\" must be a string", path, number);
  const int32_t id = vocab_find_bytes(v, RANGE_ITEMS, item->text, item->bytes);
  if (id >= 0) c->lines[id - vocab_begin(v, RANGE_ITEMS)] = (struct catalogue_line){line, bytes};
  return SOUK_OK;
}

souk_status catalogue_read(catalogue *c, const char *data, size_t bytes, const vocab *v, const char *path,
                           souk_error *e) {
  *c = (catalogue){0};
  jtree j = {0};
  souk_status rc = infer_alloc(&c->lines, (size_t)(vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS)),
                               sizeof *c->lines, "the catalogue", e);
  long long number = 0;
  for (const char *at = data, *end = data + bytes; rc == SOUK_OK && at < end;) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    number++;
    if (stop == NULL)
      rc = infer_fail(e, SOUK_ERR_FORMAT, "%s is cut short: its last line is incomplete", path);
    else
      rc = read_line(c, &j, at, (size_t)(stop - at), v, number, path, e);
    at = stop != NULL ? stop + 1 : end;
  }
  jtree_free(&j);
  if (rc != SOUK_OK) catalogue_free(c);
  return rc;
}

void catalogue_free(catalogue *c) {
  free(c->lines);
  *c = (catalogue){0};
}

size_t catalogue_title(const catalogue *c, int32_t item, char *buf, size_t bytes) {
  size_t length = 0;
  if (bytes > 0) buf[0] = '\0';
  if (c->lines == NULL || c->lines[item].text == NULL) return 0;
  jtree j = {0};
  if (jtree_parse(&j, c->lines[item].text, c->lines[item].bytes)) {
    const jnode *title = jtree_get(&j, j.nodes, "title");
    if (title != NULL && title->kind == J_STRING) {
      length = title->bytes;
      const size_t cut = utf8_cut(title->text, length, bytes - (bytes > 0));
      if (bytes > 0) {
        memcpy(buf, title->text, cut);
        buf[cut] = '\0';
      }
    }
  }
  jtree_free(&j);
  return length;
}
