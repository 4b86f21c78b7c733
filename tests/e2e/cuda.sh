#!/usr/bin/env bash
# The CUDA backend on the simulator: the op tables in every build and schedule, whole models against the CPU's, a run
# from the command line, and what is said when there is no device or not enough of it.
. "$(dirname "$0")/run_lib.sh"
cd "$(dirname "$0")/../.." || exit 1
if [ "$(basename "$SOUK_BUILD")" != gcc ]; then # the simulator has sanitizer builds of its own
  skip "the CUDA backend on the simulator" "only beside the default build"
  finish
fi
unset ASAN_OPTIONS UBSAN_OPTIONS MAKEFLAGS MAKELEVEL MFLAGS
export CUSIM_NOTES=0
kinds=st
if thorough; then kinds="st asan race"; else left_out "the CUDA backend under the address sanitizer and the race checker, and in other schedules"; fi
if ! make --no-print-directory -j2 $(for k in $kinds; do echo "build/cusim-$k/libsouk_cuda.so"; done) >"$work/build" 2>&1; then
  not_ok "the backend builds on the simulator" "$work/build"
  finish
fi
ok "the backend builds on the simulator"
library() { # KIND: of the simulator, or gpu
  if [ "$1" = gpu ]; then echo "$PWD/build/nvcc/libsouk_cuda.so"; else echo "$PWD/build/cusim-$1/libsouk_cuda.so"; fi
}
# on KIND [VARIABLE=VALUE]... -- COMMAND...
on() {
  local kind=$1 settings=() preload=
  shift
  while [ "$1" != -- ]; do settings+=("$1"); shift; done
  shift
  if [ "$kind" = asan ]; then
    preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
    settings+=(ASAN_OPTIONS=detect_leaks=0) # of the program, which is not built for it
  fi
  env ${preload:+"LD_PRELOAD=$preload"} SOUK_CUDA_BACKEND="$(library "$kind")" "${settings[@]}" "$@"
}
# What follows runs as many at a time as there are processors; lines "+ NAME" and "- NAME" are taken over in order.
jobs=$(env -u OMP_NUM_THREADS nproc) running=0 started=0
spawn() {
  if [ $running -ge "$jobs" ]; then wait -n; running=$((running - 1)); fi
  started=$((started + 1)) running=$((running + 1))
  "$@" >"$work/part.$started" 2>&1 &
}
collect() {
  local i line
  wait
  for i in $(seq $started); do
    while IFS= read -r line; do
      case $line in
      "+ "*) ok "${line#+ }" ;;
      "- "*) not_ok "${line#- }" ;;
      *) echo "# $line" ;;
      esac
    done <"$work/part.$i"
  done
}
# The op tables: a line an op.
tables() { # KIND [VARIABLE=VALUE]...
  local name="op tables, $*" out op cases failed rest rc kind=$1
  shift
  out=$(on "$kind" "$@" -- timeout 900 "$souk" selftest --device cuda embed norm linear attention gather bag fuse xent leash classify drop scale orthogonal importance optim backend 2>&1)
  rc=$?
  while read -r op cases failed rest; do
    case $op in embed | norm | linear | attention | gather | bag | fuse | xent | leash | classify | drop | scale | orthogonal | importance | optim | backend)
      if [ "$cases" -gt 0 ] && [ "$failed" = 0 ]; then echo "+ $name: $op, $cases cases"; else echo "- $name: $op"; fi ;;
    esac
  done <<<"$out"
  [ $rc = 0 ] || { echo "- $name (exit $rc)"; tail -n 20 <<<"$out"; }
}
part() { # KIND NAME [VARIABLE=VALUE]... -- COMMAND...: one check
  local kind=$1 name=$2 out
  shift 2
  if out=$(on "$kind" CMOCKA_MESSAGE_OUTPUT=STDOUT "$@" 2>&1); then
    echo "+ $name, $kind"
  else
    echo "- $name, $kind"
    tail -n 20 <<<"$out"
  fi
}
waiting() { # KIND
  part "$1" "errors name their op, with SOUK_CUDA_SYNC" -- timeout 300 "$SOUK_BUILD/tests/cuda/test_cuda_sync"
  part "$1" "ops and captured graphs run with it" SOUK_CUDA_SYNC=1 -- timeout 300 "$souk" selftest --device cuda norm gather backend
}
tf32() { # KIND
  part "$1" "matmuls in tf32 round their operands" -- timeout 300 "$SOUK_BUILD/tests/cuda/test_cuda_tf32"
  part "$1" "op tables with matmuls in tf32" -- timeout 600 "$souk" selftest --device cuda --matmul tf32 linear xent
}
frozen() { # KIND
  part "$1" "frozen parameters" -- timeout 600 "$SOUK_BUILD/tests/cuda/test_cuda_frozen"
}
whole_models() { # KIND [VARIABLE=VALUE]...
  local name="whole models, $*" kind=$1 out
  shift
  if out=$(on "$kind" CMOCKA_MESSAGE_OUTPUT=STDOUT "$@" -- timeout 900 "$SOUK_BUILD/tests/cuda/test_cuda" 2>&1); then
    echo "+ $name"
  else
    echo "- $name"
    tail -n 20 <<<"$out"
  fi
}

every() { if thorough; then spawn "$@"; fi; } # where one of a kind is not enough
every tables st CUSIM_ORDER=forward CUSIM_CPASYNC=early
every tables st CUSIM_ORDER=reverse CUSIM_CPASYNC=late
spawn tables st CUSIM_ORDER=shuffled CUSIM_CPASYNC=late
every tables st CUSIM_STREAMS=lazy
every tables st CUSIM_DEVICE=sm_86
every tables asan SOUK_CHECK_TIGHT=1 # what reads past a buffer reads past an allocation
every tables race SOUK_CHECK_TIGHT=1
spawn waiting st
spawn tf32 st
spawn frozen st
every whole_models st
spawn whole_models st CUSIM_STREAMS=lazy CUSIM_ORDER=reverse
every whole_models st CUSIM_STREAMS=random CUSIM_SEED=2
every whole_models st CUSIM_ORDER=shuffled CUSIM_CPASYNC=random
# And on a GPU, where there is one and nvcc has built the backend (make CUDA=1).
if [ -f "$(library gpu)" ] && on gpu -- "$souk" selftest --device cuda backend >/dev/null 2>&1; then
  spawn tables gpu
  spawn waiting gpu
  spawn tf32 gpu
  spawn frozen gpu
  spawn whole_models gpu
fi
collect

# ---- runs
sed -i 's/hidden: 8,/hidden: 32,/; s/heads: 1,/heads: 2,/' "$work/tiny.yaml"
lazy() { on st CUSIM_STREAMS=lazy -- "$@"; }
device() { # RUN OPTIONS...: train() on the device
  local run=$1
  shift
  lazy "$souk" pretrain "$work/tiny.yaml" --out "$run" --device cuda "$@" 2>"$run.err"
}
same() { [ "$(essence "$1")" = "$(essence "$2")" ]; }
# close A B SHARE [FROM]: the losses of all train lines (after step FROM) are that close, and there are as many.
losses() { sed -n 's/^{"kind":"train","step":\([0-9]*\),.*"loss":\([^,}]*\).*/\1 \2/p' "$1/metrics.jsonl"; }
close() {
  paste <(losses "$1") <(losses "$2") | awk -v share="$3" -v from="${4:-0}" '
    { n++; d = $2 - $4; if (d < 0) d = -d; if ($1 != $3 || !($2 > 0)) exit bad = 1
      if ($1 > from && d > share * $2) { print "step " $1 ": " $2 " and " $4; bad = 1 } }
    END { exit bad || n == 0 }'
}
not() { ! "$@"; }
options=(--steps 60 --eval_every 30 --save_every 20 --log_every 1 --lr 0.003 --accumulate 2)
check "a run on the simulated device ends well" device "$work/cuda" "${options[@]}"
check "a run on the device names device and architecture" grep -q 'cuda device 0, .*sm_80' "$work/cuda.err"
check "the same run on the CPU ends well" train "$work/cpu" "${options[@]}"
check "device and CPU have the same losses, to rounding" close "$work/cuda" "$work/cpu" 1e-4
check "the same run on the device again ends well" device "$work/again" "${options[@]}"
check "a repeated run on the device gives the same bytes" same "$work/cuda" "$work/again"
guarded() { on st CUSIM_HOSTGUARD=1 -- "$souk" pretrain "$work/tiny.yaml" --out "$work/guarded" --device cuda --steps 3 --eval_every 3 --eval_users 20; }
check "the host touches no memory of the device" guarded
check "sampled loss and row-sparse updates run on the device" device "$work/sampled" "${options[@]}" --negatives 16
check "sampled loss and row-sparse updates run on the CPU" train "$work/sampled-cpu" "${options[@]}" --negatives 16
check "sampled losses of device and CPU are the same, to rounding" close "$work/sampled" "$work/sampled-cpu" 1e-4

# What tunes a base, with the dropout of its own; AdaLoRA cuts ranks on the way.
for kind in lora table adalora adapter; do
  tuned=("${options[@]}" --init "$work/cpu" --rank 4 --lora_dropout 0.1 --peft)
  if [ $kind = table ]; then tuned+=(lora --targets word_embeddings,value); else tuned+=($kind); fi
  check "$kind: a run on the device ends well" device "$work/$kind" "${tuned[@]}"
  check "$kind: and on the CPU" train "$work/$kind-cpu" "${tuned[@]}"
  check "$kind: with the same losses, to rounding" close "$work/$kind" "$work/$kind-cpu" 1e-4
done

# Matmuls in tf32: an option of the run, without effect where there is no such thing.
check "a run with matmuls in tf32 ends well" device "$work/tf32" "${options[@]}" --matmul tf32
check "a run in tf32 says so on stderr" grep -q 'fp32 with matmuls in tf32' "$work/tf32.err"
check "a run in tf32 keeps it in its config.yaml" grep -qE '^ *matmul: *"?tf32' "$work/tf32/config.yaml"
check "losses in tf32 are close to those in fp32" close "$work/tf32" "$work/cuda" 1e-2
check "losses in tf32 are not those in fp32" not close "$work/tf32" "$work/cuda" 1e-6
check "a run with --matmul tf32 on the CPU ends well" train "$work/tf32-cpu" "${options[@]}" --matmul tf32
check "it says once that tf32 has no effect on the CPU" test "$(grep -c 'train.matmul: tf32 has no effect on the cpu, which multiplies in fp32' "$work/tf32-cpu.err")" = 1
check "its losses are those of fp32 on the CPU" close "$work/tf32-cpu" "$work/cpu" 0
check_error "a self-test in tf32 on the CPU is refused" "--matmul tf32: the cpu backend multiplies in fp32" "$souk" selftest --device cpu --matmul tf32

# A checkpoint of one backend goes on on the other.
cut_back() { # FROM TO: as if the run had been stopped after step 20
  cp -r "$1" "$2" && rm -r "$2"/step-000000[46]0
}
cut_back "$work/cuda" "$work/to-cpu"
cut_back "$work/cpu" "$work/to-cuda"
cut_back "$work/cuda" "$work/to-same"
check "a run of the device resumes on the CPU" train "$work/to-cpu" "${options[@]}" --resume
check "a device run resumed on the CPU has the CPU's losses" close "$work/to-cpu" "$work/cpu" 1e-4
check "a run of the CPU resumes on the device" device "$work/to-cuda" "${options[@]}" --resume
check "a CPU run resumed on the device has the device's losses" close "$work/to-cuda" "$work/cuda" 1e-4
check "a run of the device resumes on the device" device "$work/to-same" "${options[@]}" --resume
check "a device run resumed there has the bytes of an uninterrupted one" same "$work/to-same" "$work/cuda"

evaluate() { # DEVICE LAUNCHER...
  local device=$1
  shift
  "$@" "$souk" eval "$work/cuda" --data "$data" --device "$device" --bootstrap 0 --json >"$work/eval-$device" 2>"$work/err"
}
figures() { # the loss, and the model's figures over the whole catalogue
  sed -n 's/^ *"loss": \([0-9.]*\),.*/\1/p' "$work/eval-$1"
  grep -o '"value": [0-9.]*' "$work/eval-$1" | head -n 12 | cut -d' ' -f2
}
check "souk eval runs on the CPU" evaluate cpu env
check "souk eval runs on the device" evaluate cuda lazy
agree() { paste <(figures cpu) <(figures cuda) | awk '{ n++; d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > 0.006) bad = 1 } END { exit bad || n != 13 }'; }
check "evaluations on CPU and device have the same figures" agree

# A step that is refused, while the next one is queued behind it already.
explode=(--steps 50 --eval_every 0 --lr 100 --weight_decay 100 --warmup_steps 0 --schedule constant --log_every 7)
run_on_device() { lazy "$souk" pretrain "$work/tiny.yaml" --device cuda "$@"; }
check_error "a NaN stops the run and names layer and tensor" "are not finite" run_on_device --out "$work/nan" "${explode[@]}"
first=$(sed -n 's/.*step \([0-9]*\) was not applied.*/\1/p' "$work/.err")
where=$(sed -n 's/.*not finite\. \([a-z]* of [^:]*\):.*/\1/p' "$work/.err")
check "the last checkpoint is of the step before the NaN" test "$(cat "$work/nan/last")" = "$(printf 'step-%08d' $((first - 1)))"
check_error "a stopped run resumes to the same non-finite step" "step $first was not applied, its gradient is not finite. $where" run_on_device --out "$work/nan" "${explode[@]}" --resume
check_error "replay on the device finds the same tensor" "$where" lazy "$souk" replay "$work/nan"
check_error "skip_nonfinite skips two steps and stops at the third" "step $((first + 2)) was not applied" run_on_device --out "$work/skip" "${explode[@]}" --skip_nonfinite 2
check "every skipped step has a line in the metrics" test "$(grep -c '"kind":"nonfinite"' "$work/skip/metrics.jsonl")" = 2

# ---- no device, no memory, no library
want() { # NAME TEXT [VARIABLE=VALUE]... -- COMMAND...
  local name=$1 text=$2 settings=()
  shift 2
  while [ "$1" != -- ]; do settings+=("$1"); shift; done
  shift
  check_error "$name" "$text" env SOUK_CUDA_BACKEND="$(library st)" "${settings[@]}" "$@"
}
pretrain=("$souk" pretrain "$work/tiny.yaml" --out "$work/x" --steps 2 --device cuda)
want "no CUDA device is an error" "there is no CUDA device on this machine; use --device cpu" CUSIM_DEVICE=none -- "${pretrain[@]}"
want "a driver older than the runtime is an error" "the NVIDIA driver is for CUDA 11.0, older than the runtime" CUSIM_DRIVER=11000 -- "${pretrain[@]}"
want "an ordinal without a device is an error" "there is no CUDA device 3: this machine has 1" -- "${pretrain[@]}" --ordinal 3
want "less memory than planned is an error before the first step" "GiB free, the run needs" CUSIM_MEMORY_MB=1 -- "${pretrain[@]}"
want "a head size without a kernel is an error" "has kernels for head sizes (model.hidden / model.heads) of 16, 32, 64 and 128, not 8" -- "${pretrain[@]}" --hidden 8 --heads 1
want "a missing backend library is an error" "cannot be loaded" SOUK_CUDA_BACKEND="$work/none.so" -- "${pretrain[@]}"
echo 'int nothing(void); int nothing(void) { return 0; }' | gcc -shared -fPIC -xc - -o "$work/other.so"
want "a library without the backend's symbol is an error" "it does not export souk_backend_$(sed -n 's/^enum { OPS_VERSION = \([0-9]*\) };/\1/p' src/ops/ops.h)" SOUK_CUDA_BACKEND="$work/other.so" -- "${pretrain[@]}"
check_error "no backend beside the program is an error" "build it with make CUDA=1, or use --device cpu" env SOUK_CUDA_BACKEND= bash -c 'mkdir "$1" && cp "$2" "$1/souk" && "$1/souk" selftest --device cuda' - "$work/alone" "$(readlink -f "$souk")"
check "--device auto takes the device" bash -c "SOUK_CUDA_BACKEND=$(library st) $souk selftest backend | grep -q '^cuda device 0'"
check "--device auto takes the CPU where there is no device" bash -c "SOUK_CUDA_BACKEND=$(library st) CUSIM_DEVICE=none $souk selftest backend | grep -q '^cpu'"
bad=0
for n in $(seq 40); do # the nth allocation fails
  rm -rf "$work/x"
  SOUK_CUDA_BACKEND=$(library st) CUSIM_FAIL_MALLOC=$n "${pretrain[@]}" >/dev/null 2>"$work/err"
  rc=$?
  [ $rc = 0 ] && break
  if [ $rc -ge 126 ] || ! grep -q 'is out of memory: cannot get' "$work/err"; then bad=1; sed "s/^/# $n: /" "$work/err" | tail -n 3; fi
done
check "every failing device allocation ends with a sentence ($((n - 1)) of them)" test $bad = 0 -a "$n" -gt 6 -a "$n" -lt 40
check "souk plan shows device and host memory apart" bash -c "SOUK_CUDA_BACKEND=$(library st) $souk plan $work/tiny.yaml --device cuda | grep -q 'on the device, in all'"
finish
