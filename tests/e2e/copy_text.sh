#!/usr/bin/env bash
# souk eval --copy_text: figures of copy that is there as text, beside references, without a model.
. "$(dirname "$0")/lib.sh"
printf '%s\n' 'the cat sat on the mat' 'five words are five words' >"$work/hyp"
printf '%s\n' 'the cat is on the mat' 'five words are five words' >"$work/ref"
printf '%s\n' 'the cat sat on the mat' 'other' >"$work/ref2"
judge() { "$souk" eval --copy_text "$work/hyp" --reference "$work/ref" "$@"; }
figure() { sed -n "/\"$1\": {/,/}/s/^ *\"$2\": \([0-9.]*\),*$/\1/p" "$work/f.json"; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a - b < 1e-6 && b - a < 1e-6) }'; }

judge --figures "$work/f.json" --report "$work/page.html" >"$work/table" 2>"$work/err"
# 5 + 5 of 11 words match, 3 + 4 of 9, 1 + 3 of 7, 0 + 2 of 5; 11 words for 11.
check "BLEU is as by hand" near "$(figure bleu score)" "$(awk 'BEGIN { printf "%.9f", 100 * (10 / 11 * 7 / 9 * 4 / 7 * 2 / 5) ^ 0.25 }')"
check "ROUGE-L is as by hand" near "$(figure rouge_l f1)" 0.916666667
check "figures are printed with intervals" has '^ROUGE-L F1 \(rouge\) +0\.9167 +0\.8333 to 1\.0000$' "$work/table"
check "copies and references stand side by side" has '^words of a copy +5\.5 +5\.5 *$' "$work/table"
check "the page has figures, samples and the command" bash -c "grep -q '<td>the cat sat on the mat</td>' '$work/page.html' && grep -q '<td>the cat is on the mat</td>' '$work/page.html' && grep -q -- '--copy_text' '$work/page.html' && grep -q 'BLEU (13a)' '$work/page.html'"
check "--json prints the same as --figures has" diff <(judge --json 2>/dev/null) <(cat "$work/f.json"; echo)
judge --bootstrap 0 --reference "$work/ref,$work/ref2" --figures "$work/f.json" >"$work/table" 2>&1
check "a second reference counts where it is nearer" near "$(figure bleu score)" 100
check "without a bootstrap there are no intervals" has '^BLEU \(13a\) +100\.000 *$' "$work/table"

printf '%s\n' '白色T恤，简约百搭。' >"$work/hyp"
printf '%s\n' '白色的T恤，百搭。' >"$work/ref"
judge --figures "$work/f.json" >/dev/null 2>&1
check "without ideographs ROUGE-L of Chinese is of its letters alone" near "$(figure rouge_l f1)" 1
judge --language zh --figures "$work/f.json" >/dev/null 2>&1
# 白 色 t 恤 百 搭, six words, of eight and of seven
check "--language zh counts ideographs" near "$(figure rouge_l f1)" 0.8

printf 'one\n' >"$work/short"
: >"$work/empty"
head -c 70000 /dev/zero | tr '\0' a >"$work/long"
check_error "files of different length are refused" "has 1 lines and" judge --reference "$work/ref,$work/empty"
check_error "an empty file is refused" "has no copies" "$souk" eval --copy_text "$work/empty" --reference "$work/ref"
check_error "a copy that is too long is refused, with its line" "line 1" "$souk" eval --copy_text "$work/long" --reference "$work/short"
check_error "copy without references is refused" "--copy_text needs --reference" "$souk" eval --copy_text "$work/hyp"
check_error "references without copy are refused" "--copy_text FILE is missing" "$souk" eval RUN --reference "$work/hyp"
check_error "a model is one argument too many" "evaluates no model" judge RUN
check_error "a missing file is named" "$work/none" judge --reference "$work/none"
finish
