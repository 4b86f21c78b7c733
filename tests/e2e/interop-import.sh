#!/usr/bin/env bash
# A bundle is a Hugging Face directory too: exported, imported again, it is the same model; and a run can start from it.
. "$(dirname "$0")/lib.sh"
{
  echo user,item,time
  for u in $(seq 60); do for i in $(seq 6); do echo "u$u,item$(((u * 3 + i) % 25)),$((u * 100 + i))"; done; done
} >"$work/log.csv"
pretrain() { "$souk" pretrain --data.dir "$work/data" --hidden 16 --max_positions 8 --steps 4 --eval_every 0 --threads 1 --train.peak_gflops 50 "$@"; }
check "a data set" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --out "$work/data"
check "a run" pretrain --out "$work/run" --cls_sep --pooler
check "its bundle" "$souk" export "$work/run" "$work/bundle"
cut -f1 "$work/bundle/vocab.tsv" >"$work/bundle/vocab.txt"
check "is imported" "$souk" import "$work/bundle" "$work/again"
check "as the same parameters, to the byte" cmp "$work/run/step-00000004/model.h5" "$work/again/model.h5"
check "and the same tokens" cmp <(cut -f1 "$work/run/step-00000004/vocab.tsv") <(cut -f1 "$work/again/vocab.tsv")
check "a model of words is exported with a vocab.txt" "$souk" export "$work/again" "$work/words"
check "its tensors are the bundle's" cmp "$work/words/model.safetensors" "$work/bundle/model.safetensors"
check "its tokens too" cmp "$work/words/vocab.txt" "$work/bundle/vocab.txt"
check_error "but souk-infer ranks items" "lacks items.safetensors" "$infer" info "$work/words"
check_error "a checkpoint is not overwritten unasked" "--force replaces it" "$souk" import "$work/bundle" "$work/again"
check "a run starts from another, and takes its model options" pretrain --out "$work/next" --train.init "$work/run"
check "hidden size and heads came along" grep -q 'pooler: true' "$work/next/config.yaml"
check_error "a shape of one's own is refused" "the model wants" pretrain --out "$work/bad" --train.init "$work/run" --intermediate 20
check_error "so is another activation" "model.activation is not that of" pretrain --out "$work/bad" --train.init "$work/run" --activation gelu
check_error "and another vocabulary" "train.init:" pretrain --out "$work/bad" --train.init "$work/again" --no-item_classes
check "it resumes without the start" bash -c "mv '$work/run' '$work/gone' && '$souk' pretrain --data.dir '$work/data' --train.init '$work/run' --out '$work/next' --steps 6 --eval_every 0 --threads 1 --resume"
check "to its end" test -d "$work/next/step-00000006"
finish
