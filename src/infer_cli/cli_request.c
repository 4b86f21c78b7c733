// Requests for promotion copy, as lines of souk-infer promo and of the file of rank --promote:
//
//   {"id": "r1", "history": ["B001"], "item": "B002", "goal": "win_back", "type": "coupon", "market": "cn", "language": "zh",
//    "threshold": 300, "amount": 50, "date": "2026-12-31"}
//
// The names of fields are those of the rows that copy is trained on (docs/copy.md). A field that a request does not have is refused by
// name: one with a typing error would otherwise be a term that is silently not said.
#include <stdlib.h>
#include <string.h>
#include "format/item_attributes.h"
#include "infer_cli/cli.h"

enum { MOST_PHRASES = 64, TEXT_MOST = 1 << 16 };

typedef enum field_kind { TEXT, NUMBER, WHOLE, DATE, OTHER } field_kind;

typedef struct offer_field {
  const char *name;
  field_kind kind;
  size_t offset; // in cli_offer
  double least, most;
} offer_field;

#define AT(name)   offsetof(cli_offer, name)
#define MONEY_MOST 1e9
static const offer_field fields[] = {{"title", TEXT, AT(title), 0, 0},
                                     {"goal", TEXT, AT(goal), 0, 0},
                                     {"type", TEXT, AT(type), 0, 0},
                                     {"market", TEXT, AT(market), 0, 0},
                                     {"language", TEXT, AT(language), 0, 0},
                                     {"name", TEXT, AT(name), 0, 0},
                                     {"code", TEXT, AT(code), 0, 0},
                                     {"price", NUMBER, AT(price), 1e-9, MONEY_MOST},
                                     {"was", NUMBER, AT(was), 1e-9, MONEY_MOST},
                                     {"percent", NUMBER, AT(percent), 1e-9, MONEY_MOST},
                                     {"amount", NUMBER, AT(amount), 1e-9, MONEY_MOST},
                                     {"threshold", NUMBER, AT(threshold), 1e-9, MONEY_MOST},
                                     {"date", DATE, 0, 0, 0},
                                     {"value", NUMBER, AT(value), 0, MONEY_MOST},
                                     {"seed", WHOLE, AT(seed), 0, 9007199254740992.0},
                                     {"min_tokens", WHOLE, AT(min_tokens), 0, 32768},
                                     {"max_tokens", WHOLE, AT(max_tokens), 1, 32768},
                                     {"cap", WHOLE, AT(cap), 0, INT32_MAX},
                                     {"shown", WHOLE, AT(shown), 0, INT32_MAX},
                                     // read elsewhere
                                     {"id", OTHER, 0, 0, 0},
                                     {"user", OTHER, 0, 0, 0},
                                     {"history", OTHER, 0, 0, 0},
                                     {"user_attributes", OTHER, 0, 0, 0},
                                     {"item", OTHER, 0, 0, 0},
                                     {"attributes", OTHER, 0, 0, 0},
                                     {"adapter", OTHER, 0, 0, 0},
                                     {"required", OTHER, 0, 0, 0},
                                     {"required_terms", OTHER, 0, 0, 0},
                                     {"banned", OTHER, 0, 0, 0}};
enum { FIELDS = sizeof fields / sizeof *fields };

void offer_clear(cli_offer *o, size_t most) {
  cli_list *const lists[] = {&o->required_at, &o->banned_at};
  const char ***const phrases[] = {&o->required, &o->banned};
  size_t *const caps[] = {&o->required_cap, &o->banned_cap};
  cli_offer empty = {.title = -1,
                     .goal = -1,
                     .type = -1,
                     .market = -1,
                     .language = -1,
                     .name = -1,
                     .code = -1,
                     .user = -1,
                     .item_name = -1};
  empty.value = 1;
  empty.seed = empty.cap = -1;
  for (int i = 0; i < 2; i++) {
    lists[i]->n = 0;
    if (lists[i]->cap * sizeof *lists[i]->items > most || *caps[i] * sizeof **phrases[i] > most) {
      free(lists[i]->items);
      free((void *)*phrases[i]);
      *lists[i] = (cli_list){0};
      *phrases[i] = NULL;
      *caps[i] = 0;
    }
  }
  empty.required_at = o->required_at;
  empty.banned_at = o->banned_at;
  empty.required = o->required;
  empty.banned = o->banned;
  empty.required_cap = o->required_cap;
  empty.banned_cap = o->banned_cap;
  *o = empty;
}

// ---- elements of arrays --------------------------------------------------------------------------------------

static int read_phrase(cli_query *q, const char *field, cli_list *list, const jnode *n) {
  if (n->kind != J_STRING) return query_fail(q, "\"%s\" must be an array of phrases", field);
  if (list->n == MOST_PHRASES) return query_fail(q, "\"%s\" has more than %d phrases", field, MOST_PHRASES);
  const int rc = cli_append(list, (int32_t)q->words_bytes);
  return rc != 0 ? rc : query_keep(q, n->text, n->bytes);
}

static int read_term(cli_query *q, const jnode *n) {
  static const char *const names[SOUK_SLOTS] = {"name",      "price", "percent", "amount",
                                                "threshold", "date",  "code"};
  for (int slot = 0; n->kind == J_STRING && slot < SOUK_SLOTS; slot++)
    if (strcmp(n->text, names[slot]) == 0) {
      q->offer.required_slots |= UINT32_C(1) << slot;
      return 0;
    }
  return query_fail(q, "\"required_terms\" must be an array of name, price, percent, amount, threshold, date "
                       "and code");
}

int offer_element(cli_query *q, const char *field, const jnode *n) {
  if (strcmp(field, "required") == 0) return read_phrase(q, field, &q->offer.required_at, n);
  if (strcmp(field, "banned") == 0) return read_phrase(q, field, &q->offer.banned_at, n);
  if (strcmp(field, "required_terms") == 0) return read_term(q, n);
  return 0;
}

// ---- fields --------------------------------------------------------------------------------------------------

static int take_text_field(cli_query *q, const offer_field *f, const jnode *n) {
  if (n->kind != J_STRING) return query_fail(q, "\"%s\" must be a string", f->name);
  if (n->bytes == 0) return query_fail(q, "\"%s\" is empty", f->name);
  if (n->bytes > TEXT_MOST)
    return query_fail(q, "\"%s\" has %zu bytes, more than %d", f->name, n->bytes, TEXT_MOST);
  const int32_t at = (int32_t)q->words_bytes;
  memcpy((char *)&q->offer + f->offset, &at, sizeof at);
  return query_keep(q, n->text, n->bytes);
}

static int out_of_range(cli_query *q, const offer_field *f, const jnode *n) {
  const int written = n->bytes < 40 ? (int)n->bytes : 40;
  if (f->kind == NUMBER && f->least > 0)
    return query_fail(q, "\"%s\" must be a number above 0 and at most %.0f, not %.*s", f->name, f->most,
                      written, n->text);
  return query_fail(q, "\"%s\" must be a %snumber from %.0f to %.0f, not %.*s", f->name,
                    f->kind == WHOLE ? "whole " : "", f->least, f->most, written, n->text);
}

static int take_number_field(cli_query *q, const offer_field *f, const jnode *n) {
  char *const to = (char *)&q->offer + f->offset;
  const bool whole = f->kind == WHOLE;
  if (n->kind != J_NUMBER || (whole && !n->is_integer))
    return query_fail(q, "\"%s\" must be a %snumber", f->name, whole ? "whole " : "");
  if (!(n->number >= f->least && n->number <= f->most)) return out_of_range(q, f, n);
  if (whole)
    memcpy(to, &n->integer, sizeof n->integer);
  else
    memcpy(to, &n->number, sizeof n->number);
  return 0;
}

// Digits of a number with a certain length; -1: they are none.
static int32_t digits(const char *text, int n) {
  int32_t x = 0;
  for (int i = 0; i < n; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    x = 10 * x + text[i] - '0';
  }
  return x;
}

// "2026-12-31" or "12-31". Whether the calendar has it is for those to say who know all terms.
static int take_date(cli_query *q, const jnode *n) {
  cli_offer *o = &q->offer;
  const bool with_year = n->kind == J_STRING && n->bytes == 10 && n->text[4] == '-';
  const char *rest = with_year ? n->text + 5 : n->text;
  if (n->kind == J_STRING && strlen(n->text) == n->bytes && (with_year || n->bytes == 5) && rest[2] == '-') {
    o->year = with_year ? digits(n->text, 4) : 0;
    o->month = digits(rest, 2);
    o->day = digits(rest + 3, 2);
    if (o->year >= 0 && o->month >= 1 && o->month <= 12 && o->day >= 1 && o->day <= 31) return 0;
  }
  return query_fail(q, "\"date\" must be \"YYYY-MM-DD\" or \"MM-DD\"");
}

static int take_field(cli_query *q, const offer_field *f, const jnode *n) {
  if (f->kind == TEXT) return take_text_field(q, f, n);
  if (f->kind == DATE) return take_date(q, n);
  return f->kind == OTHER ? 0 : take_number_field(q, f, n);
}

// The attributes of an object as one text, its NUL included. *bytes: of the members so far.
static int keep_members(cli_query *q, const jtree *t, const jnode *n, size_t *bytes) {
  *bytes = 0;
  for (const jnode *c = jtree_first(t, n); c != NULL; c = jtree_next(t, c)) {
    if (c->kind != J_STRING && c->kind != J_NUMBER)
      return query_fail(q, "\"attributes\": \"%.60s\" must be a string or a number", c->key);
    const size_t name = strlen(c->key), room = name + c->bytes + ITEM_ATTRIBUTE_MARKS;
    const int rc = cli_grow(&q->words, &q->words_cap, q->words_bytes + room + 1, 1);
    if (rc != 0) return rc;
    const size_t put =
        item_attribute_write(q->words + q->words_bytes, *bytes == 0, c->key, name, c->text, c->bytes);
    q->words_bytes += put;
    *bytes += put;
  }
  return query_keep(q, "", 0);
}

// Attributes of the item become text behind its title, as souk prepare --copy reads them: "colour#red*size#5" is "colour red size 5".
static int keep_attribute_words(cli_query *q, const jtree *t, const jnode *n) {
  size_t bytes = n->bytes;
  const int rc = n->kind == J_STRING ? query_keep(q, n->text, bytes) : keep_members(q, t, n, &bytes);
  if (rc == 0) item_attributes_words(q->words + q->words_bytes - 1 - bytes, bytes);
  return rc;
}

// The text of the item: title, attributes.
static int take_item_text(cli_query *q, const jtree *t) {
  const jnode *attributes = jtree_get(t, t->nodes, "attributes"), *title = jtree_get(t, t->nodes, "title");
  if (attributes == NULL || attributes->kind == J_NULL) {
    q->item_text = q->offer.title;
    return 0;
  }
  if (attributes->kind != J_STRING && attributes->kind != J_OBJECT)
    return query_fail(q, "\"attributes\" must be a string such as \"colour#red*size#5\" or an object");
  q->item_text = (int32_t)q->words_bytes;
  if (title != NULL) {
    const int rc = query_keep(q, title->text, title->bytes);
    if (rc != 0) return rc;
    q->words[q->words_bytes - 1] = ' ';
  }
  return keep_attribute_words(q, t, attributes);
}

static int unknown_field(cli_query *q, const char *name) {
  static const char *const of_rows[] = {"copy", "time", "click", "propensity", "style", NULL};
  for (int i = 0; of_rows[i] != NULL; i++)
    if (strcmp(name, of_rows[i]) == 0)
      return query_fail(q, "\"%s\" is a field of rows that copy is trained on, and a request has none", name);
  return query_fail(q, "a request has no field \"%.60s\" (souk-infer promo --help lists them)", name);
}

static int check_arrays(cli_query *q, const jtree *t) {
  static const char *const arrays[] = {"required", "required_terms", "banned"};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    const jnode *n = jtree_get(t, t->nodes, arrays[i]);
    if (n != NULL && n->kind != J_ARRAY) return query_fail(q, "\"%s\" must be an array", arrays[i]);
  }
  return 0;
}

// The user of a request that has an id too, and of one that is for a user alone.
static int keep_user(cli_query *q, const jtree *t) {
  const jnode *user = jtree_get(t, t->nodes, "user");
  if (user == NULL || user->kind == J_NULL) return 0;
  if (user->kind != J_STRING && user->kind != J_NUMBER)
    return query_fail(q, "\"user\" must be a string or a number");
  if (user->bytes > MAX_NAME_BYTES)
    return query_fail(q, "\"user\" has %zu bytes, more than %d", user->bytes, MAX_NAME_BYTES);
  q->offer.user = (int32_t)q->words_bytes;
  q->offer.user_is_string = user->kind == J_STRING;
  return query_keep(q, user->text, user->bytes);
}

int offer_fields(cli_query *q, const jtree *t, bool campaign) {
  const char *names[FIELDS + 1] = {NULL};
  for (int i = 0; i < FIELDS; i++) names[i] = fields[i].name;
  const jnode *unknown = jtree_unknown(t, t->nodes, names);
  if (unknown != NULL) return unknown_field(q, unknown->key);
  int rc = check_arrays(q, t);
  for (int i = 0; rc == 0 && i < FIELDS; i++) {
    const jnode *n = jtree_get(t, t->nodes, fields[i].name);
    if (n != NULL && n->kind != J_NULL) rc = take_field(q, &fields[i], n);
  }
  if (rc == 0) rc = keep_user(q, t);
  if (rc == 0) rc = take_item_text(q, t);
  if (rc != 0 || !campaign) return rc;
  if (jtree_get(t, t->nodes, "history") != NULL || jtree_get(t, t->nodes, "user_attributes") != NULL)
    return query_fail(
        q, "in a file of --promote, \"history\" and \"user_attributes\" are those of the question");
  return 0;
}

// ---- the library's request -----------------------------------------------------------------------------------

static int point(const cli_query *q, const cli_list *at, const char ***to, size_t *cap) {
  const int rc = cli_grow(to, cap, at->n, sizeof **to);
  for (size_t i = 0; rc == 0 && i < at->n; i++) (*to)[i] = q->words + at->items[i];
  return rc;
}

int offer_finish(cli_query *q) {
  const int rc = point(q, &q->offer.required_at, &q->offer.required, &q->offer.required_cap);
  return rc != 0 ? rc : point(q, &q->offer.banned_at, &q->offer.banned, &q->offer.banned_cap);
}

static const char *text_at(const cli_query *q, int32_t at) {
  return at >= 0 ? q->words + at : NULL;
}

// FNV-1a.
static uint64_t name_hash(uint64_t h, const char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
  return h;
}

// So requests that differ in nothing else draw differently.
uint64_t request_seed(const cli_query *q) {
  if (q->offer.seed >= 0) return (uint64_t)q->offer.seed;
  const char *user = text_at(q, q->offer.user);
  const uint64_t h = name_hash(UINT64_C(0xcbf29ce484222325), q->user, q->user_bytes + 1);
  return user != NULL ? name_hash(h, user, strlen(user)) : h;
}

souk_promo_request query_request(const cli_query *q) {
  const cli_offer *o = &q->offer;
  const char *name = text_at(q, o->name);
  return (souk_promo_request){.history = query_history(q),
                              .item = q->item,
                              .adapter = q->adapter,
                              .product = {.text = text_at(q, q->item_text)},
                              .goal = text_at(q, o->goal),
                              .type = text_at(q, o->type),
                              .market = text_at(q, o->market),
                              .language = text_at(q, o->language),
                              .terms = {.item = name != NULL ? name : text_at(q, o->title),
                                        .code = text_at(q, o->code),
                                        .price = o->price,
                                        .was = o->was,
                                        .percent = o->percent,
                                        .amount = o->amount,
                                        .threshold = o->threshold,
                                        .year = o->year,
                                        .month = o->month,
                                        .day = o->day},
                              .seed = request_seed(q),
                              .required = o->required_at.n > 0 ? o->required : NULL,
                              .banned = o->banned_at.n > 0 ? o->banned : NULL,
                              .n_required = (int32_t)o->required_at.n,
                              .n_banned = (int32_t)o->banned_at.n,
                              .required_slots = o->required_slots,
                              .min_tokens = (int32_t)o->min_tokens,
                              .max_tokens = (int32_t)o->max_tokens};
}
