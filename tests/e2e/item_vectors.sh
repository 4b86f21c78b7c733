#!/usr/bin/env bash
# Items that are made of their texts, on a generated marketplace of which every eighth item has no event of training: what they are
# ranked by, a bundle that makes vectors of new items, and models that grow into another catalogue.
. "$(dirname "$0")/run_lib.sh"
shop=$work/shop
check "a marketplace is generated" "$souk" synth --out "$shop" --users 1500 --items 240 --length 14 --oracle_users 50
# Of every eighth item only the events that end a history, which are never trained on; and, for an earlier catalogue, none.
cold() {
  gzip -dc "$shop/events.csv.gz" | awk -F, -v keep="$1" 'NR == 1 { print; next }
    $5 == "" { next } { line[NR] = $0; user[NR] = $2; item[NR] = substr($5, 2) + 0; last[$2] = NR }
    END { for (i = 2; i <= NR; i++) if (i in line && (item[i] % 8 != 3 || (keep && last[user[i]] == i))) print line[i] }'
}
cold 1 >"$work/cold.csv"
cold 0 >"$work/early.csv"
{ printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'; tr -cs 'A-Za-z0-9' '\n' <"$shop/catalogue.csv" | tr 'A-Z' 'a-z' | LC_ALL=C sort -u | sed '/^$/d'; } >"$work/vocab.txt"
prepare() { # prepare LOG DIR OPTIONS...
  "$souk" prepare datasets/synth/prepare.yaml --log "$1" --catalogue "$shop/catalogue.jsonl" --catalogue.keep style,material,colour \
    --catalogue.text title,style,material,colour --words "$work/vocab.txt" --out "$2" --force "${@:3}"
}
check "it is prepared with texts" prepare "$work/cold.csv" "$work/d"
cp "$work/.out" "$work/report"
check "an eighth of the test targets are cold" grep -qE "^cold targets +validation 0.0%, test 1[0-9]\.[0-9]%" "$work/report"
pretrain() { # pretrain RUN OPTIONS...
  "$souk" pretrain --out "$1" --data.dir "$work/d" --data.batch_tokens 1024 --model.hidden 32 --model.layers 1 --model.heads 2 \
    --model.max_positions 30 --model.positions_from_end yes --model.pre_norm yes --model.head plain --model.init_std 0.05 \
    --train.objectives next_item --train.eval_every 0 --train.threads 1 --optim.lr 5e-3 --optim.warmup_steps 20 "${@:2}"
}
# The model's HR@10 over cold targets.
cold_hr() { "$souk" eval "$1" --detail --threads 1 --bootstrap 0 >"$work/.eval" && sed -n '/^training events of the target/,/^NDCG/p' "$work/.eval" | awk '$1 == "model" { print $2; exit }'; }

check "a model of ids trains" pretrain "$work/id" --train.steps 150
check "a model of texts and ids trains" pretrain "$work/both" --train.steps 300 --model.items both --model.id_dropout 0.5
"$souk" inspect "$work/both" >"$work/shown" 2>&1
id=$(cold_hr "$work/id") both=$(cold_hr "$work/both")
echo "# HR@10 over cold targets: $id of ids, $both with texts"
# Ten of the 240 items by chance: 0.042.
check "cold items are found by their texts, and not by ids" awk -v a="$id" -v b="$both" 'BEGIN { exit !(a < 0.06 && b > 0.09 && b > 2 * a) }'
check_error "texts are needed" 'has neither texts nor features of its items' \
  bash -c "'$souk' prepare datasets/synth/prepare.yaml --log '$work/cold.csv' --catalogue '$shop/catalogue.jsonl' --out '$work/plain' >'$work/p' 2>&1 &&
  '$souk' pretrain --out '$work/none' --data.dir '$work/plain' --model.items both --train.steps 1 2>&1 | tee '$work/none.err' >&2; exit 1"
resumed() {
  pretrain "$work/stopped" --train.steps 40 --model.items both --pause_steps 20 && "$souk" pretrain "$work/stopped" --resume &&
    pretrain "$work/whole" --train.steps 40 --model.items both && cmp "$work/stopped/step-00000040/model.h5" "$work/whole/step-00000040/model.h5" &&
    cmp "$work/stopped/step-00000040/content.h5" "$work/whole/step-00000040/content.h5"
}
check "a run that is stopped and resumed has the same bytes" resumed

# ---- ranking, on top of it
tune() { "$souk" finetune --task rank "$work/both" --data.batch_tokens 1024 --train.eval_every 0 --train.threads 1 --optim.lr 1e-3 --optim.warmup_steps 10 "$@"; }
check "souk finetune --task rank goes on with hard negatives" tune --train.steps 60
check "its run is beside the one that it began from" test -f "$work/both-rank/last"
ranked=$(cold_hr "$work/both-rank")
echo "# HR@10 over cold targets after --task rank: $ranked"
check "cold items are still found" awk -v b="$ranked" 'BEGIN { exit !(b > 0.09) }'
stopped() {
  tune --out "$work/r1" --train.steps 20 --pause_steps 10 && tune --out "$work/r1" --train.steps 20 --resume &&
    tune --out "$work/r2" --train.steps 20 && cmp "$work/r1/step-00000020/model.h5" "$work/r2/step-00000020/model.h5"
}
check "stopped and resumed, it draws the same hard negatives" stopped
# Ranked anew at steps 10, 20 and 30; left between two of them, where one is due, and killed before renames of its files.
anew=(--train.steps 36 --train.save_every 7 --train.keep 9 --data.hard_every 10)
check "hard negatives are ranked anew while it trains" tune --out "$work/h1" "${anew[@]}"
check "it is told when" test "$(grep -cE 'step +[123]0  hard negatives ranked anew, [0-9.]+ a history' "$work/.out")" = 3
once() { tune --out "$work/h0" --train.steps 36; }
check "without, they are made once" once
check "what is learned differs" bash -c '! cmp -s "$1" "$2"' _ "$work/h0/step-00000036/model.h5" "$work/h1/step-00000036/model.h5"
same_end() { for f in model optimizer mined; do cmp "$work/h1/step-00000036/$f.h5" "$1/step-00000036/$f.h5" || return 1; done; }
left_at() { rm -rf "$work/h2"; tune --out "$work/h2" "${anew[@]}" --pause_steps "$1" && tune --out "$work/h2" "${anew[@]}" --resume && same_end "$work/h2"; }
for at in 4 10 15 30; do check "left after step $at and resumed, it has the same bytes" left_at $at; done
moments=$(SOUK_FAULT=count tune --out "$work/count" "${anew[@]}" 2>&1 | sed -n 's/.*faults:.* rename \([0-9]*\).*/\1/p')
killed_at() {
  rm -rf "$work/h3"; (SOUK_FAULT=rename:$1! tune --out "$work/h3" "${anew[@]}" >/dev/null 2>&1)
  ! test -d "$work/h3/step-00000036" && tune --out "$work/h3" "${anew[@]}" --resume && same_end "$work/h3"
}
for part in 3 5 7; do check "killed before rename $((moments * part / 10)) of $moments and resumed, it has the same bytes" killed_at $((moments * part / 10)); done
check "the first checkpoint has no lists of its own" bash -c "! test -e '$work/h1/step-00000007/mined.h5' && test -e '$work/h1/step-00000014/mined.h5'"
check_error "hard negatives that are none cannot be ranked anew" 'data.hard_every = 10 makes hard negatives anew, and data.hard_negatives is 0' \
  tune --out "$work/none3" --data.hard_negatives 0 --data.hard_every 10
check "a run that begins from nothing can make its own" pretrain "$work/own" --train.steps 12 --data.negatives 32 --data.hard_negatives 8 --data.hard_every 5
# A run validates pairs by the same negatives wherever it was left: the hard ones are others by then.
pairs() {
  "$souk" pretrain --out "$1" --data.dir "$work/d" --data.batch_tokens 1024 --model.hidden 16 --model.layers 1 --model.heads 2 --model.max_positions 30 \
    --model.cls_sep yes --model.segments 2 --model.item_classes yes --train.objectives masked_lm --data.mix 'histories 1, item_pairs 1' --train.threads 1 \
    --data.negatives 32 --data.hard_negatives 8 --data.hard_every 5 --train.steps 12 --train.eval_every 4 --train.eval_users 50 "${@:2}"
}
check "pairs and hard negatives go together" pairs "$work/p1"
check "such a run is left" pairs "$work/p2" --pause_steps 6
check "such a run is resumed" pairs "$work/p2" --resume
check "its validations are the same as if it had not been left" bash -c 'grep -q item_pairs_loss "$1" && cmp <(grep "kind.:.valid" "$1") <(grep "kind.:.valid" "$2")' _ "$work/p1/metrics.jsonl" "$work/p2/metrics.jsonl"
check "the last row alone may count" tune --out "$work/r3" --train.steps 2 --data.next_rows last
check_error "hard negatives need a model" 'data.hard_negatives are those of the model that a run begins from: set train.init' \
  pretrain "$work/none2" --train.steps 1 --data.negatives 8 --data.hard_negatives 4

# ---- the bundle
check "it is exported" "$souk" export "$work/both" "$work/bundle"
said_by_info() { "$infer" info "$work/bundle" | grep -q '^new items    get vectors from texts and attributes' && "$infer" info "$work/bundle" --json | grep -q '"new_items":true'; }
check "souk-infer info says that new items get vectors" said_by_info
printf '%s\n' '{"id":"n1","text":"red shoes"}' '{"id":"n2","text":7}' '{"id":"n3","text":"red shoes","item_attributes":["brand=nobody"]}' '{"id":"n4"}' >"$work/new.jsonl"
"$infer" items "$work/bundle" --texts "$work/new.jsonl" --output "$work/new.npy" --names "$work/new.names" 2>/dev/null
check "souk-infer items --texts ends with 1 after a bad line" test $? = 1
typed() { echo "{\"id\":\"x\",\"text\":\"$1\"}" >"$work/typed.jsonl" && "$infer" items "$work/bundle" --texts "$work/typed.jsonl" --output "$work/typed.npy" && od -An -t x4 -j 128 "$work/typed.npy"; }
check "souk-infer items --texts reads a typed [MASK] as text" test "$(typed 'red ~ mask ~ bag')" = "$(typed 'red [MASK] bag')"
check "names tell what was not known" cmp <(printf '%s\n' '{"id":"n1","unknown":0}' '{"id":"n2","error":"\"text\" must be a string","line":2}' '{"id":"n3","unknown":1}' '{"id":"n4","unknown":0}') "$work/new.names"
row_of() { local bytes=$(( ($(stat -c %s "$work/new.npy") - 128) / 4 )); tail -c +$((129 + bytes * ($1 - 1))) "$work/new.npy" | head -c $bytes | od -An -v -t x4 | tr -d ' \n'; }
check "an unknown attribute changes nothing" test "$(row_of 1)" = "$(row_of 3)"
check "a text changes the vector" test "$(row_of 1)" != "$(row_of 4)"
check "the row of a bad line is NaN" grep -qE '^(7fc00000)+$' <(row_of 2)
check "the bundle makes vectors of new items" grep -q '"content.safetensors"' "$work/bundle/souk.json"
rank() { printf '{"history":[{"item":"p000001"},{"item":"p000002"}]}\n' | "$infer" rank "$work/bundle" --k 5 >"$work/ranked" && grep -q '"items"' "$work/ranked"; }
check "souk-infer ranks with it" rank

# The table that texts and ids are rows of, tuned: it is folded once, and has no place beside other adapters.
check "a low-rank change of the table trains under texts and ids" pretrain "$work/tuned" --model.items both --model.id_dropout 0.5 --init "$work/both" \
  --peft lora --targets word_embeddings --train.steps 3
check "souk merge folds it under texts and ids, too" "$souk" merge "$work/tuned" "$work/merged"
for k in tuned merged both; do "$souk" vectors "$work/$k" --items "$work/$k.npy" --device cpu --threads 1 >/dev/null 2>&1; done
not() { ! "$@"; }
near() {
  paste <(tail -c +129 "$1" | od -An -v -w4 -tf4) <(tail -c +129 "$2" | od -An -v -w4 -tf4) |
    awk '{ d = $1 - $2; if (d < 0) d = -d; n++; if (d > 1e-5) bad++ } END { exit !(n > 1000 && bad == 0) }'
}
check "the merged model has the same vectors of items" near "$work/tuned.npy" "$work/merged.npy"
check "they are not the vectors of the base" not near "$work/tuned.npy" "$work/both.npy"
check_error "a shared bundle of items with content has no such adapter" "which the vectors of items with content are made of" \
  "$souk" export "$work/both" "$work/none" --adapters "$work/tuned"
check "biases train under texts and ids" pretrain "$work/biases" --model.items both --init "$work/both" --peft bias --train.steps 3
check_error "a shared bundle of items with content has no adapter of biases" "BUNDLE, without --adapters, makes a bundle of its own" \
  "$souk" export "$work/both" "$work/none" --adapters "$work/biases"
check "a run that tunes biases has a bundle of its own" "$souk" export "$work/biases" "$work/biased"

# ---- a catalogue that grows
early() { prepare "$work/early.csv" "$work/e" && pretrain "$work/old" --data.dir "$work/e" --train.steps 150; }
check "a model of the earlier catalogue trains" early
grow() { pretrain "$work/new" --data.dir "$work/d" --train.init_from "$work/old" --train.steps 1 --optim.lr 1e-6; }
check "it grows into the later one" grow
cp "$work/.out" "$work/told"
check "what was kept and what is new is told in a line" grep -qE "words and attributes and 2[0-9][0-9] of 2[0-9][0-9] items are known; [0-9]+ new items, [1-9][0-9]* of them from their texts; 0 items are left behind" "$work/told"
grown=$(cold_hr "$work/new")
echo "# HR@10 over cold targets of the grown model: $grown"
check "its new items are found before they are trained on" awk -v b="$grown" 'BEGIN { exit !(b > 0.06) }'
check_error "another width is refused" 'train.init_from: model.hidden is 48' pretrain "$work/wide" --train.init_from "$work/old" --model.hidden 48 --train.steps 1
words() { "$souk" pretrain --init_from "$work/bundle" --out "$work/words" --data.dir "$work/d" --train.steps 2 --train.eval_every 0; }
check_error "a model that is no BERT is none to begin from" 'a BERT vocabulary is WordPiece, and that of a bundle with items is none: begin from the run' words
finish
