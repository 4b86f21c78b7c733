// Learning the weights of a mix (format/mix.h) from questions with known answers.
//
// The scores of a question's candidates make probabilities by a softmax, and the weights are those under which the answers are
// likeliest: the minimum over them of
//
//   weighted mean over questions of -ln( e^z_target / sum over candidates of weight e^z )  +  prior / 2 sum over weights of (w sd)^2
//
// where sd is the standard deviation of what the weight is multiplied with. A candidate's weight in the sum says how many items it
// stands for: 1 if it was chosen for what it is, more for one drawn at random out of the rest of a catalogue, so that the
// sum over candidates estimates the sum over the catalogue. The function is convex, and Newton's method finds its minimum in a
// dozen steps.
//
// Most answers cannot be foreseen, and the likelihood is spent on telling how improbable they are, mostly by popularity. A list of
// ten is about the others: with focus > 0 each question is weighted by p(answer)^focus, p being that of the weights found before,
// and the minimum is found again, some rounds long. The fixed point minimises the mean of (1 - p^focus) / focus (generalized
// cross-entropy, Zhang and Sabuncu, NeurIPS 2018), which lies between -ln p (focus 0) and 1 - p (focus 1).
#ifndef SOUK_EVAL_MIX_FIT_H
#define SOUK_EVAL_MIX_FIT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "format/mix.h"

typedef struct mix_candidate {
  float encoder;   // u.v
  float log_count; // ln(1 + n_j)
  float weight;
} mix_candidate;

// Questions one after the other. The first `reached` candidates of each have sums, those of the others are 0.
typedef struct mix_samples {
  int32_t sums;
  int64_t questions;
  int64_t *end;         // [questions] of each one's candidates
  float *weight;        // [questions]
  int64_t *target;      // [questions] the candidate that is the answer
  int64_t *reached_end; // [questions] of its rows in x
  mix_candidate *candidates;
  float *x; // [reached in all][sums]
  size_t questions_cap[4], candidates_cap, x_cap;
} mix_samples;
void mix_samples_free(mix_samples *s); // zeroed is fine

typedef struct mix_fitting {
  // Is it among what is weighted: u.v, the counts of items, and whether the sums reach an item and how often that occurs?
  bool encoder, popularity, reached;
  double prior;
  double
      focus; // 0: likelihood; above it, questions count the more the likelier their answers are: by p^focus
} mix_fitting;

typedef struct mix_fitted {
  double loss; // what is minimised, without the prior: mean of -ln p, or with focus of (1 - p^focus) / focus
  int32_t steps;
} mix_fitted;

// Sets scale, popularity, unseen, reached and the weights of the terms, whose gains are given. What is not weighted gets 0.
status mix_fit(mix_config *c, const mix_samples *s, const mix_fitting *f, mix_fitted *out);

#endif
