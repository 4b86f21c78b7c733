// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC'11), and the rules that
// say which number each element draws. Randomness is a function of names, never a state: the same element of the same
// sequence in the same step gets the same draw on every backend, in every packing, on every rank.
//
// Key = (seed low word, seed high word ^ stream). Streams are listed below; dropout sites are
// STREAM_DROPOUT + site.
//
// Hidden dropout of element (sequence id s, step, position p in its sequence, channel c):
//   counter = (s low 32, step low 32, p | (s >> 32) << 16, c / 16); byte c % 16 of the 16 output bytes
//   (word (c % 16) / 4, byte (c % 4) from the low end). Dropped if byte < threshold.
// Attention dropout of (s, step, head a, query q, key k):
//   counter = (s low 32, step low 32, q | (s >> 32) << 16, (k / 64) * 4 + (k % 8) / 2 | a << 20);
//   byte ((k % 64) / 8) * 2 + k % 2. One counter then serves exactly the 16 probabilities that one GPU thread holds
//   of a row of a 64-key tile (mma.m16n8 accumulators).
// Stochastic depth: whether sequence s goes without a branch in a step: stream STREAM_PATH + site,
//   counter = (s low 32, step low 32, s >> 32, 0); the lowest byte of the first word.
// Id dropout of item i (the first one of the vocabulary is 0) in a step: stream STREAM_ID, counter = (i, step low 32, 0, 0);
//   the lowest byte of the first word. Dropped if byte < threshold; nothing is scaled.
// Initial value of element j of the parameter NAME (normal ones only):
//   counter = (j / 4 low 32, j / 4 high 32, h low 32, h high 32), h = philox_name(NAME); words 0 and 1 make elements 0 and 1
//   of the four by Box and Muller's method (radius from the first word, angle from the second; cosine, then sine), words 2
//   and 3 make elements 2 and 3. What a head or a longer table adds changes no other weight.
// All other streams are read in sequence (rng below): block n of the substream (a, b) has counter (n, 0, a, b), and its
// words are drawn in the order 0 to 3; a 64-bit draw takes two, the high one first.
// threshold = round(p * 256), and the kept elements are scaled by 256 / (256 - threshold): p is rounded to 1/256.
#ifndef SOUK_BASE_PHILOX_H
#define SOUK_BASE_PHILOX_H

#include <stdint.h>

enum {
  STREAM_INIT = 0x1000,     // initial values of parameters
  STREAM_MASK = 0x2000,     // masked-LM choices
  STREAM_SHUFFLE = 0x3000,  // order of an epoch
  STREAM_NEGATIVE = 0x4000, // shared negatives of the sampled loss
  STREAM_CROP = 0x5000,     // window cropping, sentence pairs
  STREAM_EVAL = 0x6000,     // evaluation negatives, tie-breaking, bootstrap
  STREAM_SYNTH = 0x7000,    // the marketplace generator
  STREAM_SPLIT = 0x8000,    // which users are held out
  STREAM_SWEEP = 0x9000,    // values of the trials of a sweep
  STREAM_DROPOUT = 0x10000, // + site
  STREAM_PATH = 0x20000,    // + site: branches that are dropped whole
  STREAM_ID = 0x30000,      // items that go without their ids
};

typedef struct philox_out {
  uint32_t v[4];
} philox_out;

static inline philox_out philox4x32(uint64_t seed, uint32_t stream, uint32_t c0, uint32_t c1, uint32_t c2,
                                    uint32_t c3) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32) ^ stream;
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (philox_out){{c0, c1, c2, c3}};
}

// A name as a number: 64-bit FNV-1a (Fowler, Noll, Vo) of its bytes.
static inline uint64_t philox_name(const char *name) {
  uint64_t h = 0xcbf29ce484222325u;
  for (; *name != '\0'; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
  return h;
}

static inline uint32_t dropout_threshold(double p) {
  return p <= 0 ? 0u : (uint32_t)(p * 256.0 + 0.5);
}
static inline float dropout_scale(uint32_t threshold) {
  return 256.0f / (float)(256u - threshold);
}

// A sequential reader of one substream, for host code: rng_at(seed, stream, a, b) and then draws.
typedef struct rng {
  uint64_t seed;
  uint32_t stream, a, b, block, used; // counter = (block, 0, a, b)
  philox_out out;
} rng;

static inline rng rng_at(uint64_t seed, uint32_t stream, uint32_t a, uint32_t b) {
  rng r = {seed, stream, a, b, 0, 4, {{0, 0, 0, 0}}};
  return r;
}
static inline uint32_t rng_u32(rng *r) {
  if (r->used == 4) {
    r->out = philox4x32(r->seed, r->stream, r->block++, 0, r->a, r->b);
    r->used = 0;
  }
  return r->out.v[r->used++];
}
static inline uint64_t rng_u64(rng *r) {
  const uint64_t hi = rng_u32(r);
  return hi << 32 | rng_u32(r);
}
// Uniform in [0, 1), 53 bits.
static inline double rng_unit(rng *r) {
  return (double)(rng_u64(r) >> 11) * 0x1p-53;
}
// Uniform in 0 .. n-1, without bias (Lemire's method); n >= 1.
static inline uint64_t rng_below(rng *r, uint64_t n) {
  uint64_t x = rng_u64(r);
  unsigned __int128 m = (unsigned __int128)x * n;
  uint64_t low = (uint64_t)m;
  if (low < n) {
    const uint64_t floor = (0 - n) % n;
    while (low < floor) {
      x = rng_u64(r);
      m = (unsigned __int128)x * n;
      low = (uint64_t)m;
    }
  }
  return (uint64_t)(m >> 64);
}
double rng_normal(rng *r); // standard normal (Box-Muller, both halves from fresh draws)

#endif
