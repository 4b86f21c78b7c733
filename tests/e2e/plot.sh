#!/usr/bin/env bash
# Curves of runs as SVG.
. "$(dirname "$0")/run_lib.sh"
train "$work/a" --steps 30 --eval_every 10
train "$work/b&c" --steps 20 --eval_every 10 --train.seed 2 --optim.schedule cosine
well_formed() {
  if command -v xmllint >/dev/null; then xmllint --noout "$1"
  elif command -v python3 >/dev/null; then python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1"
  else grep -q '</svg>' "$1"; fi
}
command -v xmllint >/dev/null || command -v python3 >/dev/null || skip "pictures are well-formed" "no xmllint and no python3"
check "a run" "$souk" plot "$work/a" --out "$work/a.svg"
check "is a picture" well_formed "$work/a.svg"
for figure in train/loss train/lr train/grad_norm valid/ndcg@10 valid/hr@10; do
  check "with $figure" grep -q ">$figure</text>" "$work/a.svg"
done
check "and a line each" test "$(grep -c '<polyline' "$work/a.svg")" = 6
check "of all points" test "$(grep -m 1 '<polyline' "$work/a.svg" | grep -o ',' | wc -l)" = 6
check "two runs over each other" "$souk" plot "$work/a" "$work/b&c/" --out "$work/two.svg" --figures train/loss,valid/mrr
check "are a picture" well_formed "$work/two.svg"
check "with two lines a panel" test "$(grep -c '<polyline' "$work/two.svg")" = 4
check "told apart in the legend" bash -c "grep -q 'b&amp;c</text>' $work/two.svg && grep -q 'a</text>' $work/two.svg"
awk 'BEGIN {for (i = 1; i <= 20000; i++) printf "{\"kind\":\"train\",\"step\":%d,\"loss\":%f}\n", i, 5 / (1 + i / 4000) + (i * 7919 % 100) / 300; print "{\"kind\":\"tr"}' >"$work/long.jsonl"
check "a long file, its last line cut short" "$souk" plot "$work/long.jsonl" --out "$work/long.svg"
check "becomes a short picture" test "$(wc -c <"$work/long.svg")" -lt 30000
check "with a band around the mean" grep -q '<polygon' "$work/long.svg"
check "by the tool's name too" env SOUK="$souk" "$(dirname "$0")/../../tools/plot" "$work/a" --out "$work/tool.svg"
check "which is the same" cmp "$work/a.svg" "$work/tool.svg"
check_error "no run" "usage: souk plot" "$souk" plot --out "$work/x.svg"
check_error "no figures" "has none of these figures yet" "$souk" plot "$work/a" --out "$work/x.svg" --figures train/nothing
check_error "not a figure" "is not a figure" "$souk" plot "$work/a" --out "$work/x.svg" --figures loss
check_error "a run that is not there" "does not exist, and a run is needed" "$souk" plot "$work/none" --out "$work/x.svg"
check_error "another kind of picture" "must end in .svg" "$souk" plot "$work/a" --out "$work/x.png"
check_error "a data set instead of a run" "is a data set" "$souk" plot "$data" --out "$work/x.svg"
# A stream has no name of its own.
check "into a pipe" bash -c "'$souk' plot '$work/a' --out /dev/fd/1 | cmp - '$work/a.svg'"
check "into a descriptor" bash -c "'$souk' plot '$work/a' --out /dev/fd/3 3>&1 >'$work/.log' | cmp - '$work/a.svg'"
check "nothing is written then" test ! -e "$work/x.svg" -a ! -e "$work/x.png"
finish
