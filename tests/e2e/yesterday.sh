#!/usr/bin/env bash
# What souk 0.1.0 wrote is read, resumed, replayed and served, with the figures that it gave itself (tests/golden/yesterday).
# Figures agree to rounding, since another machine has another BLAS; names, counts and copies are the same.
. "$(dirname "$0")/lib.sh"
golden=$(cd "$(dirname "$0")/../golden/yesterday" && pwd)
. "$golden/ask.sh"
tar -xzf "$golden/files.tar.gz" -C "$work" || { not_ok "the files can be unpacked"; finish; }
cd "$work" || exit 1
contents() { find data a b c a.bundle b.bundle -type f -exec sha256sum {} + | sort -k 2; }
contents >contents
# Times and memory are of the machine, and which of two baselines that are equally good is called the best is rounding's.
volatile='created_by|seconds|tokens_per_s|gflops|share_of_peak|peak_bytes|_bytes$|/memory$|model_minus_best'
agrees() { # OLD NEW
  case $1 in
  *replay.txt | *trace.txt) awk -f "$golden/agree.awk" -v mode=text -v relative=1e-3 "$1" "$2" ;;
  *.txt) awk -f "$golden/agree.awk" -v mode=text -v relative=1e-5 -v absolute=1e-5 "$1" "$2" ;;
  *) awk -f "$golden/agree.awk" -v mode=json -v relative=1e-4 -v absolute=2e-5 -v without="$volatile" "$1" "$2" ;;
  esac
}
# same WHAT NAME [AS]: the answer NAME is the recorded one, or the one recorded as AS (a path: what is in that file).
same() {
  local name=$1 question=$2 recorded=${3:-$2}
  [[ $recorded == /* ]] || recorded=$golden/answers/$recorded
  if ! ask "$question" >"$work/$question" 2>"$work/.err"; then not_ok "$name" "$work/.err"; return; fi
  check "$name" agrees "$recorded" "$work/$question"
}

same "a data set of version 0.1.0 is shown as it was" data.inspect.json
for run in a b; do
  case $run in
  a) what="full softmax, pairs of sessions" ;;
  b) what="sampled loss, cosine, pre-norm" ;;
  esac
  same "a run of version 0.1.0 is shown as it was ($what)" $run.inspect.json
  same "the last checkpoint of version 0.1.0 is shown as it was ($what)" $run.checkpoint.json
  same "the run has the same loss and ranks ($what)" $run.eval.json
  same "the run has the same user vectors ($what)" $run.users.txt
  same "the run has the same item vectors ($what)" $run.items.txt
  same "the run resumes and ends with the same losses ($what)" $run.metrics.jsonl
  check "the run resumes from the step of its checkpoint ($what)" grep -q '^resuming from step 12$' new/$run.err
  check "the run reports no changed option ($what)" bash -c "! grep -E ' was .*, and is now |warning' new/$run.err"
  same "the last and the best checkpoint are the same ($what)" $run.ends.txt
  # Choices are written by name since (they were numbers), and the sums of a window by objective.
  sed -E 's/("activation": )0/\1"gelu_new"/; s/("activation": )1/\1"gelu"/; s/("score": )0/\1"dot"/; s/("score": )1/\1"cosine"/; /"(mlm|cls)_(loss|weight|rows|hits)": 0/d' \
    "$golden/answers/$run.rest.json" >"$work/$run.named.json"
  same "the last checkpoint says the same ($what)" $run.rest.json "$work/$run.named.json"
  for file in vocab.tsv catalogue.jsonl; do check "the last checkpoint's $file is the data set's ($what)" cmp data/$file "new/$run/$(cat new/$run/last)/$file"; done
  # Initial weights are drawn by another rule since, so figures differ: the batches and the schedule are the same.
  ask $run.again.jsonl >"$work/$run.again.jsonl" 2>"$work/.err"
  check "its configuration makes a run of the same steps, tokens and learning rates ($what)" awk -f "$golden/agree.awk" -v mode=json \
    -v without="$volatile|loss|grad_norm|accuracy|hr@|ndcg@|mrr" "$golden/answers/$run.metrics.jsonl" "$work/$run.again.jsonl"
done

same "a replayed non-finite step fails in the same tensor" c.replay.txt
same "a replay shows the same tensors before it" c.trace.txt

# A bundle of then: what it holds, and what it answers.
for run in a b; do
  case $run in
  a) what="dot products, [CLS] and [SEP]" which=best ;;
  b) what="cosine, positions from the end" which=last ;;
  esac
  same "a bundle of version 0.1.0 is shown as it was ($what)" $run.bundle.inspect.json
  same "souk-infer info says of it what it said ($what)" $run.bundle.info.json
  same "ranked lists are the same ($what)" $run.bundle.lists.jsonl
  same "scores are the same ($what)" $run.bundle.scores.jsonl
  same "user vectors of souk-infer are the same ($what)" $run.bundle.users.txt
  same "items and their counts are the same ($what)" $run.bundle.items.jsonl

  # The checkpoint exported today, which is that bundle again.
  mv $run.bundle then.bundle
  check "the checkpoint is exported ($what)" "$souk" export $run $run.bundle --which $which
  for file in config.json model.safetensors vocab.tsv catalogue.jsonl; do
    check "the exported $file has the same bytes ($what)" cmp then.bundle/$file $run.bundle/$file
  done
  header=$((8 + $(od -An -N8 -t u8 then.bundle/items.safetensors)))
  check "the exported items.safetensors has the same header ($what)" cmp -n $header then.bundle/items.safetensors $run.bundle/items.safetensors
  check "the exported souk.json says the same ($what)" awk -f "$golden/agree.awk" -v mode=json \
    -v without='created_by|items.safetensors/sha256' then.bundle/souk.json $run.bundle/souk.json
  same "the exported bundle ranks as the one of then ($what)" $run.bundle.lists.jsonl
  same "the exported bundle has the same items and counts ($what)" $run.bundle.items.jsonl
  rm -rf $run.bundle && mv then.bundle $run.bundle
done
check "no file of version 0.1.0 was written to" cmp contents <(contents)

# The comparison itself: what is not the same is told.
differs() { # TEXT ANSWER SED
  sed -E "$3" "$golden/answers/$2" >changed
  ! cmp -s changed "$golden/answers/$2" || { echo "sed changed nothing"; return 1; }
  ! agrees "$golden/answers/$2" "$PWD/changed" >differences || { echo "it was not noticed"; return 1; }
  grep -qF -- "$1" differences || { cat differences; return 1; }
}
check "the comparison notices another loss" differs "/loss: was " a.metrics.jsonl '7s/"loss":3\.4/"loss":3.5/'
check "the comparison notices another step" differs "/step: was 20, is 21" b.rest.json 's/"step": 20,/"step": 21,/'
check "the comparison notices a missing field" differs "/cls_accuracy: was " a.metrics.jsonl '1s/,"cls_accuracy":[^}]*//'
check "the comparison notices two items that change places" differs "/items/0: was " b.bundle.lists.jsonl '1s/"i32","i26"/"i26","i32"/'
check "the comparison notices another number in a vector" differs "line 2: was " a.users.txt '2s/^(-?[0-9]\.[0-9]{3})[0-9]/\19999/'
check "the comparison notices a missing line" differs "lines: was " c.replay.txt '$d'
finish
