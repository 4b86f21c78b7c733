// The compiled tables; only simd.c chooses among them.
#ifndef SOUK_SIMD_SIMD_TABLES_H
#define SOUK_SIMD_SIMD_TABLES_H
#include "simd/simd.h"
extern const simd_table simd_table_c;
extern const simd_table simd_table_avx2;
#endif
