// A marketplace with known truth: users with latent tastes, items, sessions, events, promotions.
//
// Deterministic by seed: everything a user does is a function of (seed, user's number), drawn from Philox
// substreams, so the log is written block by block of users in bounded memory and a longer log begins with
// the shorter one's users. The same seed gives the same bytes. What is generated, and how the best achievable
// ranking is computed, is described in datasets/synth/README.md; the files' layouts in docs/formats.md.
#ifndef SOUK_SYNTH_SYNTH_H
#define SOUK_SYNTH_SYNTH_H

#include "base/options.h"

typedef struct synth_config {
  char out[OPTION_STRING];
  int64_t users, items;
  double length;    // mean number of distinct items of a user
  int64_t days;     // that the log covers
  double zipf;      // exponent of the items' popularity
  double drift;     // 0: tastes stay, 1: they change completely while a user is there
  double explore;   // share of steps that follow popularity alone
  double quality;   // how much an item's quality moves what is looked at and put into the cart; 0: not at all
  int64_t market;   // 0, or the number of another market of the same catalogue
  bool promotions;  // also promotions.csv.gz and its truth
  bool impressions; // also impressions.csv.gz and its truth
  bool reviews;     // also reviews.jsonl.gz and its truth
  bool copy;        // also copy.jsonl.gz and its truth
  int64_t copy_wordings; // of each style in copy_candidates.jsonl.gz
  int64_t oracle_users;  // whose true ranking quality is computed: the first so many
  int64_t deflate;
  int64_t seed;
  bool force;
} synth_config;

// The sections over *c; sections has room for 1.
size_t synth_sections(synth_config *c, option_section *sections);
// Writes the marketplace and prints what it holds to stdout.
status synth_run(const synth_config *c);

#endif
