#!/usr/bin/env bash
# conform.sh [full]: the simulator's headers against the CUDA toolkit's, and with `full` the fixtures compiled by nvcc
# for every device, warnings being errors. TAP; skipped without a toolkit (CUDA=/usr/local/cuda).
set -u
cd "$(dirname "$0")/../.." || exit 1
cuda=${CUDA:-/usr/local/cuda} inc=tools/cusim/include tap=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check() { # NAME COMMAND...
  local name=$1
  shift
  tap=$((tap + 1))
  if "$@" >"$work/out" 2>&1; then echo "ok $tap - $name"; else
    failed=1
    echo "not ok $tap - $name"
    sed 's/^/# /' "$work/out" | head -n 20
  fi
}
if [ ! -f "$cuda/include/cublasLt.h" ]; then
  echo "ok 1 - headers against the CUDA toolkit # skip no toolkit in $cuda"
  echo 1..1
  exit 0
fi
headers=(cuda_runtime.h cublasLt.h nvtx3/nvToolsExt.h)
[ -f "$cuda/include/nccl.h" ] && headers+=(nccl.h)
includes=$(printf '#include <%s>\n' "${headers[@]}")

# Enumerators: every one that the simulator has, printed by a program compiled against each set of headers.
text=$(gcc -E -P -I"$inc" - <<<"$includes")
names=$(grep -oE '\b(cuda|CUDA_|CUBLAS|nccl|NCCL)[A-Za-z0-9_]+ =' <<<"$text" | tr -d ' =' | sort -u)
{
  printf '#include <stdio.h>\n%s\nint main(void) {\n' "$includes"
  for n in $names; do echo "  printf(\"$n %lld\\n\", (long long)$n);"; done
  echo '}'
} >"$work/enum.c"
enumerators() {
  gcc -w -I"$inc" "$work/enum.c" -o "$work/ours" && gcc -w -I"$cuda/include" "$work/enum.c" -o "$work/theirs" &&
    "$work/ours" >"$work/ours.txt" && "$work/theirs" >"$work/theirs.txt" && diff "$work/ours.txt" "$work/theirs.txt"
}
check "$(wc -w <<<"$names") enumerators have the toolkit's values" enumerators

# Signatures: each prototype becomes a pointer that the toolkit's function must be assignable to without a warning.
protos=$(sed -E 's/__attribute__\(\(warn_unused_result\)\)//g' <<<"$text" | tr '\n' ' ' | sed 's/;/;\n/g; s/extern "C" {//g' | sed 's/^ *//' |
  grep -E '^[a-zA-Z_][a-zA-Z_ ]*[ *]+(cuda|cublasLt|nccl|nvtx)[A-Za-z0-9]+\(.*\);')
[ -f "$cuda/include/nccl.h" ] || protos=$(grep -v '[ *]nccl' <<<"$protos")
{
  echo "$includes"
  sed -E 's/^(.*[ *])((cuda|cublasLt|nccl|nvtx)[A-Za-z0-9]+)\((.*)\);/\1(*check_\2)(\4) = \2;/' <<<"$protos"
} >"$work/sig.c"
check "$(wc -l <<<"$protos") functions have the toolkit's signatures" \
  gcc -std=gnu11 -Wall -Werror -Wno-unused-variable -isystem "$cuda/include" -c "$work/sig.c" -o "$work/sig.o"

# Members of the structs that programs fill in or read: same names, same sizes of members.
members='cudaDeviceProp:name,totalGlobalMem,sharedMemPerBlock,regsPerBlock,warpSize,maxThreadsPerBlock,maxThreadsDim,maxGridSize,major,minor,multiProcessorCount,concurrentKernels,ECCEnabled,pciBusID,pciDeviceID,pciDomainID,asyncEngineCount,unifiedAddressing,memoryBusWidth,l2CacheSize,maxThreadsPerMultiProcessor,sharedMemPerMultiprocessor,regsPerMultiprocessor,managedMemory,cooperativeLaunch,sharedMemPerBlockOptin,maxBlocksPerMultiProcessor,reservedSharedMemPerBlock,memoryPoolsSupported
cudaFuncAttributes:sharedSizeBytes,constSizeBytes,localSizeBytes,maxThreadsPerBlock,numRegs,ptxVersion,binaryVersion,maxDynamicSharedSizeBytes
cudaPointerAttributes:type,device,devicePointer,hostPointer
cudaLaunchConfig_st:gridDim,blockDim,dynamicSmemBytes,stream,attrs,numAttrs'
{
  printf '#include <stdio.h>\n%s\nint main(void) {\n' "$includes"
  while IFS=: read -r struct list; do
    for m in ${list//,/ }; do echo "  printf(\"$struct.$m %zu\\n\", sizeof(((struct $struct *)0)->$m));"; done
  done <<<"$members"
  for v in float2 float4 double2 uint2 uint4 int3 uchar4 ushort4 longlong2 dim3 cublasLtMatmulAlgo_t cublasLtMatmulHeuristicResult_t; do
    echo "  printf(\"$v %zu %zu\\n\", sizeof($v), _Alignof($v));"
  done
  echo '}'
} >"$work/enum.c"
check "struct members and vector types have the toolkit's sizes" enumerators

# Names and texts of errors, from the toolkit's library (which needs no GPU for this).
errors=$(grep -oE 'X\(cuda(Success|Error)[A-Za-z]*' $inc/cuda_runtime_api.h | tr -d 'X(' )
{
  printf '#include <stdio.h>\n#include <cuda_runtime_api.h>\nint main(void) {\n'
  for e in $errors; do echo "  printf(\"%s %s\\n\", cudaGetErrorName($e), cudaGetErrorString($e));"; done
  echo '}'
} >"$work/err.c"
error_texts() {
  gcc -w -I"$inc" "$work/err.c" build/cusim-st/libcusim.a -lstdc++ -lpthread -ldl -lrt -lm -o "$work/ours" &&
    gcc -w -I"$cuda/include" "$work/err.c" -L"$cuda/lib64" -lcudart -Wl,-rpath,"$cuda/lib64" -o "$work/theirs" &&
    "$work/ours" >"$work/ours.txt" && "$work/theirs" >"$work/theirs.txt" && diff "$work/ours.txt" "$work/theirs.txt"
}
check "errors have the toolkit's names and texts" error_texts

if [ "${1:-}" = full ]; then
  arch=()
  for a in 80 86 89 90 100 120; do arch+=(-gencode "arch=compute_$a,code=sm_$a"); done
  for f in tests/cusim/*.cu; do
    check "nvcc compiles $f for sm_80 to sm_120, warnings being errors" \
      "$cuda/bin/nvcc" -std=c++17 -O3 "${arch[@]}" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror -Ikernels -c "$f" -o "$work/$(basename "$f").o"
  done
  for f in tests/cusim/test_*.cpp; do
    check "nvcc compiles $f" "$cuda/bin/nvcc" -std=c++17 -x cu -arch=sm_80 -Ikernels -Itests/cusim -c "$f" -o "$work/$(basename "$f").o"
  done
fi
echo "1..$tap"
exit $failed
