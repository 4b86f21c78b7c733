#!/usr/bin/env bash
. "$(dirname "$0")/lib.sh"
number() { grep -oE "\"$1\": *-?[0-9.]+" "$2" | head -n 1 | grep -oE -- '-?[0-9.]+$'; }
export -f number
check "souk synth makes a marketplace" "$souk" synth --out "$work/m" --users 600 --items 300 --length 15
for f in events.csv.gz events.jsonl.gz promotions.csv.gz impressions.csv.gz reviews.jsonl.gz; do check "$f is a whole gzip file" gzip -t "$work/m/$f"; done
prepare() { "$souk" prepare datasets/synth/prepare.yaml --catalogue "$work/m/catalogue.jsonl" "$@"; }
check "its log becomes a data set" prepare --log "$work/m/events.csv.gz" --out "$work/d"
check "no row of its log is rejected" test "$(number rejected "$work/d/report.json")" = 0
check "every distinct item of every user is in the data set" test "$(number events "$work/d/report.json")" = "$(number steps "$work/m/synth.json")"
check "the session gap finds the generator's sessions" test "$(number sessions "$work/d/report.json")" = "$(number sessions "$work/m/synth.json")"
check "every item has a description in the catalogue" test "$(number catalogue_matched "$work/d/report.json")" = "$(number items "$work/d/report.json")"
check "session names give the same data set" bash -c "
  $(declare -f prepare); souk=$souk work=$work; prepare --log $work/m/events.csv.gz --fields.session session_id --out $work/s &&
  cmp $work/d/shard-00000.h5 $work/s/shard-00000.h5"
check "the jsonl log gives the same data set" bash -c "
  $(declare -f prepare); souk=$souk work=$work; prepare --log $work/m/events.jsonl.gz --format jsonl --out $work/j &&
  cmp $work/d/manifest.json $work/j/manifest.json"
check "the oracle has a question for every user" test "$(number queries "$work/m/truth/oracle.json")" = 600
check "the oracle's NDCG@10 is between 0.3 and 0.9" bash -c "awk -v x=\$(number 'ndcg@10' $work/m/truth/oracle.json) 'BEGIN { exit !(x > 0.3 && x < 0.9) }'"
# The oracle is above what counting gets on the same data set, by the same definitions.
check "souk eval measures the baselines" bash -c "$souk eval --data $work/d --baselines_only --protocols full --bootstrap 0 --json >$work/base.json"
check "no baseline is above the oracle" bash -c "
  best=\$(tr -d ' \n' <$work/base.json | grep -oE '\"ndcg@10\":[{]\"value\":[0-9.]+' | grep -oE '[0-9.]+\$' | sort -g | tail -n 1)
  awk -v b=\$best -v o=\$(number 'ndcg@10' $work/m/truth/oracle.json) 'BEGIN { exit !(b > 0.01 && b < o) }'"
check_error "an existing marketplace is kept without --force" "--force" "$souk" synth --out "$work/m"
check "--force replaces an existing marketplace" "$souk" synth --out "$work/m" --users 20 --items 60 --force
mkdir "$work/other" && touch "$work/other/file"
check_error "--force does not replace a directory of another kind" "it is left as it is" "$souk" synth --out "$work/other" --force
check_error "souk synth without --out is an error" "--out DIR" "$souk" synth
check_error "an option out of range is an error" "out of range" "$souk" synth --out "$work/x" --items 3
check_error "an unknown option is answered with the nearest one" 'did you mean "users"' "$souk" synth --out "$work/x" --user 3
check_error "a directory that cannot be made is an error" "/proc" "$souk" synth --out /proc/x
check "--no-promotions makes no files of promotions" bash -c "$souk synth --out $work/n --users 20 --items 60 --no-promotions && ! ls $work/n | grep -E 'promo|campaign'"
check "--no-impressions --no-reviews makes neither of them" bash -c "$souk synth --out $work/o --users 20 --items 60 --no-impressions --no-reviews && ! ls $work/o $work/o/truth | grep -E 'impression|review'"
check "the oracle tells how well clicks can be told" bash -c "awk -v x=\$(number auc $work/m/truth/oracle.json) 'BEGIN { exit !(x > 0.6 && x < 0.95) }'"
check "souk synth --copy yes writes copy and its truth" bash -c "$souk synth --out $work/c --users 200 --items 100 --copy yes >$work/told && grep -q '^copy ' $work/told"
check "copy.jsonl.gz and its truth have a row an impression" bash -c "
  a=\$(zcat $work/c/copy.jsonl.gz | wc -l) b=\$(zcat $work/c/truth/copy.csv.gz | wc -l)
  test \$a -gt 100 && test \$((a + 1)) = \$b && test \$a = \$(number shown $work/c/truth/oracle.json)"
check "the manifest lists copy" bash -c "grep -q 'truth/copy_styles.tsv' $work/c/synth.json && ! grep -q copy $work/m/synth.json $work/m/truth/oracle.json"
finish
