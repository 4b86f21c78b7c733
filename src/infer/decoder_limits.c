// The rules of copy; see decoder_limits.h.
#include "infer/decoder_limits.h"

#include <stdio.h>
#include <string.h>
#include "format/promo_templates.h"
#include "infer/decoder_source.h"

// ---- reading a request ---------------------------------------------------------------------------------------

static void render_slots(copy_limits *l) {
  const uint32_t given = promo_terms_given(&l->terms);
  for (int s = 0; s < SLOT_COUNT; s++) {
    if ((given >> s & 1) == 0 || l->b->copy.slots[s] < 0) continue;
    const size_t bytes = promo_render((promo_slot)s, &l->terms, l->market, l->language, l->slot_text[s],
                                      sizeof l->slot_text[s]);
    if (bytes > 0) l->slots |= 1u << s;
  }
}

// What is required already, by the lexicon or a phrase before, is not required a second time.
static bool require_tokens(copy_limits *l, const int32_t *ids, size_t n) {
  for (int32_t i = 0; i < l->n_requirements; i++) {
    const requirement *const r = &l->requirements[i];
    if ((size_t)r->n == n && memcmp(l->required + r->first, ids, n * sizeof *ids) == 0) return true;
  }
  if (l->n_requirements == REQUIREMENTS || n > (size_t)(REQUIRED_TOKENS - l->n_required)) return false;
  l->requirements[l->n_requirements++] = (requirement){l->n_required, (int32_t)n};
  memcpy(l->required + l->n_required, ids, n * sizeof *ids);
  l->n_required += (int32_t)n;
  return true;
}

// Can text have this phrase, or a slot's term, with no letter behind it?
static bool may_be_said(const copy_limits *l, const char *phrase, size_t bytes, int slot, char *reason,
                        size_t room) {
  for (int32_t k = 0; k < l->n_lexicons; k++) {
    const lexicon *x = l->lexicons[k]->phrases;
    lexicon_state s;
    lexicon_begin(&s);
    const bool good = slot >= 0 ? lexicon_step_slot(x, &s, (promo_slot)slot, phrase, bytes)
                                : lexicon_step(x, &s, phrase, bytes);
    if (good && !(lexicon_cornered(x, &s) && !lexicon_step(x, &s, " ", 1))) continue;
    lexicon_reason(x, &s, reason, room);
    return false;
  }
  return true;
}

static void require_phrase(copy_limits *l, const char *phrase, size_t bytes, char *why, size_t room) {
  int32_t ids[REQUIRED_TOKENS];
  char reason[256];
  const size_t n = word_tokenizer_encode(l->b->tokenizer, phrase, bytes, ids, REQUIRED_TOKENS);
  const int shown = bytes < 100 ? (int)bytes : 100;
  bool known = n > 0 && n <= REQUIRED_TOKENS;
  for (size_t i = 0; i < n && i < REQUIRED_TOKENS; i++) known &= ids[i] != TOKEN_UNK;
  if (!known)
    snprintf(why, room, "the required phrase \"%.*s\" has words that the vocabulary lacks", shown, phrase);
  else if (!may_be_said(l, phrase, bytes, -1, reason, sizeof reason))
    snprintf(why, room, "the required phrase \"%.*s\" may not be said: %s", shown, phrase, reason);
  else if (!require_tokens(l, ids, n))
    snprintf(why, room, "more than %d phrases, or more than %d of their tokens, are required", REQUIRED_MOST,
             REQUIRED_TOKENS);
}

// Those of the lexicon, then the request's own.
static void require_phrases(copy_limits *l, const souk_promo_request *r, char *why, size_t room) {
  const lexicon *x = l->lexicons[0]->phrases;
  for (int32_t i = 0; i < lexicon_required(x) && why[0] == '\0'; i++) {
    size_t bytes;
    const char *phrase = lexicon_required_phrase(x, i, &bytes);
    if (bytes > 0) require_phrase(l, phrase, bytes, why, room);
  }
  for (int32_t i = 0; i < r->n_required && why[0] == '\0'; i++)
    require_phrase(l, r->required[i], strlen(r->required[i]), why, room);
}

static void require_slot(copy_limits *l, int s, char *why, size_t room) {
  const char *const name = promo_slot_names[s];
  char reason[256];
  if ((l->slots >> s & 1) == 0)
    snprintf(why, room, "the term \"%s\" is required and %s", name,
             (promo_terms_given(&l->terms) >> s & 1) == 0 ? "not given"
                                                          : "the vocabulary has no slot for it");
  else if (!may_be_said(l, l->slot_text[s], strlen(l->slot_text[s]), s, reason, sizeof reason))
    snprintf(why, room, "the term \"%s\" is required and may not be said: %s", name, reason);
  else if (!require_tokens(l, &l->b->copy.slots[s], 1))
    snprintf(why, room, "the term \"%s\" is required beside more than %d phrases or %d of their tokens", name,
             REQUIREMENTS - 1, REQUIRED_TOKENS - 1);
}

static void require_all(copy_limits *l, const souk_promo_request *r, char *why, size_t room) {
  require_phrases(l, r, why, room);
  for (int s = 0; s < SLOT_COUNT && why[0] == '\0'; s++)
    if ((r->required_slots >> s & 1) != 0) require_slot(l, s, why, room);
  if (why[0] == '\0' && l->n_required > l->most)
    snprintf(why, room, "what is required has %d tokens, and copy may have %d", l->n_required, l->most);
}

static souk_status find_lexicons(copy_limits *l, const souk_promo_request *r, size_t number, souk_error *e) {
  lexicon_text texts[REQUIRED_MOST];
  char name[64];
  snprintf(name, sizeof name, "requests[%zu].banned", number);
  l->lexicons[l->n_lexicons++] = r->lexicon != NULL ? r->lexicon : l->b->copy.quantities;
  if (r->n_banned == 0) return SOUK_OK;
  for (int32_t i = 0; i < r->n_banned; i++)
    texts[i] = (lexicon_text){
        .text = r->banned[i], .bytes = strlen(r->banned[i]), .name = name, .kind = LEXICON_BANNED};
  PASS(lexicon_open(&l->own, l->b, texts, (size_t)r->n_banned, e));
  l->lexicons[l->n_lexicons++] = l->own;
  return SOUK_OK;
}

void limits_free(copy_limits *l) {
  souk_lexicon_free(l->own);
  l->own = NULL;
}

souk_status limits_read(copy_limits *l, const souk_bundle *b, const souk_promo_request *r, size_t number,
                        const souk_promo_options *o, char *why, size_t room, souk_error *e) {
  const int32_t longest = b->copy.layout.copy_tokens - 1;
  format_error found;
  memset(l, 0, sizeof *l);
  why[0] = '\0';
  l->b = b;
  promo_language_named(r->language, &l->language);
  const char *const home = l->language == LANGUAGE_ZH ? "cn" : "us";
  l->market = promo_market_named(r->market != NULL ? r->market : home);
  l->terms = source_terms(b, r, l->title);
  const int32_t most = r->max_tokens > 0 ? r->max_tokens : o->max_tokens;
  l->least = r->min_tokens > 0 ? r->min_tokens : o->min_tokens;
  l->most = most > 0 && most < longest ? most : longest;
  l->no_repeat = o->no_repeat;
  l->looks_ahead = o->decode == SOUK_DECODE_BEAM; // which cannot go back
  if (l->least > l->most)
    snprintf(why, room, "copy should have at least %d tokens, and may have %d", l->least, l->most);
  PASS(find_lexicons(l, r, number, e));
  if (!promo_terms_check(&l->terms, &found)) {
    snprintf(why, room, "%.400s", found.message);
    l->terms = promo_terms_none();
  }
  if (why[0] == '\0') render_slots(l);
  if (why[0] == '\0') require_all(l, r, why, room);
  return SOUK_OK;
}

// ---- requirements --------------------------------------------------------------------------------------------

static const int32_t *tokens_of(const copy_limits *l, int32_t r) {
  return l->required + l->requirements[r].first;
}

// How many tokens of requirement r a copy ends with behind `token`, where it ended with `at` of them before: the longest beginning of
// the phrase that ends here (Knuth, Morris and Pratt, with a loop instead of a table, since phrases are short).
static int32_t advance(const copy_limits *l, int32_t r, int32_t at, int32_t token) {
  const int32_t *want = tokens_of(l, r);
  for (int32_t n = at + 1; n > 0;
       n--) { // the last n - 1 tokens before are want[at - (n - 1)] .. want[at - 1]
    if (want[n - 1] == token && memcmp(want, want + at + 1 - n, (size_t)(n - 1) * sizeof *want) == 0)
      return n;
  }
  return 0;
}

static bool is_met(const limit_state *s, int32_t r) {
  return (s->met >> r & 1) != 0;
}

// Tokens of the phrases that are not met, of which *begun stand at the end of the copy.
static int32_t unmet(const copy_limits *l, const limit_state *s, int32_t *begun) {
  int32_t needed = 0;
  *begun = 0;
  for (int32_t r = 0; r < l->n_requirements; r++) {
    if (is_met(s, r)) continue;
    needed += l->requirements[r].n;
    if (s->progress[r] > *begun) *begun = s->progress[r];
  }
  return needed;
}

// Tokens that are still to be written for what is not met. Two phrases may share tokens, so it may be less; then room is kept that is
// not needed.
static int32_t still_needed(const copy_limits *l, const limit_state *s) {
  int32_t begun;
  const int32_t needed = unmet(l, s, &begun);
  return needed - begun;
}

static void progress(const copy_limits *l, limit_state *s, int32_t token) {
  s->closed = false;
  for (int32_t r = 0; r < l->n_requirements; r++) {
    if (is_met(s, r)) continue;
    const int32_t n = advance(l, r, s->progress[r], token);
    s->progress[r] = (uint8_t)n; // a phrase that is met, all REQUIRED_TOKENS of it, is not looked at again
    if (n < l->requirements[r].n) continue;
    s->met |= 1u << r;
    s->closed = true; // "sale" is not met by "sales"
  }
}

int32_t limits_next(const copy_limits *l, const limit_state *s, int32_t r) {
  return is_met(s, r) ? -1 : tokens_of(l, r)[s->progress[r]];
}

int32_t limits_bank(const copy_limits *l, const limit_state *s) {
  return l->n_required - still_needed(l, s);
}

// ---- text ----------------------------------------------------------------------------------------------------

static int32_t slot_of(const copy_limits *l, int32_t token) {
  for (int s = 0; s < SLOT_COUNT; s++)
    if (token == l->b->copy.slots[s] && token >= 0) return s;
  return -1;
}

static bool continues(const souk_bundle *b, int32_t token) {
  const char *piece = vocab_token(b->vocab, token);
  return piece[0] == '#' && piece[1] == '#' && piece[2] != '\0';
}

// What a token is in a text: a slot's term, or a piece of a word without its "##".
static const char *piece_of(const copy_limits *l, int32_t token, bool *inside) {
  const int32_t s = slot_of(l, token);
  *inside = s < 0 && continues(l->b, token);
  return s >= 0 ? l->slot_text[s] : vocab_token(l->b->vocab, token) + (*inside ? 2 : 0);
}

size_t limits_text(const copy_limits *l, const int32_t *tokens, int32_t n, char *to, size_t room) {
  copy_join join = {.last = 0};
  size_t at = 0;
  for (int32_t i = 0; i < n; i++) {
    bool inside;
    const char *piece = piece_of(l, tokens[i], &inside);
    at += copy_join_piece(&join, piece, inside, at < room ? to + at : NULL, at < room ? room - at : 0);
  }
  return at;
}

// What a token does to the text. False: a lexicon does not allow it.
static bool write_token(const copy_limits *l, limit_state *s, int32_t token) {
  bool inside, good = true;
  const char *piece = piece_of(l, token, &inside);
  const size_t bytes = strlen(piece);
  const int32_t slot = slot_of(l, token);
  const copy_kind kind = copy_kind_of(piece, bytes, inside);
  const bool space = copy_join_space(&s->join, kind);
  for (int32_t k = 0; k < l->n_lexicons; k++) {
    const lexicon *x = l->lexicons[k]->phrases;
    lexicon_state *at = &s->lexicons[k];
    if (space) good = good && lexicon_step(x, at, " ", 1);
    good = good && (slot >= 0 ? lexicon_step_slot(x, at, (promo_slot)slot, piece, bytes)
                              : lexicon_step(x, at, piece, bytes));
  }
  copy_join_after(&s->join, piece, bytes, kind);
  return good;
}

// May the text end here, and has it what the lexicon requires?
static bool may_end(const copy_limits *l, const limit_state *s) {
  for (int32_t k = 0; k < l->n_lexicons; k++) {
    const lexicon *x = l->lexicons[k]->phrases;
    const int32_t wanted = lexicon_required(x);
    const uint64_t all = wanted < 64 ? (UINT64_C(1) << wanted) - 1 : UINT64_MAX;
    if (!lexicon_may_end(x, &s->lexicons[k]) || (lexicon_met(x, &s->lexicons[k]) & all) != all) return false;
  }
  return true;
}

// ---- templates -----------------------------------------------------------------------------------------------

static bool template_is_allowed(const copy_limits *l, const char *text, uint32_t given) {
  promo_piece pieces[PROMO_MOST_PIECES];
  char term[PROMO_TERM_BYTES];
  const size_t n = promo_template_pieces(text, given, pieces);
  for (int32_t k = 0; k < l->n_lexicons; k++) {
    const lexicon *x = l->lexicons[k]->phrases;
    lexicon_state s;
    lexicon_begin(&s);
    for (size_t i = 0; i < n; i++) {
      const promo_slot slot = (promo_slot)pieces[i].slot;
      const size_t bytes =
          pieces[i].slot < 0 ? 0 : promo_render(slot, &l->terms, l->market, l->language, term, sizeof term);
      if (pieces[i].slot < 0 ? !lexicon_step(x, &s, pieces[i].text, pieces[i].bytes)
                             : !lexicon_step_slot(x, &s, slot, term, bytes))
        return false;
    }
    if (!lexicon_may_end(x, &s)) return false;
  }
  return n > 0;
}

size_t limits_template(const copy_limits *l, const char *type, char *to, size_t room) {
  const uint32_t given = promo_terms_given(&l->terms);
  const char *text;
  for (size_t i = 0; (text = promo_template(type, l->language, given, i)) != NULL; i++)
    if (template_is_allowed(l, text, given))
      return promo_fill(text, &l->terms, l->market, l->language, to, room);
  if (room > 0) to[0] = '\0';
  return 0;
}

// ---- what may come -------------------------------------------------------------------------------------------

static void clear(uint64_t *bits, int32_t token) {
  bits[token / 64] &= ~(UINT64_C(1) << (token % 64));
}

static void set(uint64_t *bits, int32_t token) {
  bits[token / 64] |= UINT64_C(1) << (token % 64);
}

static void forbid_repeats(const copy_limits *l, const int32_t *tokens, int32_t n, uint64_t *bits) {
  const int32_t k = l->no_repeat - 1; // tokens that an n-gram begins with
  if (k < 0 || n < k) return;
  for (int32_t i = 0; i + k < n; i++)
    if (memcmp(tokens + i, tokens + n - k, (size_t)k * sizeof *tokens) == 0) clear(bits, tokens[i + k]);
}

// Only what brings a requirement on, so that all fit into the room that is left.
static void keep_required(const copy_limits *l, const limit_state *s, int32_t left, uint64_t *bits) {
  const size_t words = (size_t)(l->b->copy.classes + 63) / 64;
  int32_t wanted[REQUIREMENTS], n = 0;
  for (int32_t r = 0; r < l->n_requirements; r++) {
    const int32_t token = limits_next(l, s, r);
    if (token < 0 || !bit_is_set(bits, token)) continue;
    limit_state after = *s;
    progress(l, &after, token);
    if (still_needed(l, &after) < left) wanted[n++] = token;
  }
  memset(bits, 0, words * sizeof *bits);
  for (int32_t i = 0; i < n; i++) set(bits, wanted[i]);
}

// Slots whose terms may stand here, as they are rendered.
static void allow_slots(const copy_limits *l, const limit_state *s, uint64_t *bits) {
  for (int i = 0; i < SLOT_COUNT; i++) {
    if ((l->slots >> i & 1) == 0) continue;
    limit_state after = *s;
    bool good = write_token(l, &after, l->b->copy.slots[i]);
    for (int32_t k = 0; k < l->n_lexicons; k++)
      good = good && !lexicon_cornered(l->lexicons[k]->phrases, &after.lexicons[k]);
    if (good) set(bits, l->b->copy.slots[i]);
  }
}

static void allow_words(const copy_limits *l, const limit_state *s, const int32_t *tokens, int32_t n,
                        uint64_t *bits) {
  const copy_head *h = &l->b->copy;
  const size_t words = (size_t)(h->classes + 63) / 64;
  const bool apart = n == 0 || s->closed || slot_of(l, tokens[n - 1]) >= 0; // nothing continues what is there
  uint64_t *const allowed = bits + words;
  for (size_t i = 0; i < words; i++) bits[i] = h->words_bits[i] & (apart ? ~h->inside_bits[i] : UINT64_MAX);
  for (int32_t k = 0; k < l->n_lexicons; k++) {
    lexicon_mask(l->lexicons[k]->words, &s->lexicons[k], &s->join, allowed);
    for (size_t i = 0; i < words; i++) bits[i] &= allowed[i];
  }
}

// Only what the copy may end with, since there is no room for more.
static void keep_endings(const copy_limits *l, const limit_state *s, uint64_t *bits) {
  for (int32_t i = 0; i < l->b->copy.classes; i++) {
    limit_state after = *s;
    if (bits[i / 64] == 0)
      i |= 63;
    else if (bit_is_set(bits, i) && !(write_token(l, &after, i) && may_end(l, &after)))
      clear(bits, i);
  }
}

void limits_begin(const copy_limits *l, limit_state *s) {
  memset(s, 0, sizeof *s);
  for (int32_t k = 0; k < l->n_lexicons; k++) lexicon_begin(&s->lexicons[k]);
}

bool limits_mask(const copy_limits *l, const limit_state *s, const int32_t *tokens, int32_t n,
                 uint64_t *bits) {
  const size_t words = (size_t)(l->b->copy.classes + 63) / 64;
  int32_t begun;
  const int32_t left = l->most - n, needed = unmet(l, s, &begun);
  uint64_t any = 0;
  if (left > 0) {
    allow_words(l, s, tokens, n, bits);
    allow_slots(l, s, bits);
    forbid_repeats(l, tokens, n, bits);
    if (needed >=
        left) // another token would leave too little room, and a phrase that was begun would have to begin again
      keep_required(l, s, left, bits);
    if (left == 1 && l->looks_ahead) keep_endings(l, s, bits);
  } else {
    memset(bits, 0, words * sizeof *bits);
  }
  if (needed == 0 && n >= l->least && may_end(l, s)) set(bits, TOKEN_SEP);
  for (size_t i = 0; i < words; i++) any |= bits[i];
  return any != 0;
}

void limits_after(const copy_limits *l, limit_state *s, int32_t token) {
  write_token(l, s, token);
  progress(l, s, token);
}
