#!/usr/bin/env bash
# Copy from feedback: clicks weigh it, a leash holds the model to its base, and what it would earn is told with intervals and the truth.
. "$(dirname "$0")/run_lib.sh"
shop=$work/shop
quietly "$souk" synth --out "$shop" --users 250 --items 40 --copy yes
{ gzip -dc "$shop/copy.jsonl.gz"; cat "$shop/catalogue.jsonl"; } >"$work/texts.jsonl"
quietly "$souk" vocab --input "$work/texts.jsonl" --columns copy,title --size 1200 --out "$work/words"
prepare_copy() { "$souk" prepare datasets/synth/prepare.yaml --log "$shop/events.csv.gz" --catalogue "$shop/catalogue.jsonl" --words "$work/words" --test_share 0.3 "$@"; }
quietly prepare_copy --copy "$shop/copy.jsonl.gz" --out "$work/shopdata"
quietly prepare_copy --copy "$shop/copy_candidates.jsonl.gz" --out "$work/candidates"
check "every impression has a candidate of each style" test "$(wc -l <"$work/candidates/copy.jsonl")" = $((4 * $(wc -l <"$work/shopdata/copy.jsonl")))
few=(--device cpu --threads 1 --peak_gflops 10 --batch_tokens 2048 --lr 0.003 --warmup_steps 5 --eval_every 0)
quietly "$souk" pretrain --data.dir "$work/shopdata" --out "$work/base" --hidden 32 --heads 2 --layers 1 --max_positions 24 --item_classes false --cls_sep --steps 20 "${few[@]}"
promo() { "$souk" finetune --task promo "$@" "${few[@]}"; }
quietly promo "$work/base" --epochs 2 --out "$work/copy"

# training
check "clicks weigh copy" promo "$work/copy" --copy.feedback ips --epochs 1 --out "$work/ips"
steps() { sed -n 's/.*"kind":"train","step":\([0-9]*\),.*/\1/p' "$1/metrics.jsonl" | tail -n 1; }
check "copy that was not clicked is left out" test "$(steps "$work/ips")" -lt "$(($(steps "$work/copy") / 2))"
check "a leash holds it" promo "$work/copy" --copy.feedback ips --copy.leash 0.5 --epochs 2 --out "$work/held"
check "how far it has gone is in the metrics" has '"leash":0\.[0-9]+' "$work/held/metrics.jsonl"
last_leash() { grep -o '"leash":[0-9.e-]*' "$1/metrics.jsonl" | tail -n 1 | cut -d: -f2; }
quietly promo "$work/copy" --copy.feedback ips --copy.leash 0.000001 --epochs 2 --out "$work/loose"
check "a heavier leash holds it nearer" awk -v a="$(last_leash "$work/held")" -v b="$(last_leash "$work/loose")" 'BEGIN { exit !(a < b) }'
quietly promo "$work/copy" --copy.feedback ips --copy.leash 0.5 --epochs 2 --pause_steps 3 --out "$work/left"
check "a run on a leash goes on" "$souk" pretrain "$work/left" --resume
check "a run on a leash that was left ends with the same bytes" diff <(essence "$work/held") <(essence "$work/left" | grep -v '^step-00000003 ')
check "a tuned model's leash is tied to it without the tuned part" promo "$work/copy" --copy.feedback ips --copy.leash 0.5 --peft lora --epochs 1 --out "$work/lora"
check "another base can be named" promo "$work/held" --copy.leash 0.5 --copy.base "$work/copy" --epochs 1 --out "$work/other"
check "a run that begins from one on a leash has none of its own" bash -c "! grep -q leash '$work/ips/metrics.jsonl'"
check_error "a base that writes no copy is refused" "was not trained for copy, so it cannot hold a model that writes it" promo "$work/base" --copy.leash 1 --epochs 1 --out "$work/no"
check_error "a leash on another model is refused" "train.objectives does not name copy" "$souk" pretrain --data.dir "$work/shopdata" --copy.leash 1 --hidden 32 --heads 2 --steps 2 --out "$work/no" "${few[@]}"
quietly prepare_copy --copy "$shop/copy.jsonl.gz" --copy_fields propensity=nothing --out "$work/unknown"
check_error "feedback needs propensities" "says no propensity" promo "$work/copy" --data.dir "$work/unknown" --copy.feedback ips --epochs 1 --out "$work/no"
check "copy is learned without histories" promo "$work/base" --copy.history false --epochs 1 --out "$work/none"

quietly "$souk" export "$work/none" "$work/none-bundle"
quietly "$souk" export "$work/copy" "$work/copy-bundle"
written() { echo "{\"history\":[$2],\"item\":\"p000003\",\"language\":\"en\",\"market\":\"us\",\"percent\":20}" | "$infer" promo "$work/$1-bundle" --threads 1 2>/dev/null | sed 's/"unknown":.*//'; }
check "a bundle says that its copy is written without histories" has '"history": false' "$work/none-bundle/souk.json"
check "a bundle of copy with histories says nothing of them" bash -c "! grep -q '\"history\"' '$work/copy-bundle/souk.json'"
check "a bundle without histories writes the same for any" test "$(written none '"p000001","p000002"')" = "$(written none '')" -a -n "$(written none '')"
check "a bundle with histories does not" test "$(written copy '"p000001","p000002"')" != "$(written copy '')"
"$souk" eval "$work/none" --device cpu --threads 1 --copy --rows 8 >"$work/told" 2>"$work/err"
check "copy without histories is judged as it was trained" bash -c "grep -q '^perplexity ' '$work/told' && ! grep -q 'not as long as in training' '$work/err'"
quietly promo "$work/copy" --peft lora --copy.history false --epochs 1 --out "$work/lora-none"
check_error "an adapter without histories is refused beside a base with them" "was trained with copy.history = false, and the bundle's copy was not" "$souk" export "$work/copy" "$work/no" --adapters "$work/lora-none"

# the estimate
judge() { "$souk" eval "$work/$1" --device cpu --threads 1 --copy_policy "$work/candidates" --bootstrap 200 "${@:2}"; }
judge ips --policy_truth "$shop/truth/copy.csv.gz" --figures "$work/ips.json" >"$work/told" 2>"$work/err"
check "the estimate has SNIPS, its interval and the effective sample" has '^SNIPS +0\.[0-9]+ \[0\.[0-9]+, 0\.[0-9]+\], effective sample [0-9]+ of [0-9]+$' "$work/told"
check "IPS, the mean weight and the share that was clipped stand beside it" has '^IPS +0\.[0-9]+ \[.*\], mean weight [0-9.]+, largest [0-9.]+, clipped 0\.00%$' "$work/told"
check "the truth stands beside it" has '^personal +-?0\.[0-9]+ \[' "$work/told"
check "the oracle is best" bash -c "awk '/^oracle/ { o = \$2 } /^drawn  / { d = \$2 } /^best  / { b = \$2 } END { exit !(o + 0 > d && o + 0 > b) }' '$work/told'"
judge none >"$work/told0" 2>"$work/err"
check "without histories another user's changes nothing" has '^differs +0\.0000 \[0\.0000, 0\.0000\]' "$work/told0"
check_error "no estimate comes without its interval" "tells no estimate without its interval" judge ips --bootstrap 0
check_error "a log without candidates is refused" "needs candidates of several styles" "$souk" eval "$work/ips" --device cpu --copy_policy "$work/shopdata"
check_error "a model that writes no copy has no policy" "was not trained to write copy" "$souk" eval "$work/base" --device cpu --copy_policy "$work/candidates"
# A data set that somebody else wrote, whose rows have styles that it does not name.
cp -r "$work/candidates" "$work/few"
listed() { sha256sum <"$work/$1/copy_styles.tsv" | cut -d' ' -f1; }
head -n 2 "$work/candidates/copy_styles.tsv" >"$work/few/copy_styles.tsv"
sed -i "s/$(listed candidates)/$(listed few)/; /\"copy_styles.tsv\"/,/}/s/\"bytes\": [0-9]*/\"bytes\": $(stat -c %s "$work/few/copy_styles.tsv")/" "$work/few/manifest.json"
check_error "styles without a name have no truth" ", and copy_styles.tsv names 2" "$souk" eval "$work/ips" --device cpu --threads 1 --copy_policy "$work/few" --policy_truth "$shop/truth/copy.csv.gz"
finish
