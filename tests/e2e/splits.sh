#!/usr/bin/env bash
# Splits from a raw log to souk eval: by time, by user, of several targets; the figures are counted by hand.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
lacks() { ! grep -E -- "$1" "$2"; }
prepare() { # OUT OPTION...
  local out=$1; shift
  "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --time_format iso --out "$out" "$@" >"$out.txt" 2>"$out.err"
}

# Train until the 10th, validation until the 20th. Before the test part a occurs four times, b three times, c twice, d once.
dated_log >log.csv
time=(--split time --valid_from 2024-01-10 --test_from 2024-01-20T00:00:00Z)
check "a log is split at two dates" prepare time "${time[@]}"
check "the report counts users and targets of each part" has '^ +3 users train; 4 targets of 3 users validate, 5 of 3 test$' time.txt
check "the report counts and names users with validation targets and no train event" has '^cold users +1 with validation targets and no train event: dan$' time.txt
check "the report counts and names users with test targets and no train event" has '^cold users +2 with test targets and no train event: (cat, dan|dan, cat)$' time.txt
check "the report counts targets that no train part has" has '^cold targets +validation 25.0%, test 60.0% ' time.txt
check "the manifest holds both dates in seconds" bash -c "tr -d ' \n' <time/manifest.json | grep -q '\"split\":{\"kind\":\"time\",\"valid_from\":1704844800,\"test_from\":1705708800}'"
check "an event at a date is behind it, one a moment before is not" bash -c "tr -d ' \n' <time/manifest.json | grep -q '\"train_tokens\":6,\"valid_targets\":4,\"test_targets\":5,'"
check "the vocabulary counts events before the first date only" diff <(tail -n +6 time/vocab.tsv | sort) <(printf '%s\n' $'a\t3' $'b\t2' $'c\t1' $'d\t0' $'e\t0')
prepare seconds "${time[@]:0:2}" --valid_from 2024/1/10 --test_from "20 Jan 2024"
check "other spellings of the dates give the same data set" cmp time/manifest.json seconds/manifest.json
prepare zone --time_zone +02:00 "${time[@]:0:4}" --test_from 2024-01-19T22:00:00Z
check "dates without a zone are those of the log" has '^ +3 users train; 4 targets of 3 users validate, 5 of 3 test$' zone.txt
# The latest event is of the 26th at 0:00:00, so the last 6 days and an hour begin on the 19th, 23:00:01.
prepare last --split time --valid_from "last 16d" --test_from last145h
check "the last days and hours are counted from the latest event" has '^split +time, validation from 2024-01-10T00:00:01Z, test from 2024-01-19T23:00:01Z$' last.txt
prepare mixed --split time --valid_from 2024-01-10 --test_from "last 1 w"
check "a date and a span before the latest event go together" has '^split +time, validation from 2024-01-10T00:00:00Z, test from 2024-01-19T00:00:01Z$' mixed.txt
check_error "spans in the wrong order are an error" "must not be after output.test_from" "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --time_format iso --out none --split time --valid_from "last 2d" --test_from "last 3d"
check_error "a span of an unknown unit is an error" '"last 7d"' "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --time_format iso --out none --split time --valid_from "last 2y" --test_from "last 1d"
sed 1d log.csv | while IFS=, read -r u i t; do echo "$u,$i,$(date -u +%s -d "$t")"; done | cat <(echo u,i,t) - >unix.csv
"$souk" prepare --log unix.csv --user u --fields.item i --fields.time t --out unix --split time --valid_from 1704844800 --test_from 2024-01-20 >unix.txt 2>&1
check "dates are also read as the times of the log are written" has '^ +3 users train; 4 targets of 3 users validate, 5 of 3 test$' unix.txt

# One question after the other: e after a b c (d is before it), d after a b c e, b first of all (a is before it), a after b,
# d after a b (c is before it).
"$souk" eval --baselines-only --data time --protocols full --bootstrap 0 >next.txt 2>next.err
check "every event of the test part is a question" has '^data +data, test part: 5 questions of 3 users$' next.txt
check "the popularity baseline has the figures that were counted by hand" has '^popularity +0\.4000[* ] +1\.0000[* ] +1\.0000[* ] +1\.0000[* ] +0\.7786[* ] +0\.7786[* ] +0\.7786[* ] +0\.7000[* ] +0\.7000[* ] +0\.7000[* ] +0\.7000' next.txt
check "targets that nothing before has are counted" has 'targets +0.00% not in the vocabulary, 20.00% in no part before' next.txt
check "targets of no train part are counted" has '60.00% cold: in no train part' next.txt
# All at once: {e, d} after a b c (ranks 2 and 1), {b, a} first of all (ranks 2 and 1), {d} after a b (rank 2, behind c).
"$souk" eval --baselines-only --data time --protocols full --bootstrap 0 --targets all >all.txt 2>all.err
check "with --targets all there is one question a user" has '^data +data, test part: 3 questions of 3 users$' all.txt
check "the table of several targets has its own columns" has '^ +HR@10 +REC@5 +REC@10 +REC@20 +PREC@5 +PREC@10 +NDCG@5 +NDCG@10 +NDCG@20 +MAP@10 +MRR$' all.txt
check "the figures of several targets are those counted by hand" has '^popularity +1\.0000[* ] +1\.0000[* ] +1\.0000[* ] +1\.0000[* ] +0\.3333[* ] +0\.1667[* ] +0\.8770[* ] +0\.8770[* ] +0\.8770[* ] +0\.8333[* ] +0\.8333' all.txt
"$souk" eval --baselines-only --data time --protocols full --bootstrap 20 --targets all --json >all.json 2>/dev/null
figure() { tr -d ' \n' <all.json | grep -oE "\"$1\":\{\"value\":[0-9.]+" | head -n 1 | sed 's/.*://' | cut -c -6; } # of popularity
check "json has recall, precision and MAP, too" test "$(figure recall@1) $(figure precision@1) $(figure map@1) $(figure hr@1)" = "0.3333 0.6666 0.6666 0.6666"
check "json names the reading and counts questions and targets" bash -c "tr -d ' \n' <all.json | grep -q '\"questions\":3,\"reading\":\"all\",\"targets\":5,'"
check "both readings say which parts were counted for the baselines" bash -c "grep -qx 'counted   in the train and validation parts (for baselines)' next.txt && grep -q '^counted' all.txt"
"$souk" eval --baselines-only --data time --protocols full --bootstrap 0 --baselines.learn train 2>/dev/null >train.txt
check "baselines that learn from train only are told so" has '^counted   in the train part' train.txt
check "questions without a history are counted" has '^ +1 questions have no history' next.txt
"$souk" eval --baselines-only --data time --part valid --protocols full --bootstrap 0 >valid.txt 2>&1
check "the validation part ends before the date of test" has '^data +data, validation part: 4 questions of 3 users$' valid.txt
for n in 1 2 3; do "$souk" eval --baselines-only --data time --protocols full --bootstrap 0 --users $n 2>/dev/null; done >users.txt
check "a subset has as many users as asked for, all of them with targets" diff <(sed -nE 's/^data .* of ([0-9]) users.*/\1/p' users.txt) <(seq 3)

# By user: forty users of five events each.
awk 'BEGIN { print "u,i,t"; for (u = 0; u < 40; u++) for (k = 0; k < 5; k++) printf "user%d,i%d,%d\n", u, (u * 7 + k * k) % 9, 100 * u + k }' >log.csv
users() { "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --split user --out "$@" >"$1.txt" 2>"$1.err"; }
check "users are held out whole" users user --valid_users 0.3 --test_users 0.3 --targets 2
souk_users() { "$souk" inspect "$1" --rows 40 --json | grep -o '"user": "[^"]*"\|"train": [0-9]*' | paste - - | sed 's/"user": "\([^"]*\)".*: /\1 /'; }
souk_users user >parts
check "a history trains whole or not at all" bash -c '[ $(wc -l <parts) = 40 ] && ! grep -v " [05]$" parts'
check "both kinds of users are there" bash -c 'grep -q " 0$" parts && grep -q " 5$" parts'
check "the vocabulary counts the events of train users only" diff <(tail -n +6 user/vocab.tsv | sort) \
  <(awk -F, 'NR == FNR { split($0, f, " "); train[f[1]] = f[2]; next } FNR > 1 { n[$2] += train[$1] > 0 } END { for (i in n) print i "\t" n[i] }' parts log.csv | sort)
trained=$(grep -c ' 5$' parts)
check "the report counts two targets a held-out user" awk -v t="$trained" '/users train;/ { n = 1; bad = $1 != t || $4 != 2 * $7 || $10 != 2 * $12 || $1 + $7 + $12 != 40 } END { exit bad || !n }' user.txt
"$souk" eval --baselines-only --data user --protocols full --bootstrap 0 >user.eval 2>&1
check "the first events of a held-out user are input, and no questions" bash -c "grep -qE \"test part: $(awk '/users train;/ { print $10 " questions of " $12 " users" }' user.txt)\" user.eval"
users again --valid_users 0.3 --test_users 0.3 --targets 2
check "the same seed holds out the same users" cmp user/manifest.json again/manifest.json
sed -n '1p;/^user[0-3],/p' log.csv >few.csv
"$souk" prepare --log few.csv --user u --fields.item i --fields.time t --split user --valid_users 0.3 --test_users 0.3 --targets 2 --out few >/dev/null 2>&1
check "a user belongs to the same part in another log" bash -c 'cmp <(grep "^user[0-3] " parts | sort) <('"$(declare -f souk_users)"'; souk='"$souk"'; souk_users few | sort)'
users other --valid_users 0.3 --test_users 0.3 --split_seed 2
check "another seed holds out other users" bash -c '! cmp -s parts <('"$(declare -f souk_users)"'; souk='"$souk"'; souk_users other)'
check "a run trains without the held-out users and validates with them" "$souk" pretrain --data.dir user --train.out run --hidden 16 --layers 1 --steps 4 --batch_tokens 64 --max_positions 8 --eval_every 4 --log_every 1
check "validation asked the questions of the validation users" bash -c 'grep -q "\"users\":$(awk "/users train;/ { print \$7 }" user.txt)[,}]" run/metrics.jsonl'

"$souk" eval run --targets all --no-filter_history --bootstrap 20 --negatives 3 --lists lists.jsonl --k 9 >model.txt 2>&1
check "a model answers questions of several targets beside the baselines" has '^model +[01]\.[0-9]+[* ]' model.txt
check "a list of several targets names them with their ranks" test "$(grep -cE '^\{"user":"user[0-9]+","items":\[.*\],"scores":\[.*\],"targets":\["i[0-9]"(,"i[0-9]")?\],"ranks":\[[0-9](,[0-9])?\]\}$' lists.jsonl)" = "$(wc -l <lists.jsonl)"
check "each target stands in its list where its rank says" awk -F'[][]' '{ n = split($2, item, ","); m = split($6, target, ","); split($8, rank, ",")
  for (i = 1; i <= m; i++) if (rank[i] <= n && item[rank[i]] != target[i]) bad = 1; seen += m } END { exit bad || !seen }' lists.jsonl

# A model on data that it was not trained on: the same log divided in other ways.
loo() { users "$@" --split leave_one_out; }
loo known && "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --split none --out all_trained >/dev/null
sed '/^user[0-9]*,[^,]*,[0-9]*4$/d' log.csv >shorter.csv # without the last event of each user: what is test in `known`
"$souk" prepare --log shorter.csv --user u --fields.item i --fields.time t --split none --out valid_trained >/dev/null
sed '/^user[0-9]*,[^,]*,[0-9]*[34]$/d' log.csv >shortest.csv
"$souk" prepare --log shortest.csv --user u --fields.item i --fields.time t --split none --out train_trained >/dev/null
for d in all valid train; do
  quietly "$souk" pretrain --data.dir ${d}_trained --train.out $d.run --hidden 16 --layers 1 --steps 2 --batch_tokens 64 --max_positions 8 --eval_every 0
  "$souk" eval $d.run --data known --other_data --bootstrap 0 --protocols full >$d.other 2>$d.warn
done
check_error "a model that was trained on another split of the log is an error, which names both" "was trained on data set \"data\" (split user, validation 0.3 and test 0.3 of the users by seed 1, targets 2," "$souk" eval run --data known
check_error "the error of another split says how to go on" "--other_data evaluates it all the same" "$souk" eval run --data known
check "a model that was trained on the validation and test parts is told so" has '^trained   on another data set, "data" \(split leave_one_out or none, .*what is train, validation and test here' all.other
check "a model that was trained on the validation part is told so" has '^trained   on another data set, .*what is train and validation here' valid.other
check "a model that was trained on what is the train part here is told so" has '^trained   on another data set, .*counts every item as the train part here' train.other
check "what a model was trained on is warned about" has 'train.run/.* was trained on another data set' train.warn
"$souk" eval run --data known --other_data --bootstrap 0 --protocols full --json 2>/dev/null >other.json
check "json tells of another data set that the model was trained on" bash -c "tr -d ' \n' <other.json | grep -qE '\"trained_on\":\{\"name\":\"data\",\"checksum\":\"[0-9a-f]{64}\",\"counts_like\":\"otherwise\",'"
# Items are found by name, also where they have other numbers.
"$souk" eval train.run --data known --other_data --bootstrap 0 --protocols full 2>/dev/null | sed -n '/^popularity /p; /^markov/p' >a.counted
"$souk" eval --baselines-only --data known --bootstrap 0 --protocols full 2>/dev/null | sed -n '/^popularity /p; /^markov/p' >b.counted
check "baselines are the same in another model's vocabulary" bash -c 'diff <(tr -d "*" <a.counted | tr -s " ") <(tr -d "*" <b.counted | tr -s " ")'

# Leave-one-out with several targets.
users loo --split leave_one_out --targets 2
check "leave-one-out with two targets leaves one event of five to train" bash -c "tr -d ' \n' <loo/manifest.json | grep -q '\"train_tokens\":40,\"valid_targets\":80,\"test_targets\":80,'"
users short --split leave_one_out --targets 3
check_error "a split without targets is an error" "no test targets" "$souk" eval --baselines-only --data short
users plain --split leave_one_out
check "plain leave-one-out adds nothing to the manifest" lacks '"split"' plain/manifest.json

# Data sets that do not keep to what their manifests say are refused by whoever reads events.
leaky() { # FROM TO SED: a copy with another manifest
  rm -rf "$2"; cp -r "$1" "$2"; sed -i "$3" "$2/manifest.json"
}
eval_of() { "$souk" eval --baselines-only --data "$1" --bootstrap 0; }
train_of() { "$souk" pretrain --data.dir "$1" --train.out leak.run --hidden 16 --layers 1 --steps 1 --max_positions 8 --batch_tokens 64; }
leaky time late 's/"valid_from": 1704844800/"valid_from": 1704844799/'
check_error "a train event at the date of validation is a leak" "an event of its train part is not before the date of validation" eval_of late
check_error "souk pretrain refuses a train event at the date of validation" "an event of its train part is not before the date of validation" train_of late
leaky time between 's/"test_from": 1705708800/"test_from": 1705708700/'
check_error "a validation event behind the date of test is a leak" "an event of its validation part is not before the date of test" eval_of between
leaky time early 's/"test_from": 1705708800/"test_from": 1705708801/'
check_error "a test event before the date of test is a leak" "an event of its test part is before the date of test" eval_of early
leaky plain inside 's/^ "stride": .*/&\n "split": {"kind": "user", "targets": 1, "valid_users": 0.1, "test_users": 0.1, "seed": 1},/'
check_error "a held-out user with train events is a leak" "some events of a held-out user are in the train part" eval_of inside
check_error "souk pretrain refuses a held-out user with train events" "some events of a held-out user are in the train part" train_of inside
leaky plain more 's/^ "stride": .*/&\n "split": {"kind": "leave_one_out", "targets": 2},/'
check_error "other numbers of targets than the manifest has are an error" "not its last events in the number that the manifest says" eval_of more
leaky plain strange 's/^ "stride": .*/&\n "split": {"kind": "random", "share": 0.1},/'
check_error "a kind of split that is not known names the version that wrote it" '"split.kind" is "random", which souk' eval_of strange
leaky user typed 's/"targets": 2/"targets": 0/'
check_error "a split of no targets is an error" 'field "split.targets" is missing' eval_of typed
leaky user further 's/"targets": 2,/"targets": 2, "groups": 1,/'
check_error "a field of a split that is not known is an error" 'groups' eval_of further
leaky time counted 's/"valid_targets": 4/"valid_targets": 3/; s/"test_targets": 5/"test_targets": 6/'
check_error "parts that do not have the sizes of the manifest are an error" "the shards hold 4 tokens of validation parts, the manifest says 3" eval_of counted

# Ties and logs without times.
printf 'u,i,t\nx,a,1\nx,b,2\nx,c,2\ny,a,1\ny,b,2\ny,c,3\n' >log.csv
users tied --split leave_one_out
check "targets that tie in time with the event before them are counted" has '^tied targets +1 at the same time as the event before, .*: x$' tied.txt
check "targets that tie in time are warned about" has '1 users have a target at the same time as the event before it' tied.err

# What makes no sense.
wrong() { "$souk" prepare --log log.csv --user u --fields.item i --fields.time t --out wrong "$@"; }
check_error "dates that are not there are asked for" "needs output.valid_from, a date such as" wrong --split time
check_error "what is no date is told" 'output.test_from = "soon": ' wrong --split time --valid_from 2024-01-01 --test_from soon
check_error "dates in the wrong order are an error" "must not be after output.test_from" wrong --split time --valid_from 5 --test_from 4
check_error "a date of a fraction of a second is an error" "must be a whole second" wrong --split time --valid_from 1.5 --test_from 4
check_error "a split by time needs times" "needs fields.time" "$souk" prepare --log log.csv --user u --fields.item i --out wrong --split time --valid_from 1 --test_from 2
check_error "a date before anything is told as it is read" "validation from 0001-01-01T00:00:00Z" wrong --split time --valid_from 0001-01-01 --test_from 2
check_error "nothing before the first date is an error" "nothing to train on" wrong --split time --valid_from 1 --test_from 3
check_error "nothing behind the second date is an error" "no event is in the test part" wrong --split time --valid_from 2 --test_from 9
check_error "nothing between the dates is an error" "no event is in the validation part" wrong --split time --valid_from 4 --test_from 5
check_error "options of another split are an error" "output.valid_from is for output.split = time only" wrong --valid_from 2024-01-01
check_error "targets of a split by time are an error" "output.targets is for" wrong --split time --valid_from 2 --test_from 3 --targets 2
check_error "shares that leave nobody to train are an error" "leave no users to train on" wrong --split user --valid_users 0.5 --test_users 0.5
check "a refused split leaves no data set" test ! -e wrong
"$souk" prepare --log log.csv --user u --fields.item i --out untimed >untimed.txt 2>&1
check "without times the report says that the order of rows decides what is last" has '^split +leave_one_out \(without times the order of the rows decides which events are the last\)$' untimed.txt

# A repeat behind the date of test is merged, and must not tell the train part what it was.
printf 'u,i,t,e\nx,a,1,view\nx,b,2,view\nx,b,3,cart\nx,b,8,buy\ny,a,4,view\ny,c,9,buy\n' >log.csv
users merged --split time --valid_from 6 --test_from 6 --repeats merge --event e
check "an event takes no type from a repeat behind the date of test" bash -c 'grep -E "^event=(view|cart|buy)" merged/vocab.tsv | sort | tr "\n\t" ",:" | grep -qx "event=buy:0,event=cart:1,event=view:2,"'
finish
