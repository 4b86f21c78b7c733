#!/usr/bin/env bash
# make demo, smaller: all steps, and a last one that people can read.
. "$(dirname "$0")/run_lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
check "tools/demo runs to its end" bash -c "DEMO_OUT='$work/demo' DEMO_USERS=200 DEMO_STEPS=20 '$root/tools/demo' '$SOUK_BUILD' >'$work/said' 2>'$work/wrong'"
check "the demo prints its ten steps" test "$(grep -cE '== ([1-9]|10)[.]' "$work/said")" = 10
check "the demo's bundle has the mix with counts" test -s "$work/demo/bundle/mix.safetensors"
check "the demo prints no errors" bash -c "! grep -E 'error|syntax' '$work/wrong'"
check "the demo prints the best possible ranking in four digits" grep -qE '^HR@10 0\.[0-9]{4}, NDCG@10 0\.[0-9]{4}$' "$work/said"
sed -n '/^What the first user did/,/== 8[.]/p' "$work/said" >"$work/last"
check "the demo shows the user's history" grep -qE '^  (view|cart|buy) +[A-Z][a-z]+ [a-zA-Z]+' "$work/last"
check "the history comes before the ranked lists" test "$(grep -nE '^What comes next' "$work/last" | cut -d: -f1)" -gt "$(grep -nE '^  (view|cart|buy)' "$work/last" | head -n 1 | cut -d: -f1)"
check "there are two ranked lists of five items" test "$(grep -cE '^  [1-5]\. +-?[0-9]+\.[0-9]{3}  [A-Z]' "$work/last")" = 10
check "the two lists differ: one follows the history" bash -c "! diff <(grep -E '^  [1-5]\.' '$work/last' | head -n 5) <(grep -E '^  [1-5]\.' '$work/last' | tail -n 5)"
check "the demo's output fits 80 columns" test -z "$(sed '/==/d' "$work/last" | awk 'length > 80')"
check "souk-infer's own answers are kept in a file" test "$(wc -l <"$work/demo/lists.jsonl")" = 2
sed -n '/^The first user.s list again/,$p' "$work/said" >"$work/offers"
check "three lists of five items with offers among them" test "$(grep -cE '^  [1-5]\.[ *] +-?[0-9]+\.[0-9]{3}  ' "$work/offers")" = 15
check "at most two offers in a list, and some" awk '/^  1\./ { most = most > n ? most : n; n = 0 } /^  [1-5]\.\*/ { n++; all++ } END { most = most > n ? most : n; exit !(all > 0 && most <= 2) }' "$work/offers"
check "each offer has copy under it" test "$(grep -A 1 -E '^  [1-5]\.\*' "$work/offers" | grep -cE '^ {16}[^ ]')" = "$(grep -cE '^  [1-5]\.\*' "$work/offers")"
check "the second list is Chinese" test "$(sed -n '/^The second/,/^And/p' "$work/offers" | LC_ALL=C grep -cP '^  [1-5]\..*[\xe4-\xe9][\x80-\xbf]')" = 5
check "the cost of each is told" test "$(grep -cE '^  The relevance that this cost, as DCG: -?[0-9]+\.[0-9]{3}$' "$work/offers")" = 3
check "English lines of offers fit 80 columns" test -z "$(LC_ALL=C grep -vP '[\x80-\xff]' "$work/offers" | sed '$d' | awk 'length > 80')"
finish
