#!/usr/bin/env bash
# Commands that write several files which belong together: whichever operation fails, all of the output is there or none of it. Where
# there was another output before, that one stays whole.
. "$(dirname "$0")/run_lib.sh"
cd "$work" || exit 1
few=(--batch_tokens 256 --warmup_steps 3 --eval_every 0 --save_every 6 --lr 5e-3)
train base --steps 6 "${few[@]}"
tune() { quietly "$souk" finetune --task next base --out "$1" --objectives masked_lm --peft lora --rank 2 --steps "$2" --threads 1 --peak_gflops 10 "${few[@]}"; }
tune tuned 6
tune later 12
quietly "$souk" finetune --task mix tuned --threads 1
quietly "$souk" finetune --task mix later --threads 1
printf 'the red shoe\nred shoes and a red hat\n' >texts
for i in 1 2; do printf '{"copy":"the red shoe %s off","percent":20,"style":"s%s"}\n' '20%' $i >"copy$i.jsonl"; done
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the red shoe off >words.txt
printf 'the Blue shoe\nBlue shoes and a Blue hat\n' >others

# output WHICH COMMAND: writes OUT. The first and the second one differ.
output() {
  case $2 in
  merge) "$souk" merge "$([ $1 = 1 ] && echo tuned || echo later)" OUT --force ;;
  export) "$souk" export base OUT --force --adapters "$([ $1 = 1 ] && echo a=tuned || echo a=later,b=tuned)" ;;
  peft) "$souk" export "$([ $1 = 1 ] && echo tuned || echo later)" OUT --force --peft ;;
  vocab) "$souk" vocab --input "$([ $1 = 1 ] && echo texts || echo others)" --format text --out OUT --size 100 $([ $1 = 1 ] || echo --no-lower_case) --force ;;
  mix) rm -rf run && cp -r later run && rm -r run/step-00000012/mix && { [ ! -d OUT ] || cp -r OUT run/step-00000012/mix; } &&
    { "$souk" finetune --task mix run --threads 1 --final "$([ $1 = 1 ] && echo yes || echo no)"; rc=$?; rm -rf OUT; [ ! -d run/step-00000012/mix ] || mv run/step-00000012/mix OUT; ls -A run/step-00000012 | grep -F .souk- >&2; return $rc; } ;;
  copy) "$souk" prepare --copy "copy$1.jsonl" --words words.txt --copy.language en --force --out OUT ;;
  prepare) "$souk" prepare --log log.csv --user user --fields.item item --time time --event event $([ $1 = 1 ] || echo --events buy) --force --out OUT ;;
  synth) "$souk" synth --users "$((10 * $1))" --items 20 --force --out OUT ;;
  esac
}
absent() { case $1 in vocab) [ ! -e OUT/vocab.txt ] ;; *) [ ! -e OUT ] ;; esac; } # without its list it is no vocabulary
same() { diff -r "$1" "$2" >.differs 2>&1; }
# attempt COMMAND KIND NUMBER BEFORE: the second output, with that operation failing, where BEFORE is (nothing: empty).
attempt() {
  local rc
  rm -rf OUT OUT.*
  [ -z "$4" ] || cp -r "$4" OUT
  SOUK_FAULT=$2:$3 output 2 $1 >.out 2>.said
  rc=$?
  if { ls -d OUT.*; find OUT -name '*.souk-*'; } 2>/dev/null | grep . >.left; then echo "left $(head -n 1 .left)"; return 1; fi
  [ $rc -le 2 ] || { echo "exit status $rc"; return 1; }
  [ $rc = 0 ] || [ "$(grep -c '^souk: error: .\{15,\}' .said)" = 1 ] || { echo "no sentence"; return 1; }
  [ $rc != 0 ] || [ $2 = alloc ] || { echo "went unnoticed"; return 1; }
  same OUT second || { [ $rc != 0 ] && [ -n "$4" ] && same OUT "$4"; } || { [ $rc != 0 ] && absent $1 && { [ -z "$4" ] || [ $1 = vocab ]; }; } ||
    { echo "neither whole nor as it was:"; head -n 3 .differs; return 1; }
}
commands="merge vocab"
if thorough; then commands="merge vocab export peft mix prepare copy synth"; else left_out "operations of export, of the mix, of prepare, of copy and of synth that fail"; fi
for command in ${COMMANDS:-$commands}; do
  rm -rf OUT first second
  check "$command: an output is made" output 1 $command && mv OUT first
  check "$command: another output is made" output 2 $command && mv OUT second
  check "$command: the two outputs differ" bash -c "! diff -r first second"
  for before in "" first; do
    rm -rf OUT
    [ -z "$before" ] || cp -r first OUT
    SOUK_FAULT=count output 2 $command >.out 2>counts
    for kind in create write rename fsync alloc; do
      n=$(sed -n "s/^faults:.* $kind \([0-9]*\).*/\1/p" counts) most=$([ $command = mix ] && echo 2 || echo 6) good=0 tried=0
      for at in $(seq 1 $((n > most ? n / most : 1)) "$n"); do
        tried=$((tried + 1))
        if said=$(attempt $command $kind $at "$before"); then good=$((good + 1)); else (echo "# $command $kind $at: $said"; tail -n 2 .said) | sed 's/^[^#]/#   &/'; fi
      done
      check "$command${before:+ over another one}: whole or not at all, whichever of $n ${kind}s fails ($tried tried)" test $tried -gt 0 -a $good = $tried
    done
  done
done
finish
