#!/usr/bin/env bash
# --help, the manual page and completion come from the option tables; README and docs type what there is.
. "$(dirname "$0")/run_lib.sh"
commands=$("$souk" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
check "souk --help fits 80 columns" test -z "$("$souk" --help | awk 'length > 80')"
for command in $commands; do
  "$souk" "$command" --help >"$work/$command.help"
  check "souk $command --help fits 80 columns" test "$(awk 'length > 80' "$work/$command.help" | wc -l)" = 0
done
no_heading_is_empty() { for command in $commands; do ! grep -nx ':' "$work/$command.help" || { echo "$command"; return 1; }; done; }
check "no heading of --help is empty" no_heading_is_empty
check "each way to call a command has a line of its own" test "$(grep -cE '^(usage: |       )souk label RUN' "$work/label.help")" = 3
# The short forms that help promises are taken, and only those: an option without brackets and with a section has none.
short() {
  local name rc=0
  for name in $(sed -n 's/^  --\[[a-z]*\.\]\([^ ]*\).*/\1/p' "$work/$1.help"); do
    "$souk" "$1" "--$name=%" >"$work/o" 2>&1
    ! grep -qE 'unknown option|several sections' "$work/o" || { echo "--$name: $(cat "$work/o")"; rc=1; }
  done
  for name in $(sed -n 's/^  --[a-z]*\.\([^ ]*\).*/\1/p' "$work/$1.help"); do
    "$souk" "$1" "--$name=%" 2>&1 | grep -q 'several sections' || { echo "--$name is unique"; rc=1; }
  done
  return $rc
}
for command in prepare pretrain eval plan; do check "short forms of options are unique: souk $command" short "$command"; done
check "souk pretrain --help explains brackets" grep -q 'What stands in brackets may be left out' "$work/pretrain.help"
check "souk synth --help, without brackets, does not explain them" bash -c "! grep -q 'in brackets' $work/synth.help"

# ---- the page
check "souk --man prints the manual page" bash -c "'$souk' --man >$work/souk.1"
check "each way to call a command has a line of its own in the page" test "$(grep -cE '^\.B souk finetune ' "$work/souk.1")" = 4
check "no heading of the page is empty" bash -c "! grep -qxE '\.I ?' $work/souk.1"
options_in_page() {
  local name
  for name in $(sed -n 's/^  --\([^ ]*\).*/\1/p' "$work/$1.help"); do
    awk -v c=".SS souk $1" '$0 == c {on = 1; next} /^\.S/ {on = 0} on' "$work/souk.1" | grep -qF ".B \\-\\-$name" || { echo "$name"; return 1; }
  done
}
for command in $commands; do check "the manual page has the options of souk $command" options_in_page "$command"; done
if command -v mandoc >/dev/null; then
  check "mandoc has no warnings about the manual page" bash -c "test -z \"\$(mandoc -Tlint '$work/souk.1')\""
elif command -v groff >/dev/null; then
  check "groff has no warnings about the manual page" bash -c "test -z \"\$(groff -man -ww -z -Tutf8 '$work/souk.1' 2>&1)\""
else
  skip "mandoc or groff has no warnings about the manual page" "neither mandoc nor groff"
fi

# ---- completion
check "souk --completion bash prints a script" bash -c "'$souk' --completion bash >$work/completion"
check_error "a shell without a completion is an error" "knows one shell" "$souk" --completion fish
mkdir -p "$work/place/data" && touch "$work/place/log.csv"
# complete WORD...: what bash would offer for the last of them
complete_words() {
  (cd "$work/place" && bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _souk; printf "%s\n" "${COMPREPLY[@]}"' _ "$work/completion" "$@" | sort | paste -sd " ")
}
offers() { # WANTED WORD...
  local wanted=$1 got; shift
  got=$(complete_words "$@")
  [ "$got" = "$wanted" ] || { echo "wanted: $wanted"; echo "got: $got"; return 1; }
}
check "bash accepts the completion script" bash -c ". '$work/completion' && complete -p souk"
check "completion of a command name" offers "prepare pretrain" souk pre
check "completion offers every command" test "$(complete_words souk '' | tr ' ' '\n' | grep -cE '^[a-z]')" = "$(($(echo "$commands" | wc -l) + 1))"
check "completion of a full option name" offers "--train.device" souk pretrain --train.dev
check "completion of a short option name" offers "--device" souk pretrain --dev
check "completion of a switch with no-" offers "--no-tensorboard" souk pretrain --no-ten
check "completion of a choice" offers "auto cpu cuda" souk pretrain --device ""
check "completion of a part of a choice" offers "cpu cuda" souk pretrain --train.device c
check "completion of a choice behind =" offers "auto cpu cuda" souk pretrain --device =
check "completion of a part of a choice behind =" offers "cuda" souk pretrain --device = cu
check "completion of an option with hyphens" offers "always bert" souk pretrain --mask-style ""
check "completion of a file name" offers "log.csv" souk prepare --log l
check "completion of a directory name" offers "data" souk eval --data ""
check "completion of an argument that is a file" offers "data log.csv" souk inspect ""
check "no completion of a number" offers "" souk pretrain --steps ""
check "completion of a switch behind a switch" offers "--trace" souk replay --trace --tr
in_completion() {
  local name
  for name in $(sed -n 's/^  --\([^ ]*\).*/\1/p' "$work/$1.help" | tr -d '[]'); do
    grep -q "^$1 --$name " "$work/completion" || { echo "$name"; return 1; }
  done
}
for command in $commands; do check "the completion has the options of souk $command" in_completion "$command"; done

# ---- what README and docs type
# Commands in blocks (four blanks, or a comment of a configuration) and in code spans, without comments and redirections.
recipes() { # FILE
  sed -e ':a; /\\$/{N; s/\\\n *//; ba}' "$1" | awk '
    /^(    |#   )(build\/)?souk(-infer)? / { sub(/^#? +/, ""); print; next }
    { while (match($0, /`(build\/)?souk(-infer)? [a-z]+[^`]*`/)) { print substr($0, RSTART + 1, RLENGTH - 2); $0 = substr($0, RSTART + RLENGTH) } }' |
    sed -E 's/ +#.*//; s/ [<>|&].*//; s/ \[?options\]?$//; s/[();,.]+$//'
}
typed() { # COMMAND ARGUMENTS...: are the command, its options and their values known, and the files that come with Souk there?
  local program=$1 word; shift
  for word; do
    case $word in configs/*|datasets/*) [ -e "$root/$word" ] || { echo "there is no $word"; return 1; } ;; esac
  done
  "$SOUK_BUILD/$program" "$@" --help >"$work/typed" 2>&1 && grep -q '^usage: ' "$work/typed" || { cat "$work/typed"; return 1; }
}
root=$(cd "$(dirname "$0")/../.." && pwd)
count=0
for file in "$root"/README.md "$root"/docs/*.md "$root"/datasets/README.md "$root"/datasets/*/README.md "$root"/configs/*.yaml "$root"/checkpoints/README.md; do
  while read -r line; do
    eval "words=($line)" # quotes as a shell takes them
    words[0]=${words[0]#build/}
    check "${file#"$root"/} types a command that exists: $line" typed "${words[@]}"
    count=$((count + 1))
  done < <(recipes "$file" | awk '!seen[$0]++')
done
check "at least 40 commands of the documents were checked" test "$count" -ge 40
check "README says how souk is found" grep -q 'export PATH=$PWD/build:$PATH' "$root/README.md"

# ---- installed, and gone again
if slow || [[ $SOUK_BUILD != */gcc ]]; then
  skip "manual pages and completions are installed" "of the default build only"
else
  check "make install succeeds" make -C "$root" install DESTDIR="$work/root" PREFIX=/usr
  for program in souk souk-infer; do
    check "make install installs the manual page of $program" grep -q '^\.TH' "$work/root/usr/share/man/man1/$program.1"
    check "make install installs the completion of $program" grep -q "^complete .* $program$" "$work/root/usr/share/bash-completion/completions/$program"
  done
  check_error "an installed souk finds configurations by name" "usr/share/souk/configs has " "$work/root/usr/bin/souk" plan nosuch
  check "make uninstall succeeds" make -C "$root" uninstall DESTDIR="$work/root" PREFIX=/usr
  check "make uninstall leaves no file" test -z "$(find "$work/root" -type f -o -type l)"
fi
finish
