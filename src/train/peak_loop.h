// A loop over registers, included by peak.c once for each kind of vector, with LOOP (its name), INSTRUCTIONS (that the compiler
// may use for it), VECTOR, ALL(a) (a vector of a) and MULTIPLY_ADD(s, x, y) (s x + y) set.
//
// s <- s x + y goes to y / (1 - x), so that sums stay finite and normal; they begin at different values, or the compiler would
// see that they are one. A round is SUMS multiply-adds.
INSTRUCTIONS __attribute__((noinline, no_profile_instrument_function)) static float LOOP(int32_t rounds) {
  const VECTOR x = ALL(0.5f), y = ALL(0.25f);
  VECTOR s0 = ALL(0.0f), s1 = ALL(0.1f), s2 = ALL(0.2f), s3 = ALL(0.3f), s4 = ALL(0.4f), s5 = ALL(0.5f);
  VECTOR s6 = ALL(0.6f), s7 = ALL(0.7f), s8 = ALL(0.8f), s9 = ALL(0.9f), s10 = ALL(1.0f), s11 = ALL(1.1f);
  for (int32_t r = 0; r < rounds; r++) {
    s0 = MULTIPLY_ADD(s0, x, y);
    s1 = MULTIPLY_ADD(s1, x, y);
    s2 = MULTIPLY_ADD(s2, x, y);
    s3 = MULTIPLY_ADD(s3, x, y);
    s4 = MULTIPLY_ADD(s4, x, y);
    s5 = MULTIPLY_ADD(s5, x, y);
    s6 = MULTIPLY_ADD(s6, x, y);
    s7 = MULTIPLY_ADD(s7, x, y);
    s8 = MULTIPLY_ADD(s8, x, y);
    s9 = MULTIPLY_ADD(s9, x, y);
    s10 = MULTIPLY_ADD(s10, x, y);
    s11 = MULTIPLY_ADD(s11, x, y);
  }
  const VECTOR sum = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;
  return sum[0];
}
#undef LOOP
#undef INSTRUCTIONS
#undef VECTOR
#undef ALL
#undef MULTIPLY_ADD
