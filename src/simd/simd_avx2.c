// The kernels for AVX2 and FMA (the Makefile compiles this file with -mavx2 -mfma on x86-64).
#include "simd/simd_body.h"
#include "simd/simd_tables.h"

const simd_table simd_table_avx2 = SIMD_TABLE("avx2");
