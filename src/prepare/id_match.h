// Finding the log's items by the ids of the catalogue, which another program may have spelled otherwise: "0200100015" and
// "200100015", "101.0" and "101", "abc" and "ABC ".
#ifndef SOUK_PREPARE_ID_MATCH_H
#define SOUK_PREPARE_ID_MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "prepare/intern.h"

#define ID_RULES "exact|spaces|case|zeros|number|digits"
typedef enum id_rule {
  ID_EXACT,
  ID_SPACES, // without spaces and quotes around them
  ID_CASE,   // and in lower case (of ASCII)
  ID_ZEROS,  // without leading zeros
  ID_NUMBER, // decimal numbers by their value: 101.0, 101. and 0101 are 101
  ID_DIGITS, // by their last digits alone: item_101, I-101
  ID_RULE_COUNT
} id_rule;

typedef struct id_match id_match;

// An index of those names that `take` [their count] marks by not being zero; both must live as long.
status id_match_new(id_match **out, id_rule rule, const intern *names, const uint8_t *take);
void id_match_free(id_match *m); // NULL is safe
// The first name with this id, or -1; id_match_next gives the others.
int32_t id_match_find(id_match *m, const char *id);
int32_t id_match_next(const id_match *m, int32_t name);

// Of ids that match no name exactly, and of names that no id has matched: the rule by which most of them would, and how many;
// ID_EXACT where none of the rules helps.
status id_match_suggest(const intern *ids, const intern *names, const uint8_t *unmatched, id_rule *rule,
                        int64_t *hits, char *example_id, char *example_name);
// "zeros", and what it does: "without leading zeros".
extern const char *const id_rule_names[ID_RULE_COUNT];
extern const char *const id_rule_texts[ID_RULE_COUNT];

#endif
