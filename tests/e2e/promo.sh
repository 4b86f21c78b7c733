#!/usr/bin/env bash
# Promotion copy as it is served: requests and what is wrong with them, the same bytes in any order and batch and with any threads,
# lexicons, and promotions in ranked lists, against placements that are counted here.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
export OMP_NUM_THREADS=1
is() { if [ "$3" = "$2" ]; then ok "$1"; else not_ok "$1 (wanted: $2, got: $3)"; fi; }

# ---- a bundle that writes copy, and one that does not ----
check "a marketplace with copy" "$souk" synth --users 150 --items 60 --copy yes --out "$work/shop"
check "words of its titles and copy" "$souk" vocab --input "$work/shop/catalogue.jsonl,$work/shop/copy.jsonl.gz" --columns title_en,title_zh,copy \
  --size 900 --out "$work/words"
check "a data set with copy" "$souk" prepare "$root/datasets/synth/prepare.yaml" --log "$work/shop/events.csv.gz" \
  --catalogue "$work/shop/catalogue.jsonl" --words "$work/words" --copy "$work/shop/copy.jsonl.gz" --out "$work/data"
run_options=(--data.dir "$work/data" --eval_every 0 --train.threads 1 --warmup_steps 2)
check "a model that ranks" "$souk" pretrain --out "$work/run" --steps 20 --hidden 16 --layers 1 --heads 2 --max_positions 96 --segments 2 \
  --objectives next_item "${run_options[@]}"
check "a model that writes copy" "$souk" finetune --task promo "$work/run" --out "$work/writer" --steps 20 --lr 5e-3 "${run_options[@]}"
check "bundles of both" bash -c "'$souk' export '$work/run' '$work/ranks' && '$souk' export '$work/writer' '$work/writes'"
promo() { "$infer" promo "$work/writes" --threads 1 "$@"; }

# ---- requests ----
cat >"$work/requests" <<'X'
{"id":"a","history":["p000001","p000002"],"item":"p000003","goal":"win_back","type":"coupon","market":"us","language":"en","threshold":300,"amount":50,"date":"2026-12-31"}
{"id":"b","user":7,"history":[{"item":"p000005","event":"buy"},"nobody"],"item":"p000004","goal":"launch","type":"discount","market":"cn","language":"zh","price":99,"was":199}
{"user":"c","item":"nothing","title":"Red shoes 50% off","attributes":{"colour":"red","size":5},"language":"en","market":"gb","type":"gift","code":"XY12"}
{"id":"d","item":"p000006","attributes":"材质#棉*颜色#红","goal":"unheard","type":"flash_sale","market":"eu","language":"zh","percent":30,"date":"12-31","name":"红鞋"}
X
promo --input "$work/requests" >"$work/greedy" 2>"$work/greedy.err"
is "four requests have four answers" 0:4 "$?:$(wc -l <"$work/greedy")"
is "each answer has copy, a log probability, tokens and flags" 4 \
  "$(grep -cE '^\{"(id|user)":"[a-d]"(,"user":7)?,"copy":".*","log_probability":-?[0-9.e-]+,"tokens":[0-9]+,"flags":\[.*\].*"unknown":[01]' "$work/greedy")"
is "an unknown item of a history is counted" 1 "$(grep -c '^{"id":"b".*"unknown":1' "$work/greedy")"
is "a goal that was not trained on is counted" 1 "$(grep -c '^{"id":"d".*"unknown_context":1' "$work/greedy")"
check "what was unknown is summed up at the end" has 'of 4 requests for copy: .*1 unknown items in histories, 1 goals' "$work/greedy.err"
refused() { # NAME LINE SENTENCE
  is "$1" "$3" "$(echo "$2" | promo 2>/dev/null | sed -nE 's/.*"error":"(.*)","line":1\}$/\1/p' | sed 's/\\"/"/g')"
}
refused "a field with a typing error is refused by name" '{"id":1,"item":"p000001","language":"en","prise":3}' \
  'a request has no field "prise" (souk-infer promo --help lists them)'
refused "a field of training rows is refused by name" '{"id":1,"item":"p000001","language":"en","copy":"x"}' \
  '"copy" is a field of rows that copy is trained on, and a request has none'
refused "a request without a language" '{"id":1,"item":"p000001"}' 'field "language" is missing'
refused "a request without item and title" '{"id":1,"language":"en"}' 'field "item" is missing, and there is no "title" either'
refused "a price without a market" '{"item":"p000001","language":"en","price":9}' \
  'field "market" is missing, which says how prices and dates are written'
refused "a price that is a text" '{"item":"p000001","language":"en","price":"9"}' '"price" must be a number'
refused "a price of 0" '{"item":"p000001","language":"en","price":0}' '"price" must be a number above 0 and at most 1000000000, not 0'
refused "a cap with a fraction" '{"item":"p000001","language":"en","cap":1.5}' '"cap" must be a whole number'
refused "a negative seed" '{"item":"p000001","language":"en","seed":-1}' '"seed" must be a whole number from 0 to 9007199254740992, not -1'
refused "a date in another form" '{"item":"p000001","language":"en","date":"31.12.2026"}' '"date" must be "YYYY-MM-DD" or "MM-DD"'
refused "a month that there is not" '{"item":"p000001","language":"en","date":"13-01"}' '"date" must be "YYYY-MM-DD" or "MM-DD"'
refused "a term that there is not" '{"item":"p000001","language":"en","required_terms":["was"]}' \
  '"required_terms" must be an array of name, price, percent, amount, threshold, date and code'
refused "required phrases that are no array" '{"item":"p000001","language":"en","required":"now"}' '"required" must be an array'
refused "attributes that are a number" '{"item":"p000001","language":"en","attributes":7}' \
  '"attributes" must be a string such as "colour#red*size#5" or an object'
refused "an empty title" '{"title":"","language":"en"}' '"title" is empty'
refused "a history that is no array" '{"item":"p000001","language":"en","history":7}' '"history" must be an array of at most 2^24 events'
check "a language that there is not is an error that names it" bash -c \
  "echo '{\"id\":1,\"item\":\"p000001\",\"market\":\"us\",\"language\":\"fr\"}' | '$infer' promo '$work/writes' 2>&1 | grep -q '\"error\":\"language.*fr'"
{ sed -n 1p "$work/requests"; echo '{"id":"x","item":"p000001"}'; sed -n 2p "$work/requests"; } | promo >"$work/mixed" 2>"$work/mixed.err"
is "a wrong line ends in 1, and the others are answered" "1:a x b" "$?:$(sed -E 's/^."id":"(.)".*/\1/' "$work/mixed" | paste -sd ' ')"
check "the error says where" has 'standard input line 2: field "language" is missing' "$work/mixed.err"
is "terms that contradict each other give a template, and the reason" 1 \
  "$(echo '{"item":"p000001","language":"en","market":"us","price":20,"was":10}' | promo 2>/dev/null | grep -c '"flags":\["template"\],"reason":".*price')"
is "a bundle without copy says how one gets it" 1 "$("$infer" promo "$work/ranks" <"$work/requests" 2>&1 | grep -c 'writes no copy: souk finetune --task promo')"

# ---- options ----
check_error "a temperature of 0" '--temperature must be a number above 0 and at most 100, not "0"' "$infer" promo "$work/writes" --temperature 0
check_error "a word for a number" '--length-penalty must be a number from -10 to 10, not "long"' "$infer" promo "$work/writes" --length_penalty long
check_error "n-best of a greedy search" "--n-best 3 needs --decode beam or sample" "$infer" promo "$work/writes" --n-best 3
check_error "n-best above the beam" "--n-best 5 is more than the 4 texts of --beam" "$infer" promo "$work/writes" --decode beam --n-best 5
check_error "groups that do not divide the beam" "--beam 4 cannot be divided into --beam-groups 3" "$infer" promo "$work/writes" --decode beam --beam-groups 3
check_error "a beam of a greedy search" "--beam needs --decode beam" "$infer" promo "$work/writes" --beam 8
check_error "a temperature of a beam" "--temperature needs --decode sample" "$infer" promo "$work/writes" --decode beam --temperature 2
check_error "a length penalty of samples" "--length-penalty needs --decode beam" "$infer" promo "$work/writes" --decode sample --length_penalty 1
check_error "diversity of one group" "--diversity needs --beam-groups above 1" "$infer" promo "$work/writes" --decode beam --diversity 1
check_error "a lexicon that is not there" "cannot open $work/none" "$infer" promo "$work/writes" --lexicon "$work/none"
check_error "off beside a file" "--lexicon off cannot be given beside files" "$infer" promo "$work/writes" --lexicon off --lexicon "$work/none"
check_error "options of copy need --promote with rank" "--beam needs --promote" "$infer" rank "$work/ranks" --beam 2

# ---- the same bytes ----
awk '{ for (i = 0; i < 12; i++) { line = $0; sub(/"(id|user)":"/, "&" i, line); print line } }' "$work/requests" >"$work/many"
for how in "--decode greedy" "--decode beam --n-best 2 --length-penalty 0.6" "--decode sample --temperature 1.5 --seed 3 --n-best 2"; do
  promo $how --input "$work/many" 2>/dev/null >"$work/one"
  check "$how: 48 answers" test "$(wc -l <"$work/one")" = 48
  check "$how: the same with two threads" cmp "$work/one" <("$infer" promo "$work/writes" $how --threads 2 --input "$work/many" 2>/dev/null)
  check "$how: the same one by one" cmp "$work/one" <(promo $how --batch 1 --input "$work/many" 2>/dev/null)
  check "$how: the same in another order" cmp <(sort "$work/one") <(tac "$work/many" | promo $how 2>/dev/null | sort)
done
sampled() { promo --decode sample --temperature 2 "$@" --input "$work/many" 2>/dev/null; }
check "another seed gives other copy" bash -c "! cmp -s $work/s1 $work/s2" _ "$(sampled --seed 1 >"$work/s1"; sampled --seed 2 >"$work/s2")"
is "requests that differ in their ids alone draw differently" 12 "$(sampled | grep -E '^."id":"[0-9]*a"' | sed -E 's/.*"copy":"(([^"\\]|\\.)*)".*/\1/' | sort -u | wc -l)"
promo --stream --input "$work/requests" 2>/dev/null >"$work/streamed"
check "with --stream the answers are the same" cmp "$work/greedy" <(grep -v '"part":' "$work/streamed")
is "the parts of a streamed copy are the copy" "$(sed -nE '1s/.*"copy":"(([^"\\]|\\.)*)".*/\1/p' "$work/greedy")" \
  "$(sed -nE 's/^."id":"a","copy":0,"part":"(.*)"\}$/\1/p' "$work/streamed" | tr -d '\n')"

# ---- lexicons ----
is "the bundle carries the lexicons of configs" 2 "$(for l in en zh; do cmp "$root/configs/lexicon-$l.txt" "$work/writes/lexicon-$l.txt" && echo; done | wc -l)"
check "the bundle's lexicons are what --lexicon names without it" cmp <(sampled) <(sampled --lexicon "$root/configs/lexicon-en.txt" --lexicon "$root/configs/lexicon-zh.txt")
word=$(sampled --lexicon off | grep -oE '"copy":"[^"]*"' | tr -c 'a-z\n' ' ' | tr -s ' ' '\n' | grep -E '^[a-z]{4,}$' | grep -v copy | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
echo "$word" >"$work/banned"
says() { sed -E 's/"reason":.*//' | LC_ALL=C grep -ciw "$word"; }
check "without a lexicon the word \"$word\" is written" test "$(sampled --lexicon off | says)" -gt 0
is "a lexicon that bans it keeps it out" 0 "$(sampled --lexicon "$work/banned" | says)"
printf '[required]\nlucky day\n' >"$work/needed"
is "a phrase that a lexicon requires is in each copy" 48 "$(sampled --lexicon "$work/needed" | grep -ciE '"copy":"[^"]*lucky day|"template"|"refused"')"

required() { echo '{"item":"p000001","language":"en","market":"us"'"${1:-}}" | promo --max_tokens 8 --lexicon "$work/needed" 2>/dev/null; }
is "a phrase that a lexicon requires fits into eight tokens" 1 "$(required | grep -c 'lucky day.*"flags":\[\("cut"\)*\]')"
is "a phrase that is required twice is said once" "$(required)" "$(required ',"required":["lucky day","Lucky day"]')"

# ---- promotions in lists ----
zcat "$work/shop/events.csv.gz" | awk -F, 'NR > 1 && $5 != "" && !seen[$2]++ && n++ < 20 { printf "{\"user\":\"%s\",\"history\":[\"%s\"],\"language\":\"%s\"}\n", $2, $5, n % 2 ? "en" : "zh" }' >"$work/users"
: >"$work/none"
rank() { "$infer" rank "$work/ranks" --k 8 --threads 1 --input "$work/users" "$@"; }
rank >"$work/plain"
promoted() { rank --writer "$work/writes" "$@" 2>"$work/promoted.err"; }
check "a file without promotions changes no list" cmp "$work/plain" <(promoted --promote "$work/none" | sed -E 's/,"promoted":\[\],"relevance":.[^}]*.//')
awk 'BEGIN { for (i = 0; i < 12; i++) printf "{\"id\":\"c%d\",\"item\":\"p0000%02d\",\"goal\":\"launch\",\"type\":\"discount\",\"market\":\"us\",\"percent\":%d,\"value\":%d}\n", i, i * 4, 10 + i, i % 3 }' >"$work/campaigns"
promoted --promote "$work/campaigns" --promote_n 2 --promote_m 4 --promote_weight 3 >"$work/lists"
is "20 lists with promotions" 20 "$(grep -c '"promoted":\[{"place":[1-4],"id":"c' "$work/lists")"
is "at most two in a list" 0 "$(grep -cE '("place":.*){3}' "$work/lists")"
is "each with copy" "$(grep -o '"place":' "$work/lists" | wc -l)" "$(grep -oE '"place":[1-4],"id":"c[0-9]+","copy":"' "$work/lists" | wc -l)"
check "the lists are the same with two threads" cmp "$work/lists" <("$infer" rank "$work/ranks" --k 8 --threads 2 --input "$work/users" --writer "$work/writes" \
  --promote "$work/campaigns" --promote_n 2 --promote_m 4 --promote_weight 3)
check "the lists are the same in batches of one" cmp "$work/lists" <(promoted --batch 1 --promote "$work/campaigns" --promote_n 2 --promote_m 4 --promote_weight 3)
# What was lost is the difference of the lists that are printed.
losses() {
  paste "$work/plain" "$work/lists" | awk -F'\t' '
    function scores(line, to) { sub(/.*"scores":\[/, "", line); sub(/\].*/, "", line); return split(line, to, ",") }
    { scores($1, a); scores($2, b); sum = dcg = 0
      for (i = 1; i <= 4; i++) { sum += a[i] - b[i]; dcg += (a[i] - b[i]) / (log(i + 1) / log(2)) }
      said = $2; sub(/.*"lost_sum":/, "", said); lost = said + 0; sub(/.*"lost_dcg":/, "", said); lost_dcg = said + 0
      if ((sum - lost)^2 > 1e-8 || (dcg - lost_dcg)^2 > 1e-8) { print NR, sum, lost, dcg, lost_dcg; bad = 1 } }
    END { exit bad || NR != 20 }'
}
check "the loss is the relevance of the list without promotions less that with them" losses
is "of a list that is shorter than the first places, these are all" 20 "$(promoted --k 3 --promote "$work/campaigns" | grep -c '"relevance":{"first":3,"sum"')"
is "a weight of 0 promotes nothing" 0 "$(promoted --promote "$work/campaigns" --promote_weight 0 | grep -c place)"
is "a promotion for one user is shown to no other" 1 "$(user=$(sed -nE '1s/.*"user":"([^"]*)".*/\1/p' "$work/users")
  echo "{\"id\":\"one\",\"user\":\"$user\",\"item\":\"p000008\",\"market\":\"us\",\"value\":50}" >"$work/own"
  promoted --promote "$work/own" | grep -c '"id":"one"')"
# The same user three times; a cap of three, of which one was shown before.
for i in 1 2 3; do sed -n 1p "$work/users"; done >"$work/thrice"
echo '{"id":"capped","item":"p000008","market":"us","value":50,"cap":3,"shown":1}' >"$work/capped"
capped() { "$infer" rank "$work/ranks" --writer "$work/writes" --input "$work/thrice" --promote "$work/capped" --threads 1 "$@" | grep -n '"id":"capped"' | cut -d: -f1 | paste -sd ' '; }
is "a cap of three with one shown leaves two" "1 2" "$(capped)"
is "also in batches of one" "1 2" "$(capped --batch 1)"
sed 's/"language":"en"//; s/,}/}/' "$work/users" | head -n 1 >"$work/mute"
check "without a language in question and promotion the line is refused" bash -c \
  "'$infer' rank '$work/ranks' --writer '$work/writes' --input '$work/mute' --promote '$work/capped' 2>&1 | grep -q 'neither the question nor the promotion of line 1 of --promote says in which'"
echo '{"item":"p000001","history":[]}' >"$work/wrong"
check_error "a history in a file of promotions is an error" "wrong line 1: in a file of --promote, \"history\" and \"user_attributes\" are those of the question" \
  rank --writer "$work/writes" --promote "$work/wrong"
echo '{"item":"nothing","language":"en"}' >"$work/strange"
rank --writer "$work/writes" --promote "$work/strange" >/dev/null 2>"$work/strange.err"
check "promotions of unknown items are counted" has '1 of 1 promotions are of items that the bundle does not have' "$work/strange.err"
echo '{"id":"h","item":"p000009","value":50,"market":"us","language":"en"}' >"$work/known"
is "a promotion for all is shown" 1 "$(echo '{"user":1,"history":["p000001"]}' |
  "$infer" rank "$work/ranks" --writer "$work/writes" --promote "$work/known" | grep -c '"id":"h"')"
is "an item of the history is not promoted" 0 "$(echo '{"user":1,"history":["p000009"]}' |
  "$infer" rank "$work/ranks" --writer "$work/writes" --promote "$work/known" | grep -c '"id":"h"')"
is "an item that is denied is not promoted" 0 "$(echo '{"user":1,"history":["p000001"],"deny":["p000009"]}' |
  "$infer" rank "$work/ranks" --writer "$work/writes" --promote "$work/known" | grep -c '"id":"h"')"
is "an item that is no candidate is not promoted" 0 "$(echo '{"user":1,"history":["p000001"],"candidates":["p000002","p000003"]}' |
  "$infer" rank "$work/ranks" --writer "$work/writes" --promote "$work/known" | grep -c '"id":"h"')"

# ---- one bundle that ranks and, by an adapter, writes ----
check "a model that ranks with [CLS]" "$souk" pretrain --out "$work/first" --steps 20 --hidden 16 --layers 1 --heads 2 --max_positions 96 --segments 2 --cls_sep \
  --objectives next_item "${run_options[@]}"
check "an adapter on it that writes copy" "$souk" finetune --task promo "$work/first" --out "$work/tuned" --peft lora --steps 20 --lr 5e-3 "${run_options[@]}"
check "both in one bundle" bash -c "'$souk' export '$work/first' '$work/alone' && '$souk' export '$work/tuned' '$work/tuned-bundle' && '$souk' export '$work/tuned/base' '$work/both' --adapters promo='$work/tuned'"
is "one bundle carries the lexicons too" 2 "$(for l in en zh; do cmp "$root/configs/lexicon-$l.txt" "$work/both/lexicon-$l.txt" && echo; done | wc -l)"
lists() { "$infer" rank "$work/$1" --k 8 --threads 1 --input "$work/users" "${@:2}"; }
check "one bundle ranks as the base does" cmp <(lists alone) <(lists both)
sed 's/}$/,"adapter":"promo"}/' "$work/campaigns" >"$work/adapted"
lists both --promote "$work/adapted" --promote_weight 3 >"$work/by_one" 2>"$work/by_one.err"
lists alone --writer "$work/tuned-bundle" --promote "$work/campaigns" --promote_weight 3 >"$work/by_two" 2>/dev/null
places() { grep -oE '"place":[1-9],"id":"c[0-9]+"' "$1"; }
check "one bundle promotes what two do" cmp <(places "$work/by_two") <(places "$work/by_one")
copies() { grep -oE '"copy":"([^"\\]|\\.)*"' "$1"; }
is "each promotion of one bundle has copy" "$(places "$work/by_one" | wc -l)" "$(copies "$work/by_one" | wc -l)"
check "one bundle's adapter writes what the tuned bundle writes" cmp <(copies "$work/by_two") <(copies "$work/by_one")

# ---- how fast copy is written ----
"$infer" bench "$work/writes" --copy --threads 1 --seconds 1 >"$work/bench" 2>&1
is "souk-infer bench --copy prints four measures" 4 "$(grep -cE '^(cache|no cache) +(1|16)( +[0-9.]+){3} +[0-9]+$' "$work/bench")"
check_error "souk-infer bench --copy needs a bundle that writes copy" "writes no copy" "$infer" bench "$work/ranks" --copy
finish
