// The kernels for the baseline of the machine.
#include "simd/simd_body.h"
#include "simd/simd_tables.h"

const simd_table simd_table_c = SIMD_TABLE("c");
