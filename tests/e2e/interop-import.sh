#!/usr/bin/env bash
# A bundle is a Hugging Face directory too: exported, imported again, it is the same model; and a run can start from it.
. "$(dirname "$0")/lib.sh"
{
  echo user,item,time
  for u in $(seq 60); do for i in $(seq 6); do echo "u$u,item$(((u * 3 + i) % 25)),$((u * 100 + i))"; done; done
} >"$work/log.csv"
pretrain() { "$souk" pretrain --data.dir "$work/data" --hidden 16 --max_positions 8 --steps 4 --eval_every 0 --threads 1 --train.peak_gflops 50 "$@"; }
check "souk prepare makes a data set" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --out "$work/data"
check "a run with pooler and [CLS] ends well" pretrain --out "$work/run" --cls_sep --pooler
check "its checkpoint is exported" "$souk" export "$work/run" "$work/bundle"
cut -f1 "$work/bundle/vocab.tsv" >"$work/bundle/vocab.txt" # as if its items were words
rm "$work/bundle/tokenizer.json" "$work/bundle/tokenizer_config.json"
check "the bundle is imported" "$souk" import "$work/bundle" "$work/again"
check "the imported parameters have the same bytes" cmp "$work/run/step-00000004/model.h5" "$work/again/model.h5"
check "the imported tokens are the same" cmp <(cut -f1 "$work/run/step-00000004/vocab.tsv") <(cut -f1 "$work/again/vocab.tsv")
check "a model of words is exported with a vocab.txt" "$souk" export "$work/again" "$work/words"
check "its tensors are those of the first bundle" cmp "$work/words/model.safetensors" "$work/bundle/model.safetensors"
check "its vocab.txt is that of the first bundle" cmp "$work/words/vocab.txt" "$work/bundle/vocab.txt"
check "souk inspect shows a bundle of words, which has no items" bash -c "'$souk' inspect '$work/words' | grep -q word_embeddings"
check_error "souk-infer refuses a bundle without items" "lacks items.safetensors" "$infer" info "$work/words"
check_error "an existing checkpoint is kept without --force" "--force replaces it" "$souk" import "$work/bundle" "$work/again"
check "a run starts from another run by --train.init" pretrain --out "$work/next" --train.init "$work/run"
check "it takes the model options of its start" grep -q 'pooler: true' "$work/next/config.yaml"
check_error "--train.init with another shape is an error" "the model needs" pretrain --out "$work/bad" --train.init "$work/run" --intermediate 20
check_error "--train.init with another activation is an error" "model.activation is not that of" pretrain --out "$work/bad" --train.init "$work/run" --activation gelu
check_error "--train.init with another vocabulary is an error" "train.init:" pretrain --out "$work/bad" --train.init "$work/again" --no-item_classes
check "the run resumes when its start is gone" bash -c "mv '$work/run' '$work/gone' && '$souk' pretrain --data.dir '$work/data' --train.init '$work/run' --out '$work/next' --steps 6 --eval_every 0 --threads 1 --resume"
check "the resumed run reaches its last step" test -d "$work/next/step-00000006"
finish
