#!/usr/bin/env bash
# Averaged weights (optim.ema): validation, eval, export and vectors take them, training does not notice them, and they survive
# being killed.
. "$(dirname "$0")/run_lib.sh"
# Row-sparse updates of the word table; a decay at which lags are rescaled twice on the way.
options=(--steps 40 --eval_every 10 --save_every 10 --keep 5 --log_every 5 --negatives 16 --lr 0.02)
averaged=("${options[@]}" --ema 0.4)
check "a run that averages its weights ends well" train "$work/ema" "${averaged[@]}"
check "a run that does not average ends well" train "$work/plain" "${options[@]}"
same_part() { cmp "$work/ema/step-00000040/$1" "$work/plain/step-00000040/$1"; }
check "averages do not change what is trained" same_part model.h5
check "averages do not change moments" same_part optimizer.h5
check "a checkpoint holds the averages beside the weights" test -s "$work/ema/step-00000040/average.h5"
check "a checkpoint of a run that does not average has none" test ! -e "$work/plain/step-00000040/average.h5"
check "souk inspect tells what they are" grep -q "averaged weights of a checkpoint" <("$souk" inspect "$work/ema/step-00000040/average.h5")

figures() { # RUN OPTIONS: of the validation that the run made
  "$souk" eval "$1" --data "$data" --part valid --users 50 --seed 1 --json --bootstrap 0 --threads 1 --device cpu "${@:2}" |
    sed -E '/"seconds": \{/,/\}/d; /"(checkpoint|peak_bytes)":/d'
}
figures "$work/ema/step-00000040" >"$work/ema.json"
figures "$work/ema/step-00000040" --weights raw >"$work/raw.json"
figures "$work/plain/step-00000040" >"$work/plain.json"
check "souk eval takes the averages" bash -c "! cmp -s '$work/ema.json' '$work/raw.json'"
check "souk eval --weights raw takes the weights" cmp "$work/raw.json" "$work/plain.json"
check "validation measured the averages" grep -q "\"ndcg@10\": *{\? *$(printf %.6f "$(field "$work/ema" valid 40 ndcg@10)" | sed 's/0*$//')" <(tr -d '\n' <"$work/ema.json" | sed 's/"value": //g; s/  */ /g')
check "its figures are not those of the raw weights" test "$(field "$work/ema" valid 40 loss)$(field "$work/ema" valid 40 ndcg@20)" != "$(field "$work/plain" valid 40 loss)$(field "$work/plain" valid 40 ndcg@20)"

bundle() { quietly "$souk" export "$1/step-00000040" "$1.bundle" --force "${@:2}" && sha256sum <"$1.bundle/model.safetensors" && sha256sum <"$1.bundle/items.safetensors"; }
check "souk export --weights raw writes the weights" cmp <(bundle "$work/ema" --weights raw) <(bundle "$work/plain")
bundle "$work/ema" >"$work/ema.sums"
bundle "$work/plain" >"$work/plain.sums"
check "souk export writes the averages" bash -c "! cmp -s '$work/ema.sums' '$work/plain.sums'"
vectors() { quietly "$souk" vectors "$1/step-00000040" --items "$1.npy" --device cpu "${@:2}" && sha256sum <"$1.npy"; }
check "souk vectors --weights raw takes the weights" cmp <(vectors "$work/ema" --weights raw) <(vectors "$work/plain")
vectors "$work/ema" >"$work/ema.sums"
vectors "$work/plain" >"$work/plain.sums"
check "souk vectors takes the averages" bash -c "! cmp -s '$work/ema.sums' '$work/plain.sums'"

# Resume.
train "$work/straight" "${averaged[@]}" --decay_steps 40
killed() { # before renames, one after the other
  local at=1 kills=0
  rm -rf "$work/killed"
  while ! { (SOUK_FAULT=rename:$at! exec "$souk" pretrain "$work/tiny.yaml" --out "$work/killed" "${averaged[@]}" --decay_steps 40 --resume) 2>"$work/killed.err"; }; do
    kills=$((kills + 1)) at=$((at % 11 + 3))
    test $kills -lt 200 || return 1
  done 2>/dev/null
  test $kills -gt 3
}
check "a run that averages is killed again and again" killed
check "a killed run ends with the same bytes, averages included" cmp <(essence "$work/straight") <(essence "$work/killed")
check "a run that averages without a snapshot ends well" train "$work/foreground" "${averaged[@]}" --decay_steps 40 --no-background
check "a run without a snapshot has the same bytes" cmp <(essence "$work/straight") <(essence "$work/foreground")
check "LAMB averages as well" train "$work/lamb" "${averaged[@]}" --optim.kind lamb --eps 1e-6
check "averaging may begin on resume" train "$work/plain" "${averaged[@]}" --steps 50 --resume
check "a checkpoint has averages from then on" test -s "$work/plain/step-00000050/average.h5"
check "averaging may end on resume" train "$work/plain" "${options[@]}" --steps 60 --resume
check "a checkpoint has no averages from then on" test ! -e "$work/plain/step-00000060/average.h5"

# What is damaged, and what begins from averages.
cp -r "$work/ema" "$work/damaged"
printf x | dd of="$work/damaged/step-00000040/average.h5" bs=1 seek=3000 conv=notrunc 2>/dev/null
check_error "damaged averages are told" "average.h5: its checksum is not the one" "$souk" eval "$work/damaged/step-00000040" --data "$data" --device cpu
head_alone() { train "$1" "${options[@]}" --steps 4 --eval_every 0 --save_every 0 --init "$work/ema/step-00000040" --freeze 'bert.*' "${@:2}"; }
answers() { figures "$1/step-00000004"; }
check "a run begins from the averages" head_alone "$work/head"
check "a run whose base has averages ends well" head_alone "$work/light" --no-save_frozen
check "what is read from a base are its averages" cmp <(answers "$work/light") <(answers "$work/head")
check "--weights raw does not change what a run began from" cmp <(figures "$work/light/step-00000004" --weights raw) <(answers "$work/head")

"$souk" plan "$work/tiny.yaml" --ema 0.9 --peak_gflops 10 >"$work/plan" 2>&1
check "souk plan shows the averages" grep -qE '^ +averaged weights ' "$work/plan"
check "souk plan without averages shows none" bash -c "! '$souk' plan '$work/tiny.yaml' --peak_gflops 10 | grep -q 'averaged weights'"
finish
