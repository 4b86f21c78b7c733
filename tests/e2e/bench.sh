#!/usr/bin/env bash
# souk bench ops: its table, its CSV, what it says of options that make no sense; on the CPU and on the simulator.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
tiny() { "$souk" bench ops --device cpu --threads 1 --shapes tiny --seconds 0.002 --rotate 1M --peak_gflops 10 --bandwidth_gb 5 "$@"; }

check "a table" tiny --csv "$work/t.csv"
cp "$work/.out" "$work/table"
check "says what was timed on what" grep -qE '^cpu, 1 thread' "$work/table"
check "says against what" grep -qF 'given peak 10.0 GF/s, given bandwidth 5.0 GB/s' "$work/table"
check "has a line for every op" bash -c "for op in embed_forward embed_backward norm_forward norm_backward \
  linear_forward linear_backward attention_forward attention_backward gather_forward gather_backward xent classify grad_norm \
  adamw lamb; do grep -qE \"^\$op  .* [0-9.]+% (memory|peak) +[0-9]+\$\" '$work/table' || exit 1; done"
check "and a sum" grep -qE '^a training step of these ops: .* its floor: ' "$work/table"
# Fields between quotes hold commas; every line has as many fields as the first.
check "the CSV parses" awk '
  { gsub(/"[^"]*"/, "text"); n = split($0, f, ",") }
  NR == 1 { want = n; if ($0 !~ /^commit,version,date,machine,device,shapes,op,of,shape,tokens,/) exit bad = 1; next }
  n != want || f[13] <= 0 || f[14] <= 0 || f[13] < f[14] || f[15] <= 0 || f[21] <= 0 { exit bad = 1 }
  END { exit bad || n != 21 }' "$work/t.csv"
lines() { grep -cE '(memory|peak) +[0-9]+$' "$1"; }
check "and has the table's rows" test "$(($(wc -l <"$work/t.csv") - 1))" = "$(lines "$work/table")"
check "with commit and date" grep -qE '^[0-9a-z-]+,[0-9.]+,20[0-9][0-9]-[0-9-]+T[0-9:]+Z,"' "$work/t.csv"
check "floor is the longer of the two" awk '
  NR > 1 { gsub(/"[^"]*"/, "text"); split($0, f, ","); m = f[15] / 5e6; p = f[16] / 1e7; w = m >= p ? m : p
    if ((f[19] - w) ^ 2 > (1e-4 * w) ^ 2 || f[20] != (m >= p ? "memory" : "peak")) bad = 1 }
  END { exit bad }' "$work/t.csv"
check "some ops" tiny --ops 'linear_*'
cp "$work/.out" "$work/some"
check "are the only ones" bash -c "grep -q '^linear_forward ' '$work/some' && ! grep -qE '^(xent|embed|norm)' '$work/some'"
check "and no step is made of them" bash -c "! grep -q 'a training step' '$work/some'"
check "of a part of a name" tiny --ops adam
check "ceilings are measured" "$souk" bench ops --device cpu --threads 1 --shapes tiny --seconds 0 --ops classify
cp "$work/.out" "$work/measured"
check "and are some" grep -qE 'peak of a square matmul [0-9]*[1-9][0-9.]* GF/s, bandwidth of a copy [0-9.]*[1-9][0-9.]* GB/s' "$work/measured"
check "another number of tokens" tiny --tokens 40 --ops embed
cp "$work/.out" "$work/forty"
check "is the batch's" grep -qE '^40 tokens in [0-9]+ sequences' "$work/forty"
check_error "nothing to time" "usage: souk bench ops" "$souk" bench
check_error "another benchmark" 'there is no benchmark "op"; there is ops' "$souk" bench op
check_error "an op that is none" "--ops nothing: no op of these shapes has such a name" tiny --ops nothing
check_error "shapes that are none" "shapes" tiny --shapes bert
check_error "a device that is none" "device" tiny --device tpu
check_error "tf32 on the CPU" "--matmul tf32: the cpu backend multiplies in fp32" tiny --matmul tf32
check_error "no tokens" "tokens" tiny --tokens -1
check_error "a table that cannot be written" "/no/such" tiny --csv /no/such/t.csv
if full_device; then
  check_error "a full disk" "cannot write /dev/full" tiny --csv /dev/full
else
  skip "a full disk" "/dev/full is not that device"
fi

unset MAKEFLAGS MAKELEVEL MFLAGS
library=$PWD/build/cusim-st/libsouk_cuda.so
if [ "$(basename "$SOUK_BUILD")" = gcc ] && make --no-print-directory -j2 build/cusim-st/libsouk_cuda.so >"$work/build" 2>&1; then
  on_simulator() { env SOUK_CUDA_BACKEND="$library" "$souk" bench ops --device cuda --shapes tiny --seconds 0 --rotate 64k --tokens 32 "$@"; }
  check "on the simulator" on_simulator --csv "$work/sim.csv"
  check "in tf32" on_simulator --matmul tf32 --ops linear
  cp "$work/.out" "$work/tf32"
  check "which it says" grep -qF 'fp32 with matmuls in tf32' "$work/tf32"
  check "as many rows" test "$(wc -l <"$work/sim.csv")" = "$(wc -l <"$work/t.csv")"
  check "of the device" bash -c "tail -n +2 '$work/sim.csv' | grep -vq 'cuda device' && exit 1 || exit 0"
else
  skip "souk bench on the simulator" "only beside the default build"
fi
finish
