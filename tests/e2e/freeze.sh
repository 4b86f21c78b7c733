#!/usr/bin/env bash
# Frozen parameters from the command line: what a run and its checkpoints hold, exact resume, and what is refused.
. "$(dirname "$0")/run_lib.sh"
options=(--layers 3 --steps 8 --eval_every 4 --save_every 4 --keep 3 --log_every 2 --negatives 16)
train "$work/base" "${options[@]}"
bytes() { stat -c %s "$1"; }
frozen() { # RUN OPTIONS...: all but the head, from the run above
  local run=$1
  shift
  train "$run" "${options[@]}" --init "$work/base" --freeze 'bert.*' "$@"
}
check "a run with frozen parameters" frozen "$work/whole"
check "its checkpoints hold all tensors" test "$(bytes "$work/whole/step-00000008/model.h5")" = "$(bytes "$work/base/step-00000008/model.h5")"
check "and moments of the trained ones only" test $((3 * $(bytes "$work/whole/step-00000008/optimizer.h5"))) -lt "$(bytes "$work/base/step-00000008/optimizer.h5")"

frozen "$work/half" --steps 4 --decay_steps 8
check "it resumes" frozen "$work/half" --decay_steps 8 --resume
frozen "$work/straight" --decay_steps 8
check "and ends with the same bytes" cmp <(essence "$work/straight") <(essence "$work/half")
check "without a snapshot too" frozen "$work/foreground" --decay_steps 8 --no-background
check "with the same bytes" cmp <(essence "$work/straight") <(essence "$work/foreground")
check "more may be frozen later" frozen "$work/half" --steps 10 --resume --freeze 'bert.*,*.bias'
check_error "but not less, for want of moments" "optimizer.h5: dataset \"m/bert.encoder" "$souk" pretrain "$work/tiny.yaml" --out "$work/straight" "${options[@]}" --steps 10 --resume
check_error "a pattern without a match is named" 'train.freeze: no parameter'"'"'s name matches "bert.encoder.layer.7.*"' frozen "$work/none" --freeze 'bert.e*,bert.encoder.layer.7.*'
check_error "nothing to train" 'train.freeze: "*" leaves no parameter to train' frozen "$work/none" --freeze '*'
check_error "a plan refuses it too" "train.freeze" "$souk" plan "$work/tiny.yaml" --freeze 'x*'
check "the plan counts them apart" bash -c "'$souk' plan '$work/tiny.yaml' --freeze 'bert.*' | grep -q 'frozen parameters .*: no gradients, moments or snapshot'"
finish
