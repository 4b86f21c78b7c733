// The option table of souk synth.
#include "synth/synth.h"

#define F(name) offsetof(synth_config, name)
static const option synth_options[] = {
    {"out", OPT_STRING, F(out), "", 0, 0, "DIR", "directory of the marketplace"},
    {"users", OPT_INT, F(users), "4000", 1, 1e9, NULL, "users"},
    {"items", OPT_INT, F(items), "400", 20, 1e8, NULL, "items of the catalogue"},
    {"length", OPT_FLOAT, F(length), "24", 5, 1e4, NULL, "mean number of distinct items of a user"},
    {"days", OPT_INT, F(days), "90", 2, 10000, NULL, "days that the log covers"},
    {"zipf", OPT_FLOAT, F(zipf), "0.6", 0, 3, NULL, "exponent of the items' popularity by rank"},
    {"drift", OPT_FLOAT, F(drift), "0.3", 0, 1, NULL, "share of each taste that changes during the stay"},
    {"explore", OPT_FLOAT, F(explore), "0.05", 0, 1, NULL, "share of steps that follow popularity alone"},
    {"quality", OPT_FLOAT, F(quality), "0", 0, 5, NULL,
     "log of the factor by which one standard deviation of an item's quality makes it preferred"},
    {"market", OPT_INT, F(market), "0", 0, 1e6, NULL,
     "another market of the same items: other users, another price level, half of the popularity its own"},
    {"promotions", OPT_BOOL, F(promotions), "true", 0, 0, NULL, "also promotions and their truth"},
    {"impressions", OPT_BOOL, F(impressions), "true", 0, 0, NULL,
     "also items that were shown, with clicks, carts and purchases, and their truth"},
    {"reviews", OPT_BOOL, F(reviews), "true", 0, 0, NULL,
     "also what buyers write, with ratings, sentiments and their truth"},
    {"copy", OPT_BOOL, F(copy), "false", 0, 0, NULL,
     "also promotions with their copy, in four styles by a known policy, with clicks and their truth"},
    {"copy_wordings", OPT_INT, F(copy_wordings), "1", 1, 16, NULL,
     "copy: candidates of each style for an impression, differently worded"},
    {"oracle_users", OPT_INT, F(oracle_users), "5000", 0, 1e9, NULL,
     "users whose best achievable ranking is computed: the first so many"},
    {"deflate", OPT_INT, F(deflate), "4", 1, 9, NULL, "compression level of the logs"},
    {"seed", OPT_INT, F(seed), "1", 0, 9e15, NULL, "of everything"},
    {"force", OPT_BOOL, F(force), "false", 0, 0, NULL, "replace an existing marketplace"},
};

size_t synth_sections(synth_config *c, option_section *sections) {
  sections[0] =
      (option_section){"", "Marketplace", synth_options, sizeof synth_options / sizeof *synth_options, c};
  return 1;
}
