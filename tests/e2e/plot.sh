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
check "souk plot draws a run" "$souk" plot "$work/a" --out "$work/a.svg"
check "the picture of a run is well-formed" well_formed "$work/a.svg"
for figure in train/loss train/lr train/grad_norm valid/ndcg@10 valid/hr@10; do
  check "the picture has the figure $figure" grep -q ">$figure</text>" "$work/a.svg"
done
check "the picture has a line for each figure" test "$(grep -c '<polyline' "$work/a.svg")" = 6
check "the first line has all points" test "$(grep -m 1 '<polyline' "$work/a.svg" | grep -o ',' | wc -l)" = 6
check "souk plot draws two runs over each other" "$souk" plot "$work/a" "$work/b&c/" --out "$work/two.svg" --figures train/loss,valid/mrr
check "the picture of two runs is well-formed" well_formed "$work/two.svg"
check "two runs have two lines in each panel" test "$(grep -c '<polyline' "$work/two.svg")" = 4
check "the legend names both runs" bash -c "grep -q 'b&amp;c</text>' $work/two.svg && grep -q 'a</text>' $work/two.svg"
awk 'BEGIN {for (i = 1; i <= 20000; i++) printf "{\"kind\":\"train\",\"step\":%d,\"loss\":%f}\n", i, 5 / (1 + i / 4000) + (i * 7919 % 100) / 300; print "{\"kind\":\"tr"}' >"$work/long.jsonl"
check "a long metrics file with an incomplete last line is drawn" "$souk" plot "$work/long.jsonl" --out "$work/long.svg"
check "the picture of a long file is short" test "$(wc -c <"$work/long.svg")" -lt 30000
check "the picture of a long file has a band around the mean" grep -q '<polygon' "$work/long.svg"
check "tools/plot draws a run" env SOUK="$souk" "$(dirname "$0")/../../tools/plot" "$work/a" --out "$work/tool.svg"
check "tools/plot draws the same picture" cmp "$work/a.svg" "$work/tool.svg"
check_error "souk plot without a run prints its usage" "usage: souk plot" "$souk" plot --out "$work/x.svg"
check_error "figures that the run does not have are an error" "has none of these figures yet" "$souk" plot "$work/a" --out "$work/x.svg" --figures train/nothing
check_error "a name that is not a figure is an error" "is not a figure" "$souk" plot "$work/a" --out "$work/x.svg" --figures loss
check_error "a missing run is an error" "does not exist, and a run is needed" "$souk" plot "$work/none" --out "$work/x.svg"
check_error "a picture that is not .svg is an error" "must end in .svg" "$souk" plot "$work/a" --out "$work/x.png"
check_error "a data set instead of a run is an error" "is a data set" "$souk" plot "$data" --out "$work/x.svg"
# A stream has no name of its own.
check "souk plot writes into a pipe" bash -c "'$souk' plot '$work/a' --out /dev/fd/1 | cmp - '$work/a.svg'"
check "souk plot writes into a descriptor" bash -c "'$souk' plot '$work/a' --out /dev/fd/3 3>&1 >'$work/.log' | cmp - '$work/a.svg'"
check "an error leaves no picture" test ! -e "$work/x.svg" -a ! -e "$work/x.png"
finish
