#!/usr/bin/env bash
# Parameter-efficient tuning from the command line: what a tuned run holds, exact resume, folding, and what is refused.
. "$(dirname "$0")/run_lib.sh"
options=(--layers 2 --steps 8 --eval_every 4 --save_every 4 --keep 3 --log_every 2 --negatives 16)
train "$work/base" "${options[@]}"
bytes() { stat -c %s "$1"; }
tuned() { # RUN KIND OPTIONS...
  train "$1" "${options[@]}" --init "$work/base" --peft "$2" --lr 0.02 "${@:3}"
}
user_vectors() { quietly "$souk" vectors "$1" --users "$2" --data "$data" --device cpu --threads 1; }
lora=(--rank 4 --alpha 8 --lora_dropout 0.1 --targets 'query, key,value,*.output.dense,intermediate.dense')
adalora=(--rank 2 --init_rank 5 --alpha 4 --tinit 1 --tfinal 2 --targets query,value)
svd=(--rank 2 --init_rank 5 --alpha 4 --tinit 1 --tfinal 2 --targets 'word_embeddings,query')
table=(--rank 3 --alpha 6 --lora_dropout 0.1 --targets 'word_embeddings,query')
for kind in lora table adalora svd adapter bias; do
  of_kind=() method=$kind
  [ $kind = table ] && of_kind=("${table[@]}") method=lora
  [ $kind = adalora ] && of_kind=("${adalora[@]}")
  [ $kind = svd ] && of_kind=("${svd[@]}") method=adalora
  [ $kind = lora ] && of_kind=("${lora[@]}")
  check "$kind: a run ends well" tuned "$work/$kind" $method "${of_kind[@]}"
  check "$kind: checkpoints hold the tuned part only" test $((3 * $(bytes "$work/$kind/step-00000008/model.h5"))) -lt $((2 * $(bytes "$work/base/step-00000008/model.h5")))
  check "$kind: and name the base" grep -q "\"sha256\": \"$(sha256sum <"$work/base/$(cat "$work/base/best")/model.h5" | cut -d ' ' -f 1)\"" "$work/$kind/step-00000008/manifest.json"
  check "$kind: and is evaluated" "$souk" eval "$work/$kind" --data "$data" --bootstrap 0 --threads 1 --device cpu
  tuned "$work/$kind-half" $method "${of_kind[@]}" --pause_steps 4
  check "$kind: a run resumes" tuned "$work/$kind-half" $method "${of_kind[@]}" --resume
  check "$kind: and ends with the same bytes" cmp <(essence "$work/$kind") <(essence "$work/$kind-half")
done

# close FILE FILE TOLERANCE: numbers of two npy files of float32.
close() {
  paste <(tail -c +129 "$1" | od -An -v -w4 -tf4) <(tail -c +129 "$2" | od -An -v -w4 -tf4) |
    awk -v t="$3" '{ d = $1 - $2; if (d < 0) d = -d; n++; if (d > t) bad++ } END { print n " numbers, " bad + 0 " apart"; exit !(n > 100 && bad == 0) }'
}
for kind in lora table adalora svd bias; do
  check "$kind: souk merge folds it" "$souk" merge "$work/$kind" "$work/$kind-merged"
  check "$kind: the merged checkpoint needs no base" bash -c "! grep -q '\"base\"' '$work/$kind-merged/manifest.json'"
  check "$kind: nor is it tuned" bash -c "! grep -q -e lora_ -e '\"peft\": {' <('$souk' inspect --json '$work/$kind-merged')"
  user_vectors "$work/$kind" "$work/$kind.npy"
  user_vectors "$work/$kind-merged" "$work/$kind-merged.npy"
  user_vectors "$work/base" "$work/$kind-base.npy"
  check "$kind: the merged model makes the same vectors" close "$work/$kind.npy" "$work/$kind-merged.npy" 1e-5
  check "$kind: which are not those of the base" bash -c "! cmp -s '$work/$kind.npy' '$work/$kind-base.npy'"
  check "$kind: souk export folds it too" "$souk" export "$work/$kind" "$work/$kind.bundle"
  check "$kind: into the same bundle" cmp "$work/$kind.bundle/model.safetensors" <("$souk" export "$work/$kind-merged" "$work/$kind-merged.bundle" >"$work/.out" && cat "$work/$kind-merged.bundle/model.safetensors")
done
item_vectors() { quietly "$souk" vectors "$1" --items "$2" --device cpu --threads 1; }
for k in table table-merged svd svd-merged base; do item_vectors "$work/$k" "$work/$k-items.npy"; done
check "table: items are scored by the same vectors once it is merged" close "$work/table-items.npy" "$work/table-merged-items.npy" 1e-5
check "table: nor are they those of the base" bash -c "! cmp -s '$work/table-items.npy' '$work/base-items.npy'"
check "table: its checkpoint names both factors" test "$("$souk" inspect --json "$work/table/step-00000008" | sed -n '/"parameters": \[$/,$p' | grep -c '"bert.embeddings.word_embeddings.lora_embedding_[AB]"')" = 2
check "a run begins on a tuned table" tuned "$work/on" lora --init "$work/table" --steps 1 --lr 1e-9 --eval_every 0
item_vectors "$work/on" "$work/on-items.npy"
check "its items have the vectors of that table" close "$work/on-items.npy" "$work/table-items.npy" 1e-5
check "svd: items are scored by the same vectors once it is merged" close "$work/svd-items.npy" "$work/svd-merged-items.npy" 1e-5
check "svd: nor are they those of the base" bash -c "! cmp -s '$work/svd-items.npy' '$work/base-items.npy'"
check "svd: its checkpoint names all factors of the table" test "$("$souk" inspect --json "$work/svd/step-00000008" | sed -n '/"parameters": \[$/,$p' | grep -c '"bert.embeddings.word_embeddings.lora_embedding_[ABE]"')" = 3
check_error "svd: peft has no such layer" "which peft has for linear layers only" "$souk" export "$work/svd" "$work/none" --peft
served() { "$souk" export "$work/base" "$work/svd-shared" --adapters "$work/svd" && "$infer" items "$work/svd-shared" --adapter svd --output "$work/served.npy" && close "$work/served.npy" "$work/svd-items.npy" 1e-5; }
check "svd: a shared bundle serves its items" served
check_error "a table is not tuned and trained whole" "word_embeddings.weight is trained whole" tuned "$work/none" lora --targets word_embeddings --train_also '*.word_embeddings.weight'
check "a run begins from a merged checkpoint" train "$work/next" "${options[@]}" --init "$work/lora-merged" --steps 2
check_error "there is nothing to merge in a plain run" "is not tuned (peft)" "$souk" merge "$work/base" "$work/none"
check_error "adapters cannot be folded" "souk export writes a bundle that serves them" "$souk" merge "$work/adapter" "$work/none"
# Runs that begin from tuned ones: what is of low rank is folded as souk merge does it, adapters go on being trained.
begins() { train "$1" "${options[@]}" --steps 2 --eval_every 0 --save_every 0 --init "$2" "${@:3}"; }
parameters() { grep -A 2 '"model.h5"' "$1"/step-*/manifest.json | grep sha256; }
for kind in lora adalora bias; do
  check "$kind: a run begins from it" begins "$work/$kind-on" "$work/$kind"
  check "$kind: a run begins from the merged one" begins "$work/$kind-from-merged" "$work/$kind-merged"
  check "$kind: both end with the same bytes" test "$(parameters "$work/$kind-on")" = "$(parameters "$work/$kind-from-merged")"
  check "$kind: a run of another vocabulary begins from it" train "$work/$kind-grown" "${options[@]}" --steps 2 --eval_every 0 --save_every 0 --init_from "$work/$kind"
  check "$kind: as from the merged one" test "$(parameters "$work/$kind-grown")" = "$(train "$work/$kind-grown-merged" "${options[@]}" --steps 2 --eval_every 0 --save_every 0 --init_from "$work/$kind-merged" && parameters "$work/$kind-grown-merged")"
  check "$kind: LoRA tunes it further" begins "$work/$kind-lora" "$work/$kind" --peft lora --lr 0.02
  check "$kind: LoRA tunes the merged one further" begins "$work/$kind-merged-lora" "$work/$kind-merged" --peft lora --lr 0.02
  user_vectors "$work/$kind-lora" "$work/a.npy"
  user_vectors "$work/$kind-merged-lora" "$work/b.npy"
  check "$kind: whose checkpoints fold their base too" cmp "$work/a.npy" "$work/b.npy"
  check "$kind: and are exported and merged" bash -c "'$souk' export '$work/$kind-lora' '$work/a.bundle' --force && '$souk' merge '$work/$kind-lora' '$work/a.merged' --force &&
    '$souk' export '$work/$kind' '$work/b.bundle' --force --adapters '$work/$kind-lora'"
  check "$kind: and are resumed" begins "$work/$kind-lora" "$work/$kind" --peft lora --lr 0.02 --steps 3 --resume
done
check "adapters go on being trained" begins "$work/adapter-on" "$work/adapter" --peft adapter --lr 0.02
check "by the width that they have" grep -q '"adapter_width": 16' "$work/adapter-on/step-00000002/manifest.json"
check "the base is the first one's" test "$(grep -h '"sha256"' "$work/adapter-on/step-00000002/manifest.json" | sort)" != "" -a \
  "$(sed -n '/"base": {/,/}/p' "$work/adapter-on/step-00000002/manifest.json" | grep sha256)" = "$(sed -n '/"base": {/,/}/p' "$work/adapter/step-00000008/manifest.json" | grep sha256)"
check "an adapter that was trained on is served beside what it was" "$souk" export "$work/base" "$work/two" --adapters "$work/adapter,on=$work/adapter-on"
check "all of it goes on being trained" begins "$work/adapter-all" "$work/adapter" --peft adapter --train_also '*'
check "then it needs no base" bash -c "! grep -q '\"base\"' '$work/adapter-all/step-00000002/manifest.json'"
check "adapters and norms beside them are trained" begins "$work/adapter-beside" "$work/base" --peft adapter --train_also '*LayerNorm*'
check "a run that needs these norms is on top of them" begins "$work/adapter-beside-on" "$work/adapter-beside" --peft adapter --lr 0.02
check_error "its adapters do not stand behind those that they were" "goes on training the adapters of" "$souk" export "$work/adapter-beside" "$work/none" --adapters "$work/adapter-beside-on"
check "a bundle of its own has them" "$souk" export "$work/adapter-beside-on" "$work/adapter-beside-on.bundle"
check_error "adapters are not left out" "goes on training them" begins "$work/none" "$work/adapter"
check_error "no LoRA stands on adapters" "goes on training them" begins "$work/none" "$work/adapter" --peft lora
check_error "adapters of another width are refused" "peft.adapter_width is 4, and the adapters of" begins "$work/none" "$work/adapter" --peft adapter --adapter_width 4
check_error "an adapter that is trained on needs its base" "train.init names it" train "$work/none" "${options[@]}" --peft_from "$work/lora"

# Factors that are there are trained on.
user_vectors "$work/adapter" "$work/adapter.npy"
for kind in lora adalora adapter bias; do
  of_kind=()
  [ $kind = adalora ] && of_kind=(--tinit 100 --total_steps 1000) # nothing is cut yet
  check "$kind: is trained on" begins "$work/$kind-more" "$work/base" --peft_from "$work/$kind" --lr 0 "${of_kind[@]}"
  user_vectors "$work/$kind-more" "$work/a.npy"
  check "$kind: from where it was" cmp "$work/a.npy" "$work/$kind.npy"
done
echo 7 >"$work/lora/tried" # as a sweep does whose winner it is
check "who trains an adapter on chose among as many configurations as who trained it" begins "$work/chosen" "$work/base" --peft_from "$work/lora" --tried 2
check "who trains an adapter on adds their own number of configurations" grep -q '"tried": 9' "$work/chosen/step-00000002/manifest.json"
rm "$work/lora/tried"
check_error "tuning needs a base" "train.init names its checkpoint or run" train "$work/none" "${options[@]}" --peft lora
check_error "targets that name nothing" 'peft.targets: "valu" names no linear layer' tuned "$work/none" lora --targets query,valu
check_error "parameters beside that name nothing" 'peft.train_also: no parameter' tuned "$work/none" lora --train_also 'cls.*, clss.*'
check_error "adalora needs its factors trained" "train.freeze names" tuned "$work/frozen" adalora "${adalora[@]}" --freeze '*.lora_E'
check "a run that is refused leaves nothing behind" test ! -e "$work/frozen"
frozen_at() { "$souk" pretrain "$work/tiny.yaml" "${options[@]}" --init "$work/base" --peft adalora "${adalora[@]}" --freeze '*.lora_E' --write_batches 1 --out "$1"; }
check_error "a run in a folder of folders is refused" "train.freeze names" frozen_at "$work/deep/er/frozen"
check "a refused run leaves no folders above it" test ! -e "$work/deep"
check_error "a run in folders with a slash behind them is refused" "train.freeze names" frozen_at "$work/deep/er//frozen/"
check "a refused run leaves none of these either" test ! -e "$work/deep"
mkdir -p "$work/there/in"
check_error "a run in a folder that is there is refused" "train.freeze names" frozen_at "$work/there/in"
check "a folder that was there stays and stays empty" test -d "$work/there/in" -a -z "$(ls -A "$work/there/in")"
check_error "a resumed run keeps its tuning" "section peft is not that of" tuned "$work/lora-half" lora "${lora[@]}" --rank 5 --steps 10 --resume

# Adapters behind the layers go out as they are, in a bundle of their own and beside others on one base.
awk -F, 'NR > 1 { h[$1] = h[$1] (h[$1] == "" ? "" : ",") "{\"item\":\"" $2 "\",\"event\":\"" $4 "\"}" }
  END { for (u in h) print "{\"user\":\"" u "\",\"history\":[" h[u] "]}" }' "$work/log.csv" >"$work/users.jsonl"
as_trained() { # VECTORS(npy of the trainer) BUNDLE [ADAPTER]: do all users have the vectors that they had in training?
  "$infer" users "$2" ${3:+--adapter "$3"} --input "$work/users.jsonl" --output "$work/served.npy" --names "$work/served.names" &&
    agree "$1" "$1.names.tsv" "$work/served.npy" "$work/served.names" "$(wc -l <"$work/users.jsonl")" 1e-5
}
check "adapter: souk export makes a bundle of it" "$souk" export "$work/adapter" "$work/adapter.bundle"
check "adapter: which no library of Hugging Face takes for a BERT" grep -q '"model_type": "souk_adapter_bert"' "$work/adapter.bundle/config.json"
check "adapter: and says so" grep -q "BertModel has no place for adapters" <("$souk" export "$work/adapter" "$work/adapter.bundle" --force 2>&1)
check "adapter: which serves the model that was trained" as_trained "$work/adapter.npy" "$work/adapter.bundle"
check "lora: its bundle serves the model that was trained" as_trained "$work/lora.npy" "$work/lora.bundle"
check "the base takes them all" "$souk" export "$work/base" "$work/both" --adapters "$work/lora,$work/adapter,$work/table,$work/bias"
check "the shared bundle serves biases as they were trained" as_trained "$work/bias.npy" "$work/both" bias
check "the shared bundle serves an adapter as it was trained" as_trained "$work/adapter.npy" "$work/both" adapter
check "the shared bundle serves a LoRA beside it" as_trained "$work/lora.npy" "$work/both" lora
check "the shared bundle serves a tuned table as it was trained" as_trained "$work/table.npy" "$work/both" table
check "the shared bundle has the items' vectors under it" bash -c "'$infer' items '$work/both' --adapter table --output '$work/v.npy' && ! cmp -s '$work/v.npy' '$work/base-items.npy'"
check "they are the vectors that the trainer has of items" close "$work/v.npy" "$work/table-items.npy" 1e-5
lists() { "$infer" rank "$@" <<<'{"history": ["i3", "i6"]}' | sed 's/"scores.*//'; }
check "the lists are those of the bundle of its own" cmp <(lists "$work/both" --adapter table) <(lists "$work/table.bundle")
scores() { "$infer" score "$@" <<<'{"history": ["i3", "i6"], "candidates": ["i1", "i7", "i9"]}' | sed 's/.*"scores"://' | tr -c '0-9.e\n-' ' '; }
scores "$work/both" --adapter table >"$work/s1"
scores "$work/table.bundle" >"$work/s2"
check "souk-infer score goes by the table, too" bash -c "paste -d ' ' '$work/s1' '$work/s2' | awk '{ n = NF / 2; for (i = 1; i <= n; i++) if ((d = \$i - \$(i + n)) > 1e-5 || d < -1e-5) bad = 1 } END { exit !(n >= 3 && !bad) }'"
check "the lists by biases are those of the bundle of its own" cmp <(lists "$work/both" --adapter bias) <(lists "$work/bias.bundle")
scores "$work/both" --adapter bias >"$work/s1"
scores "$work/bias.bundle" >"$work/s2"
check "souk-infer score goes by biases of items, too" bash -c "paste -d ' ' '$work/s1' '$work/s2' | awk '{ n = NF / 2; for (i = 1; i <= n; i++) if ((d = \$i - \$(i + n)) > 1e-5 || d < -1e-5) bad = 1 } END { exit !(n >= 3 && !bad) }'"
check "rank --why --gradients goes by an adapter" grep -q '"method":"integrated-gradients"' <("$infer" rank "$work/both" --why --gradients --adapter adapter <<<'{"history": ["i3", "i6"]}')
check_error "peft has no place for them" "is not tuned with lora or adalora" "$souk" export "$work/adapter" "$work/none" --peft

# In peft's layout and back, and many in one bundle.
check "an adapter is written for peft" "$souk" export "$work/lora" "$work/hf" --peft
check "a folder of peft is trained on" begins "$work/peft-more" "$work/base" --peft_from "$work/hf" --peft lora --lr 0
user_vectors "$work/peft-more" "$work/a.npy"
check "a folder of peft is where it begins" cmp "$work/a.npy" "$work/lora.npy"
check "with its rank and targets" grep -q '"rank": 4' "$work/peft-more/step-00000002/manifest.json"
check_error "another rank is a contradiction" "peft.rank is 3, and the adapter of" begins "$work/none" "$work/base" --peft_from "$work/hf" --rank 3
check_error "another form is a contradiction" "peft.peft is adalora, and the adapter of" begins "$work/none" "$work/base" --peft_from "$work/hf" --peft adalora
check_error "another alpha is a contradiction" "peft.alpha is 9, and the adapter of" begins "$work/none" "$work/base" --peft_from "$work/hf" --alpha 9
check_error "other targets are a contradiction" 'peft.targets is "query", and the adapter of' begins "$work/none" "$work/base" --peft_from "$work/hf" --targets query
check "the same targets in other words are none" begins "$work/words" "$work/base" --peft_from "$work/hf" --targets 'value,key,*.query,*.dense'
check_error "an adapter of another base is no beginning" "is not tuned on top of" begins "$work/none" "$work/lora-merged" --peft_from "$work/lora"
check_error "a run that is not tuned is no adapter" "has no adapter to begin with" begins "$work/none" "$work/base" --peft_from "$work/base"
check "the file of peft is read again" "$souk" import "$work/hf" "$work/back" --base "$work/base"
user_vectors "$work/back" "$work/back.npy"
check "with the same bits" cmp "$work/lora.npy" "$work/back.npy"
check_error "without a base an adapter of peft is told as what it is" "is an adapter of Hugging Face's peft: --base RUN" "$souk" import "$work/hf" "$work/none"
with_field() { # FROM TO: a folder of peft with another field
  rm -rf "$work/hf-bad" && cp -r "$work/hf" "$work/hf-bad" && sed -i "s/$1/$2/" "$work/hf-bad/adapter_config.json" &&
    "$souk" import "$work/hf-bad" "$work/none" --base "$work/base"
}
check_error "a rank beyond every size is refused" 'field "r" must be an integer from 1 to 4096' with_field '"r": 4' '"r": 4611686018427387904'
check_error "a field that no checkpoint can hold is refused" 'field "init_r" must be an integer from 1 to 4096' with_field '"r": 4' '"r": 4, "init_r": 99999'
check_error "an adapter that adds nothing is refused" 'field "lora_alpha" must be more than 0' with_field '"lora_alpha": 8' '"lora_alpha": 0'
check "the table is written for peft" "$souk" export "$work/table" "$work/hf-table" --peft
check "the file names the table as its target" grep -q '"word_embeddings"' "$work/hf-table/adapter_config.json"
check "the table is read again from the file of peft" "$souk" import "$work/hf-table" "$work/back-table" --base "$work/base"
user_vectors "$work/back-table" "$work/back-table.npy"
check "its vectors have the same bits then" cmp "$work/table.npy" "$work/back-table.npy"
tuned "$work/other" lora --rank 2 --steps 2 --eval_every 0
check "a bundle takes several adapters" "$souk" export "$work/base" "$work/many" --adapters "$work/lora,other-shop=$work/other"
check "each listed with its checksum" test "$(grep -c '"adapters/[a-z-]*/adapter_' "$work/many/souk.json")" = 4
check "souk inspect verifies them" "$souk" inspect "$work/many"
check "souk-infer answers from it" "$infer" rank "$work/many" <<<'{"history": ["i3", "i6"]}'
echo '{"user":1,"history":["i3","i6"]}' >"$work/plain.jsonl"
printf '%s\n' '{"user":1,"history":["i3","i6"],"adapter":"lora"}' '{"user":1,"history":["i3","i6"],"adapter":"other-shop"}' \
  '{"user":1,"history":["i3","i6"],"adapter":"nobody"}' '{"user":1,"history":["i3","i6"],"adapter":null}' >"$work/adapted.jsonl"
"$infer" rank "$work/many" <"$work/adapted.jsonl" >"$work/adapted" 2>/dev/null
check "each line has its adapter" cmp <(sed '3d' "$work/adapted") <(for a in lora other-shop; do "$infer" rank "$work/many" --adapter $a --input "$work/plain.jsonl"; done
  "$infer" rank "$work/many" --input "$work/plain.jsonl")
check "an adapter changes the answer" test "$(sed 3d "$work/adapted" | sort -u | wc -l)" = 3
check "an unknown adapter is an error in its place" grep -q '"error":"the bundle has no adapter' <(sed -n 3p "$work/adapted")
check_error "an unknown adapter of all lines is an error" 'has no adapter "nobody"' "$infer" rank "$work/many" --adapter nobody
check "souk-infer info lists adapters" grep -qx 'adapters     lora other-shop' <("$infer" info "$work/many")
check "users have vectors by adapter" bash -c "'$infer' users '$work/many' --adapter lora --input '$work/plain.jsonl' --output '$work/u1.npy' &&
  '$infer' users '$work/many' --input '$work/plain.jsonl' --output '$work/u2.npy' && ! cmp -s '$work/u1.npy' '$work/u2.npy'"
check "rank --why goes by the adapter" grep -q '"method":"leave-one-out"' <("$infer" rank "$work/many" --why --adapter lora --input "$work/plain.jsonl")
sed -i 's/"r": 4/"r": 3/' "$work/many/adapters/lora/adapter_config.json"
check_error "a changed adapter is noticed" "its checksum is not the one in souk.json" "$infer" rank "$work/many" <<<'{"history": ["i3", "i6"]}'
check_error "biases have no place in peft's layout" "is not tuned with lora or adalora" "$souk" export "$work/bias" "$work/none" --peft
# What a bundle says once for all queries.
not_beside() { "$souk" export "$work/base" "$work/none" --adapters "$work/$1"; }
check "LoRA is trained with other scores" begins "$work/cold" "$work/base" --peft lora --temperature 0.5
check_error "LoRA of other scores is no adapter of the base's bundle" "was trained with another model.temperature than" not_beside cold
check "LoRA is trained with other norms" begins "$work/damped" "$work/base" --peft lora --layer_norm_eps 1e-2
check_error "LoRA of other norms is no adapter of it" "was trained with another model.layer_norm_eps than" not_beside damped
check_error "an adapter of another base is refused" "is not tuned on top of" "$souk" export "$work/lora-merged" "$work/none" --adapters "$work/lora"

# Factors that are frozen are kept all the same.
check "A may be frozen" tuned "$work/frozen-a" lora --freeze '*.lora_A.weight' --train.seed 7
user_vectors "$work/frozen-a" "$work/frozen-a.npy"
check "frozen factors are in the checkpoint" grep -q 'query.lora_A' <("$souk" inspect --json "$work/frozen-a/step-00000008" | sed -n '/"parameters": \[$/,$p')
check "a run with frozen factors resumes" tuned "$work/frozen-a" lora --freeze '*.lora_A.weight' --train.seed 7 --steps 9 --resume

# Heads that the base was not trained for are trained whole; what else is named too.
check "finetune takes a tuning" "$souk" finetune --task next "$work/base" --out "$work/fine" --peft lora --steps 4 --eval_every 0 --device cpu --threads 1 --batch_tokens 256
check "parameters beside are trained" tuned "$work/also" lora --train_also 'cls.predictions.bias'
check_error "for which an adapter alone has no place" "has no place; souk merge keeps it" "$souk" export "$work/also" "$work/none" --peft
check "a parameter beside is saved" grep -q '"cls.predictions.bias"' <("$souk" inspect --json "$work/also/step-00000008" | sed -n '/"parameters": \[$/,$p')
check "the plan counts what is frozen" bash -c "'$souk' plan '$work/tiny.yaml' --init '$work/base' --layers 2 --peft lora | grep -q 'frozen parameters .*: no gradients, moments or snapshot'"
check "a run with averages" tuned "$work/ema" lora --ema 0.9
check "its averages are merged" "$souk" merge "$work/ema" "$work/ema-merged"
finish
