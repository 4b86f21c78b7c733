#!/usr/bin/env bash
# faults.sh [table]: runs the planted faults (test_faults) and checks who catches them. As TAP, or with `table` as the
# matrix of docs/cusim.md, which runs every fault in every column.
set -u
ulimit -c 0
cd "$(dirname "$0")/../.." || exit 1
tap=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# run COLUMN FAULT: leaves what was printed in $out and the exit status in $rc
run() {
  local column=$1 fault=$2 kind=st set=()
  case $column in
  st | mt | uc | asan | race) kind=$column ;;
  reverse | shuffled) set=(CUSIM_ORDER="$column" CUSIM_SEED=7) ;;
  lazy) set=(CUSIM_STREAMS=lazy) ;;
  even) set=(CUSIM_STREAMS=lazy CUSIM_SEED=2) ;;
  early) set=(CUSIM_CPASYNC=early) ;;
  guard) set=(CUSIM_HOSTGUARD=1) ;;
  sm_86) set=(CUSIM_DEVICE=sm_86) ;;
  esac
  ( env CUSIM_NOTES=1 CUSIM_WATCHDOG=2 ${set[@]+"${set[@]}"} timeout 60 "build/cusim-$kind/tests/cusim/test_faults" "$fault" >"$out" 2>&1 ) 2>/dev/null
  rc=$?
}
what_happened() {
  case $rc in
  0) echo "." ;;
  10) echo result ;;
  20) echo error ;;
  *) if grep -q 'cusim: ERROR' "$out"; then echo report; else echo "exit $rc"; fi ;;
  esac
}

# expect FAULT COLUMNS TEXT: in each of the columns the fault is caught, and TEXT is said. TEXT `fine`: nothing is
# reported; `result`: no report, but a wrong result that any comparison would notice.
rows=()
expect() {
  local fault=$1 columns=$2 text=$3 column good
  rows+=("$fault")
  [ -n "$table" ] && return
  for column in $columns; do
    run "$column" "$fault"
    good=1
    case $text in
    fine) [ $rc = 0 ] || good=0 ;;
    result) [ $rc = 10 ] || good=0 ;;
    *) [ $rc != 0 ] && [ $rc != 10 ] && [ $rc -lt 137 ] && grep -qE -- "$text" "$out" || good=0 ;;
    esac
    tap=$((tap + 1))
    if [ $good = 1 ]; then echo "ok $tap - $fault in $column"
    else
      failed=1
      echo "not ok $tap - $fault in $column (exit $rc, wanted: $text)"
      sed 's/^/# /' "$out" | head -n 12
    fi
  done
}
table=${1:-}
all="st reverse shuffled lazy guard mt uc asan race"
checkers="asan race"

for fault in good good_last_block good_flag streams_good graph_good matmul_good error_taken; do expect $fault "$all" fine; done

expect barrier_missing "race" 'race: read after write without a barrier at faults.cu:[0-9]+.* earlier write by block 0 thread'
expect barrier_missing "reverse shuffled" result
expect barrier_missing_mirror "race" 'race: read after write without a barrier at faults.cu|uninitialised'
expect barrier_missing_mirror "st reverse shuffled asan" result
expect barrier_missing_loop "race" 'race: write after read without a barrier at faults.cu'
expect barrier_missing_loop "st reverse shuffled" result
expect syncwarp_missing "race" 'race: read after write without a barrier at faults.cu|uninitialised'
expect barrier_in_branch "st reverse shuffled mt uc $checkers" 'divergent barrier.*|kernel barrier_in_branch block \(0,0,0\) thread \(16,0,0\)'
expect barrier_two_places "st reverse shuffled mt uc $checkers" 'divergent barrier: this thread is in __syncthreads at faults.cu:[0-9]+ while others wait'
expect barrier_after_return "st shuffled $checkers" 'divergent barrier'
expect barrier_exit_late "st reverse $checkers" 'divergent barrier'
expect shfl_not_in_mask "st reverse $checkers" 'the calling lane is not in its own mask 0000ffff'
expect shfl_lanes_missing "st reverse shuffled mt uc $checkers" 'lanes missing from a collective|divergent warp collective'
expect shfl_lane_exits "st reverse $checkers" 'lanes missing from a collective: this thread exits|that have exited'
expect shfl_source_missing "st $checkers" 'lane 0 reads lane 20, which is not in mask'
expect shfl_two_places "st $checkers" 'divergent warp collective'
expect bounds_shared "asan" 'kernel bounds_shared block .*|insufficient space'
expect bounds_shared "race" 'read of uninitialised memory|out-of-bounds|race'
expect bounds_dynamic "race" 'out-of-bounds write at faults.cu:[0-9]+, 4 bytes of dynamic shared memory'
expect bounds_dynamic "asan" 'kernel bounds_dynamic block \(0,0,0\) thread \(255,0,0\)'
expect bounds_global_read "st $checkers" 'of an allocation of 1024 bytes made at test_faults.cpp'
expect bounds_global_write "st mt $checkers" 'of an allocation of 1024 bytes made at test_faults.cpp'
expect bounds_global_far "st $checkers" 'kernel bounds_global_far block \(0,0,0\) thread \(0,0,0\)'
expect bounds_atomic "st $checkers" 'kernel bounds_atomic'
expect misaligned_float4 "st" 'misaligned access'
expect misaligned_float4 "$checkers" 'misaligned .*|faults.cu'
expect misaligned_float2 "race" 'misaligned access at faults.cu:[0-9]+, 8 bytes of global memory'
expect misaligned_float2 "asan" 'misaligned address'
expect unwritten_shared "race" 'read of uninitialised memory at faults.cu:[0-9]+, 4 bytes of shared memory'
expect unwritten_shared "st reverse shuffled" result
expect unwritten_global "race" 'read of uninitialised memory at faults.cu:[0-9]+, 4 bytes of global memory'
expect unwritten_global "st reverse shuffled mt asan" result
expect use_after_free "st mt $checkers" 'and freed'
expect host_pointer "race" 'read of host memory from a kernel at faults.cu'
expect foreign_local "race" "access to another thread's local memory at faults.cu"
expect cp_no_wait "race" 'read of the destination of a cp.async that was not waited for at faults.cu:[0-9]+.*earlier cp.async by block 0 thread'
expect cp_no_wait "st reverse shuffled asan" result
expect cp_no_barrier "race" 'race: read after write without a barrier|read of the destination of a cp.async|uninitialised'
expect cp_no_barrier "st reverse shuffled" result
expect cp_too_few "race" 'read of the destination of a cp.async that was not waited for'
expect cp_too_few "st" result
expect cp_misaligned "st $checkers" 'cp.async at faults.cu:[0-9]+: addresses .* are not 16-byte aligned'
expect cp_bounds "st $checkers" 'cp.async at faults.cu:[0-9]+: out-of-bounds read'
expect ldmatrix_global "st $checkers" "ldmatrix at faults.cu:[0-9]+: row address .* is not in this block's shared memory"
expect race_blocks_add "race" 'race between blocks: .* at faults.cu:[0-9]+, 4 bytes of global memory.*earlier .* by block 0 thread 0'
expect race_blocks_read "race" 'race between blocks: read after write at faults.cu'
expect race_no_fence "race" 'race between blocks: read after write at faults.cu'
expect race_shared_add "race" 'race: (read|write) after write without a barrier'
expect endless "st mt uc $checkers" 'endless kernel: no end after 2 s \(CUSIM_WATCHDOG\), now at faults.cu:[0-9]+'
expect stack_overflow "st" 'stack overflow of a CUDA thread at faults.cu'
expect stack_overflow "asan race" 'kernel stack_overflow block \(0,0,0\) thread \(0,0,0\)'
expect divide_by_zero "st" 'integer division by zero at faults.cu'
expect divide_by_zero "asan" 'division by zero'
expect trap "st mt $checkers" '__trap\(\) at faults.cu:[0-9]+'
expect event_missing "lazy even" result
expect event_missing "race" 'race between streams: .* at faults.cu:[0-9]+.*earlier .*\(stream [0-9]+\)'
expect pinned_reused "lazy" result
expect sync_missing "lazy" result
expect graph_event_early "lazy" result
expect graph_event_early "race" 'race between streams'
expect host_reads_device "guard" 'host code touches device memory at test_faults.cpp:[0-9]+.*offset 12 of an allocation'
expect copy_bounds "$all" '1028 bytes do not fit at the destination, at offset 0 of an allocation of 1024 bytes'
expect copy_kind "st" 'the source is pageable host memory'
expect double_free "st $checkers" 'freed twice'
expect too_many_threads "$all" 'cudaErrorInvalidConfiguration: kernel .*block \(2048,1,1\); at most 1024 threads'
expect too_much_shared "sm_86" '163840 bytes of dynamic shared memory; a block of sm_86 can have 101376'
expect too_much_shared "st" fine
expect grid_too_large "st" 'grid \(1,70000,1\); x is 1..2147483647'
expect error_unchecked "st $checkers" 'unchecked error: cudaMalloc at test_faults.cpp:[0-9]+ returned cudaErrorMemoryAllocation'
expect leak_memory "st $checkers" '1 leaks at the end .*|1024 bytes of device memory from test_faults.cpp'
expect leak_stream "st" 'a stream from test_faults.cpp'
expect capture_sync "st" 'a captured stream cannot be waited for'
expect capture_malloc "st" 'not allowed while a stream is captured'
expect capture_unjoined "st" 'another stream joined the capture and its work is not waited for'
expect callback_calls_cuda "st" 'cudaStreamQuery called from a host function of a stream'
expect nvtx_pop "st" 'nvtxRangePop without nvtxRangePush'
expect matmul_overlap "st $checkers" 'cublasLtMatmul at test_faults.cpp:[0-9]+: D overlaps A'
expect matmul_unwritten "race" 'read of uninitialised memory: cublasLtMatmul reads'
expect matmul_bounds "st race" 'cublasLtMatmul at test_faults.cpp:[0-9]+: A, [0-9]+ bytes'
expect matmul_workspace "st" 'the workspace'

if [ -n "$table" ]; then
  columns="st reverse shuffled early lazy guard mt asan race"
  printf '| planted fault |'
  printf ' %s |' $columns
  printf '\n|---|'
  printf -- '---|%.0s' $columns
  echo
  printf '%s\n' "${rows[@]}" | awk '!seen[$0]++' | while read -r fault; do
    printf '| %s |' "$fault"
    for column in $columns; do
      run "$column" "$fault"
      printf ' %s |' "$(what_happened)"
    done
    echo
  done
  exit 0
fi
echo "1..$tap"
exit $failed
