#!/usr/bin/env bash
# Resume is exact: a run killed at a random moment, and resumed, ends with the same bytes as one that was left alone.
# KILLS=200 for more of it (20 otherwise, fewer in slow builds); REPORT=FILE gets a line for each kill.
. "$(dirname "$0")/run_lib.sh"
kills=${KILLS:-20}
slow && kills=${KILLS:-4}
options=(--steps 60 --eval_every 25 --save_every 11 --keep 3 --log_every 3 --accumulate 2 --negatives 16)
train "$work/whole" "${options[@]}"
start=$(date +%s%N)
check "an uninterrupted run ends well" train "$work/again" "${options[@]}"
us=$((($(date +%s%N) - start) / 1000))
essence "$work/whole" >"$work/whole.essence"
check "two uninterrupted runs have the same bytes" cmp "$work/whole.essence" <(essence "$work/again")

# Kills at moments drawn uniformly from the run's duration; every third run is killed while resuming as well.
RANDOM=12345
killed=0 resumed=0 identical=0 early=0
kill_after() { # RUN MICROSECONDS OPTIONS...: true if it was killed
  local run=$1 delay=$2 pid; shift 2
  "$souk" pretrain "$work/tiny.yaml" --out "$run" "${options[@]}" "$@" 2>>"$run.err" &
  pid=$!
  sleep "$(printf '%d.%06d' $((delay / 1000000)) $((delay % 1000000)))"
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
  [ $? = 137 ]
}
i=0
for attempt in $(seq $((3 * kills))); do
  [ $i -lt "$kills" ] || break
  run=$work/kill
  rm -rf "$run" "$run.err"
  if ! kill_after "$run" $((us * (RANDOM % 1000) / 1000)); then # it was through before: not a kill
    us=$((us * 9 / 10)) # the machine was busier when a run was timed
    continue
  fi
  i=$((i + 1)) killed=$((killed + 1))
  if [ $((i % 3)) = 0 ]; then kill_after "$run" $((us * (RANDOM % 500) / 1000)) --resume && killed=$((killed + 1)); fi
  from=$(ls "$run" 2>/dev/null | grep -E '^step-[0-9]+$' | sort | tail -n 1)
  rest=$(ls "$run" 2>/dev/null | grep -cE '\.(tmp|old)\.')
  "$souk" pretrain "$work/tiny.yaml" --out "$run" "${options[@]}" --resume 2>"$run.end" && resumed=$((resumed + 1))
  [ -n "$from" ] || early=$((early + 1))
  same=no
  essence "$run" >"$work/essence"
  if cmp -s "$work/essence" "$work/whole.essence" && ! ls "$run" | grep -qE '\.(tmp|old)\.|damaged'; then
    identical=$((identical + 1)) same=yes
  else
    diff "$work/whole.essence" "$work/essence" | head -n 5 | sed 's/^/# /'
    sed 's/^/# /' "$run.end" | tail -n 3
  fi
  [ -z "${REPORT:-}" ] || echo "$i resumed from ${from:-the start}, $rest half-written, identical $same" >>"$REPORT"
done
echo "# $i runs, $killed kills, $early before the first checkpoint, $resumed resumed, $identical identical"
check "all $kills runs killed with SIGKILL resumed" test $resumed = "$kills"
check "all $kills killed runs ended with the same bytes" test $identical = "$kills"

# Killed just before each file operation of a short run: before every write, fsync and rename.
short=(--steps 4 --eval_every 2 --save_every 2 --log_every 2 --keep 1)
train "$work/short" "${short[@]}"
essence "$work/short" >"$work/short.essence"
count() { SOUK_FAULT=count "$souk" pretrain "$work/tiny.yaml" --out "$work/count" "${short[@]}" 2>&1 | sed -n "s/.*faults:.* $1 \([0-9]*\).*/\1/p"; rm -rf "$work/count"; }
attempt() { # KIND NUMBER: kills a run of its own there and resumes it
  local run=$work/at-$1-$2
  (SOUK_FAULT=$1:$2! exec "$souk" pretrain "$work/tiny.yaml" --out "$run" "${short[@]}") 2>/dev/null
  "$souk" pretrain "$work/tiny.yaml" --out "$run" "${short[@]}" --resume 2>"$run.err"
  if cmp -s "$work/short.essence" <(essence "$run") && ! ls "$run" | grep -qE '\.(tmp|old)\.|damaged'; then
    echo good >>"$work/good-$1"
  else
    (echo "# killed before $1 $2:"; tail -n 2 "$run.err" | sed 's/^/# /'; diff "$work/short.essence" <(essence "$run") | head -n 3 | sed 's/^/# /')
  fi
  rm -rf "$run" "$run.err"
}
for kind in write fsync rename; do
  n=$(count $kind) tried=0 stride=1
  [ $kind = write ] && stride=5
  slow && stride=$((stride * 8))
  for at in $(seq 1 $stride "$n"); do
    tried=$((tried + 1))
    attempt $kind "$at" & # they mostly wait for the disk
    [ $((tried % 8)) != 0 ] || wait
  done 2>/dev/null
  wait
  check "killed before a $kind: $tried of $n moments, all resume exactly" test "$(wc -l <"$work/good-$kind")" = $tried
done

train_again() { # RUN OPTIONS: by the run's own configuration
  local run=$1; shift
  "$souk" pretrain "$run" "$@" --resume >/dev/null 2>"$run.err" || { cat "$run.err"; return 1; }
}

# Damage.
damaged() { # NAME COMMAND TEXT: damages the newest checkpoint of a copy of the short run, and resumes to the same end
  rm -rf "$work/dam"; cp -r "$work/three" "$work/dam"
  (cd "$work/dam/step-00000006" && eval "$2")
  check "$1: the run resumes from the checkpoint before" train "$work/dam" "${three[@]}" --resume
  check "$1: the error names it and the checkpoint before" bash -c "grep -qF '$3' '$work/dam.err' && grep -q 'step-00000006 is damaged: going back to step-00000004' '$work/dam.err'"
  check "$1: the run ends with the same bytes" cmp <(essence "$work/three") <(essence "$work/dam")
}
three=(--steps 6 --eval_every 0 --save_every 2 --keep 3 --log_every 2)
train "$work/three" "${three[@]}"
damaged "a flipped byte" 'printf x | dd of=optimizer.h5 bs=1 seek=3000 conv=notrunc 2>/dev/null' "its checksum is not the one"
damaged "a part cut short" 'truncate -s 1000 model.h5' "it is damaged or cut short"
damaged "a missing part" 'rm model.h5' "cannot open"
damaged "a manifest that is no json" 'echo "{" >manifest.json' "manifest.json line"
damaged "a missing manifest" 'rm manifest.json' "cannot open"
check "the damaged checkpoint is set aside" test -d "$work/dam/damaged-step-00000006"
rm -rf "$work/none"; cp -r "$work/three" "$work/none"; for s in "$work"/none/step-*; do truncate -s 99 "$s/model.h5"; done
check_error "a run with damaged checkpoints only is an error" "holds no checkpoint that is whole" "$souk" pretrain "$work/tiny.yaml" --out "$work/none" "${three[@]}" --resume
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --out "$work/other" --min_user 6
check_error "another data set is refused on resuming" "another data set" "$souk" pretrain "$work/tiny.yaml" --data.dir "$work/other" --out "$work/three" --steps 8 --resume

# A run of a program that had fewer options: they are at their defaults, and told only where they are not now.
older=$work/older
lacking() { # a copy of the run whose files know two options less
  rm -rf "$older"; cp -r "$work/three" "$older"
  sed -i -E '/^  (poly_power|skip_nonfinite): /d' "$older/config.yaml"
  sed -i -E 's/  (poly_power|skip_nonfinite): [^\\]*\\n//g' "$older"/step-*/manifest.json
  ! grep -qE 'poly_power|skip_nonfinite' "$older/config.yaml" "$older"/step-*/manifest.json
}
check "two options are not in a run's files" lacking
check "a run of a program with fewer options resumes" train_again "$older" --steps 7
check "only the changed option is reported" test "$(grep -c 'and is now' "$older.err")" = 1
check "the reported option is train.steps" grep -q 'train.steps was 6, and is now 7' "$older.err"
lacking
check "an option that the program did not have may be changed" train_again "$older" --poly_power 0.7 --steps 7
check "its change is reported, from its default" grep -q 'optim.poly_power was 0.5, and is now 0.7' "$older.err"
# And one that had more: nothing is taken for damaged.
lacking
sed -i -E 's/"created_by": "souk [^"]*"/"created_by": "souk 0.9.0"/; s/  seed: /  sprout: 7\\n  seed: /' "$older"/step-*/manifest.json
check_error "an option of a later version is an error with that version" \
  '"config" (souk 0.9.0 wrote it, this is souk '"$("$souk" --version | cut -d' ' -f2)"') line ' "$souk" pretrain "$older" --steps 7 --resume
lacking
sed -i -E 's/"created_by": "souk [^"]*"/"created_by": "souk 0.9.0"/; s/  "hidden"/  "rotary": true,\n  "hidden"/' "$older"/step-*/manifest.json
check_error "a model field of a later version is an error with that version" \
  'step-00000006/manifest.json: field "model.rotary" is unknown; souk 0.9.0 wrote it, this is souk '"$("$souk" --version | cut -d' ' -f2)" "$souk" pretrain "$older" --steps 7 --resume
check "checkpoints of a later version are not set aside" test -d "$older/step-00000006" -a ! -e "$older/damaged-step-00000006"

# Stopped by a signal between two saves, in the middle of a metrics window.
rm -rf "$work/term"
"$souk" pretrain "$work/tiny.yaml" --out "$work/term" "${options[@]}" 2>/dev/null &
pid=$!
sleep "$(printf '0.%06d' $((us / 2 % 1000000)))"; kill -TERM $pid; wait $pid
check "a run ended by SIGTERM resumes" train "$work/term" "${options[@]}" --resume
check "its weights and metrics are those of an uninterrupted run" cmp <(essence "$work/term" | grep -vE '^step-') <(grep -vE '^step-' "$work/whole.essence")
check "its last checkpoint is that of an uninterrupted run" cmp <(essence "$work/term" | grep '^step-00000060') <(grep '^step-00000060' "$work/whole.essence")
finish
