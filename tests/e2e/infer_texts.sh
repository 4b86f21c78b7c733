#!/usr/bin/env bash
# souk-infer with texts: vectors of texts, texts in the place of histories, and what it says of lines that it cannot answer.
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { print "user,item,time,event"; for (u = 0; u < 60; u++) for (i = 0; i < 8; i++)
  printf "u%d,\"i%d\",%d,%s\n", u, (u * 7 + i * (1 + u % 2)) % 40, 1000 * i + u, i % 3 ? "view" : "buy" }' >"$work/log.csv"
awk 'BEGIN { print "item_id,title"; split("red blue green warm light", c, " "); split("shoe shirt glove hat", k, " ");
  for (i = 0; i < 40; i++) printf "i%d,\"%s %ss\"\n", i, c[1 + i % 5], k[1 + i % 4] }' >"$work/catalogue.csv"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' red blue green warm light shoe shirt glove hat '##s' >"$work/vocab.txt"
bundle=$work/bundle
check "souk prepare makes a data set with words" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time \
  --event event --input.catalogue "$work/catalogue.csv" --catalogue.title title --output.words "$work/vocab.txt" --out "$work/data"
check "a short training with texts ends well" "$souk" pretrain --data.dir "$work/data" --out "$work/run" --steps 10 --eval_every 0 \
  --hidden 16 --layers 2 --heads 2 --max_positions 12 --cls_sep true --warmup_steps 5 --train.threads 1 --data.mix "histories 1, texts 0.3" \
  --model.item_classes false
check "souk export makes a bundle that reads texts" "$souk" export "$work/run" "$bundle"
is() { if [ "$3" = "$2" ]; then ok "$1"; else not_ok "$1 (wanted: $2, got: $3)"; fi; }
check "souk-infer info says that texts are read" grep -q '^texts  *are read' <("$infer" info "$bundle")

# ---- embed ----
printf '%s\n' '{"id":"a","text":"Red shoes"}' '{"id":2}' 'x' '{"text":7}' '{"id":3,"text":""}' '{"text":"stranger things, hats"}' >"$work/texts"
"$infer" embed "$bundle" --threads 1 <"$work/texts" >"$work/got" 2>"$work/err"; rc=$?
is "embed: bad lines end in exit status 1" 1 $rc
is "embed: a line without text" '{"id":2,"error":"field \"text\" is missing","line":2}' "$(sed -n 2p "$work/got")"
is "embed: a text that is a number" '{"id":null,"error":"\"text\" must be a string","line":4}' "$(sed -n 4p "$work/got")"
is "embed: tokens of each text" "3 0 5" "$(sed -nE 's/.*"tokens":([0-9]+)}$/\1/p' "$work/got" | xargs)"
is "embed: 16 numbers a vector" "16 16 16" "$(grep vector "$work/got" | sed -E 's/.*\[(.*)\].*/\1/' | awk -F, '{ print NF }' | xargs)"
check "embed: bad lines are counted" grep -q '3 of 6 lines of standard input could not be answered' "$work/err"
is "embed --text gives the same vector" "$(sed -n 1p "$work/got" | sed 's/"a"/null/')" \
  "$(echo 'Red shoes' | "$infer" embed "$bundle" --text)"
for batch in 1 3 1000; do
  check "embed --batch $batch gives the same answers" cmp "$work/got" \
    <("$infer" embed "$bundle" --batch $batch --threads 2 --input "$work/texts" 2>/dev/null)
done
"$infer" embed "$bundle" --npy --output "$work/v.npy" --names "$work/v.names" --input "$work/texts" 2>/dev/null; rc=$?
is "embed --npy: bad lines end in exit status 1" 1 $rc
is "embed --npy: a row a line" $((128 + 64 * 6)) "$(stat -c %s "$work/v.npy")"
is "embed --npy: rows of bad lines are NaN" 3 "$(od -An -v -t x4 -w64 -j 128 "$work/v.npy" | grep -c '7fc00000 7fc00000')"
is "embed --npy --names: the last line" '{"id":null,"tokens":5}' "$(tail -n 1 "$work/v.names")"
is "embed --normalise: the length is 1" 1.0000 "$(echo hat | "$infer" embed "$bundle" --text --normalise |
  sed -E 's/.*\[(.*)\].*/\1/' | awk -F, '{ for (i = 1; i <= NF; i++) s += $i * $i; printf "%.4f", s }')"
is "embed: three ways to pool" 3 "$(for p in mean cls max; do echo 'warm hats' | "$infer" embed "$bundle" --text --pooling $p; done | sort -u | wc -l)"
is "embed --tokens 3 reads one word" "$(echo warm | "$infer" embed "$bundle" --text | sed 's/,"tokens.*//')" \
  "$(echo warm hats | "$infer" embed "$bundle" --text --tokens 3 | sed 's/,"tokens.*//')"
check_error "an unknown way to pool is an error" 'pooling must be one of mean|cls|max, not "sum"' "$infer" embed "$bundle" --pooling sum
check_error "names want .npy" "names needs --npy" "$infer" embed "$bundle" --names "$work/n"

# ---- texts in questions ----
printf '%s\n' '{"user":1,"history":["i1",{"text":"red shoes","event":"view"},"i7"]}' '{"user":2,"text":"warm hats"}' \
  '{"user":3,"history":["i1"],"text":"warm hats"}' '{"user":4,"history":["i1",{"event":"view"}]}' '{"user":5,"text":["x"]}' \
  '{"user":6,"history":["i1"]}' '{"user":7,"text":"a\u0000b"}' >"$work/questions"
for command in "rank --k 4" "rank --k 2 --why"; do
  "$infer" ${command%% *} "$bundle" ${command#* } <"$work/questions" >"$work/got" 2>/dev/null; rc=$?
  is "$command: bad lines end in exit status 1" 1 $rc
  is "$command: an event that is nothing" \
    '{"user":4,"error":"\"history\" must hold item names or objects with an \"item\" or a \"text\"","line":4}' "$(sed -n 4p "$work/got")"
  is "$command: a text that is no string" '{"user":5,"error":"\"text\" must be a string","line":5}' "$(sed -n 5p "$work/got")"
  is "$command: a text with a NUL" '{"user":null,"error":"a string contains a NUL","line":7}' "$(sed -n 7p "$work/got")"
  is "$command: the others are answered" 4 "$(grep -c '"items":\[' "$work/got")"
  is "$command: a text is no unknown item" 4 "$(grep -c '"unknown":0}' "$work/got")"
done
is "rank: a text changes the list" 2 "$("$infer" rank "$bundle" <"$work/questions" 2>/dev/null | sed -nE 's/^."user":(3|6),//p' | sort -u | wc -l)"
is "rank --text is a question of nothing but a text" "$("$infer" rank "$bundle" <"$work/questions" 2>/dev/null | sed -n 's/"user":2/"user":null/p')" \
  "$(echo 'warm hats' | "$infer" rank "$bundle" --text)"
is "rank --text: a line with a NUL" '{"user":null,"error":"a text holds a NUL character","line":1}' \
  "$(printf 'warm\0hats\n' | "$infer" rank "$bundle" --text 2>/dev/null)"
is "rank --why: a text has its share" 3 "$("$infer" rank "$bundle" --k 1 --why <"$work/questions" 2>/dev/null |
  sed -nE '1s/.*"shares":\[\[([^]]*)\].*/\1/p' | awk -F, '{ print NF }')"
"$infer" users "$bundle" --text --output "$work/u.npy" <<<'warm hats' && is "users --text writes a row" $((128 + 68)) "$(stat -c %s "$work/u.npy")"

# ---- special tokens that somebody types ----
# As text "[MASK]" is three words, and this vocabulary has neither of them: the answers are those of three other unknown words.
for command in "embed --text" "rank --text" "score --items i1,i2 --text"; do
  ask() { "$infer" ${command%% *} "$bundle" ${command#* } <<<"$1"; }
  is "$command: a typed [MASK] is text" "$(ask 'red ~ mask ~ hats')" "$(ask 'red [MASK] hats')"
  is "$command: a typed [SEP] is text" "$(ask 'red ~ sep ~ hats')" "$(ask 'red [SEP] hats')"
done
event() { echo "{\"history\":[\"i1\",{\"text\":\"$1\",\"event\":\"view\"},\"i7\"]}" | "$infer" rank "$bundle"; }
is "rank: a typed [MASK] in a history is text" "$(event 'red ~ mask ~ hats')" "$(event 'red [MASK] hats')"

# ---- bundles without words ----
check "souk prepare makes a data set without words" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time \
  --event event --out "$work/plain"
check "a short training without words ends well" "$souk" pretrain --data.dir "$work/plain" --out "$work/plain.run" --steps 2 --eval_every 0 \
  --hidden 16 --layers 1 --heads 2 --max_positions 12 --warmup_steps 1 --train.threads 1
check "souk export makes a bundle without words" "$souk" export "$work/plain.run" "$work/plain.bundle"
check_error "embed of a bundle without words is an error" "plain.bundle has no words, so it reads no texts" "$infer" embed "$work/plain.bundle"
is "rank: a text for a bundle without words" '{"user":2,"error":"history.texts[0]: the bundle has no words","line":1}' \
  "$(sed -n 2p "$work/questions" | "$infer" rank "$work/plain.bundle" 2>/dev/null)"
finish
