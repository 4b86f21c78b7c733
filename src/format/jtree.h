// A strict JSON reader (RFC 8259): text in, a tree of nodes out. For manifests, configurations, safetensors headers,
// catalogues and the lines that souk-infer reads, all of which may be hostile.
//
// Strict: UTF-8 only, no duplicate keys, no NUL in strings, numbers that fit a double, nothing after the value, at most
// JTREE_DEPTH levels. A number is the double nearest to what is written, in every locale. Time and memory are linear in the
// input (sorting keys aside).
#ifndef SOUK_FORMAT_JTREE_H
#define SOUK_FORMAT_JTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JTREE_DEPTH = 32, JTREE_KEPT = 1 << 20 };

typedef enum jkind { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT } jkind;

typedef struct jnode {
  jkind kind;
  int32_t next, first; // next sibling, first child: indexes into nodes; -1: none
  int32_t count;       // children
  const char *key;     // decoded, NUL-terminated; NULL unless the parent is an object
  const char *text; // J_STRING: decoded, NUL-terminated. Others: as it is written, also a number beyond int64
  size_t bytes;     // of text
  double number;    // J_NUMBER
  int64_t integer;  // J_NUMBER written as an integer that fits: is_integer
  bool is_integer;
} jnode;

// Zeroed, it is empty. Its buffers are reused by the next parse.
typedef struct jtree {
  jnode *nodes; // [n]; nodes[0] is the root
  int32_t n, cap;
  char *texts; // decoded strings
  size_t texts_cap;
  int32_t *order; // for finding duplicate keys
  size_t order_cap;
  char why[160]; // after a failure: what is wrong
  int64_t line;  // and where, from 1
  bool memory;   // the failure was a lack of memory
} jtree;

// False: see why and line. `data` must live as long as the nodes are used (numbers point into it).
bool jtree_parse(jtree *t, const char *data, size_t bytes);
void jtree_free(jtree *t);

// The same for a line with long arrays in its root object, {"history": [...], ...}: each element of such an array is given to
// `each`, with the array's key, and then leaves the tree with all below it, so that any number of them takes the memory of
// the largest. The array keeps its count and has no children. False stops the parse, with an empty `why`. At most JTREE_KEPT
// values are in the tree at any time.
typedef bool (*jtree_element)(void *arg, const jtree *t, const char *key, const jnode *element);
bool jtree_parse_elements(jtree *t, const char *data, size_t bytes, jtree_element each, void *arg);

// A decimal number outside of JSON, as tables have it: [+-] digits [. digits] [e [+-] digits], where zeros may lead and one side
// of the point may be empty. *x becomes the double nearest to it, in every locale. False: the text is none, or beyond all doubles.
bool jtree_decimal(const char *text, size_t bytes, double *x);

// Child of an object by key, i-th step through children: NULL when there is none. NULL nodes give NULL.
const jnode *jtree_get(const jtree *t, const jnode *object, const char *key);
const jnode *jtree_first(const jtree *t, const jnode *parent);
const jnode *jtree_next(const jtree *t, const jnode *node);
// The first child of an object whose key is none of names, which end with a NULL; NULL: there is none.
const jnode *jtree_unknown(const jtree *t, const jnode *object, const char *const *names);

#endif
