#!/usr/bin/env bash
# Labels on top of a run: sentiments of reviews and what becomes of items that are shown, on the generated marketplace; a run that was
# stopped ends with the same bytes; evaluation, calibration, export; labels by a teacher; rows to label; means by item in the catalogue.
. "$(dirname "$0")/run_lib.sh"
shop=$work/shop
quietly "$souk" synth --out "$shop" --users 2000 --items 60
# Every English word of catalogue and reviews is a token; reviews with other letters are left out.
LC_ALL=C gzip -dc "$shop/reviews.jsonl.gz" | LC_ALL=C grep -v "$(printf '[\200-\377]')" >"$work/reviews.jsonl"
cat "$shop/catalogue.csv" "$work/reviews.jsonl" | tr -cs 'A-Za-z0-9' '\n' | tr 'A-Z' 'a-z' | LC_ALL=C sort -u | sed '/^$/d' >"$work/words"
{ printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n,\n.\n'; cat "$work/words"; } >"$work/vocab.txt"
split() { awk -v part="$1" 'NR % 5 == 0 { p = "test" } NR % 5 == 1 { p = "valid" } NR % 5 > 1 { p = "train" } p == part' "$work/reviews.jsonl" >"$work/$1.jsonl"; }
for part in train valid test; do split $part; done
quietly "$souk" prepare datasets/synth/prepare.yaml --log "$shop/events.csv.gz" --catalogue "$shop/catalogue.jsonl" --words "$work/vocab.txt" --out "$work/shopdata"
quietly "$souk" pretrain --data.dir "$work/shopdata" --out "$work/base" --hidden 32 --heads 2 --layers 1 --max_positions 40 --item_classes false --cls_sep \
  --mix "histories 1, texts 1" --steps 40 --lr 0.003 --warmup_steps 5 --batch_tokens 1024 --eval_every 0 --threads 1 --peak_gflops 10
few=(--threads 1 --peak_gflops 10 --batch_tokens 1024 --lr 0.003 --warmup_steps 5)

# classify
classify() { "$souk" finetune --task classify "$work/base" --label sentiment "${few[@]}" "$@"; }
check "a run learns sentiments" classify --train "$work/train.jsonl" --valid "$work/valid.jsonl" --epochs 12 --out "$work/c"
classify --train "$work/train.jsonl" --valid "$work/valid.jsonl" --epochs 12 --eval_every 9 --out "$work/c1" 2>"$work/told"
check "it tells how many rows have which label" has "labels.train: $(wc -l <"$work/train.jsonl") rows; negative [0-9]+ \(" "$work/told"
check "it tells what it begins with" has "was not trained for classify: its parameters begin with initial weights" "$work/told"
check "it draws its calibration" has "the most probable label: calibration error" "$work/c/calibration.svg"
check "validations have its figures" has '"kind":"valid".*"auc":.*"ece_calibrated":.*"f1/positive":' "$work/c1/metrics.jsonl"
classify --train "$work/train.jsonl" --valid "$work/valid.jsonl" --epochs 12 --eval_every 9 --pause_steps 13 --out "$work/c2" 2>/dev/null
check "a run that was left goes on" "$souk" pretrain "$work/c2" --resume
check "a run that was left ends with the same bytes" diff <(essence "$work/c1") <(essence "$work/c2")
check_error "it does not go on with other rows" "these are not the rows that" "$souk" pretrain "$work/c2" --resume --train "$work/test.jsonl" --epochs 13
"$souk" eval "$work/c" --labels "$work/test.jsonl" --figures "$work/figures.json" --plot "$work/calibration.svg" >"$work/table" 2>"$work/err"
figure() { sed -n "s/^ \"$1\": \([0-9.]*\),*$/\1/p" "$work/figures.json"; }
check "souk eval --labels prints its figures" has '^F1 macro +0\.[0-9]{4} +0\.[0-9]{4}$' "$work/table"
check "it prints who is taken for whom" has '^taken for +negative +neutral +positive$' "$work/table"
check "it has learned something" awk -v a="$(figure auc)" 'BEGIN { exit !(a > 0.75) }'
check "--figures has the same as json" has '"ece_calibrated": 0\.' "$work/figures.json"
check "--plot draws the calibration" has 'by temperature' "$work/calibration.svg"
classify --train "$work/train.jsonl" --valid_share 0.3 --epochs 3 --weights auto --out "$work/w" 2>"$work/told"
check "weights by frequency and a share for validation work too" has 'validation f1_macro 0\.' "$work/told"
check "several labels of rows of csv, one of them not always known, work too" bash -c "{ echo text,light,sturdy; sed -n 's/.*\"text\":\"\\([^\"]*\\)\".*/\"\\1\"/p' '$work/train.jsonl' | awk '{ print \$0 \",\" (\$0 ~ /light/) \",\" (NR % 3 ? \$0 ~ /sturdy/ : \"\") }'; } >'$work/several.csv' &&
  '$souk' finetune --task classify '$work/base' --train '$work/several.csv' --label light,sturdy --epochs 2 --out '$work/s' ${few[*]} && '$souk' eval '$work/s' --labels '$work/several.csv' | grep -q '^sturdy'"

long=$(printf '长%.0s' {1..74})
sed "1s/.*/text,${long}1,${long}2,item_id/; 2,\$s/\$/,p1/" "$work/several.csv" >"$work/long.csv"
check "labels with long names" "$souk" finetune --task classify "$work/base" --train "$work/long.csv" --valid "$work/long.csv" --eval_every 1 --label "${long}1,${long}2" --epochs 1 --out "$work/long" "${few[@]}"
check "long names have figures of their own" has '"f1/(长){74}1":.*"f1/(长){74}2":' "$work/long/metrics.jsonl"
check "their tags for TensorBoard end with a whole character" bash -c "LC_ALL=C grep -aqE 'valid/f1/(长)+'\$'\\x15' '$work'/long/events.out.*"
check "means by item can be written of them" "$souk" label "$work/long" "$work/long.csv" --items "$work/long.jsonl" --item item_id
check "long names of labels stay whole" has '"(长){74}1":.*"(长){74}2":' "$work/long.jsonl"

awk 'BEGIN { print "text,warm,red"; for (i = 0; i < 40; i++) print "a light bag " i "," i % 2 ",1" }' >"$work/sided.csv"
classify --train "$work/sided.csv" --label warm,red --epochs 1 --out "$work/sided" 2>"$work/told"
check "a label that always holds is told" has 'labels.train: class imbalance: red holds in all 40 rows that know it, which teach nothing of the contrary' "$work/told"

# What is amiss with rows is told in a sentence each, with its count, which the checkpoint has too; the same of csv, tsv and jsonl.
awk 'BEGIN { for (i = 0; i < 90; i++) print "a light bag\tgood"; for (i = 0; i < 3; i++) print "a sturdy bag\tbad"
  print "\tgood"; t = "light"; for (i = 0; i < 60; i++) t = t " bag"; print t "\tgood"; print t "\tbad"; print "a bag\t" }' >"$work/amiss"
{ printf 'text\tsentiment\n'; cat "$work/amiss"; } >"$work/amiss.tsv"
{ echo text,sentiment; awk -F'\t' '{ print $1 "," $2 }' "$work/amiss"; } >"$work/amiss.csv"
awk -F'\t' '{ print "{\"text\":\"" $1 "\",\"sentiment\":\"" $2 "\"}" }' "$work/amiss" >"$work/amiss.jsonl"
printf '%s\n' text,sentiment 'a light bag,good' 'a bag,awful' 'a sturdy bag,bad' 'a bag,so so' >"$work/others.csv"
for kind in csv tsv jsonl; do
  classify --train "$work/amiss.$kind" --valid "$work/others.csv" --epochs 1 --out "$work/amiss.$kind.run" 2>"$work/told"
  sed -n '/"labels"/,$p' "$work/amiss.$kind.run/$(cat "$work/amiss.$kind.run/last")/manifest.json" | grep -E '"(rows|used|rejected|empty|cut|no_label|unseen|imbalanced|untrained|held_out)": *[0-9]' | tr -d ' ,\n' >"$work/counts.$kind"
  check "a class that is rare is told of rows of $kind" has 'labels.train: class imbalance: bad is rare, 4 rows beside 91; labels.weights auto weighs them' "$work/told"
  check "empty texts are told of rows of $kind" has 'labels.train: 1 of 97 rows have no text that the vocabulary can read and are left out' "$work/told"
  check "texts beyond the limit are told of rows of $kind" has 'labels.train: 2 of 97 rows are longer than model.max_positions has room for, and are cut' "$work/told"
  check "rows without a label are told of rows of $kind" has 'labels.train: 1 of 97 rows have no label and are left out' "$work/told"
  check "labels that training does not have are told of rows of $kind" has 'labels.valid: 2 of 4 rows have a label that training does not have \(the first: awful\), which counts as not known' "$work/told"
done
check "the checkpoint has the counts of rows of csv" has '"empty":1.*"cut":2.*"no_label":1' "$work/counts.csv"
check "rows of tsv have the same counts" cmp "$work/counts.csv" "$work/counts.tsv"
check "rows of jsonl have the same counts" cmp "$work/counts.csv" "$work/counts.jsonl"
{ echo text,sentiment; for i in $(seq 40); do echo "a light bag,good"; echo "a bag,fair"; done; echo "a sturdy bag,bad"; } >"$work/once.csv"
once() { # a seed whose draw holds the only row of a label out
  local seed
  for seed in 1 2 3 4 5 6 7 8; do
    classify --train "$work/once.csv" --valid_share 0.5 --data.seed $seed --epochs 1 --out "$work/once.$seed" 2>"$work/told" || return 1
    grep -q 'labels.train: 1 of 3 labels have no row to train on (the first: bad)' "$work/told" && break
  done
  has 'labels.valid_share 0.5: [0-9]+ of 81 rows are held out to validate on' "$work/told" && has '1 of 3 labels have no row to train on' "$work/told" &&
    has '"untrained": 1' "$work/once.$seed/$(cat "$work/once.$seed/last")/manifest.json"
}
check "a label whose only row is held out is told and counted" once

# What cannot be.
cp -r "$work/c" "$work/odd" && sed -i '/^ *"neutral",$/d' "$work/odd/$(cat "$work/odd/last")/manifest.json"
check_error "labels that are not those of the model are an error" 'field "labels" has not the labels of "model.labels"' "$souk" eval "$work/odd" --labels "$work/test.jsonl" --which last
check_error "a file is needed" "--task classify needs labels.train" "$souk" finetune --task classify "$work/base"
check_error "labels are learned on top of a run" "labels are learned on top of a run" "$souk" pretrain --data.dir "$work/shopdata" --train "$work/train.jsonl" --objectives classify --out "$work/none" --hidden 8 --epochs 1 --cls_sep
check_error "a label that is everywhere the same is none" "at least 2 are wanted" bash -c "grep -h '\"negative\"' '$work/train.jsonl' >'$work/same.jsonl'; '$souk' finetune --task classify '$work/base' --label sentiment --train '$work/same.jsonl' --out '$work/none'"
check_error "what ranks nothing is judged by labels" "was trained on labels and ranks no items" "$souk" eval "$work/c"
check "souk plan tells what a run on labels takes" bash -c "'$souk' plan '$work/c' | grep -q 'tokens in [0-9]* labelled rows'"
check_error "a ranking run has no labels to judge" "has no labels" "$souk" eval "$work/base" --labels "$work/test.jsonl"
check_error "what labels are not is said" "this run has no metric \"ndcg@10\"; it has auc, log_loss" classify --train "$work/train.jsonl" --train.metric ndcg@10 --out "$work/none"

# Less supervision.
head -n 60 "$work/train.jsonl" >"$work/little.jsonl"
quietly classify --train "$work/little.jsonl" --valid "$work/valid.jsonl" --epochs 20 --out "$work/teacher"
student() { classify --train "$work/little.jsonl" --valid "$work/valid.jsonl" --unlabelled "$work/train.jsonl" --teacher "$work/teacher" --epochs 2 "$@"; }
student --pseudo 0.5 --pseudo_precision 0.3 --out "$work/student" 2>"$work/told"
check "a teacher labels rows" has 'labels.unlabelled: [1-9][0-9]* of [0-9]+ rows get the teacher' "$work/told"
check "the checkpoint keeps what became of its rows" has '"unlabelled": \{' "$work/student/$(cat "$work/student/last")/manifest.json"
check "the checkpoint keeps how many" has '"taken": [1-9]' "$work/student/$(cat "$work/student/last")/manifest.json"
check_error "one that is wrong too often is refused" "less than labels.pseudo_precision = 1" student --pseudo 0.5 --pseudo_precision 1 --out "$work/none"
check "rows to label are listed" "$souk" label "$work/teacher" "$work/train.jsonl" --pick 7 --picks "$work/picks.jsonl"
check "also on the terminal" test "$("$souk" label "$work/teacher" "$work/train.jsonl" --pick 3 2>/dev/null | grep -c '"text":')" = 3
check "as many as were asked for, none twice" test "$(sed 's/.*"line":\([0-9]*\),.*/\1/' "$work/picks.jsonl" | sort -u | wc -l)" = 7
check "predictions are written" "$souk" label "$work/c" "$work/test.jsonl" --write "$work/said.jsonl" --logits
check "predictions are one a row" test "$(wc -l <"$work/said.jsonl")" = "$(wc -l <"$work/test.jsonl")"
check "with label, probabilities and logits" has '^\{"line":1,"label":"(negative|neutral|positive)","probability":0\.[0-9]+,"probabilities":\{"negative":.*\},"logits":\[' "$work/said.jsonl"
check "means by item join a catalogue" "$souk" label "$work/c" "$work/reviews.jsonl" --items "$work/catalogue.jsonl" --catalogue "$shop/catalogue.jsonl" --keep title_en,category,brand,price --prefix review_
check "the catalogue has them" has '"item_id":"p0000[0-9]*","title_en".*"review_positive":' "$work/catalogue.jsonl"
mkdir "$work/old.jsonl.d" && cp "$shop/catalogue.csv" "$work/old.jsonl.d"
check "what a folder is called says nothing of the files in it" "$souk" label "$work/c" "$work/reviews.jsonl" --items "$work/in_folder.jsonl" --catalogue "$work/old.jsonl.d/catalogue.csv" --keep brand
check "its items are joined" has '"brand":.*"positive":' "$work/in_folder.jsonl"
{ cat "$shop/catalogue.csv"; sed -n 2p "$shop/catalogue.csv" | sed 's/^[^,]*//'; echo 'p1,"'; } >"$work/damaged.csv"
"$souk" label "$work/c" "$work/reviews.jsonl" --items "$work/damaged.jsonl" --catalogue "$work/damaged.csv" --keep brand 2>"$work/told"
check "rows of a catalogue without an item are told" has 'damaged.csv: [12] rows cannot be used and are left out, the first: ' "$work/told"
check "souk prepare takes it, with sentiment as the rating" "$souk" prepare datasets/synth/prepare.yaml --log "$shop/events.csv.gz" --catalogue "$work/catalogue.jsonl" --catalogue.rating review_positive \
  --catalogue.description "" --catalogue.keep review_positive --words "$work/vocab.txt" --out "$work/fed"
check "ratings are tokens then" has '^rating=' "$work/fed/vocab.tsv"

# pair
gzip -dc "$shop/impressions.csv.gz" | awk -F, 'NR == 1 || NR % 4 > 0' | head -n 1500 | gzip >"$work/shown.csv.gz"
gzip -dc "$shop/impressions.csv.gz" | awk -F, 'NR == 1 || NR % 4 == 0' | tail -n 400 | { echo impression_id,time,user_id,session_id,place,item_id,price,click,cart,buy; cat; } >"$work/later.csv"
"$souk" finetune --task pair "$work/base" --train "$work/shown.csv.gz" --user user_id --time time --epochs 2 --out "$work/p" "${few[@]}" 2>"$work/told"
check "pairs have three heads" has 'click [0-9]+ \([0-9.]+% of those known\), cart [0-9]+ .*, buy [0-9]+ ' "$work/told"
"$souk" eval "$work/p" --labels "$work/later.csv" >"$work/table" 2>"$work/err"
check "souk eval judges each" test "$(grep -cE '^(click|cart|buy) +[0-9]+ +[0-9]+ ' "$work/table")" = 3
check_error "the history must come from somewhere" "a pair needs labels.user" "$souk" finetune --task pair "$work/base" --train "$work/shown.csv.gz" --out "$work/none"
check_error "labels have no use for negatives" "data.hard_negatives are items beside the right one" classify --train "$work/train.jsonl" --negatives 8 --hard_negatives 4 --out "$work/none"
check_error "a run of pairs is not one of texts" "was trained for pair" "$souk" finetune --task classify "$work/p" --train "$work/train.jsonl" --label sentiment --out "$work/none"

# What somebody types is text, in training and in serving: no row and no question holds a special token.
printf '{"text":"a light ~ mask ~ bag"}\n{"text":"a light [MASK] bag"}\n{"text":"a light ~ sep ~ bag"}\n{"text":"a light [SEP] bag"}\n' >"$work/typed.jsonl"
same_pairs() { # FILE: lines 1 and 2 are alike but for their numbers, and 3 and 4
  sed -E 's/"(line|id)":[^,]*,//g; s/,"text":.*//' "$1" | awk '{ l[NR] = $0 } END { exit !(NR == 4 && l[1] == l[2] && l[3] == l[4]) }' || { cat "$1"; return 1; }
}
quietly "$souk" label "$work/c" "$work/typed.jsonl" --write "$work/said.typed"
check "labelled rows read a typed [MASK] as text" same_pairs "$work/said.typed"

# Bundles.
check "labels are exported" "$souk" export "$work/c" "$work/bundle"
check "as Hugging Face calls it" has '"BertForSequenceClassification"' "$work/bundle/config.json"
check "the export has names of labels" has '"2": "positive"' "$work/bundle/config.json"
check "the export has temperatures" bash -c "grep -A 20 '\"labels\"' '$work/bundle/souk.json' | grep -q temperature"
check "souk-infer names them" has '^labels +of texts: negative neutral positive$' <("$infer" info "$work/bundle")
numbers() { grep -oE '"(negative|neutral|positive)":[0-9.e-]+' "$1" | sed 's/.*://'; }
"$infer" classify "$work/bundle" <"$work/test.jsonl" >"$work/answers"
check "souk-infer classify answers each line" test "$(wc -l <"$work/answers")" = "$(wc -l <"$work/test.jsonl")"
check "with the probabilities of souk label" awk '{ d = $1 - $2; if (NF != 2 || d > 1e-5 || d < -1e-5) bad = 1 } END { exit bad || NR < 30 }' \
  <(paste <(numbers "$work/answers") <(sed 's/"logits".*//; s/.*"probabilities"//' "$work/said.jsonl" >"$work/said"; numbers "$work/said"))
check "souk-infer classify --text takes lines as they are" has '^\{"id":null,"labels":\{"negative":' <(echo 'a light bag' | "$infer" classify "$work/bundle" --text)
check "souk-infer classify --logits tells logits" has '"logits":\{"negative":-?[0-9]' <(echo 'a light bag' | "$infer" classify "$work/bundle" --text --logits)
check "a line without text is an error in its place" has '^\{"id":7,"error":"field ."text." is missing","line":1\}' <(echo '{"id":7}' | "$infer" classify "$work/bundle" 2>/dev/null | tr '\\' .)
check "a NUL in a text is an error in its place" has '"error":"a string contains a NUL","line":1' <(echo '{"text":"a","text_b":"a\u0000b"}' | "$infer" classify "$work/bundle" 2>/dev/null)
"$infer" classify "$work/bundle" <"$work/typed.jsonl" >"$work/answers.typed"
check "souk-infer classify reads a typed [MASK] as text" same_pairs "$work/answers.typed"
check_error "labels of texts are for souk-infer classify" "has labels of texts, for souk-infer classify" "$infer" pairs "$work/bundle"
# What tunes a model of labels is served beside others on one base, its head too.
logits() { "$infer" classify "$1" --logits "${@:2}" <"$work/test.jsonl" | sed 's/.*"logits"//' | tr -c '0-9.e\n-' ' '; }
for kind in bias adapter lora; do
  check "labels are tuned by $kind" "$souk" finetune --task classify "$work/c" --label sentiment --train "$work/train.jsonl" --valid "$work/valid.jsonl" --epochs 6 --out "$work/c-$kind" --peft $kind "${few[@]}" --lr 0.01
  check "labels tuned by $kind have a bundle of their own" "$souk" export "$work/c-$kind" "$work/own-$kind"
done
check "one bundle of labels takes all of them" "$souk" export "$work/c" "$work/tuned" --adapters "$work/c-bias,$work/c-adapter,$work/c-lora"
for kind in bias adapter lora; do
  logits "$work/tuned" --adapter c-$kind >"$work/z1"
  logits "$work/own-$kind" >"$work/z2"
  check "labels by $kind are those of its own bundle" bash -c "paste -d ' ' '$work/z1' '$work/z2' | awk '{ n = NF / 2; for (i = 1; i <= n; i++) if ((d = \$i - \$(i + n)) > 1e-4 || d < -1e-4) bad = 1; rows += n >= 3 } END { exit !(rows > 20 && !bad) }'"
  check "labels by $kind are not those of the base" bash -c "! cmp -s '$work/z1' <('$infer' classify '$work/tuned' --logits <'$work/test.jsonl' | sed 's/.*\"logits\"//' | tr -c '0-9.e\n-' ' ')"
done
# Its temperatures too, which its own validation measured: the probabilities that souk label tells of the tuned run.
own_temperature() { # MANIFEST FILE: as many as the bundle's, and some not near them
  temperatures() { tr -d ' \n' <"$1" | sed 's/.*"temperature":\[\([^]]*\).*/\1/' | tr ',' '\n'; }
  paste <(temperatures "$1") <(temperatures "$2") | awk '{ print; r = $1 / $2; if (r > 1.002 || r < 0.998) far++; if (NF != 2) bad = 1 } END { exit bad || !far }'
}
near() { paste "$1" "$2" | awk -v least="$3" '{ d = $1 - $2; if (NF != 2 || d > 1e-5 || d < -1e-5) bad++ } END { print NR " numbers, " bad + 0 " apart"; exit bad || NR < least }'; }
for kind in bias adapter lora; do
  quietly "$souk" label "$work/c-$kind" "$work/test.jsonl" --write "$work/said.$kind"
  "$infer" classify "$work/tuned" --adapter c-$kind <"$work/test.jsonl" >"$work/answers.$kind"
  check "labels by $kind have a temperature of their own" own_temperature "$work/tuned/souk.json" "$work/tuned/adapters/c-$kind/labels.json"
  check "labels by $kind have the probabilities of the tuned run" near <(numbers "$work/answers.$kind") <(sed 's/.*"probabilities"//' "$work/said.$kind" >"$work/said"; numbers "$work/said") 30
done
cp -r "$work/c-lora" "$work/renamed" && sed -i 's/"neutral"/"neither"/' "$work/renamed"/step-*/manifest.json
check_error "an adapter of other labels is refused" "has other labels than" "$souk" export "$work/c" "$work/none" --adapters "$work/renamed"
# So souk eval's loss after calibration is that of what is served.
quietly "$souk" eval "$work/c-lora" --labels "$work/test.jsonl" --figures "$work/figures.json"
loss() { # of the answers, by the labels of the rows
  paste -d '\t' <(sed 's/.*"sentiment": *"\([a-z]*\)".*/\1/' "$work/test.jsonl") "$work/answers.lora" |
    awk -F'\t' '{ match($2, "\"" $1 "\":[0-9.e-]+"); split(substr($2, RSTART, RLENGTH), part, ":"); sum -= log(part[2]) } END { printf "%.8f\n", sum / NR }'
}
check "its loss is the calibrated one of souk eval" near <(loss) <(figure log_loss_calibrated) 1
check "pairs are exported too" "$souk" export "$work/p" "$work/pairs"
check "pairs are tuned" "$souk" finetune --task pair "$work/p" --train "$work/shown.csv.gz" --valid "$work/later.csv" --user user_id --time time --epochs 1 --out "$work/p-lora" --peft lora "${few[@]}" --lr 0.01
check "their bundle takes what tuned them" "$souk" export "$work/p" "$work/tuned-pairs" --adapters de="$work/p-lora"
check "their labels have temperatures of their own" own_temperature "$work/tuned-pairs/souk.json" "$work/tuned-pairs/adapters/de/labels.json"
item=$(sed -n 's/.*"item_id":"\([^"]*\)".*/\1/p' "$shop/catalogue.jsonl" | head -1)
printf '%s\n' '{"id":1,"history":["'"$item"'"],"item":"'"$item"'"}' '{"id":2,"history":[]}' '{"id":3,"history":[],"item":"nobody","text":"a light bag","item_attributes":["category=bag"]}' \
  '{"id":4,"history":[],"item":"'"$item"'","text":5}' >"$work/questions"
"$infer" pairs "$work/pairs" <"$work/questions" >"$work/answers" 2>/dev/null; check "souk-infer pairs ends with 1 after bad lines" test $? = 1
check "souk-infer pairs tells three probabilities" has '^\{"id":1,"labels":\{"click":0?\.?[0-9e.-]+,"cart":[0-9e.-]+,"buy":[0-9e.-]+\}\}$' <(sed -n 1p "$work/answers")
sed 's/"text"/"history":[],"item":"nobody","text"/' "$work/typed.jsonl" | "$infer" pairs "$work/pairs" >"$work/answers.typed"
check "souk-infer pairs reads a typed [MASK] as text" same_pairs "$work/answers.typed"
check "a pair without an item is an error in its place" has '"id":2,"error":".*item.* is missing","line":2' <(sed -n 2p "$work/answers")
check "an unknown item is told" has '"id":3,"labels":.*"known":false' <(sed -n 3p "$work/answers")
check "a text that is a number is an error in its place" has '"id":4,"error":".*text.* must be a string","line":4' <(sed -n 4p "$work/answers")
printf '{"history":[],"item":"%s","item_attributes":["x"%s]}\n' "$item" "$(printf ',"x"%.0s' $(seq 1024))" >"$work/question"
check "a message about a pair does not name the array of the call" has '"error":"attributes has 1025 elements, more than 1024","line":1' <("$infer" pairs "$work/pairs" <"$work/question" 2>/dev/null)
# Of people without a history, items as the data set describes them.
awk -F, -v OFS=, 'NR == 1 || NR < 60 { if (NR > 1) $3 = "nobody"; print }' "$work/later.csv" >"$work/plain.csv"
check "souk label reads pairs" "$souk" label "$work/p" "$work/plain.csv" --write "$work/said.jsonl"
awk -F, 'NR > 1 { printf "{\"history\":[],\"item\":\"%s\"}\n", $6 }' "$work/plain.csv" | "$infer" pairs "$work/pairs" >"$work/answers"
heads() { grep -oE '"(click|cart|buy)":[0-9.e-]+' "$1" | sed 's/.*://'; }
sed 's/.*"probabilities"//' "$work/said.jsonl" >"$work/said"
check "the bundle of pairs has the texts of items" has texts.safetensors "$work/pairs/souk.json"
check "a known item has the text of training" awk '{ d = $1 - $2; if (NF != 2 || d > 1e-5 || d < -1e-5) bad = 1 } END { exit bad || NR < 150 }' <(paste <(heads "$work/answers") <(heads "$work/said"))
check_error "labels of pairs are for souk-infer pairs" "has labels of pairs, for souk-infer pairs" "$infer" classify "$work/pairs"
for command in "rank" "score" "bench" "rank --why"; do
  check_error "what was trained on labels of pairs ranks nothing: $command" "ranks no items: it was trained on labels of pairs, for souk_score_pairs (souk-infer pairs); souk finetune --task rank" \
    "$infer" ${command%% *} "$work/pairs" $(case $command in *why) echo --why ;; esac)
done
check_error "what was trained on labels of texts ranks nothing" "ranks no items: it was trained on labels of texts, for souk_classify" "$infer" rank "$work/bundle"
check "souk-infer info says so" has '^scores +.*; never trained to rank$' <("$infer" info "$work/pairs")
check "souk-infer info --json too" has '"ranks":false' <("$infer" info "$work/pairs" --json)
finish
