#!/usr/bin/env bash
# Early stopping: how many validations in a row were no better is a part of the state, so that a run that is killed and
# resumed stops at the step at which it would have stopped alone.
. "$(dirname "$0")/run_lib.sh"
options=(--steps 200 --eval_every 5 --save_every 3 --log_every 4 --keep 3 --patience 4)

# With a learning rate of 0 the first validation stays the best, so the end is known: 5 + 4 x 5.
still=("${options[@]}" --lr 0)
check "a run that does not learn ends well" train "$work/still" "${still[@]}"
check "it stops after patience validations without improvement" \
  grep -q '"kind":"end","step":25,"reason":"patience"' "$work/still/metrics.jsonl"
check "the reason is told" grep -q 'no better ndcg@10 in 4 validations: stopping early' "$work/still.err"
check "the count is in the last checkpoint" grep -q '"bad_evals": 4,' "$work/still/step-00000025/manifest.json"
check "the count is in a checkpoint between validations" grep -q '"bad_evals": 3,' "$work/still/step-00000024/manifest.json"

# A run with ups and downs: lower is better, and a large rate makes the loss jump.
jumpy=("${options[@]}" --lr 0.3 --schedule constant --metric loss --patience 3)
check "a run with ups and downs ends well" train "$work/jumpy" "${jumpy[@]}"
check "it is stopped by its patience as well" grep -q '"reason":"patience"' "$work/jumpy/metrics.jsonl"

killed_and_resumed() { # NAME OPTIONS...: killed before its renames, one after the other, until nothing is left to kill
  local name=$1 run=$work/killed-$1 at=1 kills=0; shift
  essence "$work/$name" >"$work/whole.essence"
  while ! { (SOUK_FAULT=rename:$at! exec "$souk" pretrain "$work/tiny.yaml" --out "$run" "$@" --resume) 2>"$run.err"; }; do
    kills=$((kills + 1)) at=$((at % 13 + 3))
    [ $kills -lt 300 ] || { tail -n 3 "$run.err"; return 1; }
  done 2>/dev/null
  echo "# $name: killed $kills times"
  test $kills -gt 3 || return 1
  cmp "$work/whole.essence" <(essence "$run")
}
check "a run that does not learn, killed again and again, stops at the same step" killed_and_resumed still "${still[@]}"
check "a run with ups and downs, killed again and again, stops at the same step" killed_and_resumed jumpy "${jumpy[@]}"

# What is over stays over, and what is measured otherwise is counted anew.
check "a run that was stopped, resumed, does not go on" train "$work/still" "${still[@]}" --resume
check "its last step is the same" test "$(cat "$work/still/last")" = step-00000025
check "a run that was stopped goes on with more patience" train "$work/still" "${still[@]}" --patience 6 --resume
check "more patience counts on from where it was" test "$(cat "$work/still/last")" = step-00000035
check "a run that was stopped goes on with another metric" train "$work/still" "${still[@]}" --patience 4 --metric mrr --resume
check "another metric counts anew" test "$(cat "$work/still/last")" = step-00000060
check "the best is by the new metric" grep -q '"best_name": "mrr"' "$work/still/step-00000060/manifest.json"
finish
