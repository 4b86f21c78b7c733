#!/usr/bin/env bash
# The CUDA backend through nvcc: every kernel for every device, warnings and spills being errors, and what the library
# needs and exports. Nothing runs: that is for the simulator (cuda.sh) and for machines that have a GPU. Objects stay in
# build/nvcc, so that only what changed is compiled again.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
if [ "$(basename "$SOUK_BUILD")" != gcc ]; then
  skip "the CUDA backend compiled by nvcc" "only beside the default build"
  finish
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
if ! [ -x "$nvcc" ]; then
  skip "the CUDA backend compiled by nvcc" "no nvcc"
  finish
fi
archs="80 86 89 90 100 120"
library=build/nvcc/libsouk_cuda.so
build() { nice -n 2 make --no-print-directory -j2 WERROR=1 GPU_ARCHS= "$@"; }

if ! build -k $library >"$work/out" 2>&1; then
  not_ok "kernels and host code compile and link, warnings and spills being errors" "$work/out"
  finish
fi
ok "kernels and host code compile and link, warnings and spills being errors"
clean() { ! grep -n warning build/nvcc/kernels/*.log; } # of objects that were there already, too
check "no warnings in a build where they are not errors" clean
check "make kernels-report succeeds" build kernels-report
build kernels-report >"$work/report" 2>/dev/null
check "the report says that no register is spilled" grep -qE '^[0-9]+ kernels on 6 devices, 0 bytes spilled$' "$work/report"
each_kernel() { # every kernel in the sources was compiled for every device
  local f log source arch compiled
  for f in kernels/*.cu; do
    log=build/nvcc/${f%.cu}.log source=$(grep -cE '(^|[[:space:]])__global__' "$f")
    for arch in $archs; do
      compiled=$(grep -c "Compiling entry function .* for 'sm_$arch'" "$log")
      [ "$compiled" -ge "$source" ] || { echo "$f has $source kernels, $compiled of them for sm_$arch"; return 1; }
    done
  done
}
check "the report has every kernel for each of $archs" each_kernel

# The compiler does refuse what it should: a kernel with too few registers, and one with a value that nobody uses.
flags=$(build nvcc-flags)
cat >"$work/spill.cu" <<'X'
__global__ void __launch_bounds__(1024, 2) spill(float *p) {
  float x[48];
#pragma unroll
  for (int i = 0; i < 48; i++) x[i] = p[i * 1024 + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 48; i++) p[(47 - i) * 1024 + threadIdx.x] = x[i] * x[(i + 1) % 48] + x[(i + 7) % 48];
}
X
echo '__global__ void unused(float *p) { int left = 1; p[0] = 0; }' >"$work/unused.cu"
for refused in spill unused; do
  # shellcheck disable=SC2086
  if "$nvcc" $flags -arch=sm_80 -c "$work/$refused.cu" -o "$work/$refused.o" >"$work/out" 2>&1; then
    not_ok "nvcc refuses $refused.cu" "$work/out"
  else
    check "nvcc refuses $refused.cu for the planted mistake" grep -qE 'spilled|never referenced' "$work/out"
  fi
done

needs() { readelf -d $library | grep NEEDED | grep -q "\[$1\.so"; }
check "the backend needs the machine's libcudart" needs libcudart
check "the backend needs the machine's libcublasLt" needs libcublasLt
no_path() { ! readelf -d $library | grep -E 'RPATH|RUNPATH'; }
check "the backend holds no path of this machine" no_path
entry=souk_backend_$(sed -n 's/^enum { OPS_VERSION = \([0-9]*\) };/\1/p' src/ops/ops.h)
exports() { [ "$(nm -D --defined-only $library | awk '{print $3}' | grep -v '^$')" = "$entry" ]; }
check "the backend exports the function that its op table's version names, and nothing else" exports

# The host side is C like everything else: every warning, with both compilers, against the toolkit's headers.
for cc in gcc clang; do
  command -v $cc >/dev/null || { skip "host code with $cc" "no $cc"; continue; }
  check "host code compiles with $cc, warnings being errors" build CC=$cc cuda-host-check
done

# Installed, the program finds it.
beside=$(readlink "$SOUK_BUILD/libsouk_cuda.so")
check "make install with CUDA=1 succeeds" build CUDA=1 DESTDIR="$work/root" PREFIX=/usr install
check "make install puts the backend where the program looks" cmp $library "$work/root/usr/lib/souk/libsouk_cuda.so"
rm -f "$SOUK_BUILD/libsouk_cuda.so" # what was beside the program before is there again
[ -z "$beside" ] || ln -s "$beside" "$SOUK_BUILD/libsouk_cuda.so"
finish
