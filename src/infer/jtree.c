// The JSON reader; see jtree.h. Recursive descent with a depth limit; nodes are linked by index, because the
// array moves as it grows. A decoded string and its NUL never need more room than the string in its quotes,
// so one text buffer of the input's size serves them all and pointers into it stay valid.
#include "infer/jtree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
  jtree *t;
  const char *at, *end;
  char *text; // next free byte of t->texts
  int depth;
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

static bool hex4(parser *p, uint32_t *value) {
  if (p->end - p->at < 4) return wrong(p, "a \\u escape is cut short");
  *value = 0;
  for (int i = 0; i < 4; i++, p->at++) {
    const char c = *p->at;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return wrong(p, "a \\u escape wants four hexadecimal digits");
    *value = *value << 4 | (uint32_t)digit;
  }
  return true;
}

static void put_utf8(parser *p, uint32_t c) {
  if (c < 0x80) {
    *p->text++ = (char)c;
  } else if (c < 0x800) {
    *p->text++ = (char)(0xC0 | c >> 6);
    *p->text++ = (char)(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *p->text++ = (char)(0xE0 | c >> 12);
    *p->text++ = (char)(0x80 | (c >> 6 & 0x3F));
    *p->text++ = (char)(0x80 | (c & 0x3F));
  } else {
    *p->text++ = (char)(0xF0 | c >> 18);
    *p->text++ = (char)(0x80 | (c >> 12 & 0x3F));
    *p->text++ = (char)(0x80 | (c >> 6 & 0x3F));
    *p->text++ = (char)(0x80 | (c & 0x3F));
  }
}

static bool escape(parser *p) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (p->at == p->end) return wrong(p, "a string does not end");
  const char c = *p->at++;
  const char *place = c != '\0' ? strchr(from, c) : NULL;
  if (place != NULL) {
    *p->text++ = to[place - from];
    return true;
  }
  if (c != 'u') return wrong(p, "unknown escape in a string");
  uint32_t code, low;
  if (!hex4(p, &code)) return false;
  if (code >= 0xDC00 && code < 0xE000) return wrong(p, "half of a surrogate pair");
  if (code >= 0xD800 && code < 0xDC00) {
    if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
      return wrong(p, "half of a surrogate pair");
    p->at += 2;
    if (!hex4(p, &low)) return false;
    if (low < 0xDC00 || low >= 0xE000) return wrong(p, "half of a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code == 0) return wrong(p, "a string holds a NUL");
  put_utf8(p, code);
  return true;
}

// Copies one UTF-8 sequence of two to four bytes.
static bool multibyte(parser *p) {
  const unsigned char *s = (const unsigned char *)p->at;
  const ptrdiff_t left = p->end - p->at;
  const int length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  bool good = s[0] >= 0xC2 && s[0] <= 0xF4 && left >= length;
  for (int i = 1; good && i < length; i++) good = (s[i] & 0xC0) == 0x80;
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  good = good && !(s[0] == 0xE0 && s[1] < 0xA0) && !(s[0] == 0xED && s[1] >= 0xA0) &&
         !(s[0] == 0xF0 && s[1] < 0x90) && !(s[0] == 0xF4 && s[1] >= 0x90);
  if (!good) return wrong(p, "not valid UTF-8");
  memcpy(p->text, s, (size_t)length);
  p->text += length;
  p->at += length;
  return true;
}

// At the opening quote; *out is the decoded string.
static bool string(parser *p, const char **out, size_t *bytes) {
  char *start = p->text;
  p->at++;
  for (;;) {
    if (p->at == p->end) return wrong(p, "a string does not end");
    const unsigned char c = (unsigned char)*p->at;
    if (c == '"') break;
    if (c < 0x20) return wrong(p, "a control character in a string");
    if (c >= 0x80) {
      if (!multibyte(p)) return false;
      continue;
    }
    p->at++;
    if (c != '\\')
      *p->text++ = (char)c;
    else if (!escape(p))
      return false;
  }
  p->at++;
  *out = start;
  *bytes = (size_t)(p->text - start);
  *p->text++ = '\0';
  return true;
}

// ---- numbers -------------------------------------------------------------------------------------------------

static bool is_digit(const parser *p) {
  return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

// 10^e by squaring, in long double: exact enough that a double comes out right to the last bit or its
// neighbour.
static long double power_of_ten(int e) {
  long double result = 1, square = 10;
  for (unsigned n = (unsigned)(e < 0 ? -e : e); n > 0; n >>= 1, square *= square)
    if (n & 1) result *= square;
  return result;
}

typedef struct decimal { // digits x 10^exponent
  uint64_t digits;
  int exponent;
  bool exact;
} decimal;

static void add_digit(decimal *d, int digit, bool fraction) {
  if (d->digits <= (UINT64_MAX - 9) / 10) {
    d->digits = d->digits * 10 + (uint64_t)digit;
    d->exponent -= fraction;
  } else {
    d->exact = d->exact && fraction && digit == 0;
    if (!fraction && d->exponent < 100000) d->exponent++;
  }
}

static bool exponent(parser *p, decimal *d) {
  bool negative = false;
  int e = 0;
  p->at++;
  if (p->at < p->end && (*p->at == '+' || *p->at == '-')) negative = *p->at++ == '-';
  if (!is_digit(p)) return wrong(p, "a number's exponent has no digits");
  for (; is_digit(p); p->at++)
    if (e < 100000) e = 10 * e + (*p->at - '0');
  d->exponent += negative ? -e : e;
  return true;
}

static double decimal_value(const decimal *d) {
  if (d->digits == 0 || d->exponent < -400) return 0.0;
  if (d->exponent > 400) return (double)INFINITY;
  const long double scale = power_of_ten(d->exponent);
  return (double)(d->exponent < 0 ? (long double)d->digits / scale : (long double)d->digits * scale);
}

static bool number(parser *p) {
  const int32_t node = add_node(p, J_NUMBER);
  if (node < 0) return false;
  const bool negative = *p->at == '-';
  decimal d = {.exact = true};
  bool integer = true;
  p->at += negative;
  if (!is_digit(p)) return wrong(p, "a number has no digits");
  if (*p->at == '0') {
    p->at++;
    if (is_digit(p)) return wrong(p, "a number begins with 0");
  } else {
    for (; is_digit(p); p->at++) add_digit(&d, *p->at - '0', false);
  }
  if (p->at < p->end && *p->at == '.') {
    integer = false;
    p->at++;
    if (!is_digit(p)) return wrong(p, "a number's fraction has no digits");
    for (; is_digit(p); p->at++) add_digit(&d, *p->at - '0', true);
  }
  if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
    integer = false;
    if (!exponent(p, &d)) return false;
  }
  jnode *n = &p->t->nodes[node];
  const double value = decimal_value(&d);
  if (value > 1.7976931348623157e308) return wrong(p, "a number is out of range");
  n->number = negative ? -value : value;
  n->bytes = (size_t)(p->at - n->text);
  n->is_integer = integer && d.exponent == 0 && d.exact && d.digits <= (uint64_t)INT64_MAX;
  if (n->is_integer) n->integer = negative ? -(int64_t)d.digits : (int64_t)d.digits;
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
    snprintf(t->why, sizeof t->why, "the key \"%.100s\" is there twice", key);
    return false;
  }
  return true;
}

// Array or object, at the opening bracket.
static bool container(parser *p, bool object) {
  const char close = object ? '}' : ']';
  const int32_t node = add_node(p, object ? J_OBJECT : J_ARRAY);
  if (node < 0) return false;
  if (++p->depth > JTREE_DEPTH) return wrong(p, "it is nested too deeply");
  p->at++;
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
      }
      const int32_t child = p->t->n;
      if (!value(p)) return false;
      p->t->nodes[child].key = key;
      if (last < 0)
        p->t->nodes[node].first = child;
      else
        p->t->nodes[last].next = child;
      last = child;
      p->t->nodes[node].count++;
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
  t->n = 0;
  t->why[0] = '\0';
  t->memory = false;
  t->line = 1;
  parser p = {.t = t, .at = data, .end = data + bytes};
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
