#!/usr/bin/env bash
# A place in the data is a count of examples: a resumed run may change the size of its batches. And which events an epoch has:
# windows follow the model, and what is left out is told.
. "$(dirname "$0")/run_lib.sh"
manifest() { echo "$1/$(cat "$1/last")/manifest.json"; }
state() { sed -n "s/.*\"$2\": \([-0-9.e+]*\),*$/\1/p" "$(manifest "$1")" | head -n 1; } # RUN FIELD
# resumed FROM AS OPTIONS...: a copy of the run FROM goes on as AS, with its own configuration but for the options.
resumed() {
  local run=$work/$2
  cp -r "$work/$1" "$run"; shift 2
  "$souk" pretrain "$run" --resume "$@" 2>"$run.err" || { cat "$run.err"; return 1; }
}
said() { grep -qF -- "$2" "$work/$1.err"; } # RUN TEXT
unsaid() { ! said "$@"; }
short=(--eval_every 0 --log_every 1 --keep 9)

check "a run is stopped late in its first epoch" train "$work/first" "${short[@]}" --steps 25
check "its place is in the first epoch" test "$(state "$work/first" epoch)" = 0
check "a run goes on with batches four times as large" resumed first larger --batch_tokens 1024 --steps 28
check "larger batches go on in the same epoch" unsaid larger "starts anew"
check "a run goes on with smaller batches" resumed first smaller --batch_tokens 64 --batch_sequences 3 --steps 28
check "a run goes on with another number of micro-batches" resumed first micro --accumulate 3 --steps 28
check "smaller batches go on behind the same example" awk -v a="$(state "$work/first" example)" -v b="$(state "$work/smaller" example)" \
  'BEGIN { exit !(b > a && b <= a + 9) }'

# Checkpoints of before have a number of batches in that place, and no windows.
older() { # FROM AS: FROM without what was not written then
  cp -r "$work/$1" "$work/$2"
  sed -i -E '/"(example|data_window|data_stride|steps_per_epoch|paced_step|paced_epochs)": /d' "$(manifest "$work/$2")"
  ! grep -q '"example"' "$(manifest "$work/$2")"
}
check "a checkpoint is made to count batches only" older first old
check "a run that counted batches goes on with larger ones" resumed old old-larger --batch_tokens 1024 --steps 28
check "its place is the same as that of one that counted examples" cmp <(essence "$work/old-larger") <(essence "$work/larger")
check "a run that counted batches goes on" resumed old old-same --steps 28
check "a run that counted examples goes on" resumed first same --steps 28
check "both end with the same bytes" cmp <(essence "$work/old-same") <(essence "$work/same")
sed -i 's/"index": [0-9]*/"index": 99999/' "$(manifest "$work/old")"
check_error "a number of batches that its epoch never had is an error" '"state.index" is out of range: epoch 0 has no batch 99999' \
  "$souk" pretrain "$work/old" --resume --steps 28
cp -r "$work/first" "$work/bad"
sed -i 's/"example": [0-9]*/"example": 99999/' "$(manifest "$work/bad")"
check_error "a place behind the end of its epoch is an error" '"state.example" is out of range: epoch 0 has no example 99999' \
  "$souk" pretrain "$work/bad" --resume --steps 28

# Options that decide which examples there are, and in which order.
anew() { # NAME OPTIONS...
  local name=$1; shift
  resumed first "anew-$name" --steps 28 "$@" &&
    said "anew-$name" "epoch 0 starts anew, of which $(state "$work/first" example) examples were trained on: data.$name has changed"
}
check "with another data.seed the epoch starts anew" anew seed --data.seed 2
check "with other windows the epoch starts anew" anew window --data.window 6
check "with another stride the epoch starts anew" anew stride --data.stride 3
check "with another dupe_factor the epoch starts anew" anew dupe_factor --dupe_factor 2
check "with other last_copies the epoch starts anew" anew last_copies --last_copies 0.5
check "with other masks the epoch goes on" resumed first masks --mask_probability 0.4 --crop 0.5 --negatives 8 --steps 28
check "nothing starts anew where the order stays" unsaid masks "starts anew"

# train.epochs ends a run after so many epochs, whatever their steps were.
check "a run of one epoch is stopped" train "$work/epochs" "${short[@]}" --epochs 1 --steps 20
epoch=$(state "$work/epochs" steps_per_epoch)
check "its rest is run with batches four times as large" resumed epochs faster --epochs 1 --steps 0 --batch_tokens 1024
check "how many steps are left is told" said faster "an epoch had $epoch steps and has "
check "the run ends when the epoch is done" awk -v all="$epoch" -v end="$(state "$work/faster" step)" \
  'BEGIN { left = (all - 20) / 4; exit !(end > 20 + left - 1.5 && end < 20 + left + 1.5) }'
check "a run that has ended is resumed" resumed faster again
check "it stays ended after the same step" test "$(state "$work/again" step)" = "$(state "$work/faster" step)"

# Windows longer than the model.
awk 'BEGIN { srand(3); print "user,item,time"
  for (u = 0; u < 40; u++) for (i = 0; i < 60 + 20 * u % 300; i++) print "u" u ",i" int(50 * rand()) "," i }' >"$work/long.csv"
check "a data set with windows of 200 is prepared" "$souk" prepare --log "$work/long.csv" --user user --fields.item item --fields.time time \
  --out "$work/long" --window 200 --stride 100
events=$(sed -n 's/^ "train_tokens": \([0-9]*\).*/\1/p' "$work/long/manifest.json")
long=("${short[@]}" --data.dir "$work/long" --max_positions 50 --steps 3)
plan() { "$souk" plan "$work/tiny.yaml" "${long[@]}" "$@"; }
number() { sed -n "s/^ \"$1\": \([-+.0-9e]*\).*/\1/p"; }
batches() { plan "$@" 2>/dev/null | sed -n 's/^  \([0-9]*\) batches an epoch/\1/p'; }
check "a model of 50 positions is trained on windows of 200" train "$work/cut" "${long[@]}"
check "its windows are as long as the model has room for, and all events come" said cut \
  "an epoch has all $events training events, in windows of 50 that begin 25 apart (the data set's are 200 long, model.max_positions = 50 has room for 50)"
check "an epoch has as many batches as with these windows set" test "$(batches)" = "$(batches --data.window 50 --data.stride 25)"
check "the plan tells windows and events" plan --json
plan --json >"$work/plan.json"
check "the events of the plan are all" test "$(number window <"$work/plan.json") $(number stride <"$work/plan.json") $(number epoch_events <"$work/plan.json")" = "50 25 $events"
check "windows that are set are taken as they are" train "$work/set" "${long[@]}" --data.window 200 --data.stride 100
covered=$(plan --json --data.window 200 --data.stride 100 2>"$work/plan.err" | number epoch_events)
check "the share of events that they lose is a warning that names the options" grep -qE \
  "warning: an epoch has [0-9.]+% of the training events \($covered of $events\): of a window of 200 events the model sees the newest 50; lower data.window and data.stride, or raise model.max_positions \(50\)" "$work/set.err"
check "souk plan warns of it as well" grep -q "warning: an epoch has .* ($covered of $events)" "$work/plan.err"
check "such windows lose about half of the events" awk -v a="$covered" -v b="$events" 'BEGIN { exit !(a > 0.3 * b && a < 0.7 * b) }'
check "copies that are only a share of the windows are a warning" bash -c \
  "'$souk' plan '$work/tiny.yaml' --data.dir '$work/long' --dupe_factor 0 --last_copies 0.5 2>&1 >/dev/null | grep -q 'data.last_copies = 0.5 times'"

# A run whose windows were the data set's by default goes on with them.
check "a checkpoint is made to have the windows of before" older set set-old
sed -i -E 's/^  (window|stride): .*/  \1: 0/' "$work/set-old/config.yaml"
sed -i -E 's/  window: 200\\n  stride: 100\\n/  window: 0\\n  stride: 0\\n/' "$(manifest "$work/set-old")"
check "its configuration does not set windows" grep -qF '  window: 0\n  stride: 0\n' "$(manifest "$work/set-old")"
check "a run with the windows of before goes on" resumed set-old set-old-on --steps 6
check "the run whose windows are set goes on" resumed set set-on --steps 6
check "both end with the same parameters and moments" cmp <(essence "$work/set-old-on") <(essence "$work/set-on")
check "it is told which share of the events it has" said set-old-on "($covered of $events)"
finish
