#!/usr/bin/env bash
# The archive for a machine with a GPU (tools/gpu/pack) and what runs there (tools/gpu/check.sh): with the simulator's backend
# every stage from end to end, tools that only such a machine has being stand-ins; and the program in a root that has nothing
# but the archive.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
if [ "$(basename "$SOUK_BUILD")" != gcc ]; then
  skip "the archive for a machine with a GPU" "only beside the default build"
  finish
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
export CUSIM_NOTES=0 GPU_ARCHS=
unset SOUK_CUDA_BACKEND
pack=$work/sim.tar.gz out=$work/out
if ! nice -n 2 tools/gpu/pack --backend sim --out "$pack" >"$work/made" 2>&1; then
  not_ok "an archive with the simulator's backend"
  tail -n 20 "$work/made" | sed 's/^/# /'
  finish
fi
ok "an archive with the simulator's backend"
small() { local n; n=$(stat -c %s "$1"); echo "$n bytes"; [ "$n" -lt 40000000 ]; }
check "the simulator's archive is smaller than 40 MB" small "$pack"

# ---- in an empty root: no libc, no shell, no /proc
mkdir "$work/root" && tar -C "$work/root" -xzf "$pack"
in_root() { chroot "$work/root" /souk-gpu/glibc/ld.so --library-path /souk-gpu/glibc /souk-gpu/bin/"$@"; }
roots=
[ "$(id -u)" != 0 ] || ! chroot "$work/root" /souk-gpu/glibc/ld.so --version >/dev/null 2>&1 || roots=1
if [ -n "$roots" ]; then
  self_test() { in_root souk selftest --device cpu >"$work/self" && grep -qE '^([1-9][0-9]+) of \1 checks passed' "$work/self"; }
  check "in an empty root the CPU passes its self-test" self_test
  check "in an empty root a run trains on the archive's data" in_root souk pretrain --data.dir /souk-gpu/data/base --out /run --device cpu --steps 2 --eval_every 0
  check_error "in an empty root the backend is found and asked for a device" "there is no CUDA device" env SOUK_CUDA_BACKEND=/souk-gpu/bin/libsouk_cuda.so CUSIM_DEVICE=none chroot "$work/root" /souk-gpu/glibc/ld.so --library-path /souk-gpu/glibc /souk-gpu/bin/souk selftest --device cuda
else
  skip "the program in an empty root" "chroot needs root"
fi

# ---- check.sh, with stand-ins for what only the other machine has
tools=$work/tools
mkdir "$tools"
cat >"$tools/compute-sanitizer" <<'X'
#!/usr/bin/env bash
tool=
while [[ $1 == --* ]]; do [ "$1" != --tool ] || tool=$2; shift 2; done
[ "$SOUK_CHECK_ELEMENTS" -gt 0 ] || exit 3
[ -z "${STUCK:-}" ] || exec sleep 100
"$@" || exit
[ $tool = memcheck ] && echo "========= ERROR SUMMARY: 0 errors" || echo "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"
X
cat >"$tools/ncu" <<'X'
#!/usr/bin/env bash
metrics=
while [[ $1 == --* ]]; do
  case $1 in --csv) shift ;; --metrics) metrics=$2; shift 2 ;; *) shift 2 ;; esac
done
[ -z "${NO_COUNTERS:-}" ] || { echo "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission"; exit 1; }
echo '==PROF== Connected to process 1 (souk)'
"$@" || exit
echo '"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device","CC","Section Name","Metric Name","Metric Unit","Metric Value"'
id=0
for kernel in one:1,000 two:30,000,000 three:300 four:40 five:50 six:60 two:10,000,000 seven:7; do
  for m in ${metrics//,/ }; do
    value=$id.25
    [ $m != gpu__time_duration.sum ] || value=${kernel#*:}
    echo "\"$id\",\"1\",\"souk\",\"127.0.0.1\",\"${kernel%:*}\",\"1\",\"7\",\"(256, 1, 1)\",\"(128, 1, 1)\",\"0\",\"9.0\",\"Command line profiler metrics\",\"$m\",\"unit\",\"$value\""
  done
  id=$((id + 1))
done
X
cat >"$tools/python3" <<'X'
#!/usr/bin/env bash
[ "$1" != -c ] || exit 0
[ -f "$1" ] && echo "tokens/s: fp32 12, tf32 34"
X
chmod +x "$tools"/*
run_check() { # the archive comes from elsewhere, and so does the script
  PATH="$tools:$PATH" timeout 900 "$work/root/souk-gpu/check.sh" "$@" >"$work/said" 2>&1
}
check "check.sh runs every stage" run_check "$pack" "$out"
row() { grep -E "^$1 +$2 +[0-9]+  $3" "$out/table.txt" || { cat "$out/table.txt"; return 1; }; }
check "the table has the card" row device ok 'the simulator$'
check "the table has the self-test" row selftest ok '6 of 6 checks passed'
check "the table has larger sizes and TF32" row real ok '1 of 1 checks passed.*; in TF32 1 of 1 checks passed'
check "the table has the test programs" row tests ok '[1-9][0-9]* passed'
all_tests() { [ "$(grep -c '^1\.\.' "$out/log.txt")" = "$(ls tests/cuda/*.c | wc -l)" ]; }
check "every test program of the archive was run" all_tests
check "the table has memcheck" row memcheck ok 'ERROR SUMMARY: 0 errors$'
check "the table has racecheck" row racecheck ok 'RACECHECK SUMMARY: 0 hazards'
check "the table has op times" row ops ok '[0-9.]+ GF/s, [0-9.]+ GB/s'
check "ops.csv has a row for every op" grep -q '^[^,]*,.*,norm_forward,' "$out/ops.csv"
check "the table has steps of BERT" row base ok '[1-9][0-9]* tokens/s'
check "the table has steps of BERT in tf32" row base-tf32 ok '[1-9][0-9]* tokens/s'
check "the log says that matmuls are in tf32" grep -q 'fp32 with matmuls in tf32' "$out/log.txt"
check "the table has steps of Beauty" row beauty ok '[1-9][0-9]* tokens/s'
check "the table has the dearest kernel, its launches added up" row ncu ok 'two has 100% of 40.0 ms$'
dearest() { sed -n '/^kernel .*launches/,/^figure/p' "$out/log.txt" | awk '/%/ && !/^kernel/ && !/^figure/ { print $1, $2, $5 }' | xargs; }
check "the log has six kernels, with figures of the longest launch" test "$(dearest)" = "two 2 1.2 one 1 0.2 three 1 2.2 six 1 5.2 five 1 4.2 four 1 3.2"
check "the table has PyTorch's steps" row torch ok 'tokens/s: fp32 12, tf32 34$'
check "check.sh prints the table last" diff <(tail -n "$(wc -l <"$out/table.txt")" "$work/said") "$out/table.txt"

# What goes wrong in a stage is told, and the next one runs.
broken() { CUSIM_DEVICE=none NO_COUNTERS=1 run_check "$pack" "$out" device base ncu torch; [ $? = 1 ]; }
check "a failing stage makes the exit status 1" broken
check "a failing stage has its sentence in the table" row device failed 'exit 1: souk: error: .*there is no CUDA device'
check "the next failing stage has its sentence too" row base failed 'exit 1: souk: error: .*there is no CUDA device'
check "ncu without permission is skipped" row ncu skipped 'ncu may not read the card'
check "the last stage runs after failing ones" row torch ok tokens
stuck() { STUCK=1 CHECK_LIMIT=1 run_check "$pack" "$out" memcheck; [ $? = 1 ]; }
check "a hanging stage is ended" stuck
check "a hanging stage is a timeout in the table" row memcheck timeout 'after 1 s'
check_error "an unknown stage is an error" 'there is no stage "tets"' tools/gpu/check.sh "$pack" "$out" tets
check_error "a missing archive is an error" "cannot read $work/none" tools/gpu/check.sh "$work/none" "$out"
check_error "a file that is not an archive is an error" "is not an archive of tools/gpu/pack" tools/gpu/check.sh Makefile "$out"
check_error "an unknown backend is an error" "--backend gpu: known are cuda and sim" tools/gpu/pack --backend gpu
limits() { # on a GPU; shapes-sim gives the simulator more
  sed -n '/^stages=(/,/^)/p' tools/gpu/check.sh | awk -F'"' '/"/ { split($2, w, " "); sum += w[2] } END { print sum; exit sum > 540 }'
}
check "the stages' limits add up to nine minutes" limits

# ---- for GPUs; nvcc.sh uses the same objects
nvcc=$(tools/gpu/toolkit nvcc)
if [ -z "$nvcc" ]; then
  skip "an archive with the backend for GPUs" "no nvcc"
  finish
fi
check "an archive with the backend for GPUs is made" nice -n 2 tools/gpu/pack --out "$work/cuda.tar.gz"
check "the archive for GPUs is smaller than 40 MB" small "$work/cuda.tar.gz"
rm -rf "$work/root"
mkdir "$work/root" && tar -C "$work/root" -xzf "$work/cuda.tar.gz"
none_of_cuda() { ! find "$work/root" -name 'libcud*' -o -name 'libcublas*' | grep .; }
check "the archive has none of the toolkit's libraries" none_of_cuda
complete() { # but for them, it has all that it needs
  local top=$work/root/souk-gpu
  ! "$top/glibc/ld.so" --library-path "$top/glibc:$top/lib" --list "$top/bin/$1" | grep -vF "$top" | grep -vE 'linux-vdso|libcudart|libcublasLt'
}
for f in souk test_cuda test_cuda_tf32 libsouk_cuda.so; do check "the archive has every other library of $f" complete $f; done
missing() { SOUK_CUDA_BACKEND=/souk-gpu/bin/libsouk_cuda.so in_root souk selftest --device cuda; }
if [ -n "$roots" ]; then
  check_error "without the toolkit, the libraries looked for are named" "the CUDA backend needs libcudart.so" missing
else
  skip "the backend for GPUs in an empty root" "chroot needs root"
fi
finish
