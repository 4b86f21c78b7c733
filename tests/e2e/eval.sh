#!/usr/bin/env bash
. "$(dirname "$0")/lib.sh"
# A log that a counting baseline can learn: items follow each other around a ring, one in five is random.
make_log() {
  awk -v users="$1" -v items="$2" 'BEGIN { srand(7); print "user,item"
    for (u = 0; u < users; u++) { at = int(rand() * items)
      for (i = 0; i < 5 + u % 6; i++) { print "u" u ",item" at; at = rand() < 0.8 ? (at + 3) % items : int(rand() * items) } } }'
}
make_log 400 60 >"$work/log.csv"
make_log 300 60 >"$work/other.csv"
make_log 300 61 >"$work/larger.csv"
for d in log other larger; do
  quietly "$souk" prepare --log "$work/$d.csv" --user user --fields.item item --out "$work/$d" --output.name "$d"
done
check "a run with validation by a sampled metric ends well" "$souk" pretrain --data.dir "$work/log" \
  --train.out "$work/run" --hidden 16 --layers 1 --steps 60 --warmup_steps 5 --lr 0.01 --batch_tokens 256 --max_positions 12 \
  --eval_every 30 --eval_users 100 --metric uniform/hr@10
check "the sampled metric is in metrics.jsonl" grep -q '"uniform/hr@10"' "$work/run/metrics.jsonl"
check "a run without validation ends well" "$souk" pretrain --data.dir "$work/log" --train.out "$work/plain" --hidden 16 --layers 1 \
  --steps 5 --batch_tokens 256 --max_positions 12 --eval_every 0

# Tables.
"$souk" eval "$work/run" --bootstrap 100 --negatives 20 --threads 2 >"$work/table" 2>"$work/log.txt"
check "souk eval finds the data set of the run" test -s "$work/table"
has() { grep -qE -- "$1" "$work/${2:-table}"; }
check "the report has the number of questions and users" has '^data +log, test part: 400 questions of 400 users$'
check "the report names the checkpoint" has "^model +$work/run/step-"
check "the report has loss, perplexity and accuracy" has '^loss +[0-9.]+ \(perplexity [0-9.]+\), accuracy 0\.[0-9]+'
check "the report has the three protocols" test "$(grep -cE '^(full|uniform|popularity): ' "$work/table")" = 3
check "each protocol has the model and four baselines" test "$(grep -cE '^(model|popularity|markov|co-occurrence|co-occurrence\+markov)( +[01]\.[0-9]{4}\*?){11} *$' "$work/table")" = 15
check "each contender has a confidence interval" test "$(grep -cE '^  95% \+-( +[01]\.[0-9]{4}){11} *$' "$work/table")" = 15
check "each protocol has a paired difference with its interval" test "$(grep -cE '^(model - best\*|  95% from|       to) ( *[+-][01]\.[0-9]{4}){11} *$' "$work/table")" = 9
check "one baseline is marked as best in every column" awk '/\*/ && /^(pop|mark|co-)/ { n += gsub(/\*/, "") } END { exit n != 33 }' "$work/table"
check "the Markov baseline has learnt the ring of items" awk '/^markov/ { exit !($4 > 0.5) }' "$work/table"
check "the popularity baseline has not learnt it" awk '/^popularity  / { exit !($4 < 0.4) }' "$work/table"
check "stderr has nothing but progress" bash -c "! grep -q error $work/log.txt"
"$souk" eval "$work/run" --bootstrap 100 --negatives 20 --threads 1 2>/dev/null | sed '/^time/,$d' >"$work/again"
check "one thread gives the same table" diff "$work/again" <(sed '/^time/,$d' "$work/table")
"$souk" eval "$work/run" --bootstrap 100 --negatives 20 --seed 2 --protocols uniform 2>/dev/null >"$work/seed"
check "another seed draws other negatives" bash -c "! diff <(grep -A2 ^uniform: $work/table | tail -n 1) <(grep -A2 ^uniform: $work/seed | tail -n 1)"
check "--protocols uniform leaves the other protocols out" test "$(grep -cE '^(full|popularity): ' "$work/seed")" = 0

# Vectors of another program. The model's own must rank as the model does.
quietly "$souk" vectors "$work/run" --items "$work/i.npy" --users "$work/u.npy" --data "$work/log" --part test
given=("$souk" eval --data "$work/log" --user_vectors "$work/u.npy" --item_vectors "$work/i.npy")
"${given[@]}" --bootstrap 100 --negatives 20 >"$work/given" 2>/dev/null
check "given vectors are named with their files" has "^vectors +$work/u.npy, $work/i.npy$" given
check "a model's own vectors have the model's figures" diff <(grep -E '^model +[01]\.' "$work/table") <(grep -E '^vectors +[01]\.' "$work/given" | sed 's/^vectors/model  /')
check "given vectors are compared with the baselines" test "$(grep -c '^model - best' "$work/table")" = "$(grep -c '^vectors - best' "$work/given")"
"${given[@]}" --json --bootstrap 0 >"$work/given.json" 2>/dev/null
check "--json has the files of given vectors" grep -q "\"users\": \"$work/u.npy\"" "$work/given.json"
check "--json has given vectors as no baseline" test "$(grep -A1 '"name": "vectors"' "$work/given.json" | grep -c '"baseline": false')" = 3
check_error "users' vectors for items are an error" "u.npy has 400 rows, but the data set has 60 items" "$souk" eval --data "$work/log" --user_vectors "$work/u.npy" --item_vectors "$work/u.npy"
head -c 1000 "$work/u.npy" >"$work/short.npy"
check_error "vectors that end early are an error" "short.npy is shorter or longer than its header says" "$souk" eval --data "$work/log" --user_vectors "$work/short.npy" --item_vectors "$work/i.npy"
{ head -c 200 "$work/u.npy"; printf '\0\0\300\177'; tail -c +205 "$work/u.npy"; } >"$work/nan.npy"
check_error "a NaN in vectors is an error" "nan.npy: row 1, column 1 is not finite" "$souk" eval --data "$work/log" --user_vectors "$work/nan.npy" --item_vectors "$work/i.npy"
check_error "a table of numbers is no .npy" "log.csv is not a .npy file of float32" "$souk" eval --data "$work/log" --user_vectors "$work/log.csv" --item_vectors "$work/i.npy"
check_error "users' vectors alone are an error" "needed together" "$souk" eval --data "$work/log" --user_vectors "$work/u.npy"
check_error "vectors beside a run are an error" "--user_vectors evaluates no model" "$souk" eval "$work/run" --user_vectors "$work/u.npy" --item_vectors "$work/i.npy"

# Json.
"$souk" eval "$work/run" --bootstrap 50 --json --data.dir "$work/log" --part valid --users 50 >"$work/json" 2>/dev/null
check "--json names its schema" has '^ "schema": "souk.evaluation",$' json
check "--json has the data set's checksum" has "\"checksum\": \"$(sed '/"created_by"/d' "$work/log/manifest.json" | sha256sum | cut -d' ' -f1)\"" json
check "--json has the number of users asked for" has '^ "questions": 50,$' json
check "--json has the model and four baselines a protocol" test "$(grep -c '"baseline": \(true\|false\),$' "$work/json")" = 15
check "--json has an interval for every figure" test "$(grep -c '"low": ' "$work/json")" = $((3 * 6 * 13))
check "--json names the baseline of each difference" test "$(grep -cE '"baseline": "(popularity|markov|co-occurrence|co-occurrence\+markov)"$' "$work/json")" = 39
check "--json says how many negatives a small catalogue has" has '"fewest_negatives": [45][0-9],?$' json
check "--json has the loss" has '"loss": [0-9.]+,$' json
check "--json has the baselines' settings" has '"window": 20,$' json
if command -v jq >/dev/null; then
  check "the json parses, and every interval holds its value" jq -e '[.protocols[] | (.results[].metrics, .difference) | .[] | .low <= .value + 1e-9 and .value <= .high + 1e-9] | length == 234 and all' "$work/json"
else
  skip "the json parses, and every interval holds its value" "no jq"
  check "the json's brackets are balanced" awk '{ a += gsub(/[{[]/, ""); b += gsub(/[]}]/, "") } END { exit !(a == b && a > 0) }' "$work/json"
fi
"$souk" eval "$work/run" --json --bootstrap 0 --no-loss >"$work/json0" 2>/dev/null
check "no intervals and no loss when they are turned off" bash -c "! grep -q '\"low\"\|\"loss\"' $work/json0"

# Lists.
quietly "$souk" eval "$work/run" --protocols full --bootstrap 0 --lists "$work/lists.jsonl" --k 7
check "--lists writes a list for every question" test "$(grep -cE '^\{"user":"u[0-9]+","items":\[("item[0-9]+",?){7}\],"scores":\[.*\],"target":"item[0-9]+","rank":[0-9]+\}$' "$work/lists.jsonl")" = 400
check "no list holds an item of its history" awk -F'"' 'NR == FNR { split($0, f, ","); seen[f[1] FS f[2]]++; last[f[1]] = f[2]; next }
  { user = $4; target = $(NF - 3); for (i = 8; i < NF && $i ~ /^item/; i += 2) if (seen[user FS $i] > ($i == last[user])) bad = 1 } END { exit bad }' "$work/log.csv" "$work/lists.jsonl"
check "the target of rank 1 is the first of its list" awk -F'"' '/"rank":1}/ { n++; if ($8 != $(NF - 3)) bad = 1 } END { exit bad || n == 0 }' "$work/lists.jsonl"

# Where lists cannot be written: told before the work, and if it shows later, the figures are there all the same.
check_error "a --lists file in a missing directory is an error" "/no/such" "$souk" eval "$work/run" --bootstrap 0 --users 9 --lists /no/such/lists
mv "$work/.out" "$work/nolists"; mv "$work/.err" "$work/nolists.err"
check "a missing directory for --lists is told before anything is ranked" bash -c "! grep -qE 'popularity|markov|model' $work/nolists $work/nolists.err"
if full_device; then
  check_error "lists that do not fit on the disk are an error" "No space left" "$souk" eval "$work/run" --bootstrap 0 --users 9 --lists /dev/full
  mv "$work/.out" "$work/table.full"
  check "the table is printed although the lists could not be written" has '^model - best' table.full
else
  skip "lists that do not fit on the disk are an error" "no /dev/full"
fi
# name_first FOLDER: stdin becomes the first user's name, and a small run is trained on that data set (FOLDER.run).
name_first() {
  local d=$work/$1 old
  cp -r "$work/log" "$d"
  old=$(sha256sum <"$d/users.tsv" | cut -d' ' -f1)
  { cat; tail -n +2 "$work/log/users.tsv"; } >"$d/users.tsv"
  sed -i "s/$old/$(sha256sum <"$d/users.tsv" | cut -d' ' -f1)/; /\"users.tsv\"/,/}/s/\"bytes\": [0-9]*/\"bytes\": $(stat -c %s "$d/users.tsv")/" "$d/manifest.json"
  quietly "$souk" pretrain --data.dir "$d" --train.out "$d.run" --hidden 16 --layers 1 --steps 2 --batch_tokens 256 --max_positions 12 --eval_every 0
}
{ head -c 2097152 /dev/zero | tr '\0' n; echo; } | name_first long
quietly "$souk" eval "$work/long.run" --bootstrap 0 --protocols full --lists "$work/long.jsonl"
check "a user name of 2 MiB, which older data sets may have, is written into its list" test "$(head -n 1 "$work/long.jsonl" | grep -o n | wc -l)" -ge 2097152
check "the lists of the users behind a long name are written too" test "$(wc -l <"$work/long.jsonl")" = 400
printf 'bad\377\n' | name_first bytes
check_error "a user name that is not UTF-8 is told with its file and line" "users.tsv line 1: this user's list cannot be written" "$souk" eval "$work/bytes.run" --bootstrap 0 --lists "$work/bytes.jsonl"
mv "$work/.out" "$work/table.bytes"
check "the table is printed although a name cannot be written" has '^model - best' table.bytes
check "lists that cannot be finished leave no file" test ! -e "$work/bytes.jsonl"

# Only baselines; checkpoints instead of runs; runs without a best checkpoint.
check "--baselines-only needs no model" "$souk" eval --baselines-only --data "$work/log" --bootstrap 10
"$souk" eval --baselines-only --data "$work/log" --bootstrap 100 --negatives 20 2>/dev/null >"$work/base"
check "baselines alone are the same as beside a model" diff <(grep '^markov' "$work/base") <(grep '^markov' "$work/table")
check "without a model there is no model row" bash -c "! grep -q '^model' $work/base"
"$souk" eval --baselines-only --data "$work/log" --bootstrap 0 --negatives 20 --baselines.learn train 2>/dev/null >"$work/train"
check "--learn train gives other baselines" bash -c "! diff -q <(grep '^markov' $work/base) <(grep '^markov' $work/train) >/dev/null"
check "less memory gives the same counts" diff <("$souk" eval --baselines-only --data "$work/log" --bootstrap 0 --memory 64K 2>/dev/null | sed '/^time/,$d') <("$souk" eval --baselines-only --data "$work/log" --bootstrap 0 2>/dev/null | sed '/^time/,$d')
check "a checkpoint directory can be evaluated" "$souk" eval "$work/run/$(cat "$work/run/best")" --bootstrap 0 --users 20
check "the last checkpoint is taken where there is no best" "$souk" eval "$work/plain" --bootstrap 0 --users 20
check_error "--which best is an error where there is no best" 'has no best checkpoint' "$souk" eval "$work/plain" --which best

# Memory that runs out, at a dozen moments: a sentence and no output, or the whole of it; never a part.
faulty() { SOUK_FAULT=$1 "$souk" eval "$work/run" --users 9 --bootstrap 5 --json >"$work/f.json" 2>"$work/f.err"; }
out_of_memory() {
  local n i rc
  faulty count; n=$(sed -nE 's/^faults: alloc ([0-9]+) .*/\1/p' "$work/f.err")
  [ "$n" -gt 100 ] || { echo "only $n allocations"; return 1; }
  for ((i = 2; i < n; i += n / 12)); do
    faulty "alloc:$i+"; rc=$?
    if [ $rc = 0 ]; then grep -q '"peak_bytes"' "$work/f.json" || { echo "allocation $i: a part of the output"; return 1; }
    else [ $rc = 1 ] && [ ! -s "$work/f.json" ] && grep -q '^souk: error: ' "$work/f.err" || { echo "allocation $i: $rc"; cat "$work/f.err"; return 1; }; fi
  done
}
check "running out of memory is an error with a sentence" out_of_memory

# Errors.
check_error "souk eval without a run is an error" "needs a run or a checkpoint" "$souk" eval
check_error "a directory that is not a run is an error" "is a directory of another kind, but a run or a checkpoint is needed" "$souk" eval "$work"
check_error "a data set instead of a run is an error" "is a data set (--data.dir and --data take it), but a run" "$souk" eval "$work/log"
check_error "--baselines-only without --data is an error" "needs --data" "$souk" eval --baselines-only
check_error "--baselines-only with a run is an error" "too many" "$souk" eval "$work/run" --baselines-only --data "$work/log"
check_error "--lists without a model is an error" "there is no model" "$souk" eval --baselines-only --data "$work/log" --lists "$work/x"
check_error "a run as --data is an error" "is a run (souk eval, export, vectors, plot and replay take it), but a data set" "$souk" eval "$work/run" --data "$work/run"
check_error "another data set with the same vocabulary size is an error, which names both" "was trained on data set \"log\" (split leave_one_out or none, 65 tokens, checksum $(sed '/"created_by"/d' "$work/log/manifest.json" | sha256sum | cut -c -12)), and $work/other is \"other\" (split leave_one_out, 65 tokens, checksum" "$souk" eval "$work/run" --data "$work/other"
check_error "a data set with another vocabulary is an error" "(split leave_one_out, 66 tokens, checksum" "$souk" eval "$work/run" --data "$work/larger"
check_error "an unknown protocol is an error" '"warp" is not one of full, uniform, popularity' "$souk" eval "$work/run" --protocols full,warp
check_error "an empty list of protocols is an error" '"" is not one of' "$souk" eval "$work/run" --protocols ""
check_error "an unknown part is an error" "part must be valid|test" "$souk" eval "$work/run" --part train
check_error "an unknown option is answered with the nearest one" 'did you mean "baselines.window"' "$souk" eval "$work/run" --baselines.windw 3
check_error "an unknown validation metric is an error" 'no metric "popular/hr@10"' "$souk" pretrain --data.dir "$work/log" --train.out "$work/r2" --metric popular/hr@10
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --out "$work/none" --split none
check_error "a data set without held-out items is an error" "has no test targets" "$souk" eval --baselines-only --data "$work/none"
mv "$work/log" "$work/moved"
check_error "a run whose data set is gone is an error" "--data DIR names it" "$souk" eval "$work/run"
check "a run is evaluated on a moved data set by --data" "$souk" eval "$work/run" --data "$work/moved" --bootstrap 0 --users 9
printf 'x' >>"$work/moved/shard-00000.h5"
check_error "a damaged data set is an error" "shard-00000.h5 has" "$souk" eval "$work/run" --data "$work/moved"
finish
