// Philox4x32-10 and the rules of dropout on the device: bit for bit those of src/base/philox.h, which says who draws
// what.
#pragma once
#include "base/philox.h"
#include "gpu.cuh"
#include "launch.h"

namespace gpu {

DEVICE uint4 philox(uint64_t seed, uint32_t stream, uint4 c) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32) ^ stream;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint32_t high0 = __umulhi(0xD2511F53u, c.x), high1 = __umulhi(0xCD9E8D57u, c.z);
    c = make_uint4(high1 ^ c.y ^ k0, 0xCD9E8D57u * c.z, high0 ^ c.w ^ k1, 0xD2511F53u * c.x);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

DEVICE uint32_t word_of(uint4 v, int i) {
  return i < 2 ? (i == 0 ? v.x : v.y) : (i == 2 ? v.z : v.w);
}
// Byte i of the 16 that a counter gives.
DEVICE uint32_t byte_of(uint4 v, int i) {
  return word_of(v, i >> 2) >> (8 * (i & 3)) & 255u;
}

// The 16 bytes for channels [16 block, 16 block + 16) of a token: byte c % 16 is channel c's.
DEVICE uint4 hidden_bytes(const step_state *s, uint32_t site, int64_t sequence, int position, int block) {
  const uint64_t id = static_cast<uint64_t>(sequence);
  return philox(s->seed, STREAM_DROPOUT + site,
                make_uint4(static_cast<uint32_t>(id), static_cast<uint32_t>(s->step),
                           static_cast<uint32_t>(position) | static_cast<uint32_t>(id >> 32) << 16,
                           static_cast<uint32_t>(block)));
}

// Does a sequence go with a branch (stochastic depth)?
DEVICE bool keeps_path(const step_state *s, uint32_t site, int64_t sequence, uint32_t threshold) {
  const uint64_t id = static_cast<uint64_t>(sequence);
  const uint4 v = philox(s->seed, STREAM_PATH + site,
                         make_uint4(static_cast<uint32_t>(id), static_cast<uint32_t>(s->step),
                                    static_cast<uint32_t>(id >> 32), 0));
  return (v.x & 255u) >= threshold;
}

// The 16 bytes that serve keys of tile key / 64 with the same (key % 8) / 2: key's is byte attention_byte(key).
DEVICE uint4 attention_bytes(const step_state *s, uint32_t site, int64_t sequence, int head, int query,
                             int key) {
  const uint64_t id = static_cast<uint64_t>(sequence);
  return philox(
      s->seed, STREAM_DROPOUT + site,
      make_uint4(static_cast<uint32_t>(id), static_cast<uint32_t>(s->step),
                 static_cast<uint32_t>(query) | static_cast<uint32_t>(id >> 32) << 16,
                 static_cast<uint32_t>(key / 64 * 4 + key % 8 / 2) | static_cast<uint32_t>(head) << 20));
}
DEVICE int attention_byte(int key) {
  return key % 64 / 8 * 2 + key % 2;
}

// Live rows of n, never above its capacity.
DEVICE int live_rows(rows n, const step_state *s) {
  const int live = n.kind == ROWS_TOKENS   ? s->tokens
                   : n.kind == ROWS_SEQS   ? s->seqs
                   : n.kind == ROWS_MASKED ? s->masked
                   : n.kind == ROWS_LISTED ? s->listed
                   : n.kind == ROWS_ITEMS  ? s->items
                   : n.kind == ROWS_TEXTS  ? s->texts
                                           : n.cap;
  return live < n.cap ? live : n.cap;
}

} // namespace gpu
