// What a line of souk-infer's input holds: one JSON object.
//
//   {"user": "u1", "history": ["B001", "B002"]}
//   {"user": 7, "history": [{"item": "B001", "event": "buy"}], "candidates": ["B003", "B004"], "deny": ["B005"]}
//   {"user": 8, "history": ["B001", {"text": "red shoes", "event": "search"}, "B002"], "text": "something warmer"}
//   {"user": 9, "history": [], "attributes": {"age": 31, "town": "Ulm"}}
//   {"id": "B006", "text": "a pair of gloves"}
//   {"id": "B007", "text": "a hat", "item_attributes": ["brand=x"], "features": [0.5, -1]}
//   {"id": 1, "history": ["B001"], "item": "B007", "adapter": "spring"}
//
// and requests for copy, whose fields are in cli_request.c.
//
// Names may be strings or integers of any length (a log with numeric ids). Unknown fields are ignored (but not in requests), and unknown
// items are allowed. Any other mistake is recorded in the line's query, and the next line is read.
//
// A line becomes lists of item numbers while it is parsed, element by element, so that what is held is the text of one
// line and the lists of one batch, which has at most BATCH_BYTES of lines.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "format/order.h"
#include "infer_cli/cli.h"

enum { HISTORY_MAX = 1 << 24, ATTRIBUTES_MOST = 1024 };

void query_clear(cli_query *q, size_t most) {
  cli_list *const lists[] = {
      &q->history,           &q->events,   &q->deny,        &q->allow, &q->candidates, &q->text_at,
      &q->item_attribute_at, &q->features, &q->attribute_at};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    lists[i]->n = 0;
    if (lists[i]->cap * sizeof *lists[i]->items <= most) continue;
    free(lists[i]->items);
    *lists[i] = (cli_list){0};
  }
  q->strangers_bytes = 0;
  if (q->strangers_cap > most) {
    free(q->strangers);
    q->strangers = NULL;
    q->strangers_cap = 0;
  }
  q->words_bytes = q->text_bytes = 0;
  q->second = q->item = q->item_text = -1;
  if (q->item_attributes_cap * sizeof *q->item_attributes > most) {
    free(q->item_attributes);
    q->item_attributes = NULL;
    q->item_attributes_cap = 0;
  }
  if (q->words_cap > most) {
    free(q->words);
    q->words = NULL;
    q->words_cap = 0;
  }
  if (q->texts_cap * sizeof *q->texts > most) {
    free(q->texts);
    q->texts = NULL;
    q->texts_cap = 0;
  }
  if (q->attributes_cap * sizeof *q->attributes > most) {
    free(q->attributes);
    q->attributes = NULL;
    q->attributes_cap = 0;
  }
  offer_clear(&q->offer, most);
  q->known = (souk_user){.n_attributes = 0};
  q->error[0] = '\0';
  strcpy(q->user, "null");
  q->user_bytes = 4;
  q->user_is_string = q->has_candidates = q->has_allow = false;
}

int query_fail(cli_query *q, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(q->error, sizeof q->error, format, args);
  va_end(args);
  return LINE_BAD;
}

souk_history query_history(const cli_query *q) {
  return (souk_history){.n = (int32_t)q->history.n,
                        .items = q->history.items,
                        .events = q->events.items,
                        .texts = q->text_at.n > 0 ? q->texts : NULL,
                        .user = q->known.n_attributes > 0 ? &q->known : NULL};
}

souk_product query_product(const cli_query *q) {
  return (souk_product){.text = q->item_text >= 0 ? q->words + q->item_text : NULL,
                        .attributes = q->item_attributes,
                        .n_attributes = q->item_attribute_at.n,
                        .features =
                            q->features.n > 0 ? (const float *)(const void *)q->features.items : NULL};
}

// A name in a line: a string, or a whole number as it is written, of any length. False: neither.
static bool node_name(const jnode *n, char buf[MAX_NAME_BYTES + 1], const char **name) {
  if (n == NULL) return false;
  *name = n->text;
  if (n->kind == J_STRING) return true;
  if (n->kind != J_NUMBER || n->bytes > MAX_NAME_BYTES) return false;
  for (size_t i = n->text[0] == '-'; i < n->bytes; i++)
    if (n->text[i] < '0' || n->text[i] > '9') return false;
  memcpy(buf, n->text, n->bytes);
  buf[n->bytes] = '\0';
  *name = buf;
  return true;
}

int cli_append(cli_list *list, int32_t item) {
  const int rc = cli_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items);
  if (rc == 0) list->items[list->n++] = item;
  return rc;
}

// ---- fields --------------------------------------------------------------------------------------------------

// A line that is being parsed.
typedef struct line_parse {
  const souk_bundle *b;
  const jtree *tree;
  cli_query *q;
  cli_lines lines;
  int rc; // LINE_BAD: an element was wrong, and the ones behind it are passed over
} line_parse;

int query_keep(cli_query *q, const char *text, size_t bytes) {
  const int rc = cli_grow(&q->words, &q->words_cap, q->words_bytes + bytes + 1, 1);
  if (rc != 0) return rc;
  memcpy(q->words + q->words_bytes, text, bytes);
  q->words[q->words_bytes + bytes] = '\0';
  q->words_bytes += bytes + 1;
  return 0;
}

// An event; text NULL: it has none. Where the first text comes, the events before it get none.
static int append_event(cli_query *q, int32_t item, int32_t type, const char *text, size_t bytes) {
  int rc = cli_append(&q->history, item);
  if (rc == 0) rc = cli_append(&q->events, type);
  if (rc != 0 || (text == NULL && q->text_at.n == 0)) return rc;
  if (text != NULL && memchr(text, '\0', bytes) != NULL) return query_fail(q, "a text holds a NUL character");
  while (rc == 0 && q->text_at.n + 1 < q->history.n) rc = cli_append(&q->text_at, -1);
  if (rc == 0) rc = cli_append(&q->text_at, text != NULL ? (int32_t)q->words_bytes : -1);
  return rc == 0 && text != NULL ? query_keep(q, text, bytes) : rc;
}

// Pointers to the texts, once they move no more.
static int finish_texts(cli_query *q) {
  if (q->text_at.n == 0) return 0;
  const int rc = cli_grow(&q->texts, &q->texts_cap, q->text_at.n, sizeof *q->texts);
  for (size_t i = 0; rc == 0 && i < q->text_at.n; i++)
    q->texts[i] = q->text_at.items[i] < 0 ? NULL : q->words + q->text_at.items[i];
  return rc;
}

static int read_event(line_parse *x, const jnode *n) {
  char buf[MAX_NAME_BYTES + 1];
  cli_query *q = x->q;
  const jnode *item = n, *event = NULL, *text = NULL;
  const char *name = NULL;
  int32_t type = 0;
  if (q->history.n == HISTORY_MAX)
    return query_fail(q, "\"history\" must be an array of at most 2^24 events");
  if (n->kind == J_OBJECT) {
    item = jtree_get(x->tree, n, "item");
    event = jtree_get(x->tree, n, "event");
    text = jtree_get(x->tree, n, "text");
  }
  if (text != NULL && text->kind != J_STRING) return query_fail(q, "\"text\" must be a string");
  if (!node_name(item, buf, &name) && (item != NULL || text == NULL))
    return query_fail(q, "\"history\" must hold item names or objects with an \"item\" or a \"text\"");
  if (event != NULL && event->kind != J_NULL) {
    if (event->kind != J_STRING) return query_fail(q, "\"event\" must be a string");
    type = souk_find_event(x->b, event->text);
    if (type < 0)
      return query_fail(q, "the bundle has no event type \"%.100s\" (souk-infer info lists them)",
                        event->text);
  }
  const int32_t number = name != NULL ? souk_find_item(x->b, name) : -1;
  return append_event(q, number, type, text != NULL ? text->text : NULL, text != NULL ? text->bytes : 0);
}

static int bad_names(cli_query *q, const char *field) {
  return query_fail(q, "\"%s\" must be an array of item names", field);
}

static int keep_stranger(cli_query *q, const char *name) {
  const size_t bytes = strlen(name) + 1;
  const int rc = cli_grow(&q->strangers, &q->strangers_cap, q->strangers_bytes + bytes, 1);
  if (rc != 0) return rc;
  memcpy(q->strangers + q->strangers_bytes, name, bytes);
  q->strangers_bytes += bytes;
  return 0;
}

static int read_name(line_parse *x, const char *field, cli_list *list, const jnode *n) {
  char buf[MAX_NAME_BYTES + 1];
  const char *name;
  if (!node_name(n, buf, &name)) return bad_names(x->q, field);
  const int32_t item = souk_find_item(x->b, name);
  const int rc = item < 0 && list == &x->q->candidates ? keep_stranger(x->q, name) : 0;
  return rc != 0 ? rc : cli_append(list, item);
}

static int read_item_attribute(cli_query *q, const jnode *n) {
  if (n->kind != J_STRING) return query_fail(q, "\"item_attributes\" must be an array of names");
  const int rc = cli_append(&q->item_attribute_at, (int32_t)q->words_bytes);
  return rc != 0 ? rc : query_keep(q, n->text, n->bytes);
}

static int read_feature(cli_query *q, const jnode *n) {
  int32_t bits;
  if (n->kind != J_NUMBER) return query_fail(q, "\"features\" must be an array of numbers");
  const float x = (float)n->number;
  memcpy(&bits, &x, sizeof bits);
  return cli_append(&q->features, bits);
}

static bool is_key(const char *key, const char *field) {
  return strcmp(key, field) == 0;
}

static bool read_element(void *arg, const jtree *t, const char *key, const jnode *n) {
  line_parse *x = arg;
  cli_query *q = x->q;
  x->tree = t;
  if (x->rc != 0) return true;
  if (is_key(key, "history"))
    x->rc = read_event(x, n);
  else if (is_key(key, "candidates"))
    x->rc = read_name(x, key, &q->candidates, n);
  else if (is_key(key, "allow"))
    x->rc = read_name(x, key, &q->allow, n);
  else if (is_key(key, "deny"))
    x->rc = read_name(x, key, &q->deny, n);
  else if (is_key(key, "item_attributes") && (x->lines == LINES_PAIRS || x->lines == LINES_PRODUCTS))
    x->rc = read_item_attribute(q, n);
  else if (is_key(key, "features") && x->lines == LINES_PRODUCTS)
    x->rc = read_feature(q, n);
  else if (x->lines >= LINES_REQUESTS)
    x->rc = offer_element(q, key, n);
  return x->rc == 0 || x->rc == LINE_BAD;
}

// Keeps only the candidates that are also allowed.
static void intersect(cli_list *candidates, cli_list *allow) {
  size_t n = 0;
  if (allow->n > 0) qsort(allow->items, allow->n, sizeof *allow->items, order_int32);
  for (size_t i = 0; i < candidates->n; i++)
    if (allow->n > 0 &&
        bsearch(&candidates->items[i], allow->items, allow->n, sizeof *allow->items, order_int32) != NULL)
      candidates->items[n++] = candidates->items[i];
  candidates->n = n;
}

// The field is there, and its elements were read; false: it is not there, or no array (then *rc says so).
static bool has_names(const jtree *t, cli_query *q, const char *field, int *rc) {
  const jnode *n = jtree_get(t, t->nodes, field);
  if (n != NULL && n->kind != J_ARRAY && *rc == 0) *rc = bad_names(q, field);
  return n != NULL;
}

static int take_user(cli_query *q, const jnode *user) {
  if (user->kind != J_STRING && user->kind != J_NUMBER && user->kind != J_NULL)
    return query_fail(q, "\"%s\" must be a string or a number", q->key);
  if (user->bytes > MAX_NAME_BYTES)
    return query_fail(q, "\"%s\" has %zu bytes, more than %d", q->key, user->bytes, MAX_NAME_BYTES);
  memcpy(q->user, user->text, user->bytes);
  q->user[user->bytes] = '\0';
  q->user_bytes = user->bytes;
  q->user_is_string = user->kind == J_STRING;
  return 0;
}

// The text of a line of texts, and a second one.
static int take_text(const jtree *t, cli_query *q) {
  const jnode *text = jtree_get(t, t->nodes, "text"), *second = jtree_get(t, t->nodes, "text_b");
  if (text == NULL) return query_fail(q, "field \"text\" is missing");
  if (text->kind != J_STRING) return query_fail(q, "\"text\" must be a string");
  if (second != NULL && second->kind != J_STRING) return query_fail(q, "\"text_b\" must be a string");
  q->text_bytes = text->bytes;
  const int rc = query_keep(q, text->text, text->bytes);
  if (rc != 0 || second == NULL) return rc;
  q->second = (int32_t)q->words_bytes;
  return query_keep(q, second->text, second->bytes);
}

// What is known of an item.
static int take_product(const jtree *t, cli_query *q) {
  static const char *const arrays[] = {"item_attributes", "features"};
  const jnode *text = jtree_get(t, t->nodes, "text");
  if (text != NULL && text->kind != J_STRING) return query_fail(q, "\"text\" must be a string");
  for (int i = 0; i < 2; i++) {
    const jnode *array = jtree_get(t, t->nodes, arrays[i]);
    if (array != NULL && array->kind != J_ARRAY) return query_fail(q, "\"%s\" must be an array", arrays[i]);
  }
  if (text == NULL) return 0;
  q->item_text = (int32_t)q->words_bytes;
  return query_keep(q, text->text, text->bytes);
}

// Pointers to an item's attributes, once the texts move no more.
static int finish_product(cli_query *q) {
  const size_t n = q->item_attribute_at.n;
  const int rc = cli_grow(&q->item_attributes, &q->item_attributes_cap, n, sizeof *q->item_attributes);
  for (size_t i = 0; rc == 0 && i < n; i++) q->item_attributes[i] = q->words + q->item_attribute_at.items[i];
  return rc;
}

static int take_item(const jtree *t, const souk_bundle *b, cli_query *q) {
  char buf[MAX_NAME_BYTES + 1];
  const jnode *item = jtree_get(t, t->nodes, "item");
  const char *name;
  if (item == NULL) return query_fail(q, "field \"item\" is missing");
  if (!node_name(item, buf, &name)) return query_fail(q, "\"item\" must be an item's name");
  q->item = souk_find_item(b, name);
  return 0;
}

static int take_adapter(const jtree *t, const souk_bundle *b, cli_query *q) {
  const jnode *adapter = jtree_get(t, t->nodes, "adapter");
  if (adapter == NULL) return 0;
  if (adapter->kind == J_NULL) {
    q->adapter = 0;
    return 0;
  }
  if (adapter->kind != J_STRING) return query_fail(q, "\"adapter\" must be a name");
  q->adapter = souk_find_adapter(b, adapter->text);
  if (q->adapter > 0) return 0;
  return query_fail(q, "the bundle has no adapter \"%.100s\" (souk-infer info lists them)", adapter->text);
}

static bool attribute_is_known(const souk_bundle *b, const char *name) {
  const char *known;
  for (int32_t i = 0; (known = souk_user_attribute(b, i)) != NULL; i++)
    if (strcmp(known, name) == 0) return true;
  return false;
}

static int keep_attribute(cli_query *q, const char *text, size_t bytes) {
  const int rc = cli_append(&q->attribute_at, (int32_t)q->words_bytes);
  return rc != 0 ? rc : query_keep(q, text, bytes);
}

static int take_attribute(const souk_bundle *b, cli_query *q, const char *field, const jnode *n) {
  if (n->kind == J_NULL) return 0;
  if (n->kind != J_STRING && n->kind != J_NUMBER)
    return query_fail(q, "\"%s\": \"%.60s\" must be a string or a number", field, n->key);
  if (!attribute_is_known(b, n->key))
    return query_fail(q, "the bundle knows no attribute \"%.60s\" of users (souk-infer info lists them)",
                      n->key);
  if (memchr(n->text, '\0', n->bytes) != NULL)
    return query_fail(q, "a value of \"%s\" holds a NUL character", field);
  const int rc = keep_attribute(q, n->key, strlen(n->key));
  return rc != 0 ? rc : keep_attribute(q, n->text, n->bytes);
}

// Pointers to names and values, once the texts move no more.
static int finish_attributes(cli_query *q) {
  const size_t n = q->attribute_at.n / 2;
  if (n > ATTRIBUTES_MOST) return query_fail(q, "\"attributes\" has more than %d", ATTRIBUTES_MOST);
  const int rc = n > 0 ? cli_grow(&q->attributes, &q->attributes_cap, 2 * n, sizeof *q->attributes) : 0;
  if (rc != 0 || n == 0) return rc;
  for (size_t i = 0; i < 2 * n; i++) q->attributes[i % 2 * n + i / 2] = q->words + q->attribute_at.items[i];
  q->known = (souk_user){.n_attributes = (int32_t)n, .names = q->attributes, .values = q->attributes + n};
  return 0;
}

static int take_attributes(const jtree *t, const souk_bundle *b, cli_query *q, const char *field) {
  const jnode *all = jtree_get(t, t->nodes, field);
  if (all == NULL || all->kind == J_NULL) return 0;
  if (all->kind != J_OBJECT) return query_fail(q, "\"%s\" must be an object of names and values", field);
  for (const jnode *n = jtree_first(t, all); n != NULL; n = jtree_next(t, n)) {
    const int rc = take_attribute(b, q, field, n);
    if (rc != 0) return rc;
  }
  return 0;
}

// The history, and a text behind it, which in a pair is the item's.
static int take_history(const jtree *t, const souk_bundle *b, cli_query *q, bool pair) {
  const jnode *history = jtree_get(t, t->nodes, "history"), *text = jtree_get(t, t->nodes, "text");
  if (history == NULL && (text == NULL || pair))
    return query_fail(q, "field \"history\" is missing (an empty array asks for a new user)");
  if (history != NULL && history->kind != J_ARRAY)
    return query_fail(q, "\"history\" must be an array of at most 2^24 events");
  if (text != NULL && text->kind != J_STRING) return query_fail(q, "\"text\" must be a string");
  int rc = text != NULL && !pair ? append_event(q, -1, 0, text->text, text->bytes) : 0;
  if (rc == 0) rc = take_attributes(t, b, q, "attributes");
  if (rc == 0 && pair) rc = take_item(t, b, q);
  if (rc == 0 && pair) rc = take_product(t, q);
  if (rc == 0) rc = finish_texts(q);
  if (rc == 0) rc = finish_product(q);
  return rc != 0 ? rc : finish_attributes(q);
}

// What copy is asked for. Its item may be unknown, or not given, where a title is.
static int take_request(const jtree *t, const souk_bundle *b, cli_query *q, bool campaign) {
  const jnode *history = jtree_get(t, t->nodes, "history"), *item = jtree_get(t, t->nodes, "item");
  char buf[MAX_NAME_BYTES + 1];
  const char *name;
  int rc = offer_fields(q, t, campaign);
  if (rc != 0) return rc;
  if (history != NULL && history->kind != J_ARRAY)
    return query_fail(q, "\"history\" must be an array of at most 2^24 events");
  if (item == NULL && (campaign || q->offer.title < 0))
    return query_fail(q, "field \"item\" is missing%s", campaign ? "" : ", and there is no \"title\" either");
  if (item != NULL && !node_name(item, buf, &name)) return query_fail(q, "\"item\" must be an item's name");
  if (item != NULL) {
    q->item = souk_find_item(b, name);
    q->offer.item_name = (int32_t)q->words_bytes;
    rc = query_keep(q, name, strlen(name));
    if (rc != 0) return rc;
  }
  if (!campaign && q->offer.language < 0) return query_fail(q, "field \"language\" is missing");
  if (!campaign && q->offer.market < 0)
    return query_fail(q, "field \"market\" is missing, which says how prices and dates are written");
  rc = take_attributes(t, b, q, "user_attributes");
  if (rc == 0) rc = finish_texts(q);
  if (rc == 0) rc = offer_finish(q);
  return rc != 0 ? rc : finish_attributes(q);
}

// In which language and market copy is to speak to a user, where lists have promotions.
static int take_speech(const jtree *t, cli_query *q) {
  const struct {
    const char *field;
    int32_t *at;
  } fields[] = {{"language", &q->offer.language}, {"market", &q->offer.market}};
  int rc = 0;
  for (int i = 0; rc == 0 && i < 2; i++) {
    const jnode *n = jtree_get(t, t->nodes, fields[i].field);
    if (n == NULL || n->kind != J_STRING) continue;
    *fields[i].at = (int32_t)q->words_bytes;
    rc = query_keep(q, n->text, n->bytes);
  }
  return rc;
}

// Candidates and filters.
static int take_lists(const jtree *t, cli_query *q) {
  int rc = 0;
  const bool candidates = has_names(t, q, "candidates", &rc);
  q->has_allow = has_names(t, q, "allow", &rc);
  q->has_candidates = candidates || q->has_allow;
  has_names(t, q, "deny", &rc);
  if (rc != 0 || !q->has_allow) return rc;
  if (candidates) {
    intersect(&q->candidates, &q->allow);
  } else {
    const cli_list swap = q->candidates;
    q->candidates = q->allow;
    q->allow = swap;
  }
  return 0;
}

// What is in the tree besides the elements, of which read_element says whether they were good.
static int take_fields(const jtree *t, const souk_bundle *b, cli_query *q, cli_lines lines, int elements) {
  if (t->nodes->kind != J_OBJECT) return query_fail(q, "an object is expected");
  if (lines >= LINES_REQUESTS && jtree_get(t, t->nodes, "id") == NULL) q->key = "user"; // known by its user
  const jnode *user = jtree_get(t, t->nodes, q->key);
  int rc = user != NULL ? take_user(q, user) : 0;
  if (rc == 0) rc = elements;
  if (rc == 0) rc = take_adapter(t, b, q);
  if (rc != 0) return rc;
  if (lines == LINES_TEXTS) return take_text(t, q);
  if (lines == LINES_PAIRS) return take_history(t, b, q, true);
  if (lines >= LINES_REQUESTS) return take_request(t, b, q, lines == LINES_CAMPAIGNS);
  if (lines == LINES_HISTORIES) {
    rc = take_history(t, b, q, false);
    if (rc == 0) rc = take_speech(t, q);
    return rc != 0 ? rc : take_lists(t, q);
  }
  rc = take_product(t, q);
  return rc != 0 ? rc : finish_product(q);
}

// A line that is a text.
static int take_line(cli_query *q, cli_lines lines, const char *line, size_t bytes) {
  if (lines == LINES_HISTORIES) {
    const int rc = append_event(q, -1, 0, line, bytes);
    return rc != 0 ? rc : finish_texts(q);
  }
  q->text_bytes = bytes;
  return query_keep(q, line, bytes);
}

// A product's features are all there or none is.
static int check_features(const cli_input *in, cli_query *q) {
  if (q->features.n == 0 || q->features.n == (size_t)in->features) return 0;
  return query_fail(q, "\"features\" has %zu numbers, where the bundle has %d", q->features.n, in->features);
}

int query_parse(cli_input *in, const souk_bundle *b, cli_query *q, const char *line, size_t bytes) {
  jtree *t = &in->tree;
  line_parse x = {.b = b, .q = q, .lines = in->lines};
  if (in->plain) return take_line(q, in->lines, line, bytes);
  if (jtree_parse_elements(t, line, bytes, read_element, &x)) {
    const int rc = take_fields(t, b, q, in->lines, x.rc);
    return rc != 0 ? rc : check_features(in, q);
  }
  if (x.rc != 0 && x.rc != LINE_BAD) return x.rc;
  if (t->memory) return cli_fail(EXIT_FAILED, "out of memory: a line of %zu bytes", bytes);
  return query_fail(q, "%s", t->why);
}
