#!/usr/bin/env bash
# souk bench ops: its table, its CSV, what it says of options that make no sense; on the CPU and on the simulator.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
tiny() { "$souk" bench ops --device cpu --threads 1 --shapes tiny --seconds 0.002 --rotate 1M --peak_gflops 10 --bandwidth_gb 5 "$@"; }

check "souk bench ops prints a table and writes a CSV" tiny --csv "$work/t.csv"
cp "$work/.out" "$work/table"
check "the table says which device and how many threads were timed" grep -qE '^cpu, 1 thread' "$work/table"
check "the table says the given peak and bandwidth" grep -qF 'given peak 10.0 GF/s, given bandwidth 5.0 GB/s' "$work/table"
check "the table has a line for every op" bash -c "for op in embed_forward embed_backward norm_forward norm_backward \
  linear_forward linear_backward attention_forward attention_backward gather_forward gather_backward bag_forward bag_backward fuse_forward fuse_backward xent leash classify drop grad_norm \
  adamw lamb_update lamb_apply; do grep -qE \"^\$op  .* [0-9.]+% (memory|peak) +[0-9]+\$\" '$work/table' || exit 1; done"
check "the table ends with the sum of a training step" grep -qE '^a training step of these ops: .* its floor: ' "$work/table"
# Fields between quotes hold commas; every line has as many fields as the first.
check "the CSV parses, every line with as many fields as its head" awk '
  { gsub(/"[^"]*"/, "text"); n = split($0, f, ",") }
  NR == 1 { want = n; if ($0 !~ /^commit,version,date,machine,device,shapes,op,of,shape,tokens,/) exit bad = 1; next }
  n != want || f[13] <= 0 || f[14] <= 0 || f[13] < f[14] || f[15] <= 0 || f[21] <= 0 { exit bad = 1 }
  END { exit bad || n != 21 }' "$work/t.csv"
lines() { grep -cE '(memory|peak) +[0-9]+$' "$1"; }
check "the CSV has as many rows as the table" test "$(($(wc -l <"$work/t.csv") - 1))" = "$(lines "$work/table")"
check "the CSV has commit, version and date in each row" grep -qE '^[0-9a-z-]+,[0-9.]+,20[0-9][0-9]-[0-9-]+T[0-9:]+Z,"' "$work/t.csv"
check "the floor is the longer of memory and arithmetic" awk '
  NR > 1 { gsub(/"[^"]*"/, "text"); split($0, f, ","); m = f[15] / 5e6; p = f[16] / 1e7; w = m >= p ? m : p
    if ((f[19] - w) ^ 2 > (1e-4 * w) ^ 2 || f[20] != (m >= p ? "memory" : "peak")) bad = 1 }
  END { exit bad }' "$work/t.csv"
check "--ops 'linear_*' is accepted" tiny --ops 'linear_*'
cp "$work/.out" "$work/some"
check "--ops 'linear_*' times linear ops and no others" bash -c "grep -q '^linear_forward ' '$work/some' && ! grep -qE '^(xent|embed|norm)' '$work/some'"
check "with --ops there is no sum of a training step" bash -c "! grep -q 'a training step' '$work/some'"
check "--ops takes a part of a name" tiny --ops adam
check "without given peaks the benchmark measures them" "$souk" bench ops --device cpu --threads 1 --shapes tiny --seconds 0 --ops classify
cp "$work/.out" "$work/measured"
check "the measured peak and bandwidth are above zero" grep -qE 'peak of a square matmul [0-9]*[1-9][0-9.]* GF/s, bandwidth of a copy [0-9.]*[1-9][0-9.]* GB/s' "$work/measured"
check "--tokens 40 is accepted" tiny --tokens 40 --ops embed
cp "$work/.out" "$work/forty"
check "--tokens 40 makes a batch of 40 tokens" grep -qE '^40 tokens in [0-9]+ sequences' "$work/forty"
mkdir "$work/vocab"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the best soft coat '##s' '##er' 最 好 近 。 . , >"$work/vocab/vocab.txt"
printf '%s\n' 'The best coats, softer.' 最近好。最好。 >"$work/lines"
printf '%s\n' best 最 '!最近' >"$work/banned"
lexicon() { "$souk" bench lexicon --vocab "$work/vocab" --input "$work/lines" --seconds 0 "$@"; }
check "souk bench lexicon times drawn phrases" lexicon --phrases 200
cp "$work/.out" "$work/drawn"
check "it says how long compiling, binding and masks take" bash -c "for what in compile bind like mask; do
  grep -qE \"^\$what +[0-9]+ times: least [0-9.]+, mean [0-9.]+, median [0-9.]+, p99 [0-9.]+, most [0-9.]+ (ms|us)\" '$work/drawn' || exit 1; done"
check "a lexicon of its own can be timed" lexicon --lexicon "$work/banned"
cp "$work/.out" "$work/own"
check "it has as many phrases as its file" grep -qE '^3 phrases, ' "$work/own"
echo '[x]' >"$work/wrong"
check_error "a lexicon that is none is named with its line" 'wrong, line 1: a section that is neither' lexicon --lexicon "$work/wrong"
check_error "souk bench without a benchmark prints its usage" "usage: souk bench ops" "$souk" bench
check_error "an unknown benchmark is an error" 'there is no benchmark "op"; there are ops, words and lexicon' "$souk" bench op
check_error "a pattern that fits no op is an error" "--ops nothing: no op of these shapes has such a name" tiny --ops nothing
check_error "unknown shapes are an error" "shapes" tiny --shapes bert
check_error "an unknown device is an error" "device" tiny --device tpu
check_error "tf32 on the CPU is an error" "--matmul tf32: the cpu backend multiplies in fp32" tiny --matmul tf32
check_error "a negative number of tokens is an error" "tokens" tiny --tokens -1
check_error "a CSV in a missing directory is an error" "/no/such" tiny --csv /no/such/t.csv
if full_device; then
  check_error "a CSV on a full disk is an error" "cannot write /dev/full" tiny --csv /dev/full
else
  skip "a CSV on a full disk is an error" "/dev/full is not that device"
fi

unset MAKEFLAGS MAKELEVEL MFLAGS
library=$PWD/build/cusim-st/libsouk_cuda.so
if [ "$(basename "$SOUK_BUILD")" = gcc ] && make --no-print-directory -j2 build/cusim-st/libsouk_cuda.so >"$work/build" 2>&1; then
  on_simulator() { env SOUK_CUDA_BACKEND="$library" "$souk" bench ops --device cuda --shapes tiny --seconds 0 --rotate 64k --tokens 32 "$@"; }
  check "souk bench ops runs on the simulator" on_simulator --csv "$work/sim.csv"
  check "souk bench ops runs on the simulator in tf32" on_simulator --matmul tf32 --ops linear
  cp "$work/.out" "$work/tf32"
  check "the simulator's table says that matmuls are in tf32" grep -qF 'fp32 with matmuls in tf32' "$work/tf32"
  check "the simulator's CSV has as many rows as the CPU's" test "$(wc -l <"$work/sim.csv")" = "$(wc -l <"$work/t.csv")"
  check "every row of the simulator's CSV names the CUDA device" bash -c "tail -n +2 '$work/sim.csv' | grep -vq 'cuda device' && exit 1 || exit 0"
else
  skip "souk bench on the simulator" "only beside the default build"
fi
finish
