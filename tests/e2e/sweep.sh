#!/usr/bin/env bash
# souk sweep: random search and successive halving, killed and resumed, with trials that fail; what it prints, keeps and repeats.
. "$(dirname "$0")/run_lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
cat >"$work/random.yaml" <<X
base: $work/tiny.yaml
trials: 6
fixed:
  train: {steps: 60, eval_every: 20}
ranges:
  optim:
    lr: {log_uniform: [1e-3, 1e-1]}
  model:
    dropout: {uniform: [0, 0.5]}
    hidden: [8, 12]
X
cat >"$work/halving.yaml" <<X
base: $work/tiny.yaml
trials: 6
seed: 4
fixed:
  train: {eval_every: 10}
ranges:
  optim:
    lr: {log_uniform: [1e-3, 1e-1]}
  model:
    dropout: {uniform: [0, 0.5]}
halving:
  rungs: [20, 60, 180]
  factor: 2
X
sweep() { # OUT ARGUMENTS...: stdout to OUT.table, stderr to OUT.err
  local out=$1; shift
  "$souk" sweep "$@" >"$out.table" 2>"$out.err"
}
# The table without what is measured in seconds (nor the width that it gives its column) and without the directory's own name.
table() { "$souk" sweep "$1" --show | sed -E 's/ +([0-9]+ min )?[0-9.]+ (us|ms|s)( |$)/ TIME\3/; s/ +/ /g' | sed "s#$1#SWEEP#g"; }
same_table() { diff <(table "$1") <(table "$2"); }
has() { grep -qF -- "$2" "$1" || { cat "$1"; return 1; }; }
checkpoints() { find "$1" -maxdepth 2 -name 'step-*' | sed -E 's#/step-[0-9]*$##; s#.*/##' | sort -u | tr '\n' ' '; }

# ---- random search
check "a random search runs" sweep "$work/r" "$work/random.yaml" --out "$work/r" --jobs 2
check "the table names the options" has "$work/r.table" "optim.lr  model.dropout  model.hidden"
check "the table has a line for each trial" test "$(grep -cE '^ +[0-9]+ +0\.' "$work/r.table")" = 6
check "the table is in the order of the metric" bash -c "awk '/^ +[0-9]+ +0\\./ {print \$2}' '$work/r.table' | sort -c -r -g"
check "--show prints the same table" bash -c "'$souk' sweep '$work/r' --show | cmp - '$work/r.table'"
check "the record has a line for each trial" test "$(grep -c '"kind":"result"' "$work/r/trials.jsonl")" = 6
best=$(awk '/^ +[0-9]+ +0\./ {print $1; exit}' "$work/r.table")
winner=$(printf 'trial-%04d' "$best")
check "only the best trial keeps its checkpoints" test "$(checkpoints "$work/r")" = "$winner "
check "a trial without checkpoints keeps its metrics" test "$(ls "$work"/r/trial-*/metrics.jsonl | wc -l)" = 6
check "the curves of the best trials are drawn" grep -q '<polyline' "$work/r/curves.svg"
check "the metric over each option is drawn, with a point for each trial" test "$(grep -c '<circle' "$work/r/options.svg")" = 18
well_formed() {
  if command -v xmllint >/dev/null; then xmllint --noout "$1"
  elif command -v python3 >/dev/null; then python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1"
  else grep -q '</svg>' "$1"; fi
}
check "the picture of the options is well-formed" well_formed "$work/r/options.svg"
check "the same sweep gives the same table" bash -c "'$souk' sweep '$work/random.yaml' --out '$work/r2' --keep 0 >/dev/null 2>&1"
check "the same sweep with one job has the same table" same_table "$work/r" "$work/r2"
check "with --keep 0 all trials keep their checkpoints" test "$(checkpoints "$work/r2" | wc -w)" = 6
check_error "a sweep is not overwritten" "holds a sweep already; --resume continues it" "$souk" sweep "$work/random.yaml" --out "$work/r"
check_error "a finished sweep is not begun again by its directory alone" "--resume continues it" "$souk" sweep "$work/r"
check "a finished sweep has nothing left to do" sweep "$work/r" "$work/r" --resume
check "a finished sweep that is resumed prints its table" bash -c "'$souk' sweep '$work/r' --show | cmp - '$work/r.table'"
check "a finished sweep that is resumed adds no line to the record" test "$(wc -l <"$work/r/trials.jsonl")" = 7

# ---- the winner again
repeat() { # SWEEP RUN: runs the command that the table prints, into RUN
  local line
  line=$("$souk" sweep "$1" --show | sed -n 's/^    souk pretrain //p')
  (eval "\"\$souk\" pretrain ${line% --train.out *} --train.out '$2'") 2>"$2.err" || { cat "$2.err"; return 1; }
}
same_run() { diff <(essence "$1") <(essence "$2"); }
check "the winner's command runs" repeat "$work/r" "$work/again"
check "the winner's command repeats its checkpoints and metrics" same_run "$work/r/$winner" "$work/again"
check "souk eval says how many configurations the winner was chosen among" bash -c "'$souk' eval '$work/r/$winner' --bootstrap 0 --protocols full 2>&1 | grep -qF 'chosen    among 6 configurations on validation'"
check "souk eval says so of the repeated winner" bash -c "'$souk' eval '$work/again' --bootstrap 0 --protocols full 2>&1 | grep -qF 'chosen    among 6 configurations on validation'"
"$souk" eval "$work/again" --bootstrap 0 --protocols full --report "$work/again.html" >/dev/null 2>&1
check "the report of souk eval says so" grep -q 'chosen on validation among so many configurations' "$work/again.html"
chosen() { "$souk" eval "$1" --bootstrap 0 --protocols full --json | grep -q "\"chosen_among\": $2,"; }
check "souk eval says so in json" chosen "$work/r/$winner" 6
hidden=$(sed -n 's/^ *hidden: //p' "$work/again/config.yaml")
check "a resumed run remembers the number, without being told" bash -c "'$souk' pretrain '$work/tiny.yaml' --out '$work/again' --resume --steps 70 --hidden $hidden 2>/dev/null"
check "the number is in the resumed run's checkpoint" chosen "$work/again" 6
check "a run that begins from the winner trains" train "$work/tuned" --train.init "$work/again" --hidden "$hidden" --steps 5 --eval_every 0 --train.tried 3
check "a run that begins from the winner adds its own number" chosen "$work/tuned" 9
check "a run of which nobody has said a number trains" train "$work/plain" --steps 5 --eval_every 0
check "souk eval says nothing of a run that was not chosen" bash -c "! '$souk' eval '$work/plain' --bootstrap 0 --protocols full | grep -q '^chosen'"

# ---- a sweep grows
check "a random search may grow" sweep "$work/r" "$work/r" --resume --trials 8
results() { sed -nE 's/.*"trial":([0-9]+),.*"values":(\{[^}]*\}),"metric":([^,]*),.*/\1 \2 \3/p' "$1/trials.jsonl" | sort -n | head -n 6; }
check "the first trials of a larger sweep are those of the smaller" diff <(results "$work/r") <(results "$work/r2")
check "a larger sweep has a line for each trial" test "$(grep -cE '^ +[0-9]+ +0\.' "$work/r.table")" = 8
best=$(printf 'trial-%04d' "$(awk '/^ +[0-9]+ +0\./ {print $1; exit}' "$work/r.table")")
check "the winner of a larger sweep was chosen among all" chosen "$work/r/$best" 8
check_error "a sweep does not shrink" "has 8 trials already" "$souk" sweep "$work/r" --resume --trials 5
sed 's/seed: 4/seed: 5/; s/trials: 6/trials: 7/' "$work/random.yaml" >"$work/changed.yaml"
check_error "a sweep keeps to its file" "is not what $work/r began with" "$souk" sweep "$work/changed.yaml" --out "$work/r" --resume

# ---- halving
check "successive halving runs" sweep "$work/h" "$work/halving.yaml" --out "$work/h" --jobs 2
rung() { grep -c "\"rung\":$1," "$work/h/trials.jsonl"; }
check "six trials are at the first rung, three at the second, two at the last" test "$(rung 1) $(rung 2) $(rung 3)" = "6 3 2"
halved=$(printf 'trial-%04d' "$(awk '/^ +[0-9]+ +[0-9] +0\./ {print $1; exit}' "$work/h.table")")
check "the table of halving has a column of rungs" has "$work/h.table" "trial  rung  ndcg@10"
check "a trial that goes on continues from its checkpoint" has "$work/h/$halved.log" "resuming from step 60"
check "only the winner of halving keeps its checkpoints" test "$(checkpoints "$work/h")" = "$halved "
check "the command of halving's winner runs" repeat "$work/h" "$work/whole"
check "the winner of halving is, byte for byte, the run at one go" same_run "$work/h/$halved" "$work/whole"
check_error "a sweep with halving does not grow" "cannot grow" "$souk" sweep "$work/h" --resume --trials 9
sed 's/rungs: .*/by: epochs\n  rungs: [1, 2]/' "$work/halving.yaml" >"$work/epochs.yaml"
check "halving by epochs runs" sweep "$work/e" "$work/epochs.yaml" --out "$work/e" --trials 2
epochs=$(printf 'trial-%04d' "$(awk '/^ +[0-9]+ +[0-9] +0\./ {print $1; exit}' "$work/e.table")")
check "the command of the winner by epochs runs" repeat "$work/e" "$work/epochs"
check "the winner by epochs is the run at one go" same_run "$work/e/$epochs" "$work/epochs"

# killed OUT ARGUMENTS...: starts a sweep, kills it when the record has two results, and goes on with it.
killed() {
  local signal=$1 out=$2 pid; shift 2
  "$souk" sweep "$@" --out "$out" >"$out.table" 2>"$out.err" &
  pid=$!
  for _ in $(seq 500); do [ "$(grep -cs '"kind":"result"' "$out/trials.jsonl")" -ge 2 ] && break; sleep 0.02; done
  kill "-$signal" $pid 2>/dev/null
  wait $pid 2>/dev/null
  echo $? >"$out.status"
}

# ---- runs on labels
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' good bad hat shoe >"$work/words.txt"
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --words "$work/words.txt" --out "$work/worded"
quietly train "$work/reads" --data.dir "$work/worded" --cls_sep --segments 2 --item_classes false --steps 5 --eval_every 0
awk 'BEGIN { srand(6); split("hat shoe good bad", w, " "); print "text,mood"
  for (i = 0; i < 600; i++) { k = rand() < .5; t = w[3 + (rand() < .15 ? 1 - k : k)]; for (n = int(rand() * 4); n > 0; n--) t = rand() < .5 ? t " " w[1 + int(rand() * 2)] : w[1 + int(rand() * 2)] " " t; print t "," w[3 + k] } }' >"$work/moods.csv"
awk 'BEGIN { srand(7); print "user,item,time,click,cart,buy"
  for (i = 0; i < 500; i++) { u = int(rand() * 400); print "u" u ",i" int(rand() * 120) "," 1000 * u + int(rand() * 200) "," int(rand() * 2) "," int(rand() * 2) "," } }' >"$work/shown.csv"
cat >"$work/labels.yaml" <<X
base: $work/tiny.yaml
trials: 4
seed: 2
fixed:
  train: {init: $work/reads, objectives: classify, metric: f1_macro, eval_every: 20}
  data: {dir: $work/worded}
  labels: {train: $work/moods.csv, label: mood, valid_share: 0.2}
ranges:
  optim:
    lr: {log_uniform: [1e-2, 2e-1]}
  labels:
    weights: [none, auto]
halving:
  rungs: [20, 80]
  factor: 2
X
check "successive halving of runs that classify" sweep "$work/l" "$work/labels.yaml" --out "$work/l" --jobs 2
check "their table is in the order of F1" bash -c "has() { awk '/^ +[0-9]+ +2 +[0-9]/ {print \$3}' '$work/l.table'; }; [ \$(has | wc -l) = 2 ] && has | sort -c -r -g && grep -q 'trial  rung  f1_macro' '$work/l.table'"
labelled=$(printf 'trial-%04d' "$(awk '/^ +[0-9]+ +2 +[01]\./ {print $1; exit}' "$work/l.table")")
check "they have learned something" awk -v f="$(awk '/^ +[0-9]+ +2 +0/ {print $3; exit}' "$work/l.table")" 'BEGIN {exit !(f > 0.7)}'
check "the table says how the winner is judged once" has "$work/l.table" "/$labelled --labels FILE"
check "the command of the winner that classifies runs" repeat "$work/l" "$work/labelled"
check "the winner that classifies is, byte for byte, the run at one go" same_run "$work/l/$labelled" "$work/labelled"
check "souk eval --labels says among how many it was chosen" bash -c "'$souk' eval '$work/l/$labelled' --labels '$work/moods.csv' | grep -qx 'chosen    among 4 configurations on validation'"
check "it says so in json, and of the repeated winner" bash -c "'$souk' eval '$work/labelled' --labels '$work/moods.csv' --json | grep -q '\"chosen_among\": 4'"
killed TERM "$work/lTERM" "$work/labels.yaml"
check "a sweep of labels that SIGTERM has interrupted goes on" sweep "$work/lTERM" "$work/lTERM" --resume
check "a sweep of labels that SIGTERM has interrupted has the same table" same_table "$work/l" "$work/lTERM"
sed -e '/^halving/,$d' -e 's/metric: f1_macro/metric: log_loss, steps: 20/; s/classify/pair/; /weights/d; s/^  labels:$/  model:\n    dropout: [0, 0.3]/' \
  -e "s#^  labels: {.*#  labels: {train: $work/shown.csv, user: user, item: item, time: time, time_format: seconds}#" "$work/labels.yaml" >"$work/pairs.yaml"
check "a random search of pairs by their loss" sweep "$work/pairs" "$work/pairs.yaml" --out "$work/pairs" --jobs 2
check "the least loss comes first" bash -c "awk '/^ +[0-9]+ +0\\./ {print \$2}' '$work/pairs.table' | sort -c -g"
check "the pairs have a line for each trial" test "$(grep -cE '^ +[0-9]+ +0\.' "$work/pairs.table")" = 4
sed 's/valid_share: 0.2/valid_share: 0/' "$work/labels.yaml" >"$work/novalid.yaml"
check_error "labels without validation rows are an error" "labels.valid_share is 0, and without validations" "$souk" sweep "$work/novalid.yaml" --out "$work/x"
sed 's/^  labels:$/  data:\n    seed: [1, 2]\n  labels:/' "$work/labels.yaml" >"$work/seeds.yaml"
check_error "another draw of validation rows is an error" "data.seed decides which rows are validated on" "$souk" sweep "$work/seeds.yaml" --out "$work/x"
sed 's/init: [^,]*, //' "$work/labels.yaml" >"$work/noinit.yaml"
check_error "labels without a run to begin from are an error" "labels are learned on top of a run, which train.init names" "$souk" sweep "$work/noinit.yaml" --out "$work/x"

# ---- threads
check "the threads of the command line count" sweep "$work/two" "$work/random.yaml" --out "$work/two" --trials 1 --threads 2
check "a trial has the threads of the command line" grep -q '^ *threads: 2$' "$work/two/trial-0001/config.yaml"
check "a sweep that goes on keeps its threads" sweep "$work/two" "$work/two" --resume --trials 2
check "a later trial has the threads of the first" grep -q '^ *threads: 2$' "$work/two/trial-0002/config.yaml"
check "the winner's command has its threads" has "$work/two.table" "--train.threads 2 "

# ---- minutes
sed 's/steps: 60/minutes: 0.01/' "$work/random.yaml" >"$work/minutes.yaml"
check "a search by the clock runs" sweep "$work/m" "$work/minutes.yaml" --out "$work/m" --trials 2
check "a search by the clock says that the rate does not decay" has "$work/m.err" "the learning rate does not decay"
clocked=$(printf 'trial-%04d' "$(awk '/^ +[0-9]+ +0\./ {print $1; exit}' "$work/m.table")")
check "the command of the winner by the clock runs" repeat "$work/m" "$work/steps"
check "what the clock has ended is repeated by its steps" same_run "$work/m/$clocked" "$work/steps"

# ---- kills
for signal in KILL TERM; do
  killed $signal "$work/k$signal" "$work/halving.yaml" --jobs 2
  check "after SIG$signal the sweep is not complete" bash -c "'$souk' sweep '$work/k$signal' --show | grep -q 'are still to come'"
  check "after SIG$signal the sweep goes on" sweep "$work/k$signal" "$work/k$signal" --resume --jobs 2
  check "after SIG$signal the sweep has the same table" same_table "$work/h" "$work/k$signal"
done
check "a sweep that SIGTERM has interrupted ends with 130" test "$(cat "$work/kTERM.status")" = 130
no_trials() { for _ in $(seq 100); do pgrep -f "pretrain $1/" >/dev/null || return 0; sleep 0.1; done; pgrep -af "pretrain $1/"; return 1; }
check "no trial outlives its sweep" no_trials "$work/k"
printf '{"kind":"result","trial":1,' >>"$work/kKILL/trials.jsonl" # a line that a kill has cut short
check "an incomplete last line of the record does no harm" same_table "$work/h" "$work/kKILL"
check "a sweep with an incomplete line goes on" sweep "$work/kKILL" "$work/kKILL" --resume
check "the incomplete line is gone" bash -c "! grep -q '\"trial\":1,\$' '$work/kKILL/trials.jsonl'"

# One trial is killed: it goes on from its checkpoint, and the table does not know.
sed 's/rungs: .*/rungs: [1500, 2000]/; s/eval_every: 10/eval_every: 500/; s/trials: 6/trials: 2/' "$work/halving.yaml" >"$work/long.yaml"
"$souk" sweep "$work/long.yaml" --out "$work/t" >"$work/t.table" 2>"$work/t.err" &
sweep_pid=$!
for _ in $(seq 500); do [ -e "$work/t/trial-0001/step-00000500" ] && break; sleep 0.02; done
pkill -KILL -P $sweep_pid 2>/dev/null
check "a sweep of which one trial is killed ends well" wait $sweep_pid
check "the trial that was killed goes on" has "$work/t.err" "trial 1 was ended by SIGKILL and goes on from its last checkpoint"
check "the trial that was killed goes on from a checkpoint" grep -q 'resuming from step' "$work/t/trial-0001.log"
check "an undisturbed sweep of the same runs" sweep "$work/u" "$work/long.yaml" --out "$work/u"
check "a trial that was killed has the same figures" same_table "$work/u" "$work/t"

# ---- trials that fail
sed 's/hidden: \[8, 12\]/heads: [1, 3]/' "$work/random.yaml" >"$work/failing.yaml"
check "a sweep of which some trials fail ends well" sweep "$work/f" "$work/failing.yaml" --out "$work/f"
failures=$(grep -c '"state":"failed"' "$work/f/trials.jsonl")
check "some trials fail and some do not" test "$failures" -gt 0 -a "$failures" -lt 6
check "a failed trial is named with its message" grep -qE '^trial [0-9]+ failed: model.hidden = 8 is not a multiple of model.heads = 3' "$work/f.table"
check "failed trials are counted" has "$work/f.table" "6 configurations compared on validation by ndcg@10, of which $failures failed"
check "failed trials are tried again with --retry" sweep "$work/f" "$work/f" --resume --retry
check "a failure that is repeated is recorded again" test "$(grep -c '"state":"failed"' "$work/f/trials.jsonl")" = $((2 * failures))
sed 's/hidden: \[8, 12\]/heads: [3, 5]/' "$work/random.yaml" >"$work/nothing.yaml"
check_error "a sweep of which all trials fail is an error" "all 6 trials failed; the first: model.hidden = 8 is not" "$souk" sweep "$work/nothing.yaml" --out "$work/n"

# ---- mistakes, before anything is started
sed 's/lr:/lrr:/' "$work/random.yaml" >"$work/misspelt.yaml"
check_error "a misspelt option is told with file and line" "$work/misspelt.yaml line 7: unknown option \"optim.lrr\"; did you mean \"optim.lr\"?" "$souk" sweep "$work/misspelt.yaml" --out "$work/x"
sed 's/eval_every: 20/eval_every: 0/' "$work/random.yaml" >"$work/blind.yaml"
check_error "a sweep without validations is an error" "train.eval_every is 0" "$souk" sweep "$work/blind.yaml" --out "$work/x"
sed 's/eval_every: 10/eval_every: 50/' "$work/halving.yaml" >"$work/early.yaml"
check_error "a first rung before the first validation is an error" "the first rung, 20 steps, ends before the first validation" "$souk" sweep "$work/early.yaml" --out "$work/x"
sed 's#base: .*#base: nosuch#' "$work/random.yaml" >"$work/nobase.yaml"
check_error "an unknown base is an error that lists the configurations there are" "demo" "$souk" sweep "$work/nobase.yaml" --out "$work/x"
sed "s#steps: 60#steps: 60, metric: ndgc@10#" "$work/random.yaml" >"$work/metric.yaml"
check_error "an unknown metric is an error" "ndgc@10" "$souk" sweep "$work/metric.yaml" --out "$work/x"
check "a mistake leaves no directory" test ! -e "$work/x"
check_error "a sweep that is in use is told" "another process sweeps there" flock -x "$work/r" "$souk" sweep "$work/r" --resume
check_error "a sweep is no run" "is a sweep (souk sweep takes it)" "$souk" eval "$work/r"

# ---- configurations by name
for name in bert4rec sasrec esasrec souk; do
  check "the configuration $name is found by its name" "$souk" plan $name --data.dir "$data"
  check "the configuration $name trains" bash -c "cd '$work' && '$souk' pretrain $name --data.dir '$data' --batch_tokens 256 --hidden 16 --steps 20 --epochs 0 --eval_every 10 --threads 1 --device ${TEST_DEVICE:-cpu}"
  check "the run of the configuration $name is called so" test -e "$work/checkpoints/$name/best"
  check "the configuration $name can be given by its path" "$souk" plan "$root/configs/$name.yaml" --data.dir "$data"
done
check_error "an unknown name lists the configurations there are" "bert4rec" "$souk" plan bertforrec --data.dir "$data"
finish
