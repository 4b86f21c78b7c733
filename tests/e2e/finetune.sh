#!/usr/bin/env bash
# souk finetune: the next item on top of a run, and a mix with counts that souk eval, souk export and souk-infer know.
. "$(dirname "$0")/lib.sh"
# Items follow each other around a ring, one in five is random: counting learns it at once, a run of a few steps does not.
awk 'BEGIN { srand(7); print "user,item"
  for (u = 0; u < 500; u++) { at = int(rand() * 60)
    for (i = 0; i < 6 + u % 6; i++) { print "u" u ",item" at; at = rand() < 0.8 ? (at + 3) % 60 : int(rand() * 60) } } }' >"$work/log.csv"
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --out "$work/data" --output.name ring
tiny=(--data.dir "$work/data" --hidden 16 --layers 1 --heads 2 --warmup_steps 5 --lr 0.003 --batch_tokens 256 --max_positions 12 --threads 1)
quietly "$souk" pretrain "${tiny[@]}" --out "$work/run" --steps 30 --eval_every 0
checkpoint="$work/run/$(cat "$work/run/last")"

# The mix.
"$souk" eval "$work/run" --bootstrap 50 --negatives 20 >"$work/before" 2>/dev/null
check "a run without a mix has no row of one" bash -c "! grep -q 'counts' $work/before"
mix() { "$souk" finetune --task mix --focus 0 "$@"; } # likelihood, so that it can be compared
check "a mix is learned" mix "$work/run" --questions 300 --negatives 20 --top 5 --final yes
mix "$work/run" --questions 300 --negatives 20 --top 5 --final yes >"$work/told" 2>/dev/null
check "it says what it learned from" has '^learned +from 300 validation targets and [0-9]+ candidates' "$work/told"
# losses FILE: by the encoder alone, by counts alone, together.
losses() { sed -n 's/^loss .* mean: \([0-9.]*\) by the encoder alone, \([0-9.]*\) by counts alone, \([0-9.]*\) together$/\1 \2 \3/p' "$1"; }
check "answers are likelier with counts than by the encoder alone" awk '{ good = $1 > $2 + 1 && $3 > 0 && $3 <= $2 + 0.001 } END { exit !good }' <(losses "$work/told")
cp -r "$work/run" "$work/another"
"$souk" finetune --task mix "$work/another" --questions 300 --negatives 20 --top 5 >"$work/focused" 2>/dev/null
check "with a focus the loss that is told is the one that is minimised" awk '{ good = $3 > 0 && $3 <= $2 + 0.001 && $3 <= $1 + 0.001 } END { exit !good }' <(losses "$work/focused")
check "its files are in the checkpoint" test -s "$checkpoint/mix/mix.json" -a -s "$checkpoint/mix/train.safetensors" -a -s "$checkpoint/mix/final.safetensors"
cp -r "$checkpoint/mix" "$work/mix1"
quietly mix "$work/run" --questions 300 --negatives 20 --top 5 --final yes --threads 2
check "two threads learn the same, and write the same bytes" diff -r "$work/mix1" "$checkpoint/mix"
"$souk" eval "$work/run" --bootstrap 50 --negatives 20 >"$work/table" 2>/dev/null
check "the report says what its counts are of" has '^mix +model \+ counts: counts of train, weights learned on validation$' "$work/table"
check "the model alone is the first row, as before" diff <(grep -E '^model  ' "$work/before") <(grep -E '^model  ' "$work/table")
check "each protocol has the model with counts, and with final ones" test "$(grep -cE '^model \+ (final )?counts( +[01]\.[0-9]{4}\*?){11} *$' "$work/table")" = 6
check "each has its difference to the best baseline" test "$(grep -cE '^  \+ (counts|final) - best\*( *[+-][01]\.[0-9]{4}){11} *$' "$work/table")" = 6
check "counts help a run that has learned little" awk '/^full/ { on = 1 } on && /^model  / { alone = $4 } on && /^model [+] counts/ { exit !($5 > alone + 0.2) }' "$work/table"
"$souk" eval "$work/run" --bootstrap 0 --no-loss --protocols full --part valid >"$work/valid" 2>/dev/null
check "on the validation part there are no counts of that part" bash -c "grep -q '^model + counts' $work/valid && ! grep -q 'final counts' $work/valid"
"$souk" eval "$work/run" --bootstrap 0 --no-loss --protocols full --no-mix >"$work/alone" 2>/dev/null
seen='the weights of "model \+ counts" were learned from targets of this part'
"$souk" eval "$work/run" --bootstrap 0 --no-loss --protocols full --part valid --report "$work/valid.html" --json >"$work/valid.json" 2>"$work/valid.err"
check "there the table says that the weights of the mix were learned from these targets" has "^seen +$seen" "$work/valid"
check "it is a warning, too" has "$seen" "$work/valid.err"
check "a field of its row in json, too" has '"learned_here": true' "$work/valid.json"
check "a caveat of the page, too" has 'Seen: the weights of .*model \+ counts.* were learned from targets of this part' "$work/valid.html"
for row in model "model + counts"; do check "the page has the differences of $row to the best baseline, as numbers and drawn" test "$(grep -o "[>\"]$row - best baseline" "$work/valid.html" | wc -l)" -ge 2; done
check "the test part has no such line" bash -c "! grep -q '^seen' $work/table"
"$souk" eval "$work/run" --bootstrap 0 --no-loss --protocols full --part valid --no-mix >"$work/valid-alone" 2>&1
check "the model alone, with --no-mix, is not told so" bash -c "! grep -qE '^seen|were learned' $work/valid-alone"
check "--no-mix leaves it out" bash -c "! grep -q 'counts' $work/alone"
"$souk" eval "$work/run" --bootstrap 20 --json --protocols full >"$work/json" 2>/dev/null
check "json has its rows, which are no baselines" test "$(grep -A1 '"name": "model + \(final \)\?counts"' "$work/json" | grep -c '"baseline": false')" = 2

check "none of them learned its weights from the test part" test "$(grep -c '"learned_here": false' "$work/json")" = 2
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --out "$work/other" --output.name two --targets 2
"$souk" eval "$work/run" --data "$work/other" --other_data --bootstrap 0 --no-loss --protocols full --part valid >"$work/elsewhere" 2>/dev/null
check "with other data the report says on which validation part the weights were learned" has '^mix .*weights learned on validation of the data that the model was trained on$' "$work/elsewhere"

# Lists, and the bundle.
quietly "$souk" eval "$work/run" --bootstrap 0 --no-loss --protocols full --lists "$work/lists.jsonl" --k 5
quietly "$souk" export "$work/run" "$work/bundle"
check "the bundle has the final counts" cmp "$checkpoint/mix/final.safetensors" "$work/bundle/mix.safetensors"
check "souk-infer info knows the mix" bash -c "$infer info $work/bundle --json | grep -q '\"mix\":true'"
# The history before the test item of each user, as souk eval asks.
awk -F, 'NR > 1 { if ($1 != user && user != "") print_user(); if ($1 != user) { user = $1; n = 0 } item[n++] = $2 }
  function print_user(  i, text) { for (i = 0; i < n - 1; i++) text = text (i ? "," : "") "\"" item[i] "\""
    printf "{\"user\":\"%s\",\"history\":[%s]}\n", user, text }
  END { print_user() }' "$work/log.csv" >"$work/questions.jsonl"
"$infer" rank "$work/bundle" --k 5 --input "$work/questions.jsonl" >"$work/answers.jsonl"
items() { sed -E 's/.*"user":"([^"]*)","items":\[([^]]*)\].*/\1 \2/' "$1" | sort; }
check "souk-infer rank lists what souk eval --lists lists" diff <(items "$work/lists.jsonl") <(items "$work/answers.jsonl")
"$infer" rank "$work/bundle" --k 5 --no-mix --input "$work/questions.jsonl" >"$work/encoder.jsonl"
quietly "$souk" export "$work/run" "$work/plain" --no-mix
check "--no-mix exports none" test ! -e "$work/plain/mix.safetensors"
"$infer" rank "$work/plain" --k 5 --input "$work/questions.jsonl" >"$work/plain.jsonl"
check "rank --no-mix is a bundle without one" cmp "$work/encoder.jsonl" "$work/plain.jsonl"
check "ranked lists with the mix have other items" bash -c "! cmp -s $work/encoder.jsonl $work/answers.jsonl"
cp "$checkpoint/mix/train.safetensors" "$work/keep"
printf x >>"$checkpoint/mix/train.safetensors"
check_error "a damaged mix is told" "train.safetensors" "$souk" eval "$work/run"
mv "$work/keep" "$checkpoint/mix/train.safetensors"
check_error "features are known by name" 'mix.features: "nxt" is not one of encoder, popularity' mix "$work/run" --features nxt
check_error "a mix knows no options of training" 'unknown option "lr"' mix "$work/run" --lr 1
check_error "a task is one of the list" 'task' "$souk" finetune --task sing "$work/run"
check_error "a run is needed" "souk finetune needs a run or a checkpoint" "$souk" finetune --task mix

# The next item.
next() { "$souk" finetune --task next "$work/run" "$@"; }
check "training goes on with the next item" next --steps 20 --lr 0.003 --warmup_steps 2 --batch_tokens 256 --eval_every 10 --threads 1
check "in a run of its own beside the first" test -s "$work/run-next/last"
check "with the model of the run" has 'hidden: 16' "$work/run-next/config.yaml"
check "the new run began from the parameters of the old one" has "init: \"$work/run\"" "$work/run-next/config.yaml"
check "the new run is trained for the next item" has 'objectives: "next_item"' "$work/run-next/config.yaml"
check "it goes on with --resume" next --steps 30 --lr 0.003 --warmup_steps 2 --batch_tokens 256 --eval_every 10 --threads 1 --resume
check "a configuration may follow the run" bash -c "printf 'train:\n  steps: 4\n  eval_every: 0\ndata:\n  batch_tokens: 256\n' >$work/short.yaml && $souk finetune --task next $work/run $work/short.yaml --out $work/short"
check "options of the command line count in the new run" has 'steps: 4' "$work/short/config.yaml"
check "a final training takes the weights of another run's mix" bash -c "$souk finetune --task next $work/run $work/short.yaml --out $work/final --data.final yes && $souk finetune --task mix $work/final --weights $work/run && test -s $work/final/step-*/mix/final.safetensors"
check_error "it cannot learn them" "has seen the answers that a mix is learned from" mix "$work/final"
finish
