#!/usr/bin/env bash
# Leaks on purpose, from a raw log to souk eval: each must be an error, or be told in the report.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
export OMP_NUM_THREADS=1
# forge FILE COMMAND...: changes a file of a directory through a filter that keeps its length, and makes the manifest say so, as
# somebody would who means it.
forge() {
  local file=$1 dir old new; shift
  dir=$(dirname "$file")
  old=$(sha256sum "$file" | cut -c -64)
  "$@" <"$file" >"$file.forged" && mv "$file.forged" "$file"
  new=$(sha256sum "$file" | cut -c -64)
  [ "$old" != "$new" ] && sed -i "s/$old/$new/" "$dir/manifest.json"
}
identity() { sed '/"created_by"/d' "$1/manifest.json" | sha256sum | cut -c -64; }

# Each user goes twice over four items of his own; then come two more, which validation and test ask about and nobody else has. So the
# vocabulary has the same order, whatever is counted.
awk 'BEGIN { print "user,item,time"; for (u = 10; u < 58; u++) for (k = 0; k < 10; k++) print "u" u "," (k < 8 ? "i" u "-" k % 4 : (k < 9 ? "w" : "end") u) "," 100 * u + k }' >log.csv
prepare() { "$souk" prepare --log log.csv --user user --fields.item item --fields.time time --out "$@"; }
train() { # RUN DATA OPTION...
  local run=$1 data=$2; shift 2
  "$souk" pretrain --data.dir "$data" --train.out "$run" --hidden 32 --layers 1 --heads 2 --batch_tokens 1024 --max_positions 12 --eval_every 0 --dropout 0 --attention_dropout 0 "$@"
}
evaluate() { "$souk" eval "$@" --protocols full --bootstrap 0; }
quietly prepare loo --split leave_one_out
quietly prepare all --split none
quietly train honest loo --steps 40 --lr 1e-2
quietly train knowing all --steps 400 --lr 1e-2

check "an honest model on honest data is evaluated" evaluate honest
check "an honest model is not suspected" bash -c "! grep -q '^suspect' .out"
check_error "a model that was trained on everything is of other data" "what is held out here may have been trained on" evaluate knowing --data loo
"$souk" eval knowing --data loo --other_data --protocols full --bootstrap 0 >knowing.txt 2>knowing.err
check "with --other_data the report says that its training had all parts" has '^trained .*what is train, validation and test here' knowing.txt
check "the report says that the model finds what nobody can know" has '^suspect +4[0-9] of 48 items that no part before has stand among the best 10' knowing.txt
check "a suspicion is a warning, too" has 'stand among the best 10' knowing.err
"$souk" eval knowing --data loo --other_data --protocols full --bootstrap 0 --json >knowing.json 2>/dev/null
check "a suspicion is a field of json" bash -c 'tr -d " \n" <knowing.json | grep -qE "\"unseen\":\{\"never\":48,\"targets\":48,\"hits\":4[0-9],\"expected\":10.0,\"suspected\":true\}"'

"$souk" eval knowing --data loo --other_data --protocols full --bootstrap 0 --report knowing.html >/dev/null 2>&1
check "a suspicion stands in a page" has 'Suspicion of a leak: 4[0-9] of 48 items' knowing.html

# The same model, which says that it was trained on the data it is evaluated on.
cp -r knowing lying
step=lying/$(cat lying/last)
sed -i "s/$(identity all)/$(identity loo)/" "$step/manifest.json"
check_error "a checkpoint that lies about its data is found out by its counts" "it was trained on something else, which may be held out" evaluate lying --data loo
own=$(sha256sum "$step/vocab.tsv" | cut -c -64) bytes=$(stat -c %s "$step/vocab.tsv")
cp loo/vocab.tsv "$step/vocab.tsv"
sed -i "s/$own/$(sha256sum loo/vocab.tsv | cut -c -64)/" "$step/manifest.json"
check "the lie has counts of the same length" test "$bytes" = "$(stat -c %s loo/vocab.tsv)"
evaluate lying --data loo >lying.txt 2>lying.err
check "one that lies about its counts, too, is suspected for its answers" has '^suspect +4[0-9] of 48 items' lying.txt

# Parameters that have seen more than the run did.
quietly train began loo --steps 2 --lr 1e-5 --init knowing
evaluate began >began.txt 2>began.err
check "a run that began from parameters trained on other data is told so" has "^began +from parameters that were trained on other data: \"data\" \(checksum $(identity all | cut -c -12)\)" began.txt
quietly train further loo --steps 2 --lr 1e-5 --init began
evaluate further >further.txt 2>/dev/null
check "a run that began from such a run is told so, too" has '^began +from parameters that were trained on other data' further.txt
evaluate honest >honest.txt 2>/dev/null
check "a run that began anew has no such line" bash -c '! grep -q "^began" honest.txt'
quietly train same loo --steps 2 --lr 1e-5 --init honest
evaluate same >same.txt 2>/dev/null
check "a run that began from a run on the same data has no such line" bash -c '! grep -q "^began" same.txt'

# Data that leak.
cp -r loo counted
forge counted/vocab.tsv sed 's/^\(i10-0\t\)2$/\13/; s/^\(i10-1\t\)2$/\11/'
check_error "counts of other events than the train parts are an error" "its counts are of other events, which may be held out" evaluate --baselines-only --data counted
quietly prepare user --split user --valid_users .3 --test_users .3
cp -r user twice
forge twice/users.tsv sed '2s/.*/u00/; 3s/.*/u00/'
check_error "a user who is there twice is an error" "u00" evaluate --baselines-only --data twice
check_error "a final model is not asked about the validation part" "was trained on the validation part, too (data.final)" bash -c "$(declare -f train); souk=$souk; train final loo --steps 2 --data.final yes >/dev/null 2>&1; '$souk' eval final --part valid"
finish
