#!/usr/bin/env bash
# souk eval RUN --copy: perplexity at the copy of a data set, and figures of what the run writes for the same requests, decoded by the
# inference library; the copies beside their references; tuned runs; lexicons; what is refused.
. "$(dirname "$0")/run_lib.sh"
shop=$work/shop
quietly "$souk" synth --out "$shop" --users 300 --items 40 --copy yes
gzip -dc "$shop/copy.jsonl.gz" | head -n 300 >"$work/copy.jsonl"
{ gzip -dc "$shop/copy.jsonl.gz"; cat "$shop/catalogue.jsonl"; } >"$work/texts.jsonl"
quietly "$souk" vocab --input "$work/texts.jsonl" --columns copy,title --size 1500 --out "$work/words"
gzip -dc "$shop/events.csv.gz" | awk -F, 'NR > 1 && !seen[$2]++ { print $2 "," 18 + n++ % 50 "," (n % 3 ? "de" : "cn") }' | (echo user_id,age,country && cat) >"$work/users.csv"
quietly "$souk" prepare datasets/synth/prepare.yaml --users "$work/users.csv" --users_columns age,country --users_numbers age --log "$shop/events.csv.gz" --catalogue "$shop/catalogue.jsonl" --words "$work/words" --copy "$work/copy.jsonl" \
  --test_share 0.2 --out "$work/shopdata"
few=(--hidden 32 --heads 2 --layers 1 --threads 1 --peak_gflops 10 --batch_tokens 1024 --warmup_steps 5)
quietly "$souk" pretrain --data.dir "$work/shopdata" --out "$work/base" --max_positions 160 --item_classes false --cls_sep --segments 2 --steps 20 --lr 0.003 --eval_every 0 "${few[@]}"
promo() { "$souk" finetune --task promo "$work/base" --threads 1 --peak_gflops 10 --batch_tokens 1024 --warmup_steps 5 --lr 0.005 --eval_every 20 "$@"; }
quietly promo --epochs 8 --out "$work/p"
judge() { "$souk" eval "$work/p" --copy --threads 1 --rows 24 "$@"; }
figure() { sed -n "/\"$1\": {/,/}/s/^ *\"$2\": \([0-9.]*\),*$/\1/p" "$work/f.json"; }

judge --generated "$work/g.jsonl" --figures "$work/f.json" --report "$work/page.html" >"$work/table" 2>"$work/err"
check "there is a copy for each row, up to --rows" test "$(wc -l <"$work/g.jsonl")" = 24
copies() { sed -nE 's/^\{"copy":"(([^"\\]|\\.)*)".*/\1/p' "$1"; }
references() { sed -nE 's/^\{"copy":"([^"\\]|\\.)*","reference":"(([^"\\]|\\.)*)".*/\2/p' "$1"; }
sed -nE 's/^\{"part":"test","copy":"(([^"\\]|\\.)*)".*/\1/p' "$work/shopdata/copy.jsonl" | head -n 24 >"$work/wanted"
references "$work/g.jsonl" >"$work/references"
check "each request has the source that training reads, with history and attributes of the user" bash -c "[ -s '$work/table' ] && ! grep -q 'not as long as in training' '$work/err'"
check "the references are the test part's copy, in its order" bash -c "[ $(wc -l <"$work/wanted") = 24 ] && cmp '$work/references' '$work/wanted'"
check "most copies are the model's own" test "$(grep -c '"template":true' "$work/g.jsonl")" -lt 12
check "the table has perplexity, BLEU and terms" bash -c "grep -qE '^perplexity +[0-9.]+ ' '$work/table' && grep -qE '^BLEU \(' '$work/table' && grep -qE '^accuracy of terms +0\.|^accuracy of terms +1\.' '$work/table'"
check "the page says how copy was decoded" grep -q '<td>decoding</td><td>greedy</td>' "$work/page.html"
check "the page has no script and loads nothing" bash -c "[ -s '$work/page.html' ] && ! grep -qiE '<script|src=|href=' '$work/page.html'"
copies "$work/g.jsonl" | sed 's/\\"/"/g' >"$work/hyp"
sed 's/\\"/"/g' "$work/wanted" >"$work/ref"
whole=$(figure bleu score)
language=$(grep -c '"language":"zh"' "$work/g.jsonl"); language=$([ "$language" -gt 12 ] && echo zh || echo en)
"$souk" eval --copy_text "$work/hyp" --reference "$work/ref" --language "$language" --figures "$work/f.json" >/dev/null 2>&1
check "the same texts as files have the same BLEU" test "${whole:-none}" = "$(figure bleu score)"
judge --generated "$work/again.jsonl" >"$work/table2" 2>/dev/null
check "the same run writes the same copy again" cmp "$work/g.jsonl" "$work/again.jsonl"
check "its figures are the same" bash -c "[ -s '$work/table' ] && diff '$work/table' '$work/table2'"

# The perplexity is that which the run validated with.
judge --part valid --rows 1 --json >"$work/valid.json" 2>/dev/null
best=$(sed -n 's/.*"kind":"valid".*"perplexity":\([0-9.e+]*\).*/\1/p' "$work/p/metrics.jsonl" | sort -g | head -n 1)
said=$(sed -n 's/^ "perplexity": \([0-9.]*\),*$/\1/p' "$work/valid.json")
check "perplexity is the validation's of the best checkpoint" awk -v a="$best" -v b="$said" 'BEGIN { exit !(b != "" && (a - b) / a < 1e-4 && (b - a) / a < 1e-4) }'

# decoding
judge --decode sample --temperature 1.5 --seed 3 --generated "$work/s1.jsonl" >/dev/null 2>&1
judge --decode sample --temperature 1.5 --seed 3 --threads 2 --generated "$work/s2.jsonl" >/dev/null 2>&1
judge --decode sample --temperature 1.5 --seed 4 --generated "$work/s3.jsonl" >/dev/null 2>&1
check "a seed gives the same samples with any number of threads" cmp "$work/s1.jsonl" "$work/s2.jsonl"
check "another seed gives others" bash -c "[ -s '$work/s3.jsonl' ] && ! cmp -s '$work/s1.jsonl' '$work/s3.jsonl'"
check "beams are written too" judge --decode beam --beam 3 --length_penalty 1 --no_repeat 3 --generated "$work/b.jsonl"
check "a beam finds copy that is as probable as the greedy one, over all" awk -F'"log_probability":' '{ split($2, a, ","); s[FILENAME] += a[1] } END { exit !(s[ARGV[2]] >= s[ARGV[1]]) }' "$work/g.jsonl" "$work/b.jsonl"
word=$(copies "$work/g.jsonl" | grep -oE '[a-z]{3,}' | sort | uniq -c | sort -rn | awk '{ print $2; exit }')
echo "${word:-the}" >"$work/lexicon.txt"
check "a lexicon is heeded" bash -c "'$souk' eval '$work/p' --copy --threads 1 --rows 24 --lexicon '$work/lexicon.txt' --generated '$work/l.jsonl' >/dev/null 2>&1 && ! sed -nE 's/^\{\"copy\":\"(([^\"\\]|\\\\.)*)\".*/\\1/p' '$work/l.jsonl' | grep -qiw '${word:-the}'"
check_error "a beam of a greedy search is refused" "--beam needs --decode beam" judge --beam 8
check_error "a temperature of a beam is refused" "--temperature needs --decode sample" judge --decode beam --temperature 2
check_error "decoding without --copy is refused" "--decode says how --copy is written" "$souk" eval "$work/p" --decode beam
check_error "a policy and copy are asked for one by one" "--copy_policy is asked for alone" judge --copy_policy "$work/shopdata"
check_error "a lexicon that is not there is named" "$work/none" judge --lexicon "$work/none"

# tuned runs
for kind in lora adapter; do
  quietly promo --peft $kind --epochs 1 --out "$work/$kind"
  check "a run tuned by --peft $kind is judged" "$souk" eval "$work/$kind" --copy --threads 1 --rows 4
done

check_error "a run that writes no copy is refused" "was not trained to write copy" "$souk" eval "$work/base" --copy
check_error "a run is needed" "--copy needs a run" "$souk" eval --copy
check_error "outputs that are one file are refused" "--generated" judge --generated "$work/x" --report "$work/x"
check_error "--generated without --copy is refused" "are of --copy" "$souk" eval "$work/p" --generated "$work/x"
quietly "$souk" prepare --copy "$work/copy.jsonl" --words "$work/words" --out "$work/notest"
check_error "a data set without a test part is told" "no copy in its test part" "$souk" eval "$work/p" --copy --data "$work/notest" --other_data
finish
