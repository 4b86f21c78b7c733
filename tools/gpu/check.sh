#!/usr/bin/env bash
# check.sh PACK OUT_DIR [STAGE...]: what a GPU says of Souk, in at most nine minutes, from the archive of tools/gpu/pack.
#
# PACK is unpacked into a temporary folder. Each stage has a time limit of its own, and the next one runs whatever became of
# it. OUT_DIR/log.txt has what they printed, OUT_DIR/ops.csv the ops' times; a table of the stages is printed last and is
# OUT_DIR/table.txt. The exit status is 1 if a stage failed or ran out of time; one that lacks its tool is skipped.
#
# Needed there: bash, coreutils, tar, gzip, sed, grep, awk, the CUDA runtime and cuBLASLt of a toolkit or of pip, a driver.
# Used if it is there: compute-sanitizer, ncu, python3 with PyTorch. Nothing of the card is set: no clocks, no modes.
set -u
seconds_in_all=540
#        name       seconds  what it is
stages=(
  "device     15  the card, and the backend on it"
  "selftest   45  op tables, small and odd sizes; tiny trainings"
  "real       70  op tables with real sizes; matmuls in TF32"
  "tests      45  whole models against the CPU's"
  "memcheck   50  compute-sanitizer: addresses, small cases"
  "racecheck  50  compute-sanitizer: shared memory, small cases"
  "ops        70  every op against its floor"
  "base       35  training steps, BERT-base, S128"
  "base-tf32  25  the same with matmuls in TF32"
  "beauty     25  training steps, Beauty, 2x128"
  "ncu        60  the six dearest kernels of a step"
  "torch      45  PyTorch on a batch of BERT-base, S128"
)
skipped() { echo "$*"; exit 77; }
figure() { echo "figure: $*"; }

# ---- the stages: each in a process of its own, in the unpacked folder -----------------------------------------------
ops=(embed norm linear attention gather bag fuse xent leash classify drop optim backend)

stage_device() {
  local card="the simulator"
  if [ "$backend" = cuda ]; then
    nvidia-smi || { echo "nvidia-smi does not answer: no driver?"; exit 1; }
    card=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)
  fi
  "${souk[@]}" selftest backend --device cuda || exit 1
  figure "$card"
}
selftest() { # NAME OPTIONS...: its last line is the figure
  "${souk[@]}" selftest "${@:2}" --device cuda | tee "$work/$1"
  [ "${PIPESTATUS[0]}" = 0 ] || exit 1
}
stage_selftest() {
  selftest selftest "${selftest_checks[@]}" --sizes small
  figure "$(tail -n 1 "$work/selftest")"
}
stage_real() {
  selftest real "${real_checks[@]}" --sizes "$real_sizes"
  selftest real-tf32 "${tf32_checks[@]}" --sizes "$real_sizes" --matmul tf32
  figure "$(tail -n 1 "$work/real"); in TF32 $(tail -n 1 "$work/real-tf32")"
}
stage_tests() {
  local t failed=0
  for t in bin/test_*; do
    CMOCKA_MESSAGE_OUTPUT=TAP "${loader[@]}" "$t" | tee -a "$work/tests"
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1
  done
  [ $failed = 0 ] || exit 1
  figure "$(grep -c '^ok' "$work/tests") passed, $(grep -ci '^ok.*# skip' "$work/tests") of them skipped"
}
sanitizer() { # TOOL
  command -v compute-sanitizer >/dev/null || skipped "no compute-sanitizer"
  SOUK_CHECK_ELEMENTS=$sanitizer_elements SOUK_CHECK_TIGHT=1 \
    compute-sanitizer --tool "$1" --target-processes all --error-exitcode 9 --print-limit 20 "${souk[@]}" selftest "${ops[@]}" --sizes small --device cuda |
    tee "$work/$1"
  [ "${PIPESTATUS[0]}" = 0 ] || exit 1
  figure "$(grep -E 'SUMMARY' "$work/$1" | tail -n 1 | sed 's/^=* *//')"
}
stage_memcheck() { sanitizer memcheck; }
stage_racecheck() { sanitizer racecheck; }
stage_ops() {
  "${souk[@]}" bench ops --device cuda --csv "$work/ops.csv" "${bench_options[@]}" | tee "$work/ops"
  [ "${PIPESTATUS[0]}" = 0 ] || exit 1
  figure "$(sed -n 's/^peak of a square matmul \(.*\), bandwidth of a copy \(.*\)/\1, \2/p' "$work/ops")" \
    "$(awk -F'[:, ]+' '/^[a-z-]+: /{ model = $1 } / of it$/ { printf "; %s at %s of its floor", model, $(NF - 2) }' "$work/ops")"
}
steps() { # RUN OPTIONS...: the median of the rates of all lines but the first
  local run=$work/$1
  "${souk[@]}" pretrain "${@:2}" --out "$run" --device cuda --eval_every 0 --train.tensorboard no || exit 1
  sed -n 's/^{"kind":"train",.*"tokens_per_s":\([0-9.]*\).*/\1/p' "$run/metrics.jsonl" | tail -n +2 | sort -g |
    awk -v peak="$(sed -n 's/^{"kind":"train",.*"share_of_peak":\([0-9.]*\).*/\1/p' "$run/metrics.jsonl" | tail -n 1)" '
      { rate[NR] = $1 }
      END { if (NR == 0) exit 1
            printf "figure: %d tokens/s", rate[int((NR + 1) / 2)]
            if (peak > 0) printf ", %.1f%% of peak", 100 * peak
            printf "\n" }'
  rm -r "$run"
}
stage_base() {
  steps base --data.dir data/base "${base_options[@]}" --steps "$base_steps" --log_every $(((base_steps + 3) / 4)) "$@"
}
stage_base-tf32() { stage_base --train.matmul tf32; }
stage_beauty() {
  steps beauty beauty.yaml --data.dir data/beauty "${beauty_options[@]}" --steps "$beauty_steps" --log_every $(((beauty_steps + 3) / 4))
}
# One training step of two layers with every kernel measured; the table adds up the times of kernels of the same name.
stage_ncu() {
  local metrics=gpu__time_duration.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed,sm__throughput.avg.pct_of_peak_sustained_elapsed,sm__warps_active.avg.pct_of_peak_sustained_active
  command -v ncu >/dev/null || skipped "no ncu"
  ncu --clock-control none --target-processes all --csv --print-units base --print-kernel-base function --metrics "$metrics" \
    "${souk[@]}" pretrain --data.dir data/base "${base_options[@]}" --layers 2 --steps 1 --out "$work/ncu-run" --device cuda \
    --eval_every 0 --train.tensorboard no >"$work/ncu" 2>&1
  local rc=$?
  if grep -qE 'ERR_NVGPUCTRPERM|LibraryNotLoaded' "$work/ncu"; then skipped "ncu may not read the card's counters"; fi
  [ $rc = 0 ] || { tail -n 30 "$work/ncu"; exit 1; }
  awk -F'","' '
    /^"ID"/ { for (i = 1; i <= NF; i++) { f = $i; gsub(/"/, "", f); column[f] = i }; next }
    !("Kernel Name" in column) || NF < column["Metric Value"] { next }
    {
      name = $column["Kernel Name"]; metric = $column["Metric Name"]; value = $column["Metric Value"]
      gsub(/[",]/, "", value)
      id = $1; gsub(/"/, "", id)
      if (metric ~ /time_duration/) { time[name] += value; launches[name]++; total += value; took[id] = value }
      else if (metric ~ /^dram/) dram[name, id] = value
      else if (metric ~ /^sm__throughput/) sm[name, id] = value
      else warps[name, id] = value
      ids[name] = ids[name] " " id
    }
    END {
      if (total == 0) { print "ncu measured no kernel"; exit 1 }
      printf "%-44s %8s %10s %6s %7s %7s %7s\n", "kernel", "launches", "ms", "share", "dram%", "sm%", "warps%"
      for (rank = 1; rank <= 6; rank++) {
        best = ""
        for (name in time) if (!(name in shown) && (best == "" || time[name] > time[best])) best = name
        if (best == "") break
        shown[best] = 1
        n = split(ids[best], list, " "); longest = list[1] # of its longest launch
        for (i = 1; i <= n; i++) if (took[list[i]] > took[longest]) longest = list[i]
        printf "%-44s %8d %10.3f %5.1f%% %7.1f %7.1f %7.1f\n", best, launches[best], time[best] / 1e6, 100 * time[best] / total,
          dram[best, longest], sm[best, longest], warps[best, longest]
        if (rank == 1) first = sprintf("%s has %.0f%% of %.1f ms", best, 100 * time[best] / total, total / 1e6)
      }
      print "figure: " first
    }' "$work/ncu"
}
stage_torch() {
  command -v python3 >/dev/null && python3 -c 'import torch' 2>/dev/null || skipped "no python3 with PyTorch"
  python3 torch_step.py "${torch_options[@]}" | tee "$work/torch"
  [ "${PIPESTATUS[0]}" = 0 ] || exit 1
  figure "$(tail -n 1 "$work/torch")"
}

# The programs as commands. They find the pack's libraries by themselves; if this machine's C library is too old for them,
# they are started through the one in the pack.
programs() {
  loader=()
  if ! bin/souk --version >/dev/null 2>&1; then
    loader=(glibc/ld.so --library-path "$PWD/glibc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
    "${loader[@]}" bin/souk --version >/dev/null || { echo "the program does not start on this machine"; exit 1; }
  fi
  souk=("${loader[@]}" bin/souk)
  export SOUK_CUDA_BACKEND=$PWD/bin/libsouk_cuda.so
  backend=$(sed -n 's/^backend //p' VERSION)
}
if [ "${1:-}" = --stage ]; then # one of them, in the folder and with the files of CHECK_WORK
  work=$CHECK_WORK
  cd "$work/souk-gpu" || exit 1
  # shellcheck source=/dev/null
  . ./shapes
  programs
  "stage_$2"
  exit
fi

# ---- all of them ------------------------------------------------------------------------------------------------------
usage() { echo "usage: check.sh PACK OUT_DIR [STAGE...]; stages: $(for s in "${stages[@]}"; do echo -n "${s%% *} "; done)" >&2; exit 2; }
[ $# -ge 2 ] || usage
pack=$1 out=$2 only=" ${*:3} "
for s in "${@:3}"; do
  printf '%s\n' "${stages[@]}" | grep -q "^$s " || { echo "check.sh: there is no stage \"$s\"" >&2; usage; }
done
[ -r "$pack" ] || { echo "check.sh: cannot read $pack; tools/gpu/pack makes it" >&2; exit 2; }
mkdir -p "$out" || exit 2
CHECK_WORK=$(mktemp -d) || exit 2
export CHECK_WORK
trap 'rm -rf "$CHECK_WORK"' EXIT
trap 'exit 130' INT TERM
tar -C "$CHECK_WORK" -xzf "$pack" && [ -r "$CHECK_WORK/souk-gpu/VERSION" ] || { echo "check.sh: $pack is not an archive of tools/gpu/pack" >&2; exit 2; }
# shellcheck source=/dev/null
. "$CHECK_WORK/souk-gpu/shapes"
log=$out/log.txt table=$out/table.txt began=$SECONDS bad=0
: >"$log"
{ xargs <"$CHECK_WORK/souk-gpu/VERSION"; date -u '+%Y-%m-%d %H:%M UTC'; echo; } >"$table"
printf '%-10s %-8s %7s  %s\n' stage result seconds figure >>"$table"
for s in "${stages[@]}"; do
  read -r name limit what <<<"$s"
  [ "$only" = "  " ] || [[ $only == *" $name "* ]] || continue
  echo "== $name: $what" | tee -a "$log"
  limit=$((limit * ${slower:-1}))
  left=$((seconds_in_all * ${slower:-1} - (SECONDS - began)))
  [ "$limit" -le $left ] || limit=$left
  [ "$limit" -le "${CHECK_LIMIT:-$limit}" ] || limit=$CHECK_LIMIT # for tests
  start=$SECONDS output=$CHECK_WORK/output
  if [ "$limit" -le 0 ]; then
    echo "no time was left" >"$output"
    rc=77
  else
    timeout -k 5 "$limit" "$BASH" "$0" --stage "$name" >"$output" 2>&1
    rc=$?
  fi
  said=$(sed -n 's/^figure: //p' "$output" | tail -n 1)
  case $rc in
  0) result=ok ;;
  77) result=skipped said=$(tail -n 1 "$output") ;;
  124 | 137) result=timeout bad=1 said="after $limit s: $(tail -n 1 "$output")" ;;
  *) result=failed bad=1 said="exit $rc: $(grep -m 1 -iE 'error|fail|not ok' "$output" || tail -n 1 "$output")" ;;
  esac
  tail -c 2000000 "$output" >>"$log"
  [ ! -f "$CHECK_WORK/ops.csv" ] || mv "$CHECK_WORK/ops.csv" "$out/"
  printf '%-10s %-8s %7d  %s\n' "$name" "$result" $((SECONDS - start)) "${said:0:100}" | tee -a "$table"
done
echo
cat "$table"
exit $bad
