#!/usr/bin/env bash
# Final training (data.final): train and validation parts are trained on, and everything that says what a model was trained on
# knows it.
. "$(dirname "$0")/run_lib.sh"
final() { local run=$1; shift; train "$work/$run" --steps 12 --data.final yes "$@"; }
last() { echo "$work/$1/$(cat "$work/$1/last")"; }
count() { awk -F '\t' '/^i/ { n += $2 } END { print n + 0 }' "$(last "$1")/vocab.tsv"; } # items of a run's vocabulary
trained=$(grep -o '"train_tokens": *[0-9]*' "$data/manifest.json" | grep -o '[0-9]*$')
valid=$(grep -o '"valid_targets": *[0-9]*' "$data/manifest.json" | grep -o '[0-9]*$')

check "a final training runs" final whole --eval_every 4
check "it goes without validation, and says so" bash -c "grep -q 'is trained on with its validation part (data.final), so the run goes without validation' $work/whole.err && ! grep -q '\"kind\":\"valid\"' $work/whole/metrics.jsonl"
check "it says what it trains on" has "all $((trained + valid)) training events, .*; final training: train and validation parts$" "$work/whole.err"
check "the checkpoint says that it has seen the validation part" bash -c "tr -d ' \n' <$(last whole)/manifest.json | grep -q '\"final\":{\"users\":0}'"
check "the checkpoint of a final training counts the items of both parts" test "$(count whole)" = $((trained + valid))
check "a usual run has no such field" bash -c "$(declare -f train last); souk=$souk work=$work; train $work/usual --steps 12 --eval_every 4 && ! tr -d ' \n' <\$(last usual)/manifest.json | grep -q '\"final\":{'"
check "the checkpoint of a usual run counts the items of the train part" test "$(count usual)" = "$trained"
"$souk" plan "$work/tiny.yaml" --data.final yes >"$work/plan" 2>&1
check "souk plan knows it" has "all $((trained + valid)) training events, .*final training" "$work/plan"
check "a plan has no questions of a validation that is none" bash -c "! grep -q 'validation questions' $work/plan"
check "a plan as json says that it is final" bash -c "$souk plan $work/tiny.yaml --data.final yes --json 2>/dev/null | tr -d ' \n' | grep -q '\"training_events\":$((trained + valid)),.*\"final\":true'"

check "users can be held out of it to validate with" final held --eval_every 4 --final_users 30
check "validation asks them" has '"kind":"valid","step":4,"users":30,' "$work/held/metrics.jsonl"
check "the validation part of held-out users is not trained on" test "$(count held)" = $((trained + valid - 30))
check "the smaller of eval_users and final_users is asked" bash -c "$(declare -f train); souk=$souk work=$work; train $work/fewer --steps 4 --eval_every 4 --data.final yes --final_users 30 --eval_users 20 && grep -q '\"users\":20,' $work/fewer/metrics.jsonl"
check_error "users are held out of final trainings only" "data.final_users = 30 holds users out of a final training" train "$work/no" --final_users 30
check_error "of a final training not all users can be held out" "has 400 users with validation targets, and a final training needs some" train "$work/no" --data.final yes --final_users 400

# Resume and train.init.
pace=(--save_every 6 --eval_every 4 --decay_steps 12)
final at_once "${pace[@]}"
final resumed "${pace[@]}" --steps 6
check "a final training goes on with --resume" final resumed "${pace[@]}" --resume
check "a resumed final training ends with the same bytes" cmp <(essence "$work/at_once" | grep ^step-00000012) <(essence "$work/resumed" | grep ^step-00000012)
check_error "a run cannot become a final one on its way" "data.final was false with data.final_users = 0, and is now true with 0" train "$work/usual" --data.final yes --steps 20 --resume
check_error "users who were trained on cannot come to be held out" "data.final was true with data.final_users = 30, and is now true with 60" final held --final_users 60 --resume
check_error "a run that begins from a final one cannot validate on what that has seen" "was trained on the validation part, too (data.final, 0 users held out)" train "$work/no" --init "$work/whole" --eval_every 4
check_error "a run that begins from a final one cannot hold out users whom that has seen" "needs data.final = true and data.final_users of at most 30" final no --init "$work/held" --final_users 40
check "it can be a final one, too" final next --init "$work/held" --final_users 20 --eval_every 4
check "a final one can begin from a usual one" final after --init "$work/usual"

# Evaluation.
check_error "the validation part of a final training is a leak" "was trained on the validation part, too (data.final)" "$souk" eval "$work/whole" --part valid --bootstrap 0
check_error "also if users were held out" "was trained on the validation part, too (data.final)" "$souk" eval "$work/held" --part valid --bootstrap 0
"$souk" eval "$work/whole" --bootstrap 20 --protocols full >"$work/eval" 2>&1
check "the test part is not, and the report says what the model was trained on" has '^trained   on train [+] validation [(]final training[)]$' "$work/eval"
check "its rows have a name of their own" has '^model \(final\) +0\.' "$work/eval"
"$souk" eval "$work/held" --bootstrap 0 --protocols full --json >"$work/held.json" 2>/dev/null
check "json has it as fields" bash -c "tr -d ' \n' <$work/held.json | grep -q '\"final\":true,\"final_users\":30,'"
"$souk" eval "$work/usual" --bootstrap 0 --protocols full --json >"$work/usual.json" 2>/dev/null
check "json says of other models that they are not final" bash -c "tr -d ' \n' <$work/usual.json | grep -q '\"final\":false,'"
cold() { grep -o '"cold_targets": [0-9]*' "$1" | grep -o '[0-9]*$'; }
"$souk" eval "$work/whole" --bootstrap 0 --protocols full --json >"$work/whole.json" 2>/dev/null
check "targets that it knows from the validation part are not cold" test "$(cold "$work/whole.json")" -le "$(cold "$work/usual.json")"

# The same log with the validation part in the train part: the counts in the checkpoint tell.
sed '1!d' "$work/log.csv" >"$work/cut.csv" # without each user's last event
awk -F, 'NR > 1 { if (u == $1) print line; u = $1; line = $0 }' "$work/log.csv" >>"$work/cut.csv"
quietly "$souk" prepare --log "$work/cut.csv" --user user --fields.item item --fields.time time --event event --out "$work/later"
check_error "a final model is of another data set there" "what is held out here may have been trained on" "$souk" eval "$work/whole" --data "$work/later"
"$souk" eval "$work/whole" --data "$work/later" --other_data --bootstrap 0 --protocols full >"$work/other" 2>&1
check "a final model on other data is told by its counts that it has seen all three parts there" has '^trained   on another data set, .*what is train, validation and test here' "$work/other"
check "a bundle of it says so" bash -c "$souk export $work/whole $work/bundle >/dev/null 2>&1 && grep -q '\"final\": true' $work/bundle/souk.json && $infer info $work/bundle >/dev/null"

# By time and by user.
time=(--split time --valid_from 300000 --test_from 350000)
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --out "$work/time" "${time[@]}"
parts() { grep -oE '"(train_tokens|valid_targets)": *[0-9]*' "$1/manifest.json" | grep -oE '[0-9]+$' | paste -sd+ | bc; }
check "a final training of a split by time is on all before the test part" final timed --data.dir "$work/time"
check "a final training counts what it trains on in a split by time" test "$(count timed)" = "$(parts "$work/time")"
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --out "$work/user" --split user --valid_users .2 --test_users .2 --targets 2
check "of a split by user on whole histories of all but the test users" final users --data.dir "$work/user"
check "a final training counts what it trains on in a split by user" test "$(count users)" = "$(parts "$work/user")"
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --out "$work/none" --split none
check_error "without a validation part there is nothing to add" "has no validation part that could be trained on" train "$work/no" --data.final yes --data.dir "$work/none"
finish
