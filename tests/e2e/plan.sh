#!/usr/bin/env bash
# souk plan against what the runs then took.
. "$(dirname "$0")/run_lib.sh"
sed -i 's/peak_gflops: 10, //' "$work/tiny.yaml"
plan() { "$souk" plan "$work/tiny.yaml" --json "$@"; }
number() { sed -n "s/^ \"$1\": \([-+.0-9e]*\).*/\1/p"; } # of the outermost object
# held NAME OPTIONS...: the run's real peak is within 5% of the plan, or 2 MiB: resident pages of the
# libraries alone, 14 MB of the smallest run, differ by 1 MB between machines.
held() {
  local name=$1 planned real; shift
  planned=$(plan "$@" | number total_bytes)
  train "$work/$name" "$@" || { not_ok "$name runs" "$work/$name.err"; return; }
  real=$(sed -n 's/.*"kind":"end".*"peak_bytes":\([0-9]*\).*/\1/p' "$work/$name/metrics.jsonl")
  echo "# $name: planned $planned bytes, took $real"
  check "$name: measured memory is within 5% of the plan" awk -v a="$planned" -v b="$real" \
    'BEGIN {d = a > b ? a - b : b - a; exit !(a > 0 && (d < 0.05 * b || d < 2 * 1048576))}'
  rm -rf "${work:?}/$name"
}
# Runs on labels: texts with a mood, and what became of items that users were shown, on top of a run that reads both.
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' good bad hat shoe red blue >"$work/words.txt"
quietly "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --words "$work/words.txt" --out "$work/worded"
awk 'BEGIN { srand(6); split("good bad hat shoe red blue", w, " "); print "text,mood"
  for (i = 0; i < 30000; i++) { t = ""; for (n = 3 + int(rand() * 20); n > 0; n--) t = t " " w[1 + int(rand() * 6)]; print t "," (rand() < .5 ? "good" : "bad") } }' >"$work/moods.csv"
awk 'BEGIN { srand(7); print "user,item,time,click,cart,buy"
  for (i = 0; i < 12000; i++) { u = int(rand() * 400); print "u" u ",i" int(rand() * 120) "," 1000 * u + int(rand() * 200) "," int(rand() * 2) "," int(rand() * 2) "," } }' >"$work/shown.csv"
wide=(--steps 2 --eval_every 2 --save_every 1 --hidden 96 --layers 3 --heads 4)
if slow; then
  skip "measured memory is within 5% of the plan" "a sanitizer's memory is not the program's"
else
  held small --steps 4 --eval_every 2 --save_every 2
  held full "${wide[@]}" --batch_tokens 4096
  held sampled "${wide[@]}" --batch_tokens 2048 --accumulate 4 --negatives 64 --negative_kind popularity --no-background
  held lamb "${wide[@]}" --hidden 160 --batch_tokens 2048 --optim.kind lamb --pooler --cls_sep --next_session
  held frozen "${wide[@]}" --hidden 160 --batch_tokens 2048 --freeze 'bert.embeddings.*,bert.encoder.layer.[01].*'
  held resumed "${wide[@]}" --hidden 160 --eval_every 0
  train "$work/base" "${wide[@]}" --data.dir "$work/worded" --cls_sep --segments 2 --item_classes false --eval_every 0
  moods=("${wide[@]}" --init "$work/base" --data.dir "$work/worded" --objectives classify --train.metric f1_macro --train "$work/moods.csv" --label mood)
  held classify "${moods[@]}" --batch_tokens 4096
  held classify-frozen "${moods[@]}" --valid_share 0.02 --freeze 'bert.embeddings.*,bert.encoder.layer.[01].*'
  shown=("${wide[@]}" --init "$work/base" --data.dir "$work/worded" --objectives pair --train.metric auc --train "$work/shown.csv" --user user
    --labels.item item --labels.time time --labels.time_format seconds)
  held pair "${shown[@]}" --batch_tokens 2048 --accumulate 2
  rows() { plan "${moods[@]}" --valid_share 0 --steps 0 --epochs 3 --batch_tokens 4096 | number "$1"; }
  check "a plan of labelled rows has their epochs" awk -v steps="$(rows steps)" -v tokens="$(rows step_tokens)" 'BEGIN {
    all = 3 * 30000 * 14.5; exit !(steps > 0 && steps * tokens > 0.95 * all && steps * tokens < 1.05 * all)}'
  "$souk" plan "$work/tiny.yaml" "${moods[@]}" >"$work/table" 2>&1
  check "souk plan prints labelled rows" bash -c "grep -q 'labelled rows' '$work/table' && grep -q 'validation rows' '$work/table' && ! grep -q masked '$work/table'"
  check "--time_steps measures the time of a step on labels" test "$(plan "${moods[@]}" --time_steps 2 | grep -c '"measured": true')" = 1
  check_error "a plan of labels needs a run to begin from" "labels are learned on top of a run" plan --train "$work/moods.csv" --objectives classify --cls_sep
  # Questions of many users, who stay in memory up to 65,536: those that a metric needs, and no others.
  awk 'BEGIN { srand(5); print "user,item"
    for (u = 0; u < 70000; u++) for (i = 0; i < 3 + u % 6; i++) print "u" u ",i" int(3000 * rand() * rand()) }' >"$work/many.csv"
  quietly "$souk" prepare --log "$work/many.csv" --user user --fields.item item --out "$work/many"
  many=(--data.dir "$work/many" --steps 2 --eval_every 2 --batch_tokens 2048)
  for metric in ndcg@10 loss uniform/mrr popularity/hr@10; do
    held "30000-${metric%/*}" "${many[@]}" --eval_users 30000 --train.metric $metric
  done
  held 70000-popularity "${many[@]}" --eval_users 70000 --train.metric popularity/ndcg@5
  # A tuned table of many rows, of which a sampled loss reads few.
  awk 'BEGIN { print "user,item"; for (k = 0; k < 120000; k++) print "u" int(k / 40) ",i" k * 7 % 60000 }' >"$work/items.csv"
  quietly "$souk" prepare --log "$work/items.csv" --user user --fields.item item --out "$work/items"
  large=(--data.dir "$work/items" --objectives next_item --steps 2 --hidden 96 --layers 1 --heads 4 --batch_tokens 1024 --negatives 64 --eval_every 0)
  train "$work/large" "${large[@]}"
  tuned=("${large[@]}" --init "$work/large" --peft lora --targets word_embeddings)
  held tuned-table "${tuned[@]}"
fi
vocabulary=$(wc -l <"$data/vocab.tsv") # 8 wide, 1 layer, 20 positions, 2 segments x 3 event types
check "souk plan counts parameters" test "$(plan | number parameters)" = $((9 * vocabulary + 8 * (20 + 6 + 2) + 872 + 88))
a=$(plan | number step_flops) b=$(plan --accumulate 2 | number step_flops)
check "souk plan counts twice the operations for two micro-batches" awk -v a="$a" -v b="$b" 'BEGIN {exit !(a > 0 && b / a > 1.99 && b / a < 2.01)}'
histories=$(sed -n 's/.*"sequences": *\([0-9]*\).*/\1/p' "$data/manifest.json" | head -1) # a list of 32 ids each
check "souk plan counts lists of hard negatives" test \
  "$(plan --negatives 64 --hard_negatives 8 | sed -n 's/.*"hard negatives": \([0-9]*\).*/\1/p')" = $((128 * histories))
check "--time_steps measures the time of a step" test "$(plan --time_steps 3 | grep -c '"measured": true')" = 1
"$souk" plan "$work/tiny.yaml" --epochs 2 --steps 0 >"$work/table" 2>&1
check "souk plan prints a table" bash -c "grep -q 'in all' $work/table && grep -q 'tokens/s' $work/table && grep -q 'batches an epoch' $work/table"
check_error "an unknown metric is an error" 'no metric "nddcg@10"' plan --train.metric nddcg@10
check_error "a plan without data is an error" "data.dir names no data set" "$souk" plan
check "souk plan writes nothing" bash -c "! ls $work/out 2>/dev/null"
finish
