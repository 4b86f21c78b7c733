#!/usr/bin/env bash
# A tuned run and what souk merge makes of it are exported to the same bundle: the same files, those that are not weights byte by byte,
# and the same scores to 1e-5. Of a data set that has all there is: words, texts, features, attributes of users, searches, domains.
. "$(dirname "$0")/run_lib.sh"
awk -v dir="$work" 'BEGIN {
  srand(11); split("red blue green shoe hat scarf light warm", word, " ")
  print "user,item,time,event,query,shop" >(dir "/shops.csv"); print "user,town,age" >(dir "/users.csv"); print "item,title,brand" >(dir "/titles.csv")
  print "user,item,time,click,buy" >(dir "/shown.csv"); print "text,mood" >(dir "/said.csv")
  for (i = 0; i < 40; i++) {
    name = (i % 2 ? "east" : "west") "/i" i
    print name "," word[1 + i % 3] " " word[4 + i % 5] ",b" i % 4 >(dir "/titles.csv")
    if (i % 7) { print name >(dir "/f.names"); line = ""; for (k = 0; k < 3; k++) line = line substr("123", 1 + int(rand() * 3), 1); print line >(dir "/f.txt") }
  }
  for (u = 0; u < 150; u++) {
    item = int(rand() * 40); print "u" u ",t" int(rand() * 3) "," 10 + int(rand() * 60) >(dir "/users.csv")
    for (i = 0; i < 6; i++) {
      shop = item % 2 ? "east" : "west"
      if (rand() < .2) print "u" u ",," 1000 * u + 10 * i - 5 ",search," word[1 + int(rand() * 8)] "," shop >(dir "/shops.csv")
      print "u" u ",i" item "," 1000 * u + 10 * i ",view,," shop >(dir "/shops.csv")
      item = rand() < .8 ? (item + 3) % 40 : int(rand() * 40)
    }
    print "u" u "," (item % 2 ? "east" : "west") "/i" item "," 1000 * u + 70 "," (rand() < .5) "," (rand() < .3) >(dir "/shown.csv")
    print word[1 + int(rand() * 3)] " " word[4 + int(rand() * 5)] "," (rand() < .5 ? "good" : "bad") >(dir "/said.csv")
  }
}'
{ printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'; printf '%s\n' red blue green shoe hat scarf light warm; } >"$work/words"
# Features in an .npy: a header that ends at byte 128, and little-endian floats, 0.5, -0.25 or 1.
npy() { # FILE: a line a row, a digit a number
  printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($(wc -l <"$1"), 3), }"
  printf '%b' "$(tr -d '\n' <"$1" | sed 's/1/\\0\\0\\0\\0077/g; s/2/\\0\\0\\0200\\0276/g; s/3/\\0\\0\\0200\\0077/g')"
}
npy "$work/f.txt" >"$work/f.npy"
prepared() {
  "$souk" prepare --log "$work/shops.csv" --user user --fields.item item --time time --event event --query query --fields.domain shop \
    --catalogue "$work/titles.csv" --catalogue.item item --catalogue.title title --catalogue.brand brand --words "$work/words" \
    --users "$work/users.csv" --users_user user --users_columns town,age --users_numbers age \
    --features "$work/f.npy" --features_names "$work/f.names" --out "$work/all"
}
check "a data set of all there is is prepared" prepared
few=(--batch_tokens 512 --lr 5e-3 --warmup_steps 3 --threads 1 --peak_gflops 10 --device cpu --eval_every 0)
check "a base is trained" train "$work/base" --data.dir "$work/all" --cls_sep --segments 2 --item_classes false --max_positions 32 --hidden 16 --heads 2 \
  --items both --mix "histories 1, texts 0.5" --steps 30 "${few[@]}"
lora=(--peft lora --rank 4 --alpha 8 --targets query,value)
tune() { "$souk" finetune --task "$@" "${lora[@]}" "${few[@]}"; }
check "rank is tuned" tune rank "$work/base" --out "$work/rank" --steps 15
check "a mix is learned for it" "$souk" finetune --task mix "$work/rank" --final yes
check "classify is tuned" tune classify "$work/base" --out "$work/classify" --train "$work/said.csv" --valid_share 0.3 --label mood --epochs 2
check "pair is tuned" tune pair "$work/base" --out "$work/pair" --train "$work/shown.csv" --valid_share 0.3 --user user --time time --time_format seconds --item item --label click,buy --epochs 2

files() { (cd "$1" && find . -type f | LC_ALL=C sort); }
# settings BUNDLE: souk.json without sizes, checksums and what names the program.
settings() { sed -e '/"files": {/,$d' "$1/souk.json"; }
weights='model|items|content'
same_files() { # A B: but for the weights, byte by byte
  local f
  for f in $(files "$1" | grep -vE "^\./($weights)\.safetensors$|^\./souk\.json$"); do cmp "$1/$f" "$2/$f" || return 1; done
  diff <(settings "$1") <(settings "$2")
}
# numbers FILE: NAME NUMBER, in an order that a rounding does not change: of a ranked list each item's score.
numbers() {
  awk '{ line = NR; if (match($0, /"items":\[[^]]*/)) { n = split(substr($0, RSTART + 9, RLENGTH - 9), item, ",")
      match($0, /"scores":\[[^]]*/); split(substr($0, RSTART + 10, RLENGTH - 10), score, ","); for (i = 1; i <= n; i++) print line item[i], score[i] }
    while (match($0, /"(good|bad|click|buy)":-?[0-9.e-]+/)) { split(substr($0, RSTART, RLENGTH), part, ":"); print line part[1], part[2]; $0 = substr($0, RSTART + RLENGTH) } }' "$1" | LC_ALL=C sort
}
close() { # A B COUNT: at least so many numbers
  paste <(numbers "$1") <(numbers "$2") |
    awk -v least="$3" '{ d = $2 - $4; if (NF != 4 || $1 != $3 || d > 1e-5 || d < -1e-5) bad++; n++ } END { print n " numbers, " bad + 0 " apart"; exit !(n >= least && !bad) }'
}
printf '%s\n' '{"history":["east/i1",{"text":"warm hat","event":"search"},"west/i4"],"attributes":{"town":"t1","age":31}}' '{"history":[]}' '{"history":["west/i2"],"text":"light shoe"}' >"$work/rank.jsonl"
printf '%s\n' '{"text":"red shoe"}' '{"text":"warm light blue hat"}' '{"text":""}' >"$work/classify.jsonl"
printf '%s\n' '{"history":["east/i1","west/i4"],"item":"east/i5"}' '{"history":[],"item":"west/i2"}' '{"history":["west/i6"],"item":"new","text":"red hat"}' >"$work/pair.jsonl"
answer() { # TASK BUNDLE
  case $1 in
  rank) "$infer" rank "$2" --k 40 --keep-history --input "$work/rank.jsonl" && "$infer" rank "$2" --k 40 --keep-history --no-mix --input "$work/rank.jsonl" ;;
  classify) "$infer" classify "$2" --input "$work/classify.jsonl" ;;
  pair) "$infer" pairs "$2" --input "$work/pair.jsonl" ;;
  esac
}
for task in rank classify pair; do
  a=$work/$task.bundle b=$work/$task-merged.bundle
  check "$task: the tuned run is exported" "$souk" export "$work/$task" "$a"
  check "$task: souk merge folds it" "$souk" merge "$work/$task" "$work/$task-merged"
  check "$task: the merged one is exported" "$souk" export "$work/$task-merged" "$b"
  check "$task: both bundles have the same files" diff <(files "$a") <(files "$b")
  check "$task: which hold the same" same_files "$a" "$b"
  answer $task "$a" >"$work/$task.a"
  answer $task "$b" >"$work/$task.b"
  [ $task = rank ] && least=240 || least=6
  check "$task: and they answer alike" close "$work/$task.a" "$work/$task.b" $least
done
has() { (cd "$work/$1.bundle" && ls "${@:2}"); }
check "the bundle that ranks has all there is" has rank mix.safetensors content.safetensors catalogue.jsonl items.safetensors
check "that of pairs has the texts of training" has pair texts.safetensors catalogue.jsonl content.safetensors
check "that of classify has names of labels" grep -q '"good"' "$work/classify-merged.bundle/souk.json"
check "a merged run of labels is evaluated by them" "$souk" eval "$work/classify-merged" --labels "$work/said.csv"
check "its mix goes with new weights only" bash -c "! cmp -s <(grep model_sha256 '$work'/rank/step-*15/mix/mix.json) <(grep model_sha256 '$work/rank-merged/mix/mix.json')"
check "an adapter of peft on top of it keeps what its base has" bash -c "'$souk' export '$work/rank' '$work/hf' --peft && '$souk' import '$work/hf' '$work/back' --base '$work/base' &&
  '$souk' export '$work/back' '$work/back.bundle' && cmp '$work/back.bundle/catalogue.jsonl' '$work/rank.bundle/catalogue.jsonl'"
finish
