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
check "a run with frozen parameters ends well" frozen "$work/whole"
check "checkpoints of a frozen run hold all tensors" test "$(bytes "$work/whole/step-00000008/model.h5")" = "$(bytes "$work/base/step-00000008/model.h5")"
check "checkpoints of a frozen run hold moments of the trained tensors only" test $((3 * $(bytes "$work/whole/step-00000008/optimizer.h5"))) -lt "$(bytes "$work/base/step-00000008/optimizer.h5")"

frozen "$work/half" --steps 4 --decay_steps 8
check "a frozen run resumes" frozen "$work/half" --decay_steps 8 --resume
frozen "$work/straight" --decay_steps 8
check "a resumed frozen run ends with the same bytes" cmp <(essence "$work/straight") <(essence "$work/half")
check "a frozen run without a snapshot ends well" frozen "$work/foreground" --decay_steps 8 --no-background
check "a frozen run without a snapshot has the same bytes" cmp <(essence "$work/straight") <(essence "$work/foreground")
check "a resumed run may freeze more" frozen "$work/half" --steps 10 --resume --freeze 'bert.*,*.bias'
check_error "a resumed run may not train some of what was frozen" "train.freeze: bert.embeddings.word_embeddings.weight was frozen before, so it cannot be trained on --resume: " \
  frozen "$work/straight" --steps 10 --resume --freeze 'bert.encoder.*, bert.embeddings.[pLt]*'
check_error "a resumed run may not freeze less, because moments are missing" "step-00000008 has no moments of it (train.init" "$souk" pretrain "$work/tiny.yaml" --out "$work/straight" "${options[@]}" --steps 10 --resume

# Only what is trained is saved; the base keeps the rest.
light() { frozen "$1" --no-save_frozen --decay_steps 8 "${@:2}"; }
answers() { # RUN: figures of its model, and its bundle
  "$souk" eval "$1" --data "$data" --json --bootstrap 0 --threads 1 --device cpu | sed -E '/"seconds": \{/,/\}/d; /"(checkpoint|peak_bytes)":/d' &&
    "$souk" vectors "$1" --items "$1.npy" && sha256sum <"$1.npy"
}
bundle() { "$souk" export "$1" "$1.bundle" --force && (cd "$1.bundle" && sha256sum config.json model.safetensors items.safetensors vocab.tsv); }
check "a run with --no-save_frozen ends well" light "$work/light"
check "--no-save_frozen makes smaller checkpoints" test $((2 * $(bytes "$work/light/step-00000008/model.h5"))) -lt "$(bytes "$work/straight/step-00000008/model.h5")"
check "--no-save_frozen saves the trained tensors" grep -q '"cls.predictions.bias"' <("$souk" inspect --json "$work/light/step-00000008" | sed -n '/"parameters": \[$/,$p')
check "--no-save_frozen names the checkpoint that holds the others" grep -qF "$(cd "$work/base" && pwd -P)/$(cat "$work/base/best")" "$work/light/step-00000008/manifest.json"
check "--no-save_frozen saves the same moments" cmp "$work/light/step-00000008/optimizer.h5" "$work/straight/step-00000008/optimizer.h5"
check "--no-save_frozen gives the same figures and vectors" cmp <(answers "$work/light") <(answers "$work/straight")
check "--no-save_frozen gives the same bundle" cmp <(bundle "$work/light" | grep safetensors) <(bundle "$work/straight" | grep safetensors)
light "$work/paused" --steps 4
check "a run with --no-save_frozen resumes" light "$work/paused" --resume
check "a resumed run with --no-save_frozen ends with the same bytes" cmp <(essence "$work/light") <(essence "$work/paused")
check "--no-save_frozen without a snapshot ends well" light "$work/light2" --no-background
check "--no-save_frozen without a snapshot has the same bytes" cmp <(essence "$work/light") <(essence "$work/light2")
check "another run starts from a run with --no-save_frozen" train "$work/third" "${options[@]}" --init "$work/light" --freeze 'bert.*' --no-save_frozen --steps 2
check "the other run is evaluated with the tensors of both" "$souk" eval "$work/third" --data "$data" --device cpu --bootstrap 0 --threads 1
check_error "a resumed run with --no-save_frozen may not freeze more" "was trained before; --resume freezes it only with" light "$work/paused" --steps 10 --resume --freeze 'bert.*,*.bias'
check_error "a resumed run may not train what was left out" "was frozen before, so it cannot be trained" frozen "$work/paused" --steps 10 --resume --freeze 'bert.embeddings.*'
check "a resumed run may save all tensors from now on" frozen "$work/paused" --decay_steps 8 --steps 10 --save_frozen --resume
check "its later checkpoints hold all tensors" test "$(bytes "$work/paused/step-00000010/model.h5")" = "$(bytes "$work/base/step-00000008/model.h5")"
# A chain of checkpoints: each of these has the one before as its base, and the first has one itself.
build_on() { # CHECKPOINT BASE
  cp -r "$2" "$1"
  sed -i "s|\"path\": \".*\"|\"path\": \"$2\"|; /\"base\": {/,/}/s|\"sha256\": \".*\"|\"sha256\": \"$(sha256sum <"$2/model.h5" | cut -d ' ' -f 1)\"|" "$1/manifest.json"
}
chain=$(cd "$work/light/step-00000008" && pwd -P)
for i in 2 3 4 5 6 7 8; do
  build_on "$(cd "$work" && pwd -P)/chain$i" "$chain"
  chain=$(cd "$work/chain$i" && pwd -P)
done
check "a checkpoint may build on eight others" "$souk" eval "$work/chain8" --data "$data" --device cpu --bootstrap 0 --threads 1
check_error "a run whose checkpoints would build on nine is refused" "builds on 8 other checkpoints, and no more are possible" light "$work/ninth" --init "$work/chain8" --steps 1
check "a run that saves everything may start from such a checkpoint" frozen "$work/tenth" --init "$work/chain8" --steps 1
check_error "--no-save_frozen without --init is an error" "train.save_frozen = false needs train.init" "$souk" pretrain "$work/tiny.yaml" --out "$work/none" "${options[@]}" --freeze 'bert.*' --no-save_frozen
rm -rf "$work/none"
# Base and run are moved together; then there are two places where the base may be, and an error names both.
answers "$work/light" >"$work/before"
mkdir "$work/away" && mv "$work/base" "$work/light" "$work/third" "$work/away"
check "a base and a run that were moved together find each other" cmp <(answers "$work/away/light") "$work/before"
check "a chain of bases that was moved together is found" "$souk" eval "$work/away/third" --data "$data" --device cpu --bootstrap 0 --threads 1
check "they are found by a path that is not absolute" bash -c "cd '$work/away/light/step-00000008' && '$souk' vectors . --items '$work/dot.npy'"
cp -r "$work/away/light" "$work/resumed" && mkdir "$work/together" && mv "$work/resumed" "$work/together" && cp -r "$work/away/base" "$work/together"
check "a run that was moved with its base resumes" light "$work/together/resumed" --steps 10 --resume
check "its new checkpoints name the base beside them" grep -qF "\"path\": \"$(cd "$work/together" && pwd -P)/base/step-" "$work/together/resumed/step-00000010/manifest.json"
mkdir "$work/alone" && cp -r "$work/away/light" "$work/alone"
"$souk" eval "$work/alone/light" --data "$data" --device cpu >"$work/lost" 2>&1
for place in base alone/base; do
  check "an error names the place of the base: $place" grep -qE "its frozen parameters are those of.*[ (]$(cd "$work" && pwd -P)/$place/step-[0-9]+.*, which cannot be read: cannot open " "$work/lost"
done
mv "$work"/away/* "$work"

# The base is moved, damaged or trained on: nothing is taken for damage of the run itself.
mv "$work/base" "$work/moved"
check_error "a base that was moved is named" "manifest.json: its frozen parameters are those of $(cd "$work" && pwd -P)/base/step-0000000" "$souk" eval "$work/light" --data "$data" --device cpu
check_error "a base that was moved is named when the run resumes" "which cannot be read: cannot open" light "$work/light" --steps 10 --resume --init "$work/moved"
check "checkpoints whose base was moved are not set aside" test -d "$work/light/step-00000008" -a ! -e "$work/light/damaged-step-00000008"
cp -r "$work/moved" "$work/base"
check "a base that was moved back is found" "$souk" eval "$work/light" --data "$data" --device cpu --bootstrap 0 --threads 1
for s in "$work"/base/step-*; do printf x | dd of="$s/model.h5" bs=1 seek=3000 conv=notrunc 2>/dev/null; done
check_error "a damaged base is an error" "which cannot be read: " "$souk" export "$work/light" "$work/none.bundle"
rm -rf "$work/base"; train "$work/base" "${options[@]}" --train.seed 9
for s in "$work"/base/step-*; do [ -d "$work/base/$(cat "$work/moved/best")" ] || mv "$s" "$work/base/$(cat "$work/moved/best")"; done
check_error "another checkpoint in the base's place is an error" "whose model.h5 is not the one that it was trained on" "$souk" eval "$work/light" --data "$data" --device cpu
rm -rf "$work/base"; mv "$work/moved" "$work/base"

check_error "a pattern without a match is named" 'train.freeze: no parameter'"'"'s name matches "bert.encoder.layer.7.*"' frozen "$work/none" --freeze 'bert.e*,bert.encoder.layer.7.*'
check_error "nothing to train" 'train.freeze: "*" leaves no parameter to train' frozen "$work/none" --freeze '*'
check_error "a plan refuses it too" "train.freeze" "$souk" plan "$work/tiny.yaml" --freeze 'x*'
check "the plan counts them apart" bash -c "'$souk' plan '$work/tiny.yaml' --freeze 'bert.*' | grep -q 'frozen parameters .*: no gradients, moments or snapshot'"
finish
