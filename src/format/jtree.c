// The JSON reader; see jtree.h. Recursive descent with a depth limit; nodes are linked by index, because the
// array moves as it grows. A decoded string and its NUL never need more room than the string in its quotes,
// so one text buffer of the input's size serves them all and pointers into it stay valid.
#include "format/jtree.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/json_text.h"

typedef struct parser {
  jtree *t;
  const char *at, *end;
  char *text; // next free byte of t->texts
  int depth;
  jtree_element each; // NULL: all elements stay
  void *arg;
  const char *root_key; // of the child of the root object that is being parsed; NULL: the root is none
} parser;

static bool wrong(parser *p, const char *why) {
  if (p->t->why[0] == '\0') snprintf(p->t->why, sizeof p->t->why, "%s", why);
  return false;
}

static bool no_memory(parser *p) {
  p->t->memory = true;
  return wrong(p, "out of memory");
}

static void skip_space(parser *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t')) p->at++;
}

static int32_t add_node(parser *p, jkind kind) {
  jtree *t = p->t;
  if (p->each != NULL && t->n == JTREE_KEPT) {
    wrong(p, "it holds too many values besides the elements of its arrays");
    return -1;
  }
  if (t->n == t->cap) {
    const int32_t cap = t->cap == 0 ? 64 : t->cap < INT32_MAX / 2 ? 2 * t->cap : -1;
    jnode *nodes = cap < 0 ? NULL : realloc(t->nodes, (size_t)cap * sizeof *nodes);
    if (nodes == NULL) {
      no_memory(p);
      return -1;
    }
    t->nodes = nodes;
    t->cap = cap;
  }
  t->nodes[t->n] = (jnode){.kind = kind, .next = -1, .first = -1, .text = p->at};
  return t->n++;
}

// ---- strings -------------------------------------------------------------------------------------------------

// At the opening quote; *out is the decoded string.
static bool string(parser *p, const char **out, size_t *bytes) {
  char *start = p->text;
  const char *why = json_decode(&p->at, p->end, &p->text);
  if (why != NULL) return wrong(p, why);
  *out = start;
  *bytes = (size_t)(p->text - start);
  *p->text++ = '\0';
  return true;
}

// ---- numbers -------------------------------------------------------------------------------------------------

static bool is_digit(const parser *p) {
  return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

// This many digits decide which double is nearest, or that the number is halfway between two; of further digits it
// only matters whether one is not 0.
enum { DIGITS = 770 };
static const int64_t EXPONENT_MAX =
    INT64_MAX / 100; // far beyond the digits of any file, and sums do not overflow

typedef struct decimal { // digits x 10^exponent
  const char *first;     // the first digit that is not 0; NULL: none so far
  uint64_t value;        // of all digits, while they fit
  int64_t digits;        // how many there are, from `first` on
  int64_t exponent;
  bool fits; // in value
} decimal;

static void add_digit(decimal *d, const char *at, bool fraction) {
  const unsigned digit = (unsigned)(*at - '0');
  d->exponent -= fraction;
  if (d->first == NULL && digit == 0) return;
  if (d->first == NULL) d->first = at;
  d->digits++;
  d->fits = d->fits && !__builtin_mul_overflow(d->value, 10, &d->value) &&
            !__builtin_add_overflow(d->value, digit, &d->value);
}

static bool exponent(parser *p, decimal *d) {
  bool negative = false;
  int64_t e = 0;
  p->at++;
  if (p->at < p->end && (*p->at == '+' || *p->at == '-')) negative = *p->at++ == '-';
  if (!is_digit(p)) return wrong(p, "a number's exponent has no digits");
  for (; is_digit(p); p->at++)
    if (e < EXPONENT_MAX) e = 10 * e + (*p->at - '0');
  d->exponent += negative ? -e : e;
  return true;
}

// Uses strtod, which rounds correctly. The text given to it has no decimal point, the only character that depends on
// the locale: it has the digits, a 1 for any that were left out, and the exponent.
static double nearest(const decimal *d, const char *end) {
  char text[DIGITS + 40], *to = text;
  int64_t left_out = 0;
  bool more = false;
  for (const char *at = d->first; at < end; at++) {
    if (*at < '0' || *at > '9') { // the point
      if (*at != '.') break;
    } else if (to < text + DIGITS) {
      *to++ = *at;
    } else {
      left_out++;
      more |= *at != '0';
    }
  }
  if (more) {
    *to++ = '1';
    left_out--;
  }
  snprintf(to, 40, "e%lld", (long long)(d->exponent + left_out));
  return strtod(text, NULL);
}

#if LDBL_MANT_DIG == 64
// One operation of long doubles that are exact themselves is off by half a unit of its last of 64 bits at most. Unless what a
// double has no room for, 11 bits, lies that near to its own half, rounding once more gives the nearest double.
static bool by_long_double(const decimal *d, double *x) {
  static const long double exact[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                      1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                      1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
  if (!d->fits || d->exponent < -27 || d->exponent > 27) return false;
  const long double y = d->exponent < 0 ? (long double)d->value / exact[-d->exponent]
                                        : (long double)d->value * exact[d->exponent];
  uint64_t mantissa;
  memcpy(&mantissa, &y, sizeof mantissa);
  const unsigned low = mantissa & 0x7FF;
  *x = (double)y;
  return low < 0x3FF || low > 0x401;
}
#endif

static double decimal_value(const decimal *d, const char *end) {
  static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (d->first == NULL) return 0.0;
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ == 0
  // Both operands are exact doubles, so the single rounding of the operation gives the nearest double.
  if (d->fits && d->value <= UINT64_C(1) << 53 && d->exponent >= -22 && d->exponent <= 22)
    return d->exponent < 0 ? (double)d->value / exact[-d->exponent] : (double)d->value * exact[d->exponent];
#endif
#if LDBL_MANT_DIG == 64
  double x;
  if (by_long_double(d, &x)) return x;
#endif
  return nearest(d, end);
}

bool jtree_decimal(const char *text, size_t bytes, double *x) {
  jtree nowhere = {.nodes = NULL}; // for what is wrong
  parser p = {.t = &nowhere, .at = text, .end = text + bytes};
  decimal d = {.fits = true};
  if (bytes == 0) return false;
  const bool negative = *text == '-';
  p.at += negative || *text == '+';
  const char *first = p.at;
  for (; is_digit(&p); p.at++) add_digit(&d, p.at, false);
  ptrdiff_t digits = p.at - first;
  if (p.at < p.end && *p.at == '.') {
    const char *point = p.at++;
    for (; is_digit(&p); p.at++) add_digit(&d, p.at, true);
    digits += p.at - point - 1;
  }
  if (digits == 0) return false;
  if (p.at < p.end && (*p.at == 'e' || *p.at == 'E') && !exponent(&p, &d)) return false;
  if (p.at != p.end) return false;
  *x = decimal_value(&d, p.end);
  if (*x > DBL_MAX) return false;
  if (negative) *x = -*x;
  return true;
}

static bool number(parser *p) {
  const int32_t node = add_node(p, J_NUMBER);
  if (node < 0) return false;
  const bool negative = *p->at == '-';
  decimal d = {.fits = true};
  bool integer = true;
  p->at += negative;
  if (!is_digit(p)) return wrong(p, "a number has no digits");
  if (*p->at == '0') {
    p->at++;
    if (is_digit(p)) return wrong(p, "a number begins with 0");
  } else {
    for (; is_digit(p); p->at++) add_digit(&d, p->at, false);
  }
  if (p->at < p->end && *p->at == '.') {
    integer = false;
    p->at++;
    if (!is_digit(p)) return wrong(p, "a number's fraction has no digits");
    for (; is_digit(p); p->at++) add_digit(&d, p->at, true);
  }
  if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
    integer = false;
    if (!exponent(p, &d)) return false;
  }
  jnode *n = &p->t->nodes[node];
  const double value = decimal_value(&d, p->at);
  if (value > DBL_MAX) return wrong(p, "a number is out of range");
  n->number = negative ? -value : value;
  n->bytes = (size_t)(p->at - n->text);
  n->is_integer = integer && d.fits && d.value <= (uint64_t)INT64_MAX + negative;
  if (n->is_integer) n->integer = (int64_t)(negative ? 0 - d.value : d.value);
  return true;
}

// ---- values --------------------------------------------------------------------------------------------------

static bool value(parser *p);

static bool literal(parser *p, const char *word, jkind kind) {
  const size_t n = strlen(word);
  const int32_t node = add_node(p, kind);
  if (node < 0) return false;
  if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0) return wrong(p, "a value is expected");
  p->at += n;
  p->t->nodes[node].bytes = n;
  return true;
}

// The key texts of one object's children, for sorting; the tree is passed by this.
static int by_key(const void *a, const void *b, void *tree) {
  const jtree *t = tree;
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return strcmp(t->nodes[x].key, t->nodes[y].key);
}

static bool unique_keys(parser *p, int32_t object) {
  jtree *t = p->t;
  const size_t n = (size_t)t->nodes[object].count;
  if (n < 2) return true;
  if (n > t->order_cap) {
    int32_t *order = realloc(t->order, n * sizeof *order);
    if (order == NULL) return no_memory(p);
    t->order = order;
    t->order_cap = n;
  }
  size_t i = 0;
  for (int32_t c = t->nodes[object].first; c >= 0; c = t->nodes[c].next) t->order[i++] = c;
  qsort_r(t->order, n, sizeof *t->order, by_key, t);
  for (i = 1; i < n; i++) {
    const char *key = t->nodes[t->order[i]].key;
    if (strcmp(t->nodes[t->order[i - 1]].key, key) != 0) continue;
    snprintf(t->why, sizeof t->why, "the key \"%.100s\" appears twice", key);
    return false;
  }
  return true;
}

// Gives an element to the caller and takes it out of the tree: it and its texts are the last ones.
static bool give(parser *p, int32_t element, char *text) {
  const bool go_on = p->each(p->arg, p->t, p->root_key, &p->t->nodes[element]);
  p->t->n = element;
  p->text = text;
  return go_on;
}

// Array or object, at the opening bracket.
static bool container(parser *p, bool object) {
  const char close = object ? '}' : ']';
  const int32_t node = add_node(p, object ? J_OBJECT : J_ARRAY);
  if (node < 0) return false;
  if (++p->depth > JTREE_DEPTH) return wrong(p, "it is nested too deeply");
  p->at++;
  const bool given = !object && p->depth == 2 && p->each != NULL && p->root_key != NULL;
  int32_t last = -1;
  skip_space(p);
  if (p->at < p->end && *p->at == close) {
    p->at++;
  } else {
    for (;;) {
      const char *key = NULL;
      size_t bytes;
      skip_space(p);
      if (object) {
        if (p->at == p->end || *p->at != '"') return wrong(p, "a key in quotes is expected");
        if (!string(p, &key, &bytes)) return false;
        skip_space(p);
        if (p->at == p->end || *p->at != ':') return wrong(p, "':' is expected");
        p->at++;
        skip_space(p);
        if (p->depth == 1) p->root_key = key;
      }
      const int32_t child = p->t->n;
      char *const text = p->text;
      if (!value(p)) return false;
      p->t->nodes[node].count++;
      if (given) {
        if (!give(p, child, text)) return false;
      } else {
        p->t->nodes[child].key = key;
        if (last < 0)
          p->t->nodes[node].first = child;
        else
          p->t->nodes[last].next = child;
        last = child;
      }
      skip_space(p);
      if (p->at < p->end && *p->at == ',') {
        p->at++;
        continue;
      }
      if (p->at == p->end || *p->at != close)
        return wrong(p, object ? "',' or '}' is expected" : "',' or ']' is expected");
      p->at++;
      break;
    }
  }
  p->depth--;
  p->t->nodes[node].bytes = (size_t)(p->at - p->t->nodes[node].text);
  return !object || unique_keys(p, node);
}

static bool value(parser *p) {
  if (p->at == p->end) return wrong(p, "it ends too early");
  switch (*p->at) {
  case '{':
    return container(p, true);
  case '[':
    return container(p, false);
  case 't':
    return literal(p, "true", J_TRUE);
  case 'f':
    return literal(p, "false", J_FALSE);
  case 'n':
    return literal(p, "null", J_NULL);
  case '"': {
    const int32_t node = add_node(p, J_STRING);
    const char *text;
    size_t bytes;
    if (node < 0 || !string(p, &text, &bytes)) return false;
    p->t->nodes[node].text = text;
    p->t->nodes[node].bytes = bytes;
    return true;
  }
  default:
    if (*p->at == '-' || is_digit(p)) return number(p);
    return wrong(p, "a value is expected");
  }
}

bool jtree_parse(jtree *t, const char *data, size_t bytes) {
  return jtree_parse_elements(t, data, bytes, NULL, NULL);
}

bool jtree_parse_elements(jtree *t, const char *data, size_t bytes, jtree_element each, void *arg) {
  t->n = 0;
  t->why[0] = '\0';
  t->memory = false;
  t->line = 1;
  parser p = {.t = t, .at = data, .end = data + bytes, .each = each, .arg = arg};
  if (bytes + 1 > t->texts_cap) {
    free(t->texts);
    t->texts_cap = 0;
    t->texts = malloc(bytes + 1);
    if (t->texts == NULL) return no_memory(&p);
    t->texts_cap = bytes + 1;
  }
  p.text = t->texts;
  skip_space(&p);
  bool good = value(&p);
  skip_space(&p);
  if (good && p.at != p.end) good = wrong(&p, "something follows the value");
  if (good) return true;
  for (const char *c = data; c < p.at; c++) t->line += *c == '\n';
  return false;
}

void jtree_free(jtree *t) {
  free(t->nodes);
  free(t->texts);
  free(t->order);
  *t = (jtree){0};
}

const jnode *jtree_first(const jtree *t, const jnode *parent) {
  return parent == NULL || parent->first < 0 ? NULL : &t->nodes[parent->first];
}

const jnode *jtree_next(const jtree *t, const jnode *node) {
  return node == NULL || node->next < 0 ? NULL : &t->nodes[node->next];
}

const jnode *jtree_get(const jtree *t, const jnode *object, const char *key) {
  if (object == NULL || object->kind != J_OBJECT) return NULL;
  for (const jnode *c = jtree_first(t, object); c != NULL; c = jtree_next(t, c))
    if (strcmp(c->key, key) == 0) return c;
  return NULL;
}

const jnode *jtree_unknown(const jtree *t, const jnode *object, const char *const *names) {
  for (const jnode *c = jtree_first(t, object); c != NULL; c = jtree_next(t, c)) {
    const char *const *name = names;
    while (*name != NULL && strcmp(*name, c->key) != 0) name++;
    if (*name == NULL) return c;
  }
  return NULL;
}
