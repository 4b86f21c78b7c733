#!/usr/bin/env bash
# Tuning straight on a model of another vocabulary (--init_from with --peft): a Hugging Face BERT that knows no item, and an older run.
# The grown model is written once, as RUN/base, and everything that reads the run's checkpoints reads it from there.
. "$(dirname "$0")/run_lib.sh"
pretrain() { train "$1" --hidden 16 --layers 2 --steps 8 --eval_every 4 --save_every 4 --keep 3 --log_every 2 --lr 0.02 "${@:2}"; }
bert() {
  pretrain "$work/old" --cls_sep --item_classes no && "$souk" export "$work/old" "$work/hf" && cut -f1 "$work/hf/vocab.tsv" >"$work/hf/vocab.txt" &&
    rm "$work"/hf/{souk.json,tokenizer.json,tokenizer_config.json,items.safetensors,vocab.tsv}
}
check "a BERT of Hugging Face's is made" bert
# The later shop: the same items and some more, of which the BERT knows none, since it has their names as words.
sed -n '1p; s/,i7,/,new7,/p; s/,i8,/,i8,/p; s/,i1\([0-9]\),/,i1\1,/p' "$work/log.csv" >"$work/later.csv"
shop() { "$souk" prepare --log "$work/later.csv" --user user --fields.item item --fields.time time --event event --out "$work/shop"; }
check "another data set is prepared" shop
on() { train "$1" --data.dir "$work/shop" --hidden 16 --layers 2 --steps 8 --eval_every 4 --save_every 4 --keep 3 --log_every 2 --lr 0.02 "${@:2}"; }
sum_of() { sha256sum <"$1/model.h5" | cut -d ' ' -f 1; }
bytes() { stat -c %s "$1"; }
vectors() { quietly "$souk" vectors "$1" --users "$2" --data "$work/shop" --device cpu --threads 1; }
# close FILE FILE: are these the same numbers within 1e-5?
close() {
  paste <(tail -c +129 "$1" | od -An -v -w4 -tf4) <(tail -c +129 "$2" | od -An -v -w4 -tf4) |
    awk '{ d = $1 - $2; if (d < 0) d = -d; n++; if (d > 1e-5) bad++ } END { print n " numbers, " bad + 0 " apart"; exit !(n > 100 && bad == 0) }'
}
for kind in lora adalora adapter bias; do
  run=$work/$kind
  how=(--init_from "$work/hf" --peft $kind)
  [ $kind = adalora ] && how+=(--rank 2 --init_rank 4 --tinit 1 --tfinal 2)
  check "$kind: a run tunes a BERT of Hugging Face's" on "$run" "${how[@]}"
  check "$kind: it says where the base is" grep -q "$kind/base has its parameters for this vocabulary" "$run.err"
  check "$kind: its checkpoints name it by its checksum" grep -q "\"sha256\": \"$(sum_of "$run/base")\"" "$run/step-00000008/manifest.json"
  check "$kind: and hold the tuned part only" test $((3 * $(bytes "$run/step-00000008/model.h5"))) -lt $((2 * $(bytes "$run/base/model.h5")))
  on "$run-half" "${how[@]}" --pause_steps 4
  mv "$work/hf" "$work/away" # a run that goes on needs it no more
  check "$kind: a run resumes" on "$run-half" "${how[@]}" --resume
  mv "$work/away" "$work/hf"
  check "$kind: and ends with the same bytes" cmp <(essence "$run") <(essence "$run-half")
  check "$kind: it is evaluated" "$souk" eval "$run" --data "$work/shop" --bootstrap 0 --threads 1 --device cpu
  vectors "$run" "$run.npy"
  vectors "$run/base" "$run-base.npy"
  check "$kind: it is not its base" bash -c "! cmp -s '$run.npy' '$run-base.npy'"
  check "$kind: it is exported" "$souk" export "$run" "$run.bundle"
  [ $kind = adapter ] && continue
  check "$kind: and merged" "$souk" merge "$run" "$run-merged"
  vectors "$run-merged" "$run-merged.npy"
  check "$kind: into what makes the same vectors" close "$run.npy" "$run-merged.npy"
done
same_without() { # of the grown model alone: a rate that changes nothing
  on "$work/still" --init_from "$work/hf" --steps 1 --eval_every 0 --lr 1e-30 --weight_decay 0 && vectors "$work/still" "$work/still.npy" && close "$work/still.npy" "$work/lora-base.npy"
}
check "the base is what a run without tuning begins with" same_without
check "the base is a checkpoint that others begin from" on "$work/second" --init "$work/lora/base" --peft lora --targets query,key --rank 3
check "one bundle serves both adapters" "$souk" export "$work/lora/base" "$work/both" --adapters "$work/lora,$work/second"
check "both adapters name that base" test "$(grep -l "\"sha256\": \"$(sum_of "$work/lora/base")\"" "$work"/{lora,second}/step-00000008/manifest.json | wc -l)" = 2
moved() { mkdir "$work/there" && mv "$work/lora" "$work/there" && vectors "$work/there/lora" "$work/moved.npy" && cmp "$work/moved.npy" "$work/lora.npy"; }
check "a run that was moved takes its base along" moved
# A run that was killed before its first checkpoint has a base, which is made again.
on "$work/begun" --init_from "$work/hf" --peft lora --pause_steps 4
rm -rf "$work/begun"/{step-00000004,last,best} && echo damaged >"$work/begun/base/model.h5"
check "a run without a checkpoint yet begins again" on "$work/begun" --init_from "$work/hf" --peft lora --resume
check "it ends with the same bytes" cmp <(essence "$work/begun") <(essence "$work/lora-half")
check "an older run is tuned as it grows" on "$work/grown" --init_from "$work/old" --peft lora --targets query,word_embeddings
check "a run that was tuned as it grew is merged" "$souk" merge "$work/grown" "$work/grown-merged"
vectors "$work/grown" "$work/a.npy"
vectors "$work/grown-merged" "$work/b.npy"
check "it is merged into what makes the same vectors" close "$work/a.npy" "$work/b.npy"
check "checkpoints leave out what is frozen without tuning, too" on "$work/frozen" --init_from "$work/old" --freeze 'bert.embeddings.*' --save_frozen no
check "those name the base of that run" grep -q "\"sha256\": \"$(sum_of "$work/frozen/base")\"" "$work/frozen/step-00000008/manifest.json"
check_error "layers that the base has not are not frozen at random" "is frozen in this run, and" on "$work/none" --init_from "$work/hf" --hidden 16 --layers 3 --peft lora
check_error "tuning needs something to tune" "train.init_from one of another vocabulary" on "$work/none" --peft lora
check_error "a run begins from one model" "a run begins from one of them" on "$work/none" --peft lora --init "$work/old" --init_from "$work/old"
check "what is refused leaves nothing" test ! -e "$work/none"
finish
