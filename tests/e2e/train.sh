#!/usr/bin/env bash
# The training loop from outside: schedules, accumulation, clipping, validation, early stopping, checkpoints kept,
# signals, steps that are not finite.
. "$(dirname "$0")/run_lib.sh"
lines() { grep -c "\"kind\":\"$2\"" "$1/metrics.jsonl"; }
same() { [ "$(essence "$1")" = "$(essence "$2")" ]; }
differ() { ! same "$1" "$2"; }
weights() { sha256sum <"$1/$(cat "$1/last")/model.h5"; }
# near A B: equal to 6 digits.
near() { awk -v a="$1" -v b="$2" 'BEGIN {d = a - b; if (d < 0) d = -d; m = b < 0 ? -b : b; exit !(a != "" && d <= 1e-6 * m + 1e-12)}'; }

# ---- a whole run
a=$work/a
check "a run ends well" train "$a" --steps 40 --eval_every 15 --save_every 10 --keep 2 --train.seed 4
check "metrics have a train line every 5 steps" test "$(lines "$a" train)" = 8
check "validation comes every 15 steps and at the end" test "$(grep '"valid"' "$a/metrics.jsonl" | grep -o '"step":[0-9]*' | tr '\n' ' ')" = '"step":15 "step":30 "step":40 '
check "every metrics line is an object with kind and step" test "$(grep -cvE '^\{"kind":"[a-z]+","step":[0-9]+(,"[^"]+":("[a-z]+"|[-+.0-9e]+))*\}$' "$a/metrics.jsonl")" = 0
check "a train line has loss, rate, norm, speed and share of peak" test -n "$(field "$a" train 20 loss)$(field "$a" train 20 lr)$(field "$a" train 20 grad_norm)$(field "$a" train 20 tokens_per_s)$(field "$a" train 20 share_of_peak)"
check "last names the newest checkpoint" test "$(cat "$a/last")" = step-00000040
best=$(cat "$a/best")
check "the two newest and the best checkpoint are kept, no more" test "$(ls -d "$a"/step-* | xargs -n1 basename | tr '\n' ' ')" = "$(printf '%s\n' step-00000030 step-00000040 "$best" | sort -u | tr '\n' ' ')"
check "best names the checkpoint with the best metric" test "$(for s in 15 30 40; do echo "$(field "$a" valid $s ndcg@10) $s"; done | sort -k1,1gr -k2,2n | head -n 1 | cut -d' ' -f2)" = "$((10#${best#step-}))"
check "the manifest is a checkpoint's" grep -q '"schema": "souk.checkpoint"' "$a/step-00000040/manifest.json"
check "no temporary or replaced directory is left" bash -c "! ls $a | grep -qE 'tmp|old'"
check "there is an event file for TensorBoard" bash -c "ls $a | grep -q '^events.out.tfevents'"
check "without a terminal progress is plain lines" bash -c "grep -q '^step ' $a.err && ! grep -q \$'\r' $a.err"
check "the last lines say how the run ended" bash -c "grep -q '^done: 40 steps, .* ended by train.steps = 40$' $a.err && grep -q '^best ndcg@10 .* memory at most' $a.err"
if terminal; then
  script -qec "$souk pretrain $work/tiny.yaml --out $work/tty --steps 10 --eval_every 0" /dev/null >"$work/tty.out" 2>&1
  check "a terminal gets one redrawn line with an ETA" bash -c "grep -qE \$'\r.*step +5/10 .*eta' $work/tty.out"
else
  skip "a terminal gets one redrawn line with an ETA" "no script(1), or no /dev/pts"
fi
check "a run with --no-keep-best ends well" train "$work/nobest" --steps 40 --eval_every 15 --save_every 10 --keep 1 --no-keep-best --lr 0 --metric loss
check "--no-keep-best keeps neither the best checkpoint nor its name" test "$(ls "$work/nobest" | grep -E '^(step|best|last)' | tr '\n' ' ')" = "last step-00000040 "
b=$work/b
check "the same run again ends well" train "$b" --steps 40 --eval_every 15 --save_every 10 --keep 2 --train.seed 4
check "the same run again gives the same bytes" same "$a" "$b"
check "a run that writes its batches ends well" train "$work/batches" --steps 40 --eval_every 15 --save_every 10 --keep 2 --train.seed 4 --write_batches 3
check "writing batches changes nothing of the training" same "$a" "$work/batches"
check "the batches are beside the checkpoints" test -s "$work/batches/batches.h5"
check "a run with another seed ends well" train "$work/c" --steps 40 --eval_every 15 --save_every 10 --keep 2 --train.seed 5
check "another seed gives other bytes" differ "$a" "$work/c"
check "a run without snapshots and event files ends well" train "$work/d" --steps 40 --eval_every 15 --save_every 10 --keep 2 --train.seed 4 --no-background --no-tensorboard
check "without snapshots the bytes are the same" same "$a" "$work/d"
check "--no-tensorboard writes no event file" bash -c "! ls $work/d | grep -q tfevents"
check "a run's own config.yaml makes another run" "$souk" pretrain "$a/config.yaml" --out "$work/e"
check "the other run has the same bytes" same "$a" "$work/e"
# data.dupe_factor was data.duplicates once, and the config.yaml of such a run still is one.
sed 's/  dupe_factor:/  duplicates:/' "$a/config.yaml" >"$work/duplicates.yaml"
check "the old name data.duplicates is in the made-up old config.yaml" grep -q '^  duplicates: 1$' "$work/duplicates.yaml"
check "a config.yaml with the old name data.duplicates trains" "$souk" pretrain "$work/duplicates.yaml" --out "$work/f"
check "a run with the old name data.duplicates gives the same bytes" same "$a" "$work/f"
check "its own config.yaml has the new name data.dupe_factor" grep -q '^  dupe_factor: 1$' "$work/f/config.yaml"
check "its own config.yaml has no data.duplicates" bash -c "! grep duplicates '$work/f/config.yaml'"
check_error "data.duplicates and data.dupe_factor in one file are refused" "two names of one option" "$souk" pretrain <(sed 's/^  dupe_factor:.*/&\n  duplicates: 2/' "$a/config.yaml") --out "$work/x"
check_error "an existing run is not overwritten" "holds a run already" "$souk" pretrain "$work/tiny.yaml" --out "$a" --steps 40
check_error "a run without an end is an error" "train.steps, train.epochs and train.minutes" "$souk" pretrain "$work/tiny.yaml" --out "$work/x" --steps 0
check_error "a run without a place is an error" "train.out" "$souk" pretrain --data.dir "$data" --steps 1
check "a run without --out takes its place from the configuration's name" bash -c "mkdir $work/here && cd $work/here && '$souk' pretrain ../tiny.yaml --steps 1 --eval_every 0"
check "that place is below checkpoints" test -e "$work/here/checkpoints/tiny/last"
check_error "an unknown metric is an error" 'no metric "nddcg@10"' "$souk" pretrain "$work/tiny.yaml" --out "$work/x" --metric nddcg@10
check_error "a missing data set is an error" "does not exist, and a data set is needed; souk prepare makes one" "$souk" pretrain "$work/tiny.yaml" --data.dir "$work/nothing" --out "$work/x"

# ---- schedules: rates of steps counted from 0, printed with the step after
rate() { local r=$work/$1; shift; train "$r" --steps 20 --eval_every 0 --log_every 1 --lr 0.01 --warmup_steps 4 "$@"; }
check "a linear schedule ends well" rate linear --schedule linear --min_lr 0.1
check "the linear schedule warms up" near "$(field "$work/linear" train 1 lr)" 0.0025
check "the linear schedule reaches its peak" near "$(field "$work/linear" train 4 lr)" 0.01
check "the linear schedule decays to min_lr" near "$(field "$work/linear" train 20 lr)" 0.0015625
check "a cosine schedule ends well" rate cosine --schedule cosine
check "the cosine schedule is at half its peak in the middle" near "$(field "$work/cosine" train 13 lr)" 0.005
check "a constant schedule ends well" rate constant --schedule constant
check "the constant schedule stays at its peak" near "$(field "$work/constant" train 20 lr)" 0.01
check "a poly schedule with LAMB ends well" rate poly --schedule poly --optim.kind lamb
check "the poly schedule follows the root of what is left" near "$(field "$work/poly" train 15 lr)" 0.005
check "a schedule with decay_steps ends well" rate early --schedule linear --decay_steps 12
check "decay_steps ends the decay at zero" near "$(field "$work/early" train 13 lr)" 0

# ---- accumulation, clipping, sampled losses
check "a run of 5 steps with 4 micro-batches ends well" train "$work/acc4" --steps 5 --eval_every 0 --accumulate 4
check "a run of 20 steps ends well" train "$work/acc1" --steps 20 --eval_every 0
check "5 steps of 4 micro-batches have the tokens of 20 steps" test "$(field "$work/acc4" train 5 tokens)" = "$(field "$work/acc1" train 20 tokens)"
check "a run with --epochs ends well" train "$work/epochs" --epochs 80 --eval_every 0
check "--epochs ends a run, not the default of steps" grep -q '^done: [0-9]* steps, .* ended by train.epochs = 80$' "$work/epochs.err"
check "80 epochs are more steps than the default" test "$(sed -n 's/^done: \([0-9]*\) steps.*/\1/p' "$work/epochs.err")" -gt 1000
check "a run with --steps and --epochs ends well" train "$work/both" --steps 3 --epochs 80 --eval_every 0
check "the smaller of --steps and --epochs ends the run, said twice" test "$(grep -c 'ended by train.steps = 3, before train.epochs = 80$' "$work/both.err")" = 2
# Steps that nobody says again are those that the run began with: an older program gave it 1000 beside epochs or minutes.
check "a run with 3 steps and 2 epochs ends well" train "$work/through" --steps 3 --epochs 2 --eval_every 0
check "the finished run resumes without --steps" train "$work/through" --epochs 2 --eval_every 0 --resume
check "the finished run stays at its last step" test "$(cat "$work/through/last") $(grep -c 'ended by train.steps = 3, before train.epochs = 2$' "$work/through.err")" = "step-00000003 2"
check "the finished run reports no changed option" bash -c "! grep 'and is now' '$work/through.err'"
check "the finished run resumes with --steps 0" train "$work/through" --steps 0 --epochs 2 --eval_every 0 --resume
check "the finished run goes on to its epochs" grep -q '^done: .* ended by train.epochs = 2$' "$work/through.err"
sed 's/threads: 1/threads: 1, minutes: 0.01/' "$work/tiny.yaml" >"$work/timed.yaml"
check "minutes in a configuration end a run, not the default of steps" bash -c "'$souk' pretrain $work/timed.yaml --out $work/timed --eval_every 0 2>&1 | grep -q '^done: .* ended by train.minutes = 0.01$'"
check "a run by epochs ends as complete" test "$(grep -c '"end"' "$work/epochs/metrics.jsonl") $(grep '"end"' "$work/epochs/metrics.jsonl" | grep -o '"reason":"[a-z]*"')" = '1 "reason":"complete"'
check "a run with --minutes ends well" train "$work/minutes" --steps 0 --minutes 0.005 --eval_every 0
check "--minutes 0.005 ends within 5 seconds" test "$(sed -n 's/.*"kind":"end".*"seconds":\([0-9]*\).*/\1/p' "$work/minutes/metrics.jsonl")" -lt 5
check "a run with a clip_norm above all norms ends well" train "$work/clip9" --steps 5 --eval_every 0 --clip_norm 1e9
check "a run without clip_norm ends well" train "$work/clip0" --steps 5 --eval_every 0 --clip_norm 0
check "a clip_norm above all norms changes nothing" same "$work/clip9" "$work/clip0"
check "a run with a low clip_norm ends well" train "$work/clip1" --steps 5 --eval_every 0 --clip_norm 0.01 --optim.eps 1e-3
check "a low clip_norm changes the weights" bash -c "[ \"$(weights "$work/clip1")\" != \"$(weights "$work/clip0")\" ]"
check "a sampled loss with touched rows only trains" train "$work/lazy" --steps 10 --eval_every 5 --negatives 32
check "a sampled loss with all rows trains" train "$work/full" --steps 10 --eval_every 5 --negatives 32 --no-lazy_rows

# ---- early stopping
check "a run without improvement ends well" train "$work/flat" --steps 100 --eval_every 5 --lr 0 --patience 2 --metric loss
check "patience ends the run after two more validations" test "$(cat "$work/flat/last") $(lines "$work/flat" valid)" = "step-00000015 3"
check "the best checkpoint is the first" test "$(cat "$work/flat/best")" = step-00000005
check "the run says that it stops early" grep -q 'no better loss in 2 validations: stopping early' "$work/flat.err"
before=$(essence "$work/flat")
check "resuming the stopped run ends well" train "$work/flat" --steps 100 --eval_every 5 --lr 0 --patience 2 --metric loss --resume
check "resuming the stopped run adds nothing" test "$before" = "$(essence "$work/flat")"
check "resuming with more patience ends well" train "$work/flat" --steps 100 --eval_every 5 --lr 0 --patience 3 --metric loss --resume
check "more patience goes on for one validation" test "$(cat "$work/flat/last")" = step-00000020
check "the changed patience is reported" grep -q 'train.patience was 2, and is now 3' "$work/flat.err"

# ---- a step that is not finite
explode=(--steps 50 --eval_every 0 --lr 100 --weight_decay 100 --warmup_steps 0 --schedule constant --save_every 2)
check_error "a NaN stops the run and names the tensor" "elements of out are not finite" "$souk" pretrain "$work/tiny.yaml" --out "$work/nan" "${explode[@]}"
where=$(sed -n 's/.*not finite\. \(forward of [^:]*\):.*/\1/p' "$work/.err")
check "the NaN's layer is named" bash -c "[[ '$where' == 'forward of bert.encoder.layer.0.'* ]]"
check_error "replay of the run finds the same tensor" "$where" "$souk" replay "$work/nan"
cp "$work/.out" "$work/replay.out"
check "replay shows the tensors before it" grep -q 'forward of bert.embeddings: sum' "$work/replay.out"
check_error "replay of the step's directory finds the same tensor" "$where" "$souk" replay "$work"/nan/nonfinite-*
"$souk" replay "$work/nan" --trace >"$work/trace" 2>&1
check "replay --trace shows every tensor" grep -q 'backward of bert.embeddings: dword' "$work/trace"
check_error "replay of a run without a saved step is an error" "no saved non-finite step" "$souk" replay "$work/a"
check_error "the stopped run resumes to the same non-finite step" "$where" "$souk" pretrain "$work/tiny.yaml" --out "$work/nan" "${explode[@]}" --resume
rm -r "$work/nan/step-00000005"
check "a lower rate goes on from an earlier checkpoint" train "$work/nan" "${explode[@]}" --resume --lr 1e-6 --steps 8
check "the changed rate is reported" grep -q 'optim.lr was 100, and is now 1e-06' "$work/nan.err"
check_error "skip_nonfinite skips two steps and stops at the third" "step 8 was not applied" "$souk" pretrain "$work/tiny.yaml" --out "$work/skip" "${explode[@]}" --skip_nonfinite 2
check "every skipped step has a line in the metrics" test "$(grep -c '"kind":"nonfinite"' "$work/skip/metrics.jsonl")" = 2
cp -r "$work"/skip/nonfinite-00000006 "$work/cut" && truncate -s 3000 "$work/cut/batch.h5"
check_error "replay of a damaged step is an error" "it is damaged" "$souk" replay "$work/cut"

# ---- signals
# A step of seconds, so that a signal meets one.
slow=(--steps 100000 --eval_every 0 --hidden 64 --layers 2 --batch_tokens 4096 --accumulate 400)
start() { # RUN OPTIONS...: in the background, until it trains
  local run=$1; shift
  "$souk" pretrain "$work/tiny.yaml" --out "$run" "$@" 2>"$run.err" &
  pid=$!
  for _ in $(seq 1500); do grep -q ' an epoch of ' "$run.err" && return 0; sleep 0.02; done
  return 1
}
for signal in TERM INT; do
  check "a run to be stopped by $signal starts" start "$work/sig$signal" --steps 100000 --eval_every 0
  kill -$signal $pid; wait $pid; rc=$?
  check "$signal: the run ends with status 130" test $rc = 130
  check "$signal: the run prints a sentence and no error" bash -c "grep -q '^interrupted by SIG$signal ' $work/sig$signal.err && ! grep -q error $work/sig$signal.err"
  check "$signal: the run leaves a checkpoint" test -s "$work/sig$signal/$(cat "$work/sig$signal/last")/manifest.json"
done
step=$(cat "$work/sigTERM/last")
check "a run stopped by SIGTERM resumes" train "$work/sigTERM" --steps $((10#${step#step-} + 5)) --eval_every 0 --resume
check "it resumes from the step of its checkpoint" grep -q "resuming from step $((10#${step#step-}))" "$work/sigTERM.err"
check "a run of long steps starts" start "$work/twice" "${slow[@]}"
check_error "a second process in the same run is an error" "another process trains there" "$souk" pretrain "$work/tiny.yaml" --out "$work/twice" "${slow[@]}"
for _ in 1 2 3 4 5 6 7 8; do kill -TERM $pid 2>/dev/null; sleep 0.05; done # two that come before it runs are one
wait $pid; rc=$?
check "a second signal ends a run at once" test $rc = 143
check "a run ended at once leaves no checkpoint" test ! -e "$work/twice/last"
check "--resume without a checkpoint starts from the beginning" train "$work/fresh" --steps 3 --eval_every 0 --resume
check "--resume without a checkpoint says so" grep -q 'no checkpoint yet: starting from the beginning' "$work/fresh.err"
finish
