#!/usr/bin/env bash
# Losses over the items and ways to draw negatives: each trains, gBCE with t = 0 is BCE, and what makes no sense together is
# refused with the option's name.
. "$(dirname "$0")/run_lib.sh"
short=(--data.dir "$work/data" --steps 12 --eval_every 0 --negatives 16)
trained() { # name, options
  local name=$1
  shift
  check "a run is trained with $*" train "$work/$name" "${short[@]}" "$@"
}
trained gbce --loss gbce --gbce_t 0.9
trained calm --loss gbce --gbce_t 0
trained bce --loss bce
trained bpr --loss bpr --negative_kind log_uniform
trained infonce --loss infonce --score cosine --temperature 0.2
trained mixed --negative_kind in_batch --negative_mix 0.5 --negative_logq corrected
trained none --negative_logq none --negative_kind popularity
trained smooth --label_smoothing 0.1
trained whole --label_smoothing 0.1 --negatives 0
same() { cmp "$work/$1/step-00000012/model.h5" "$work/$2/step-00000012/model.h5"; }
check "gBCE with t = 0 is BCE" same calm bce
other() { ! same gbce bce >"$work/cmp"; }
check "gBCE with t = 0.9 is another loss" other
refused() { check_error "$1" "$2" "$souk" pretrain "$work/tiny.yaml" --data.dir "$work/data" --out "$work/x" --steps 1 "${@:3}"; }
refused "gBCE needs negatives" 'train.loss gbce needs negatives: set data.negatives' --loss gbce --negatives 0
refused "InfoNCE needs cosine scores" 'train.loss infonce compares cosine scores: set model.score cosine' --loss infonce --negatives 8
refused "BPR has no label smoothing" 'train.label_smoothing is of the losses softmax and infonce, not of bpr' --loss bpr --negatives 8 --label_smoothing 0.1
refused "the corrected logQ is of sampled losses" 'data.negative_logq corrected is of train.loss softmax with data.negatives' --negatives 0 --negative_logq corrected
check "no run is left behind" test ! -e "$work/x"
finish
