// What the files of lexicon.h share: the trie of all phrases, and how a state goes through it.
//
// A phrase is a path of symbols (lexicon_symbols.h) from the root. Banned phrases, required ones, numerals and units are in one trie, so
// that a beginning at a place of the text is one node, whatever it may become. Exceptions are in a trie of their own, whose root is a
// child of the root; there a space is a symbol like others, because it may stand where the exception has one and nowhere else. Words that
// only begin like a measure, 包邮 behind 满300, are exceptions that excuse a measure and nothing else; their root is a child of that root.
//
// Most of a phrase's nodes have one child, and it lies right behind them: they are written and read in a row. Only where phrases part
// are the other children found by a hash of (node, symbol). So there is one pass over the phrases, in little memory, where tables
// of failure links would need the whole trie a second time.
#ifndef SOUK_FORMAT_LEXICON_INTERNAL_H
#define SOUK_FORMAT_LEXICON_INTERNAL_H

#include "format/lexicon.h"
#include "format/lexicon_symbols.h"

// What ends at a node.
enum {
  NODE_BANNED = 1 << 0,
  NODE_ALLOWED = 1 << 1, // an exception
  NODE_REQUIRED = 1 << 2,
  // The words of promo_quantity.h:
  NODE_NUMERAL = 1 << 3,
  NODE_ONE = 1 << 4,   // the numeral is Chinese one, of which a lead makes no quantity yet
  NODE_UNIT = 1 << 5,  // what makes a quantity of the numeral in front of it
  NODE_OFF = 1 << 6,   // a unit that an amount may have
  NODE_MONEY = 1 << 7, // and that a sum without a currency may have
  NODE_KEEPS = 1 << 8, // stands between numeral and unit: several, and, more
  NODE_LEAD = 1 << 9,  // makes a quantity of the numeral behind it, and so does a sign of money
  NODE_SIGN = 1 << 10,
  NODE_WHOLE = 1 << 11, // a quantity by itself
  // Of the node, and not of what ends there:
  NODE_PARTS = 1 << 12,   // it has more than one child
  NODE_COUNTS = 1 << 13,  // it is on the way to a word of quantities
  NODE_EXCUSES = 1 << 14, // it is on the way to a word that is no measure, though it begins like one
};

typedef struct lexicon_node {
  uint32_t parent, symbol;
  uint32_t child, next; // the first child, and the next of the parent's; 0: none
  uint16_t flags;       // NODE_...
  uint16_t required;    // bit of the required phrase
  uint32_t phrase;      // that ends here
} lexicon_node;

typedef struct lexicon_phrase {
  uint32_t text, bytes, line, source;
} lexicon_phrase;

enum {
  LEXICON_GAP = 0x110000,
  LEXICON_EXCEPTIONS = 0x110001,
  LEXICON_NO_MEASURES = 0x110002,
  EXCEPTION_ROOT = 1,
  NO_MEASURE_ROOT = 2
}; // symbols that are no characters

struct lexicon {
  lexicon_node *nodes; // [n_nodes]; 0 is the root, EXCEPTION_ROOT that of exceptions
  uint32_t *slots;     // [n_slots], a power of two: children but the first, by the hash of parent and symbol
  lexicon_phrase *phrases;
  char *texts; // of all phrases as they were written, and the names of the sources
  size_t n_nodes, cap_nodes, n_slots, n_hung, n_phrases, cap_phrases, n_texts, cap_texts;
  int32_t n_required;
};

// An entry of lexicon_state.live: a node and bits.
enum {
  LIVE_OWED = 1 << 0,      // a banned phrase from here is complete: only an exception can save it
  LIVE_EXCEPTION = 1 << 1, // of an exception, and not of a phrase
  LIVE_AFTER = 7 << 2,     // what quantity stood right in front of it
  LIVE_AFTER_SHIFT = 2,
  LIVE_GLUED = 1 << 5, // begun within a word, behind a number: only numbers and units count
  LIVE_MEASURED =
      1 << 6, // a measure from here is complete behind a number: only a word that is none can excuse it
  LIVE_OWES = LIVE_OWED | LIVE_MEASURED,
  LIVE_NODE_SHIFT = 7,
};

// Reasons that are no phrases.
enum { HIT_NOT_TEXT = 0, HIT_QUANTITY = 1, HIT_TOO_MANY = 2, HIT_PHRASES = 8 };

// lexicon_state.number: what stands at the end of the text.
typedef enum lexicon_number {
  NUMBER_NONE,
  NUMBER_SAID,    // a numeral
  NUMBER_LED,     // what leads a numeral: 满, 只要
  NUMBER_LED_ONE, // and 一 behind it
  NUMBER_SIGNED,  // a sign of money
  NUMBER_TERM,    // a slot, or a name that ends in a number
  NUMBER_AMOUNT,  // slot:amount with its currency: "off" may follow
  NUMBER_BARE,    // slot:amount or slot:threshold without one: 元 may follow
} lexicon_number;

static inline uint32_t lexicon_hash(uint32_t parent, uint32_t symbol) {
  const uint64_t h = ((uint64_t)parent << 21 ^ symbol) * UINT64_C(0x9E3779B97F4A7C15);
  return (uint32_t)(h >> 32);
}

// The upper bits of a slot are those of the hash, so that nodes that only collide need not be looked at.
#define SLOT_TAG (~(UINT32_MAX >> 7))

// The child of a node; 0: there is none.
static inline uint32_t lexicon_child(const lexicon *l, uint32_t node, uint32_t symbol) {
  const uint32_t first = l->nodes[node].child;
  if (first == 0 || l->nodes[first].symbol == symbol) return first;
  if ((l->nodes[node].flags & NODE_PARTS) == 0) return 0;
  const size_t mask = l->n_slots - 1;
  const uint32_t h = lexicon_hash(node, symbol);
  for (size_t at = h & mask;; at = (at + 1) & mask) {
    const uint32_t slot = l->slots[at], n = slot & ~SLOT_TAG;
    if (slot == 0) return 0;
    if (((slot ^ h) & SLOT_TAG) == 0 && l->nodes[n].parent == node && l->nodes[n].symbol == symbol) return n;
  }
}

// What a symbol or a separator (lexicon_class) does to a state.
// False: the text is banned, or states a quantity.
bool lexicon_take(const lexicon *l, lexicon_state *s, lexicon_symbol x);

// A word that the text ends with is over, whatever comes that does not go on with it. False: as above.
bool lexicon_close_word(const lexicon *l, lexicon_state *s);

// Does the text end with a letter of a word that is a number so far? -1: no; else what stands in front of it, a lexicon_number.
int lexicon_number_in_word(const lexicon *l, const lexicon_state *s);

// The forms of a word (letters [n], lower case), itself first, into to [LEXICON_FORMS][LEXICON_LONGEST + 4] with lengths;
// returns how many.
enum { LEXICON_FORMS = 8, LEXICON_FORM_LETTERS = LEXICON_LONGEST + 4 };
size_t lexicon_forms(const uint32_t *word, size_t n, uint32_t to[LEXICON_FORMS][LEXICON_FORM_LETTERS],
                     size_t lengths[LEXICON_FORMS]);

#endif
