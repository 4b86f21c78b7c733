#!/usr/bin/env bash
# Words and items in one encoder, on the generated marketplace: a data set with texts of its items, a run that mixes histories with
# texts and pairs, the same bytes after it was stopped, and what it has learned: words.
. "$(dirname "$0")/run_lib.sh"
shop=$work/shop
check "a marketplace is generated" "$souk" synth --out "$shop" --users 300 --items 100
# Every English word of the catalogue is a token, and every mark, so that nothing is cut or unknown.
{ tr -cs 'A-Za-z0-9' '\n' <"$shop/catalogue.csv" | tr 'A-Z' 'a-z'; tr -d 'A-Za-z0-9 \200-\377' <"$shop/catalogue.csv" | fold -w 1; } |
  LC_ALL=C sort -u | sed '/^$/d' >"$work/words"
{ printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'; cat "$work/words"; } >"$work/vocab.txt"
prepare() { # prepare DIR OPTIONS...
  local to=$1; shift
  "$souk" prepare datasets/synth/prepare.yaml --log "$shop/events.csv.gz" --catalogue "$shop/catalogue.jsonl" --out "$to" --force "$@"
}
with_words() { prepare "$work/d" --words "$work/vocab.txt" >"$work/report"; }
check "it is prepared with words" with_words
check "the report counts texts" grep -qE '^texts +100 of 100 items; [0-9]+ words, of them [0-9] \[UNK\]; 0 texts cut' "$work/report"
check "the report counts words of the vocabulary" grep -qE "^vocabulary +5 special, $(wc -l <"$work/words") words" "$work/report"
check "souk inspect finds the data set sound" "$souk" inspect "$work/d"
kind() { "$souk" inspect "$work/d/texts.h5" >"$work/texts" && grep -q 'texts of items' "$work/texts" && grep -q 'offsets' "$work/texts"; }
check "souk inspect shows the texts" kind
plain() { prepare "$work/plain" && ! ls "$work/plain" | grep -q texts.h5; }
check "without words there are no texts" plain
# Dense features: the item vectors of a run, by name.
features() {
  train "$work/vectors" --data.dir "$work/plain" --steps 5 --eval_every 0 &&
    "$souk" vectors "$work/vectors" --items "$work/items.npy" &&
    prepare "$work/f" --features "$work/items.npy" >"$work/out" &&
    grep -qE '^features +100 rows of 9; 0 of 100 items have none; 0 rows of no item' "$work/out" && "$souk" inspect "$work/f" >"$work/out"
}
check "vectors that souk vectors wrote are features of items" features
half() {
  head -n 50 "$work/items.npy.names.tsv" >"$work/half.names" && ! prepare "$work/g" --features "$work/items.npy" --features_names "$work/half.names" 2>"$work/err" &&
    grep -q 'half.names has fewer names than' "$work/err"
}
check "too few names for the rows are an error" half

# One encoder of words and items.
mix="histories 1, texts 0.5, pairs 0.5"
joint=(--data.dir "$work/d" --cls_sep --segments 2 --item_classes false --max_positions 48 --hidden 32 --heads 2 --batch_tokens 1024
  --lr 5e-3 --warmup_steps 10)
planned() { "$souk" plan "$work/tiny.yaml" "${joint[@]}" --steps 10 --mix "$mix" >"$work/plan" && grep -qE 'texts of items +[0-9.]+ KiB +data.mix' "$work/plan"; }
check "souk plan counts the texts" planned
check "a run mixes histories, texts and pairs" train "$work/mix" "${joint[@]}" --mix "$mix" --steps 150 --eval_every 50 --save_every 70 --keep 9
valid() { field "$work/mix" valid "$1" "$2"; }
falls() { awk -v a="$(valid 50 "$1")" -v b="$(valid 150 "$1")" 'BEGIN {exit !(b > 0 && b < a)}'; }
check "it learns to fill words in texts" falls texts_loss
check "it learns to fill words and items in pairs" falls pairs_loss
# The rest of a text tells a word: less than knowing how often each word comes.
unigram=$(awk -F'\t' 'NR > 5 && NR <= 5 + w {n[NR] = $2; s += $2} END {for (i in n) if (n[i] > 0) h -= n[i] / s * log(n[i] / s); print h}' w="$(wc -l <"$work/words")" "$work/d/vocab.tsv")
check "a run on texts alone is trained" train "$work/texts_only" "${joint[@]}" --mix "texts" --steps 400 --eval_every 400
below() { awk -v b="$(field "$work/texts_only" valid 400 texts_loss)" -v h="$unigram" 'BEGIN {print b, h; exit !(b > 0 && b < h - 0.5)}'; }
check "it tells words better than their frequencies do" below
part() {
  train "$work/part" "${joint[@]}" --mix "$mix" --steps 70 --eval_every 50 --save_every 70 --keep 9 --optim.decay_steps 150 &&
    train "$work/whole" "${joint[@]}" --mix "$mix" --steps 150 --eval_every 50 --save_every 70 --keep 9 --optim.decay_steps 150 &&
    "$souk" pretrain "$work/part" --resume --steps 150 2>"$work/part.err"
}
check "a run is stopped and resumed" part
same() { for f in model.h5 optimizer.h5; do cmp "$work/part/step-00000150/$f" "$work/whole/step-00000150/$f" || return 1; done; }
check "it ends with the same bytes as in one piece" same
anew() { "$souk" pretrain "$work/part" --resume --steps 152 --mix "histories 1, texts 1" 2>"$work/anew.err" && grep -q 'epoch [0-9]* starts anew.*data.mix has changed' "$work/anew.err"; }
check "with another mix an epoch starts anew" anew
check "pairs teach next_session" train "$work/nsp" "${joint[@]}" --mix "$mix" --pair_false 0.5 --objectives "masked_lm, next_session" --next_session --steps 10 --eval_every 0
# Four kinds of users, each with five items of its own: whether an item is of the user's kind is in neither alone.
awk 'BEGIN { srand(1); print "user,item,time"; for (u = 0; u < 600; u++) for (k = 0; k < 12; k++) printf "u%d,%s%d,%d\n", u, substr("abcd", 1 + u % 4, 1), int(5 * rand()), 1000 + k }' >"$work/kinds.csv"
kinds=(--fields.user user --fields.item item --fields.time time --time_format seconds)
check "a log of kinds of users is prepared" "$souk" prepare --log "$work/kinds.csv" "${kinds[@]}" --out "$work/kinds"
check "pairs with items are trained on" train "$work/ip" --data.dir "$work/kinds" --cls_sep --segments 2 --positions_from_end --max_positions 16 --hidden 32 --heads 2 --batch_tokens 1024 \
  --mix "histories 1, item_pairs 4" --pair_false 0.5 --objectives "masked_lm, next_session" --init_std 0.15 --dropout 0 --attention_dropout 0 --lr 5e-3 --warmup_steps 30 --steps 400 --eval_every 400
judged() { awk -v x="$(field "$work/ip" valid 400 item_pairs_next_loss)" 'BEGIN {print x; exit !(x > 0 && x < 0.4)}'; }
check "true pairs are told from false ones, which chance does at .693" judged
check "the run is evaluated" "$souk" eval "$work/mix" --device cpu
check "the run is exported" "$souk" export "$work/mix" "$work/bundle"

# Attributes of users in front of their histories, searches between the events.
zcat "$shop/truth/users.csv.gz" >"$work/users.csv"
known=(--words "$work/vocab.txt" --users "$work/users.csv" --users_columns department,price_level --users_numbers price_level
  --query query --events view,cart,buy,search)
check "attributes and searches are prepared" prepare "$work/u" "${known[@]}"
check "souk inspect finds them sound" "$souk" inspect "$work/u"
shown() { "$souk" inspect "$1" | sed -n '/^sequences_shown/,$p'; }
same_items() { shown "$work/d" >"$work/a" && shown "$work/u" >"$work/b" && [ -s "$work/a" ] && cmp "$work/a" "$work/b"; }
check "the histories are of items as before" same_items
attributes() { grep -q '^user:department=' "$work/u/vocab.tsv" && [ "$(grep -c '^user:price_level=[0-9.]*\.\.' "$work/u/vocab.tsv")" = 5 ]; }
check "the vocabulary has a token for each value and each range" attributes
check "a run reads them" train "$work/known" "${joint[@]}" --data.dir "$work/u" --mix "$mix" --steps 150 --eval_every 150
check "a causal run reads them" train "$work/next" "${joint[@]}" --data.dir "$work/u" --objectives next_item --steps 20
check "both are evaluated" bash -c "'$souk' eval '$work/known' --device cpu && '$souk' eval '$work/next' --device cpu"

check "pairs of sessions are read with attributes and searches" train "$work/sessions" "${joint[@]}" --data.dir "$work/u" --max_positions 24 --next_session \
  --objectives "masked_lm, next_session" --steps 10 --eval_every 0
check "it counts what does not fit" grep -qE "[0-9]+ of [0-9]+ examples are longer than model.max_positions with attributes, searches and domains" "$work/sessions.err"

# The inference module reads them as training did: user vectors of a small log whose questions are written beside it.
# Pairs of a user and an item are asked about right before and right behind searches, and as many lines of questions have their histories.
awk -v log_="$work/small.csv" -v users="$work/small.users" -v pairs="$work/pairs.csv" -v asked="$work/pairs.jsonl" 'BEGIN {
  srand(4); split("red shoe blue hat", word, " ")
  print "user,item,time,event,query" >log_; print "user,town,age" >users; print "user,item,time,click,cart,buy" >pairs
  for (u = 0; u < 60; u++) {
    n = 3 + int(rand() * 12); line = ""; item = int(rand() * 20); age = 10 + int(rand() * 60); town = "t" int(rand() * 3)
    if (u % 5) print "u" u "," town "," age >users
    known = u % 5 ? ", \"attributes\": {\"age\": " age ", \"town\": \"" town "\"}" : ""
    for (i = 0; i < n; i++) {
      if (i % 3 == u % 3) ask(u, i, 1000 * u + 10 * i - 7)
      if (rand() < .4) {
        query = word[1 + int(rand() * 4)] " " word[1 + int(rand() * 4)]
        print "u" u ",," 1000 * u + 10 * i - 5 ",search," query >log_
        line = line (line == "" ? "" : ", ") "{\"text\": \"" query "\", \"event\": \"search\"}"
      }
      if (i % 3 != u % 3) ask(u, i, 1000 * u + 10 * i - 3)
      print "u" u ",i" item "," 1000 * u + 10 * i ",view," >log_
      if (i < n - 1) line = line (line == "" ? "" : ", ") "{\"item\": \"i" item "\", \"event\": \"view\"}"
      item = (item + 3) % 20
    }
    print "{\"user\": \"u" u "\", \"history\": [" line "]" known "}"
  }
}
function ask(u, i, time) {
  print "u" u ",i" (u + i) % 20 "," time "," (u + i) % 2 "," u % 2 "," >pairs
  print "{\"history\": [" line "], \"item\": \"i" (u + i) % 20 "\"" known "}" >asked
}' >"$work/small.jsonl"
small() {
  "$souk" prepare --log "$work/small.csv" --fields.user user --fields.item item --time time --event event --query query \
    --words "$work/small.txt" --users "$work/small.users" --users_user user --users_columns town,age --users_numbers age --out "$work/s"
}
printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nshoe\nblue\nhat\n' >"$work/small.txt"
check "a small log with attributes and searches is prepared" small
small_agree() { local name=$1; shift; vectors_agree "$name" "$work/s" "$work/small.jsonl" --max_positions 12 "$@"; }
check "user vectors of the bundle are those of the trainer" small_agree masked --cls_sep --item_classes false
check "user vectors of a causal bundle are those of the trainer" small_agree causal --objectives next_item
pairs_agree() {
  train "$work/two" --data.dir "$work/s" --steps 30 --lr 1e-2 --eval_every 0 --max_positions "$1" --cls_sep --segments 2 --item_classes false &&
    "$souk" finetune --task pair "$work/two" --train "$work/pairs.csv" --user user --labels.item item --labels.time time --labels.time_format seconds \
      --epochs 3 --lr 1e-2 --threads 1 --peak_gflops 10 --batch_tokens 256 --out "$work/pair" &&
    "$souk" label "$work/pair" "$work/pairs.csv" --write "$work/said.jsonl" && rm -rf "$work/pair.bundle" && "$souk" export "$work/pair" "$work/pair.bundle" &&
    "$infer" pairs "$work/pair.bundle" <"$work/pairs.jsonl" >"$work/answers.jsonl" || return 1
  sed -E 's/^\{"line":([0-9]+),/\1 &/' "$work/said.jsonl" | sort -n | sed 's/.*"probabilities"//' | grep -oE '"(click|cart|buy)":[0-9.e-]+' >"$work/a"
  grep -oE '"(click|cart|buy)":[0-9.e-]+' "$work/answers.jsonl" >"$work/b"
  rm -rf "$work/two" "$work/pair"
  paste -d: "$work/a" "$work/b" | awk -F: -v rows="$(wc -l <"$work/pairs.jsonl")" '{d = $2 - $4; if (d < 0) d = -d; if (d > worst) worst = d; if ($1 != $3) bad = 1}
    END {print NR, worst; exit !(NR == 3 * rows && !bad && worst < 1e-5)}'
}
check "pairs at a time have the searches up to it, in training and in the bundle" pairs_agree 60
check "pairs with too long a history have the newest searches, in training and in the bundle" pairs_agree 12
listed() { "$infer" info "$work/masked.bundle" --json | grep -q '"user_attributes":\["town","age"\]'; }
check "souk-infer info lists the attributes" listed
echo '{"history": [], "attributes": {"size": 3}}' >"$work/bad.jsonl"
check_error "an attribute that the bundle does not know is an error of its line" 'the bundle knows no attribute "size" of users' \
  "$infer" users "$work/masked.bundle" --input "$work/bad.jsonl" --output "$work/x.npy"

check_error "texts need a head of words" 'data.mix: of texts words are predicted, which needs model.item_classes = false' \
  "$souk" pretrain "$work/tiny.yaml" --out "$work/x" --data.dir "$work/d" --cls_sep --segments 2 --mix "histories, texts" --steps 1
check_error "a data set without texts is told" 'has no texts of items; souk prepare --words and --catalogue make them' \
  "$souk" pretrain "$work/tiny.yaml" --out "$work/x" "${joint[@]}" --data.dir "$work/plain" --mix "histories, texts" --steps 1
check_error "an unknown part of the mix is an error" 'data.mix: "images" is none of histories, texts, pairs and item_pairs' \
  "$souk" pretrain "$work/tiny.yaml" --out "$work/x" "${joint[@]}" --mix "histories, images" --steps 1
finish
