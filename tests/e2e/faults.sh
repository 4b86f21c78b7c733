#!/usr/bin/env bash
# Every file operation of a short run fails once, and allocations do: the error is a sentence, the checkpoint before it
# is whole and resumes exactly, nothing half-written is left. Then disks that are full and directories that are closed.
# ALLOCATIONS=N tries every Nth allocation (40 otherwise); REPORT=FILE gets a line for each kind.
. "$(dirname "$0")/run_lib.sh"
options=(--eval_every 2 --save_every 2 --log_every 2 --keep 2)
train "$work/base" --steps 2 "${options[@]}"
cp -r "$work/base" "$work/whole"
train "$work/whole" --steps 4 "${options[@]}" --resume
essence "$work/whole" >"$work/whole.essence"

# count KIND: operations of the run from step 2 to step 4.
cp -r "$work/base" "$work/counted"
SOUK_FAULT=count "$souk" pretrain "$work/tiny.yaml" --out "$work/counted" --steps 4 "${options[@]}" --resume 2>"$work/counts"
count() { sed -n "s/^faults:.* $1 \([0-9]*\).*/\1/p" "$work/counts"; }

# attempt KIND NUMBER: resumes a copy of the base run with that fault, and again without.
attempt() {
  local run=$work/run-$1-$2 rc verdict=good said
  cp -r "$work/base" "$run"
  SOUK_FAULT=$1:$2 "$souk" pretrain "$work/tiny.yaml" --out "$run" --steps 4 "${options[@]}" --resume 2>"$run.err"
  rc=$?
  said=$(grep -c '^souk: error: .\{15,\}' "$run.err")
  if [ $rc -gt 2 ]; then verdict="exit status $rc"
  elif [ $rc != 0 ] && [ "$said" != 1 ]; then verdict="no sentence"
  elif [ $rc = 0 ] && [ "$1" != alloc ]; then verdict="went unnoticed"
  elif ls "$run" | grep -qE '\.(tmp|old)\.|damaged'; then verdict="left $(ls "$run" | grep -E '\.(tmp|old)\.|damaged' | head -n 1)"
  fi
  cp "$run.err" "$run.first"
  "$souk" pretrain "$work/tiny.yaml" --out "$run" --steps 4 "${options[@]}" --resume 2>"$run.err" || verdict="$verdict, does not resume"
  cmp -s "$work/whole.essence" <(essence "$run") || verdict="$verdict, resumes to something else"
  if [ "$verdict" = good ]; then echo "$2" >>"$work/good-$1"
  else (echo "# $1 $2: $verdict"; tail -n 2 "$run.first" "$run.err" | sed 's/^/#   /'); fi
  rm -rf "$run" "$run.err" "$run.first"
}
for kind in write fsync rename create alloc; do
  n=$(count $kind) stride=1 tried=0
  [ $kind = alloc ] && stride=${ALLOCATIONS:-40}
  slow && [ $kind != rename ] && stride=$((stride * 10))
  touch "$work/good-$kind"
  for at in $(seq 1 $stride "$n"); do
    tried=$((tried + 1))
    attempt $kind "$at" &
    [ $((tried % 8)) != 0 ] || wait
  done
  wait
  good=$(wc -l <"$work/good-$kind")
  [ -z "${REPORT:-}" ] || echo "$kind: $n in the run, $tried failed one by one, $good clear and intact" >>"$REPORT"
  check "each of ${n} failing ${kind}s ($tried tried) gives a sentence and harms nothing" test $tried -gt 0 -a "$good" = $tried
done

# A disk that stays full, whichever write is the first to notice.
for at in 1 5 20 60; do
  run=$work/full-$at
  cp -r "$work/base" "$run"
  check_error "a disk that is full from write $at on is an error" "No space left on device" env SOUK_FAULT=write:$at+ "$souk" pretrain "$work/tiny.yaml" --out "$run" --steps 4 "${options[@]}" --resume
  check "a disk full from write $at on leaves no temporary files" bash -c "! ls $run | grep -qE '\.(tmp|old)\.'"
done
check_error "SOUK_FAULT that cannot be parsed is an error" "SOUK_FAULT" env SOUK_FAULT=write "$souk" pretrain --help

# A file system that is really full; where none can be mounted, one that says so from some write on.
mkdir "$work/small"
full=(env)
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=160k none "$work/small" 2>/dev/null; then mounted=1
else
  mounted=0 full=(env SOUK_FAULT=write:200+)
  skip "a file system that is really full" "no tmpfs can be mounted; the next checks are told that it is full"
fi
check_error "a full file system is an error" "No space left on device" "${full[@]}" "$souk" pretrain "$work/tiny.yaml" --out "$work/small/run" --steps 20 "${options[@]}" --keep 9 --hidden 16
ls "$work/small/run" >"$work/list"
check "a full file system leaves no temporary files" bash -c "! grep -qE '\.(tmp|old)\.' $work/list"
newest=$(grep -E '^step-[0-9]+$' "$work/list" | sort | tail -n 1)
check "a full file system keeps the checkpoints written before" test -n "$newest"
cp -r "$work/small/run" "$work/moved"
[ $mounted = 0 ] || umount "$work/small"
check "a run from a full file system resumes elsewhere" train "$work/moved" --steps 20 "${options[@]}" --keep 9 --hidden 16 --resume
check "it resumes from its newest checkpoint" grep -q "resuming from step $((10#${newest#step-}))" "$work/moved.err"
cp -r "$work/base" "$work/limited"
check_error "a limit on file sizes is an error, not a signal" "File too large" bash -c "ulimit -f 16; exec '$souk' pretrain '$work/tiny.yaml' --out '$work/limited' --steps 4 ${options[*]} --resume --hidden 8"

# A directory that must not be written to.
chmod -R a+rX "$work"
closed=(env) # root may write anywhere: it steps down, or is told that it may not
if [ "$(id -u)" = 0 ]; then
  closed=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  if ! "${closed[@]}" "$souk" --version >/dev/null 2>&1; then
    closed=(env SOUK_FAULT=create:1+)
    skip "a directory that is really closed" "root, and no setpriv to step down with; the next checks are told that it is"
  fi
fi
cp -r "$work/base" "$work/closed"
chmod -R a-w "$work/closed"
check_error "a run in a read-only directory is an error" "Permission denied" "${closed[@]}" "$souk" pretrain "$work/tiny.yaml" --out "$work/closed" --steps 4 "${options[@]}" --resume
check_error "a run in a directory that cannot be made is an error" "Permission denied" "${closed[@]}" "$souk" pretrain "$work/tiny.yaml" --out "$work/closed/inner/run" --steps 4
check "the read-only run is unchanged" diff -r "$work/base" "$work/closed"
chmod -R u+w "$work/closed"
finish
