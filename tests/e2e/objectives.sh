#!/usr/bin/env bash
# What a run is trained for: a list of objectives with weights, also one without masked LM: its metrics, its checkpoints,
# resuming it, and what is refused.
. "$(dirname "$0")/run_lib.sh"
# Sessions of three events, so that there are pairs.
awk 'BEGIN {
  srand(5); print "user,item,time"
  for (u = 0; u < 300; u++)
    for (s = 0; s < 5; s++) {
      item = int(rand() * 60)
      for (i = 0; i < 3; i++) print "u" u ",i" (item + i) % 60 "," 1000000 * u + 100000 * s + i
    }
}' >"$work/sessions.csv"
check "a data set with sessions is prepared" "$souk" prepare --log "$work/sessions.csv" --fields.user user --fields.item item \
  --fields.time time --out "$work/sessions"
pairs=(--data.dir "$work/sessions" --cls_sep --next_session --steps 20)
next=("${pairs[@]}" --objectives next_session --eval_every 0 --save_every 7 --keep 9)

check "a run without masked LM is trained" train "$work/next" "${next[@]}"
lines() { [ "$(grep -c '"kind":"train"' "$work/next/metrics.jsonl")" = 4 ] && [ "$(grep -c '"cls_loss":.*"cls_accuracy":' "$work/next/metrics.jsonl")" = 4 ] && ! grep -q '"loss":' "$work/next/metrics.jsonl"; }
check "its lines of metrics have the figures of next session alone" lines
check "its line of progress shows the loss of next session" grep -qE 'step 20/20  epoch [0-9]+  next [0-9.]+  lr' "$work/next.err"
parameters() { "$souk" inspect --json "$work/next/step-00000020" >"$work/json" && grep -q 'cls.seq_relationship.weight' "$work/json" && ! grep -q 'cls.predictions' "$work/json"; }
check "its checkpoint has no parameters of masked LM" parameters
check "its checkpoint names the objective" grep -q '"objectives": "next_session"' "$work/next/step-00000020/manifest.json"
check "its checkpoint in a window has the sums of next session alone" bash -c "
  tr -d ' \n' <'$work/next/step-00000007/manifest.json' | grep -qE '\"window\":\{\"next_session\":\{\"loss\":[0-9.]+,\"weight\":[1-9][0-9.]*,\"hits\":[0-9.]+\}\}'"

# Stopped inside of a window of metrics and resumed, it ends with the same bytes.
check "the run is stopped after 7 steps" train "$work/part" "${next[@]}" --steps 7 --optim.decay_steps 20
check "the run in one piece has the same schedule" train "$work/whole" "${next[@]}" --optim.decay_steps 20
sed -i '/"step":7,/d; /"kind":"end"/d' "$work/part/metrics.jsonl"
resume() { "$souk" pretrain "$work/part" --resume --steps 20 2>"$work/part.err"; }
check "the run without masked LM is resumed" resume
same() { for f in model.h5 optimizer.h5; do cmp "$work/part/step-00000020/$f" "$work/whole/step-00000020/$f" || return 1; done; }
check "resumed, it ends with the same parameters and moments" same

# The objectives come with the parameters of train.init, unless others are asked for.
more() { train "$work/more" --data.dir "$work/sessions" --next_session --steps 2 --eval_every 0 --init "$work/next"; }
check "a run that starts from its parameters has its objectives" more
check "its configuration names the objectives of train.init" grep -q 'objectives: "next_session"' "$work/more/config.yaml"

alone=(--data.dir "$work/sessions" --cls_sep --objectives next_session --eval_every 0)
nothing='next_session has nothing to learn from: it needs data.next_session and histories in data.mix, or pairs or item_pairs in data.mix and data.pair_false above 0'
check_error "without data.next_session there is nothing to learn from" "$nothing" "$souk" pretrain "$work/tiny.yaml" "${alone[@]}" --out "$work/x"
check_error "pairs that are all right teach it nothing" "$nothing" "$souk" pretrain "$work/tiny.yaml" "${alone[@]}" --out "$work/x" --mix "histories 1, item_pairs 1"
check_error "sessions are none where a mix shows no histories" "$nothing" "$souk" pretrain "$work/tiny.yaml" "${alone[@]}" --out "$work/x" --next_session --mix "item_pairs 1"
check "pairs of histories and items teach it alone" train "$work/items" "${alone[@]}" --mix "item_pairs 1" --pair_false 0.5 --steps 20
check "each of them has a label" awk -v loss="$(field "$work/items" train 20 cls_loss)" 'BEGIN { exit !(loss > 0.5 && loss < 0.9) }'
check "its head is trained by them" bash -c "! grep -q '\"untrained\"' '$work/items/step-00000020/manifest.json'"
check_error "a validation that no objective has is refused" 'no validation of what this run is trained for (next_session); set train.eval_every = 0' \
  "$souk" pretrain "$work/tiny.yaml" "${pairs[@]}" --out "$work/x" --objectives next_session
check_error "a bundle needs a head that ranks" 'trained neither for masked_lm nor for next_item' "$souk" export "$work/next" "$work/bundle"
check "no bundle is left behind" test ! -e "$work/bundle"
check_error "an evaluation needs a head that ranks" 'trained neither for masked_lm nor for next_item' "$souk" eval "$work/next" --device cpu
check_error "an unknown objective is an error" 'train.objectives: there is no objective "rank"; known are masked_lm, next_item, next_session' \
  "$souk" pretrain "$work/tiny.yaml" --out "$work/x" --objectives rank
check_error "a pooler that is not trained is an error" 'model.pooler is set, and train.objectives does not name next_session' \
  "$souk" pretrain "$work/tiny.yaml" "${pairs[@]}" --out "$work/x" --objectives masked_lm --pooler

# Weights: both objectives named is what model.pooler says, another weight is another run.
check "a run of two objectives by model.pooler" train "$work/pooler" "${pairs[@]}" --pooler
check "the same objectives named" train "$work/named" "${pairs[@]}" --objectives "masked_lm 1, next_session"
check "they are the same run" cmp <(essence "$work/pooler") <(essence "$work/named")
check "a run with less weight on next session" train "$work/less" "${pairs[@]}" --objectives "masked_lm, next_session 0.1"
# Resumed inside of a window with another list, the sums of the window stay those of their objectives.
check "a run of two objectives is saved inside of a window" train "$work/window" "${pairs[@]}" --pooler --steps 9 --save_every 7 --eval_every 0
rm -r "$work/window/step-00000009"
sed -i '/"step":9,/d; /"kind":"end"/d' "$work/window/metrics.jsonl"
turned() { "$souk" pretrain "$work/window" --resume --steps 10 --objectives "next_session, masked_lm" 2>"$work/window.err"; }
check "it is resumed with its objectives in another order" turned
check "the line of that window has the losses of each" awk -v nsp="$(field "$work/window" train 10 cls_loss)" \
  -v mlm="$(field "$work/window" train 10 loss)" 'BEGIN { exit !(nsp > 0.5 && nsp < 1 && mlm > 3.5 && mlm < 5) }'

# What comes with a checkpoint, and what is set: the list, and the pooler that next session needs.
weighted=("$souk" pretrain --data.dir "$work/sessions" --init "$work/less" --train.threads 1 --peak_gflops 10 --eval_every 0 --steps 2)
check "a run from weighted objectives is trained without the pooler" bash -c '"$@" 2>"'"$work"'/no.err"' . "${weighted[@]}" --out "$work/no" --no-pooler
check "the objective that goes with the pooler is told" grep -qF 'model.pooler = false: train.objectives was masked_lm, next_session 0.10000000000000001, and is now masked_lm' "$work/no.err"
check "its checkpoint has no parameters of next session" bash -c "! '$souk' inspect --json '$work/no/step-00000002' | grep -q seq_relationship"
check "such a run is resumed as it is" bash -c "'$souk' pretrain '$work/no' --resume --steps 3 2>&1 | grep -q '^done: 3 steps'"
check "a list without next session takes the pooler away" bash -c '"$@" 2>"'"$work"'/list.err"' . "${weighted[@]}" --out "$work/list" --objectives masked_lm
check "the pooler that is left out is told" grep -qF 'train.objectives names no next_session: the pooler is left out' "$work/list.err"
check_error "a pooler that was all there was to train is an error" "model.pooler = false leaves nothing to train" \
  "$souk" pretrain --data.dir "$work/sessions" --out "$work/x" --init "$work/next" --no-pooler --next_session
check "a run of masked LM alone is trained" train "$work/alone" --data.dir "$work/sessions" --cls_sep --steps 2 --eval_every 0
check_error "an objective cannot be added on resuming" "step-00000002 was not trained for next_session, so --resume cannot add it; --init $work/alone/step-00000002 starts a new run" \
  "$souk" pretrain "$work/alone" --resume --steps 3 --pooler --next_session
added() { "$souk" pretrain --data.dir "$work/sessions" --init "$work/alone" --train.threads 1 --peak_gflops 10 --eval_every 0 --steps 2 --pooler --next_session "$@"; }
check "a run that starts from it can add one" bash -c "'$souk' pretrain --data.dir '$work/sessions' --init '$work/alone' --out '$work/added' --train.threads 1 \
  --peak_gflops 10 --eval_every 0 --steps 2 --pooler --next_session 2>'$work/added.err'"
check "parameters that begin with initial weights are told" grep -qF 'was not trained for next_session: its parameters begin with initial weights' "$work/added.err"
check "the new objective has figures" grep -q '"cls_loss":' "$work/added/metrics.jsonl"
check_error "parameters that are in no checkpoint cannot be frozen" 'cls.seq_relationship.weight cannot be frozen' added --out "$work/x" --freeze 'cls.seq*'

# Next item: alone, with masked LM, on top of masked LM, and what does not go together. In these sessions an item is followed by
# its neighbour two times of three.
both=(--data.dir "$work/sessions" --objectives "next_item, masked_lm 0.5" --steps 20)
check "a run of next item is trained" train "$work/successor" --data.dir "$work/sessions" --objectives next_item --head plain --steps 300 --lr 1e-2 --eval_every 100
check "its lines have the loss of next item" grep -q '"next_loss":' "$work/successor/metrics.jsonl"
learned() { awk -v v="$(field "$work/successor" valid 300 ndcg@10)" 'BEGIN { exit !(v > 0.3) }'; }
check "it has learned what follows" learned
check "it is evaluated" bash -c "'$souk' eval '$work/successor' --device cpu >'$work/successor.eval' 2>&1"
check "it is exported" bash -c "'$souk' export '$work/successor' '$work/successor.bundle' 2>&1"
check "its bundle is causal" grep -q '"causal": true' "$work/successor.bundle/souk.json"
follows() { # the neighbour comes first
  printf '{"user": "u", "history": ["i3", "i7"]}\n' | "$infer" rank "$work/successor.bundle" --k 1 | grep -q '"i8"'
}
check "souk-infer ranks the successor first" follows
check "somebody without a history is ranked for, too" bash -c "printf '{\"user\": \"u\", \"history\": []}\n' | '$infer' rank '$work/successor.bundle' --k 3 | grep -q '\"i'"
check "next item and masked LM are trained together" train "$work/both" "${both[@]}"
check "the run of both is resumed without masked LM" bash -c "'$souk' pretrain '$work/both' --resume --steps 22 --objectives next_item 2>'$work/both.err'"
check "its epoch starts anew, since other examples make it up" grep -q 'starts anew.*train.objectives has changed' "$work/both.err"
check "next item begins with what masked LM has learned" bash -c "'$souk' pretrain --data.dir '$work/sessions' --init '$work/alone' --objectives next_item \
  --out '$work/onto' --train.threads 1 --peak_gflops 10 --eval_every 0 --steps 2 2>'$work/onto.err'"
check "its head does not begin with initial weights" bash -c "! grep -q 'initial weights' '$work/onto.err'"
check_error "next item and next session do not go together" 'next_session needs to see whole sessions' \
  "$souk" pretrain "$work/tiny.yaml" "${pairs[@]}" --out "$work/x" --objectives "next_item, next_session"

# A head that never had anything to learn from.
never=(--data.dir "$work/sessions" --cls_sep --pooler --steps 2 --eval_every 0)
check "a run with a pooler and no pairs is trained" train "$work/never" "${never[@]}"
untrained() { grep -A 1 '"untrained"' "$work/$1/step-00000002/manifest.json" | tr -d ' \n'; }
check "its checkpoint knows that the head was not trained" test "$(untrained never)" = '"untrained":["next_session"'
printf '{"ids": [2, 7]}\n' >"$work/ids"
warns() { "$@" 2>&1 | grep -qF 'the parameters of next_session were never trained'; }
check "next-sentence scores of a head that was not trained are warned of" warns "$souk" vectors "$work/never" --hidden "$work/never.h5" --input "$work/ids"
check "exporting such a head is warned of" warns "$souk" export "$work/never" "$work/never.bundle"
check "the bundle knows that the head was not trained" bash -c "grep -A 1 '\"untrained\"' '$work/never.bundle/souk.json' | grep -q '\"next_session\"'"
check "souk-infer takes such a bundle" "$infer" info "$work/never.bundle"
check "a run that goes on with pairs trains the head" "$souk" pretrain "$work/never" --resume --data.next_session --steps 3
check "nothing is warned of where the head was trained" bash -c "'$souk' vectors '$work/never' --hidden '$work/never.h5' --input '$work/ids' --which last >'$work/out' 2>&1 && ! grep -q 'never trained' '$work/out'"
check "a run with pairs has no head that was not trained" test -z "$(grep untrained "$work/pooler/step-00000020/manifest.json")"
check "a run from it without pairs keeps what it knows" train "$work/heir" --data.dir "$work/sessions" --init "$work/pooler" --steps 2 --eval_every 0
check "the head that it began with counts as trained" test -z "$(untrained heir)"
check "a frozen head is not trained by the pairs" train "$work/frozen" "${never[@]}" --data.next_session --freeze 'bert.pooler.*,cls.seq_relationship.*'
check "its checkpoint knows that the frozen head was not trained" test "$(untrained frozen)" = '"untrained":["next_session"'
differ() { ! cmp -s "$work/less/step-00000020/model.h5" "$work/named/step-00000020/model.h5"; }
check "another weight trains another model" differ
finish
