#!/usr/bin/env bash
# Threads of OpenMP: how long they spin where the user says nothing, how many there are, and the two warnings about them.
. "$(dirname "$0")/run_lib.sh"
unset OMP_NUM_THREADS OMP_WAIT_POLICY GOMP_SPINCOUNT KMP_BLOCKTIME

# gcc's library tells what it has read. (test_threads asks clang's.)
spins() { env "$@" OMP_DISPLAY_ENV=verbose "$souk" --version 2>&1 | sed -n "s/.*GOMP_SPINCOUNT = '\(.*\)'.*/\1/p"; }
is() { [ "$2" = "$1" ] || { echo "$2 instead of $1"; return 1; }; }
if ldd "$souk" | grep -q libomp; then
  echo "# clang's OpenMP library"
else
  check "waiting OpenMP threads spin a thousand turns" is 1000 "$(spins)"
  check "OMP_WAIT_POLICY=passive is respected" is 0 "$(spins OMP_WAIT_POLICY=passive)"
  check "OMP_WAIT_POLICY=active is respected" is 30000000000 "$(spins OMP_WAIT_POLICY=active)"
  check "GOMP_SPINCOUNT is respected" is 77 "$(spins GOMP_SPINCOUNT=77)"
fi

# OpenBLAS takes kernels of 2004 on a processor that it does not know.
kernels() { env "$@" "$souk" selftest --device cpu backend 2>/dev/null | sed -n 's/^cpu, .*OpenBLAS .*(\([A-Za-z0-9]*\)).*/\1/p'; }
if grep -qw avx2 /proc/cpuinfo; then
  check "OpenBLAS takes kernels for today's vectors" bash -c '[[ "$0" != "" && "$0" != Prescott ]]' "$(kernels)"
  check "OPENBLAS_CORETYPE is respected" is Nehalem "$(kernels OPENBLAS_CORETYPE=Nehalem)"
else
  skip "OpenBLAS takes kernels for today's vectors" "a processor without them"
fi

# One processor of those that this process may use.
one=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
if taskset -c "$one" true 2>/dev/null; then
  threads() { taskset -c "$one" "$souk" selftest backend --device cpu "$@" 2>"$work/.err" | sed -n 's/^cpu, \([0-9]*\) thread.*/\1/p'; }
  check "there is a thread for each usable processor" is 1 "$(threads)"
  check "as many threads as processors give no warning" test ! -s "$work/.err"
  check "OMP_NUM_THREADS is respected" is 2 "$(OMP_NUM_THREADS=2 threads)"
  check "more threads by OMP_NUM_THREADS give a warning" grep -q 'warning: 2 threads share the 1 processor that this process may use' "$work/.err"
  check "--threads is respected" is 3 "$(threads --threads 3)"
  check "more threads by --threads give a warning" grep -q 'warning: 3 threads share the 1 processor .*--threads 1 is likely to be faster' "$work/.err"
else
  skip "there is a thread for each usable processor" "no taskset, or no processor that a process can be bound to"
fi

# A rate of a few percent of what the machine can do is told once; the peak is a given one here.
busy=(--log_every 1 --eval_every 0 --accumulate 48 --hidden 64 --layers 2 --batch_tokens 4096) # more than a second a line
check "a run far below the peak ends well" train "$work/low" --steps 3 "${busy[@]}" --peak_gflops 1e5
check "a run far below the peak warns once" is 1 "$(grep -cE "warning: this runs at 0\.[0-9]% of the machine's peak: the thread mostly waits" "$work/low.err")"
check "a run near the peak ends well" train "$work/high" --steps 2 "${busy[@]}" --peak_gflops 5
check "a run near the peak does not warn" bash -c "! grep warning '$work/high.err'"
finish
