// The JSON reader against jansson: the same texts accepted, the same values found, doubles to the last bit.
//
// Four differences are meant: ours stops at 32 levels; an integer beyond 64 bits is an error for jansson, a double for us; a
// number that is too small to be told from zero is zero for us, and may be an error for jansson; jansson takes a NUL behind
// the value for the end of the text.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz/fuzz.h"
#include "format/jtree.h"

static void check_number(const jnode *n, const json_t *j) {
  require(json_is_number(j));
  require(n->number == json_number_value(j));
  if (n->is_integer) {
    require(json_is_integer(j));
    require(n->integer == json_integer_value(j));
  } else {
    require(json_is_real(j));
  }
}

static void check_same(const jtree *t, const jnode *n, json_t *j) {
  switch (n->kind) {
  case J_NULL:
    require(json_is_null(j));
    break;
  case J_FALSE:
    require(json_is_false(j));
    break;
  case J_TRUE:
    require(json_is_true(j));
    break;
  case J_NUMBER:
    check_number(n, j);
    break;
  case J_STRING:
    require(json_is_string(j));
    require(n->bytes == json_string_length(j) && memcmp(n->text, json_string_value(j), n->bytes) == 0);
    require(n->text[n->bytes] == '\0');
    break;
  case J_ARRAY: {
    require(json_is_array(j) && (size_t)n->count == json_array_size(j));
    size_t i = 0;
    for (const jnode *c = jtree_first(t, n); c != NULL; c = jtree_next(t, c))
      check_same(t, c, json_array_get(j, i++));
    require(i == (size_t)n->count);
    break;
  }
  case J_OBJECT: {
    require(json_is_object(j) && (size_t)n->count == json_object_size(j));
    for (const jnode *c = jtree_first(t, n); c != NULL; c = jtree_next(t, c)) {
      require(jtree_get(t, n, c->key) == c);
      check_same(t, c, json_object_get(j, c->key));
    }
    break;
  }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static jtree t;                             // reused, as the program does
  char *text = malloc(bytes > 0 ? bytes : 1); // exactly as large, so that a byte read beyond it is seen
  require(text != NULL);
  memcpy(text, data, bytes);
  json_error_t error;
  json_t *j = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
  const bool good = jtree_parse(&t, text, bytes);
  if (good) fuzz_accepted();
  if (good && j != NULL) check_same(&t, &t.nodes[0], j);
  if (!good) {
    require(!t.memory && t.why[0] != '\0' && t.line >= 1);
    require(j == NULL || strcmp(t.why, "it is nested too deeply") == 0 || memchr(text, '\0', bytes) != NULL);
  }
  if (good && j == NULL) require(json_error_code(&error) == json_error_numeric_overflow);
  json_decref(j);
  free(text);
  return 0;
}
