#!/usr/bin/env bash
# The CUDA simulator: builds its kinds, then runs its tests in every build and schedule, the planted faults, and the
# comparison with the CUDA toolkit's headers where there is one. Without FULL=1 one kind in a few schedules.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
# The simulator has sanitizer builds of its own: what `make SAN=1` sets for others does not concern it.
unset ASAN_OPTIONS UBSAN_OPTIONS MAKEFLAGS MAKELEVEL MFLAGS
export CUSIM_NOTES=0
if thorough; then goal=cusim-tests; else goal=cusim-st; fi
if ! nice -n 5 make --no-print-directory -j2 $goal >"$work/build.log" 2>&1; then
  not_ok "the simulator builds" "$work/build.log"
  finish
fi
ok "the simulator builds"

# pass NAME COMMAND...: takes over the TAP lines of a program under a name, and what it says besides as comments.
pass() {
  local name=$1 line rc
  shift
  "$@" >"$work/tap" 2>&1
  rc=$?
  while IFS= read -r line; do
    case $line in
    "ok "*) [[ $line == *"# skip"* ]] && skip "$name: ${line#* - }" "" || ok "$name: ${line#* - }" ;;
    "not ok "*) not_ok "$name: ${line#* - }" ;;
    "1.."*) ;;
    "#"*) echo "$line" ;;
    *) echo "# $line" ;;
    esac
  done <"$work/tap"
  if [ $rc -ne 0 ] && ! grep -q '^not ok' "$work/tap"; then
    not_ok "$name ends well (exit $rc)" "$work/tap"
  fi
}
in_kind() { # KIND TEST [VARIABLE=VALUE]...
  local kind=$1 test=$2
  shift 2
  pass "$test, $kind${*:+, $*}" env "$@" timeout 120 "build/cusim-$kind/tests/cusim/$test"
}

libs() { # KIND: processes of NCCL meet in shared memory
  if [ -w /dev/shm ]; then in_kind "$1" test_libs; else skip "test_libs, $1" "no /dev/shm"; fi
}
bad_setting() { env "$1" build/cusim-st/tests/cusim/test_samples; }
check_error "an unknown value of a simulator setting is refused" "CUSIM_ORDER=sideways: want one of forward, reverse, shuffled" bad_setting CUSIM_ORDER=sideways
check_error "an unknown simulated device is refused" "CUSIM_DEVICE=sm_12: want one of none, sm_80, sm_86, sm_89, sm_90, sm_100, sm_120" bad_setting CUSIM_DEVICE=sm_12
check_error "CUSIM_DEVICE=none simulates a machine without a device" "is 100 at" bash -c "CUSIM_DEVICE=none build/cusim-st/tests/cusim/test_samples >&2"
check_error "CUSIM_DRIVER simulates an old driver" "is 35 at" bash -c "CUSIM_DRIVER=11000 build/cusim-st/tests/cusim/test_samples >&2"
if ! thorough; then
  left_out "the simulator's other builds, schedules and devices, and its planted faults"
  in_kind st test_samples CUSIM_ORDER=shuffled CUSIM_CPASYNC=random
  in_kind st test_api CUSIM_STREAMS=lazy
  libs st
  in_kind st test_matmul
  pass "loaded with dlopen" timeout 60 build/cusim-st/tests/cusim/plugin_main build/cusim-st/tests/cusim/libfaults.so
  finish
fi

for cp in late early; do
  for order in forward reverse shuffled; do in_kind st test_samples CUSIM_ORDER=$order CUSIM_CPASYNC=$cp; done
done
in_kind st test_samples CUSIM_STREAMS=lazy CUSIM_CPASYNC=random
in_kind st test_samples CUSIM_HOSTGUARD=1
for kind in mt uc asan race; do in_kind $kind test_samples; done
in_kind race test_samples CUSIM_ORDER=shuffled
for streams in eager lazy random; do in_kind st test_api CUSIM_STREAMS=$streams; done
for device in sm_86 sm_89 sm_90 sm_100 sm_120; do in_kind st test_api CUSIM_DEVICE=$device; done
in_kind mt test_api
in_kind uc test_api
in_kind race test_api
# What a thread holds when its block is abandoned after a report is lost; test_api plants such reports.
in_kind asan test_api ASAN_OPTIONS=detect_leaks=0
for kind in st asan race; do libs $kind; done
# Matmuls of the backend, beside the library that they need.
for kind in st asan race; do in_kind $kind test_matmul; done
in_kind st test_matmul CUSIM_STREAMS=lazy CUSIM_HOSTGUARD=1

for kind in st mt race asan; do
  dir=build/cusim-$kind/tests/cusim
  pass "loaded with dlopen, $kind" timeout 60 "$dir/plugin_main" "$dir/libfaults.so"
done
check_error "a report from a loaded library has file and line" "race: read after write without a barrier at faults.cu:" \
  bash -c "CUSIM_ON_ERROR=return build/cusim-race/tests/cusim/plugin_main build/cusim-race/tests/cusim/libfaults.so 3"
pass faults tests/cusim/faults.sh
pass toolkit tests/cusim/conform.sh
finish
