#!/usr/bin/env bash
# Promotion copy: rows of the generated marketplace in a data set, a run that learns to write them on top of another, whole and tuned; one
# that was stopped ends with the same bytes; growing into another vocabulary; outputs whole or not at all; a data set of copy alone.
. "$(dirname "$0")/run_lib.sh"
shop=$work/shop
quietly "$souk" synth --out "$shop" --users 300 --items 40 --copy yes
gzip -dc "$shop/copy.jsonl.gz" | head -n 400 >"$work/copy.jsonl"
{ gzip -dc "$shop/copy.jsonl.gz"; cat "$shop/catalogue.jsonl"; } >"$work/texts.jsonl"
quietly "$souk" vocab --input "$work/texts.jsonl" --columns copy,title --size 1500 --out "$work/words"

# data
prepare=("$souk" prepare datasets/synth/prepare.yaml --log "$shop/events.csv.gz" --catalogue "$shop/catalogue.jsonl" --words "$work/words" --copy "$work/copy.jsonl")
"${prepare[@]}" --test_share 0.2 --out "$work/shopdata" >"$work/report" 2>"$work/err"
check "souk prepare tells what became of copy" has '^copy +400 rows, rejected 0, left out 0; [0-9]+ train, [0-9]+ validation, [0-9]+ test$' "$work/report"
check "every copy of the marketplace says terms and no other quantity" has '[0-9]+ slots, 0 copies without one; 0 other quantities' "$work/report"
check "clicks are counted" has ' clicks on 400 rows that say whether there was one; 4 styles' "$work/report"
check "the data set verifies" "$souk" inspect --verify "$work/shopdata"
check "copy.jsonl has the rows again" test "$(wc -l <"$work/shopdata/copy.jsonl")" = 400
check "copy.h5 can be looked at" bash -c "'$souk' inspect '$work/shopdata/copy.h5' | grep -q 'rows of promotion copy'"
quietly "${prepare[@]}" --test_share 0.2 --out "$work/again"
check "the same rows give the same bytes" cmp "$work/shopdata/copy.h5" "$work/again/copy.h5"
check_error "columns that no field is are told" 'input.copy_fields: "colour=x" is not FIELD=COLUMN' "${prepare[@]}" --copy_fields colour=x --out "$work/no"
check_error "a field that is named twice is told" 'input.copy_fields names the column of copy twice' "${prepare[@]}" --copy_fields copy=copy,copy=name --out "$work/no"
printf 'summary,content\n"a red thing",colour#red\n' >"$work/table.csv"
table() { "$souk" prepare --copy "$work/table.csv" --copy.language en --words "$work/words" --copy.valid_share 0 "$@"; }
check_error "a column that is named must be in the table" 'table.csv has no column "features"' table --copy_fields copy=summary,attributes=features --out "$work/no"
echo '{"summary":"a red thing"}' >"$work/table.jsonl"
check_error "copy that is not found names the field that was read" 'its text is read from "copy"' table --copy "$work/table.jsonl" --out "$work/no"
check "nothing is left behind of a data set that was refused" test ! -e "$work/no"
check_error "a data set with copy is not replaced unasked" "--force replaces it" "${prepare[@]}" --out "$work/shopdata"

# training
quietly "$souk" pretrain --data.dir "$work/shopdata" --out "$work/base" --hidden 32 --heads 2 --layers 1 --max_positions 24 --item_classes false --cls_sep \
  --steps 30 --lr 0.003 --warmup_steps 5 --batch_tokens 1024 --eval_every 0 --threads 1 --peak_gflops 10
few=(--threads 1 --peak_gflops 10 --batch_tokens 1024 --lr 0.003 --warmup_steps 5)
promo() { "$souk" finetune --task promo "$work/base" "${few[@]}" "$@"; }
promo --epochs 4 --eval_every 9 --out "$work/p1" 2>"$work/told"
check "a run learns to write copy" has 'validation loss [0-9.]+ ' "$work/told"
check "the model grows, since copy needs more positions" has 'words and attributes and [0-9]+ of [0-9]+ items are known' "$work/told"
check "its head begins with that of masked LM" has 'its head of copy begins with what .* predicts tokens with' "$work/told"
check "validations have its figures" has '"kind":"valid".*"loss":.*"perplexity":.*"accuracy":' "$work/p1/metrics.jsonl"
losses() { sed -n 's/.*"kind":"valid".*"loss":\([0-9.]*\),.*/\1/p' "$work/p1/metrics.jsonl"; }
check "the loss falls" awk -v a="$(losses | head -n 1)" -v b="$(losses | tail -n 1)" 'BEGIN { exit !(b < a - 0.2) }'
check "the best checkpoint is that of the lowest loss" has "best loss $(printf '%.5f' "$(losses | sort -g | head -n 1)") at step" "$work/told"
promo --epochs 4 --eval_every 9 --pause_steps 13 --out "$work/p2" 2>/dev/null
check "a run that was left goes on" "$souk" pretrain "$work/p2" --resume
check "a run that was left ends with the same bytes" diff <(essence "$work/p1") <(essence "$work/p2")
promo --epochs 4 --eval_every 9 --patience 1 --lr 0.5 --out "$work/p3" 2>"$work/told"
check "patience stops a run whose loss does not fall" has 'ended by train.patience' "$work/told"
check "souk plan knows such a run" bash -c "'$souk' plan '$work/p1' | grep -q 'validation rows'"
check "souk plan counts the base of a leash" bash -c "'$souk' plan '$work/p1' --copy.leash 0.5 | grep -q 'base of the leash' && ! '$souk' plan '$work/p1' | grep -q 'base of the leash'"
for kind in lora adalora adapter bias; do
  check "a model tuned by --peft $kind learns to write copy" promo --peft $kind --epochs 1 --eval_every 9 --out "$work/$kind"
done
check "a run of copy can be gone on from" "$souk" finetune --task promo "$work/p1" "${few[@]}" --epochs 1 --eval_every 0 --out "$work/p4"
check_error "other objectives beside copy are refused" "copy is trained alone" promo --objectives 'copy, masked_lm' --epochs 1 --out "$work/no"
check_error "negatives are refused for copy" "data.negatives are items, and copy is words" promo --negatives 8 --epochs 1 --out "$work/no"
check_error "a metric that copy does not have is refused" 'this run has no metric "auc"; it has loss, perplexity, accuracy' promo --metric auc --epochs 1 --out "$work/no"
check_error "copy that does not fit is refused" "has no room for copy of" promo --max_positions 30 --epochs 1 --out "$work/no"

# bundles
check "a run of copy is exported" "$souk" export "$work/p1" "$work/bundle"
check "its bundle has the head of copy" has '"classes": [0-9]+' "$work/bundle/souk.json"
check "nothing of that head is among Hugging Face's tensors" bash -c "! grep -aq copy.bias '$work/bundle/model.safetensors' && grep -aq copy.bias '$work/bundle/copy.safetensors'"
for kind in lora adalora adapter bias; do
  check "a run tuned by $kind is a bundle of its own" "$souk" export "$work/$kind" "$work/bundle-$kind"
  check "an adapter of $kind that brings the head of copy goes into its base's bundle" "$souk" export "$work/$kind/base" "$work/bundle2-$kind" --adapters promo="$work/$kind"
  check "the base's bundle has the head that $kind brings" bash -c "cmp '$work/bundle-$kind/copy.safetensors' '$work/bundle2-$kind/copy.safetensors' && ! grep -aq copy.transform '$work/bundle2-$kind/adapters/promo/adapter_model.safetensors'"
done
check "bundles with the head of copy open, whole or with the adapter that brought it" bash -c "for b in bundle bundle-lora bundle2-lora bundle2-adalora bundle2-adapter bundle2-bias; do '$infer' info '$work/'\$b || exit 1; done"
check_error "two heads of copy do not go into one bundle" "has a head of its own that writes copy, and a bundle has one" "$souk" export "$work/lora/base" "$work/no" --adapters "a=$work/lora,b=$work/lora"

# copy alone, in another form, on a model that grows into its words
awk 'BEGIN { for (i = 0; i < 60; i++) print "{\"content\":\"colour#red*shape#c" i % 5 "\",\"summary\":\"a red thing of shape c" i % 5 ".\"}" }' >"$work/pairs.jsonl"
alone=("$souk" prepare --copy "$work/pairs.jsonl" --copy_fields copy=summary,attributes=content --copy.language en --words "$work/words")
check "a data set may be copy alone" "${alone[@]}" --out "$work/pairs"
check "a run of another vocabulary grows into it" promo --data.dir "$work/pairs" --epochs 2 --eval_every 0 --out "$work/pairs-run"
quietly "$souk" export "$work/pairs-run" "$work/english"
for kind in bundle bundle-lora bundle2-lora; do
  adapter=$([ "$kind" = bundle2-lora ] && echo ',"adapter":"promo"')
  echo '{"history":["p000001"],"item":"p000002","type":"discount","language":"en","market":"us","percent":20'"$adapter}" | "$infer" promo "$work/$kind" >"$work/served-$kind" 2>"$work/err"
  check "copy of $kind is served" has '^\{"user":null,"copy":".+","log_probability":-[0-9.]+,.*"flags":\[("cut")?\]' "$work/served-$kind"
done
check "an adapter beside its base writes what its own bundle writes" bash -c "cut -d: -f3 '$work/served-bundle-lora' >'$work/a'; cut -d: -f3 '$work/served-bundle2-lora' | cmp '$work/a' - && [ -s '$work/a' ]"
echo '{"title":"a red thing","language":"zh","market":"us"}' | "$infer" promo "$work/english" >"$work/chinese" 2>"$work/err"
check "a language that no copy was trained in is counted, as a market is" has '"unknown_context":2' "$work/chinese"
check "a language that no copy was trained in is summed up" has ': .*2 goals, types, markets or languages that the bundle was not trained on' "$work/err"
quietly "$souk" prepare datasets/synth/prepare.yaml --log "$shop/events.csv.gz" --out "$work/plain"
check_error "a data set without copy is told" "has no copy; souk prepare --copy FILE makes it" promo --data.dir "$work/plain" --epochs 1 --out "$work/no"
check "nothing of what was refused is left" test ! -e "$work/no"
finish
