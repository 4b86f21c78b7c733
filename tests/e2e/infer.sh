#!/usr/bin/env bash
# souk-infer as a program among others: in a pipe, with bad lines, and what it says of itself.
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { print "user,item,time,event"; for (u = 0; u < 60; u++) for (i = 0; i < 8; i++)
  printf "u%d,\"i%d\",%d,%s\n", u, (u * 7 + i * (1 + u % 2)) % 40, 1000 * i + u, i % 3 ? "view" : "buy" }' >"$work/log.csv"
bundle=$work/bundle
check "souk prepare makes a data set" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event \
  --out "$work/data"
check "a short training ends well" "$souk" pretrain --data.dir "$work/data" --out "$work/run" --steps 10 --eval_every 0 --hidden 16 \
  --layers 2 --heads 2 --max_positions 12 --warmup_steps 5 --train.threads 1
check "souk export makes a bundle" "$souk" export "$work/run" "$bundle"
is() { if [ "$3" = "$2" ]; then ok "$1"; else not_ok "$1 (wanted: $2, got: $3)"; fi; }

# bench takes six seconds, during which the rest is tried; it is looked at in the end.
{ { "$infer" bench "$bundle" --threads 1 --seconds 1; echo $? >"$work/bench.rc"; } |
  { while IFS= read -r l; do echo "$l"; case $l in user*) [ -e "$work/bench.first" ] || : >"$work/bench.first" ;; esac; done; } >"$work/bench"; } &
bench=$!

# ---- a question, its answer, the next question ----
# The coprocess is asked for each answer before it gets the next line: whoever waits for more lines hangs here.
talk() { # NAME COMMAND...: three questions, one of them bad, one after another
  local name=$1 answer got=0; shift
  coproc talker { "$@" 2>"$work/.talk"; }
  local pid=$talker_PID in=${talker[1]} out=${talker[0]}
  for question in '{"user":1,"history":["i1"],"candidates":["i2"]}' '{"user":2,"history":7}' \
    '{"user":3,"history":["i4"],"candidates":["i5"]}'; do
    echo "$question" >&"$in"
    if ! read -r -t 60 answer <&"$out"; then break; fi
    case $answer in '{"user":'$((got + 1)),*) got=$((got + 1)) ;; esac
  done
  # Half a line is no question yet; it becomes one at the end of the input, without a newline.
  printf '{"user":4,"history":["i1"],' >&"$in"
  if read -r -t 0.3 answer <&"$out"; then got=no; fi
  # While it waits it uses no processor.
  local before after
  before=$(awk '{ print $14 + $15 }' /proc/"$pid"/stat); sleep 0.5; after=$(awk '{ print $14 + $15 }' /proc/"$pid"/stat)
  printf '"candidates":["i2"]}' >&"$in"
  eval "exec $in>&-"
  if read -r -t 60 answer <&"$out"; then case $answer in '{"user":4,'*unknown*) got=$((got + 1)) ;; esac; fi
  wait "$pid"; local rc=$?
  is "$name answers each line before the next comes" 4 "$got"
  is "$name waits without working" yes "$([ $((after - before)) -le 5 ] && echo yes)"
  is "$name ends with 1 after a bad line" 1 "$rc"
}
talk rank "$infer" rank "$bundle" --threads 1
talk score "$infer" score "$bundle" --threads 1

# ---- bad lines ----
awk 'BEGIN { for (i = 0; i < 3000; i++) printf "{\"user\":%d,\"history\":[\"i%d\",\"i%d\"],\"candidates\":[\"i%d\",\"i%d\"]}\n", i, i % 40, i * 7 % 40, i % 39, i % 31 }' >"$work/good"
awk 'NR == 2 { print "{\"user\":\"x\",\"history\":[\"i1\"],\"deny\":3}" } NR == 1500 { print "no JSON" } { print }' "$work/good" >"$work/mixed"
for command in rank score; do
  "$infer" $command "$bundle" --threads 1 --input "$work/good" >"$work/wanted"
  "$infer" $command "$bundle" --threads 1 <"$work/mixed" >"$work/got" 2>"$work/err"; rc=$?
  is "$command: bad lines end in exit status 1" 1 $rc
  is "$command: an error stands in a bad line's place" \
    '{"user":"x","error":"\"deny\" must be an array of item names","line":2}' "$(sed -n 2p "$work/got")"
  is "$command: an error stands in the place of a line that is not JSON" '{"user":null,"error":"a value is expected","line":1501}' \
    "$(sed -n 1501p "$work/got")"
  check "$command: the other lines have their answers" cmp "$work/wanted" <(sed '2d;1501d' "$work/got")
  check "$command: bad lines are named on stderr" grep -q 'standard input line 1501: a value is expected' "$work/err"
  check "$command: bad lines are counted on stderr" grep -q '2 of 3002 lines of standard input could not be answered' "$work/err"
  "$infer" $command "$bundle" --threads 1 --input "$work/mixed" --output "$work/file" 2>/dev/null; rc=$?
  is "$command: bad lines end in exit status 1 with --output" 1 $rc
  check "$command: the output file has answers and errors" cmp "$work/got" "$work/file"
  for batch in 1 7 1000; do
    check "$command: --batch $batch gives the same answers" \
      cmp "$work/got" <("$infer" $command "$bundle" --threads 2 --batch $batch --input "$work/mixed" 2>/dev/null)
  done
done
yes x | head -n 500 >"$work/nothing-good"
check "thousands of bad lines give eleven lines on stderr" \
  bash -c "'$infer' rank '$bundle' <'$work/nothing-good' 2>&1 >/dev/null | wc -l | grep -qx 11"
"$infer" users "$bundle" --input "$work/mixed" --output "$work/u.npy" --names "$work/u.names" 2>"$work/err"; rc=$?
is "users: bad lines end in exit status 1" 1 $rc
row() { od -An -v -t x4 -j $((128 + 68 * ($1 - 1))) -N 68 "$work/u.npy" | tr -s ' \n' ' '; }
is "users: the row of a bad line is NaN" " $(for _ in $(seq 17); do printf '7fc00000 '; done)" "$(row 2)"
is "users: no other row is NaN" 2 "$(od -An -v -t x4 -w68 -j 128 "$work/u.npy" | grep -c 7fc00000)"
is "users: every line has its row" $((128 + 68 * 3002)) "$(stat -c %s "$work/u.npy")"
is "users: the names say what was wrong" '{"user":null,"error":"a value is expected","line":1501}' \
  "$(sed -n 1501p "$work/u.names")"

# ---- explanations ----
printf '%s\n' '{"user":1,"history":["i1","nobody","i7","i9"]}' '{"user":2,"history":[]}' 'x' '{"user":3,"history":["i3"]}' >"$work/why.jsonl"
# Of every answer: does what an item's score is said to be made of add up to it? k is 1, so that there is one of each.
adds_up() {
  sed -nE 's/.*"scores":\[([^]]*)\].*"base":\[([^]]*)\],"counts":\[([^]]*)\],"rest":\[([^]]*)\],"shares":\[\[([^]]*)\]\].*/\1 \2 \3 \4 \5/p' "$1" | tr , ' ' |
    awk '{ sum = 0; for (i = 2; i <= NF; i++) sum += $i; if (sum - $1 > 1e-4 || $1 - sum > 1e-4) bad = 1 } END { exit bad || NR != 3 }'
}
for how in "" --gradients; do
  "$infer" rank "$bundle" --why $how --k 1 <"$work/why.jsonl" >"$work/why" 2>/dev/null; rc=$?
  is "rank --why $how ends with 1 after a bad line" 1 $rc
  check "rank --why $how: base, counts, rest and shares add up to the score" adds_up "$work/why"
  check "rank --why $how: an unknown item has no share" grep -qE '"user":1,.*"shares":\[\[[^,]*,0,[^,]*,[^,]*\]\]' "$work/why"
  check "rank --why $how: the other fields are those of rank" cmp <("$infer" rank "$bundle" --k 1 <"$work/why.jsonl" 2>/dev/null) \
    <(sed -E 's/,"why":\{[^}]*\}//' "$work/why")
  check "rank --why $how: the same with several threads" cmp "$work/why" \
    <("$infer" rank "$bundle" --why $how --k 1 --threads 3 <"$work/why.jsonl" 2>/dev/null)
done
check "rank --why says that events were left out" grep -q '"method":"leave-one-out","passes":5' <("$infer" rank "$bundle" --why <"$work/why.jsonl" 2>/dev/null)
check "rank --why --gradients says that it integrated" grep -q '"method":"integrated-gradients"' "$work/why"
check_error "--gradients without --why is an error" "gradients needs --why" "$infer" rank "$bundle" --gradients --input "$work/good"

# ---- text of others ----
# A terminal obeys control characters: none of a question, a bundle or a path is printed.
harmless() { ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]\|\xc2[\x80-\x9f]' "$1"; }
printf '{"user":1,"history":[{"item":"i1","event":"\\u001b[31mX\\u0007\\u009b caf\xc3\xa9"}]}\n' |
  "$infer" rank "$bundle" >"$work/got" 2>"$work/err"
check "an event's name in an error has no control characters" harmless "$work/err"
check "an event's name in an error has its control characters escaped" grep -qF '"\x1b[31mX\x07\u009b café"' "$work/err"
check "the answer has control characters as JSON escapes" grep -qF '\"\u001b[31mX\u0007\u009b café\"' "$work/got"
check "the answer has no raw control characters" harmless "$work/got"
cp -r "$bundle" "$work/odd"
sed -i -E 's/"view"/"\\u001b[31mview\\u0007"/; s/("created_by": *")/\1\\u009b2J/; s/("data": *")/\1\\u001b]0;/' "$work/odd/souk.json"
"$infer" info "$work/odd" >"$work/got"
check "souk-infer info prints no control characters" harmless "$work/got"
check "souk-infer info escapes control characters of event names" grep -qF ' \x1b[31mview\x07' "$work/got"
"$infer" info "$work/no"$'\e]0;x\a' 2>"$work/err"
check "an error with a path prints no control characters" harmless "$work/err"
printf 'i1\ni2\0\ni3\n' >"$work/nul"
check_error "an item's name with a NUL is an error" "nul line 2 holds a NUL byte" "$infer" rank "$bundle" --deny "$work/nul" --input "$work/good"

# ---- ends ----
check "an endless producer ends when its reader leaves" \
  bash -c "yes '{\"user\":1,\"history\":[]}' | timeout 60 '$infer' rank '$bundle' | head -n 2000 | wc -l | grep -qx 2000"
check_error "a reader who has left is an error where SIGPIPE is ignored" "cannot write standard output: Broken pipe" \
  bash -c "trap '' PIPE; { sleep 0.2; cat '$work/good'; } | { '$infer' rank '$bundle'; echo \$? >'$work/.rc'; } | true; exit \$(cat '$work/.rc')"
# What shares a pipe with it may have made both ends non-blocking, which holds for all who have it open.
if command -v cc >/dev/null; then
  cat >"$work/nonblock.c" <<'C'
#include <fcntl.h>
int main(void) { return fcntl(0, F_SETFL, O_NONBLOCK) < 0 || fcntl(1, F_SETFL, O_NONBLOCK) < 0; }
C
  check "a program that makes pipes non-blocking compiles" cc -o "$work/nonblock" "$work/nonblock.c"
  { sleep 0.3; cat "$work/good"; } | { "$work/nonblock" && "$infer" rank "$bundle" --k 40; } 2>"$work/err" | { sleep 1; cat; } >"$work/got"
  is "non-blocking pipes are waited for" "3000 lines, ''" "$(wc -l <"$work/got") lines, '$(cat "$work/err")'"
else
  skip "non-blocking pipes are waited for" "no cc"
fi
# Half of a pair is left by nothing that ends it: not by a reader who leaves, not by a quit, not by a limit on files.
ulimit -c 0
no_half() { ! ls -A "$work" | grep '^half'; }
{ sleep 0.3; "$infer" items "$bundle" --output "$work/half.npy" --names -; echo $? >"$work/.rc"; } 2>"$work/.err" | true
is "a reader of --names who leaves ends souk-infer by SIGPIPE" "141 ''" "$(cat "$work/.rc") '$(cat "$work/.err")'"
check "SIGPIPE from --names leaves no output" no_half
check_error "a --names reader who has left is an error where SIGPIPE is ignored" "cannot write standard output: Broken pipe" \
  bash -c "trap '' PIPE; { sleep 0.3; '$infer' items '$bundle' --output '$work/half.npy' --names -; echo \$? >'$work/.rc'; } | true; exit \$(cat '$work/.rc')"
check "an error of --names leaves no output" no_half
check_error "a file size limit is an error" "half.npy: File too large" \
  bash -c "ulimit -f 1; exec '$infer' items '$bundle' --output '$work/half.npy'"
check "a file size limit leaves no output" no_half
if env --default-signal=QUIT true 2>/dev/null; then
  mkfifo "$work/questions"
  env --default-signal=QUIT "$infer" users "$bundle" --output "$work/half.npy" <"$work/questions" & pid=$!
  exec 9>"$work/questions"
  for _ in $(seq 200); do no_half >/dev/null || break; sleep 0.05; done
  check "users has a temporary file while it works" bash -c "ls '$work'/half.npy.tmp.*"
  kill -QUIT $pid; wait $pid 2>/dev/null; rc=$?
  exec 9>&-
  is "SIGQUIT ends souk-infer with status 131" 131 $rc
  check "SIGQUIT leaves neither output nor temporary file" no_half
else
  skip "SIGQUIT leaves neither output nor temporary file" "no env --default-signal"
fi
check_error "an input that is a directory is an error" "cannot read $work: Is a directory" "$infer" rank "$bundle" --input "$work"
mkfifo "$work/pipe"
"$infer" rank "$bundle" --threads 1 <"$work/pipe" >"$work/terminated" & pid=$!
exec 9>"$work/pipe"; head -n 5 "$work/good" >&9
for _ in $(seq 200); do [ "$(wc -l <"$work/terminated")" = 5 ] && break; sleep 0.05; done
kill -TERM $pid; wait $pid 2>/dev/null; rc=$?
exec 9>&-
is "SIGTERM ends an interactive souk-infer with status 143" 143 $rc
is "answers before SIGTERM have been written" 5 "$(wc -l <"$work/terminated")"

# ---- what it says of itself ----
# The completion knows every option of every command; help, man page and parser must agree with it.
"$infer" --completion bash >"$work/completion"
options_of() { sed -nE "s/^ *$1\) options=\"(.*)\" ;;/\1/p" "$work/completion"; }
commands=$("$infer" --help | sed -nE '/^for example/q; s/^  ([a-z]+) +[^ ].*/\1/p')
all=$(for c in $commands; do options_of $c; done | tr ' ' '\n' | sort -u | grep -v -- --help)
"$infer" --man >"$work/page"
wrong=
for option in $all; do
  grep -q "^\.B ${option//-/\\\\-}" "$work/page" || wrong+=" man:$option"
  for c in $commands; do
    if [[ " $(options_of $c) " == *" $option "* ]]; then
      "$infer" $c --help | grep -qE -- "^  $option( |$)" || wrong+=" help:$c:$option"
    else
      "$infer" $c --help | grep -qE -- "^  $option( |$)" && wrong+=" help:$c:$option"
      "$infer" $c "$bundle" "$option" 1 2>&1 | grep -q "^souk-infer: $c takes no $option, which is for " || wrong+=" parse:$c:$option"
    fi
  done
done
is "help, man page, completion and parser know the same options" "" "$wrong"
is "there are ten commands" 10 "$(wc -w <<<"$commands")"
check "rank --help says how a line gives attributes and an adapter" bash -c "'$infer' rank --help | grep -qF '\"adapter\": \"de\"'"
is "a line of a text that cannot be answered has its id, as embed --help says" 1 "$("$infer" embed --help | tr '\n' ' ' | grep -c 'with \"id\" for \"user\"')"
is "at least 13 options were compared" yes "$([ "$(wc -w <<<"$all")" -ge 13 ] && echo yes)"
is "info --help has --json" 1 "$("$infer" info --help | grep -c -- '--json')"
is "rank --help does not have --json" 0 "$("$infer" rank --help | grep -c -- '--json')"
check_error "an option of other commands says whose it is" "score takes no --k, which is for rank and bench" \
  "$infer" score "$bundle" --k 3
is "all help texts fit 80 columns" "" "$(for c in $commands; do "$infer" $c --help; done | cat - <("$infer" --help) | grep -E '.{80}')"
complete_words() { # WORD...: what the completion offers for the last one
  bash -c '. "$1"; shift; COMP_WORDS=(souk-infer "$@"); COMP_CWORD=$#; _souk_infer; printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd" "' _ "$work/completion" "$@"
}
is "completion of a command name" "score" "$(complete_words sc)"
is "completion of an option name" "--threads" "$(complete_words rank B --th)"
is "no completion of options that the command does not take" "" "$(complete_words items B --th)"
is "completion of a file name" "$work/good" "$(complete_words rank B --input "$work/goo")"
is "completion of a file name behind =" "$work/good" "$(complete_words rank B --input = "$work/goo")"
is "completion of a bundle offers directories" "$bundle" "$(complete_words rank "$work/bun")"
check_error "a shell without a completion is an error" '--completion needs "bash", not "fish"' "$infer" --completion fish
if command -v mandoc >/dev/null; then
  check "the man page has no warnings" mandoc -T lint -W error "$work/page"
elif command -v groff >/dev/null; then
  is "the man page has no warnings" "" "$(groff -man -ww -z -T utf8 "$work/page" 2>&1)"
else
  skip "the man page has no warnings" "no mandoc and no groff"
fi
check_error "a run instead of a bundle is an error" "is a training run, not a bundle: make one with souk export $work/run BUNDLE" "$infer" rank "$work/run"
check_error "a checkpoint instead of a bundle is an error" "is a checkpoint, not a bundle: make one with souk export" "$infer" rank "$work/run/$(cat "$work/run/last")"
check_error "a data set instead of a bundle is an error" "is a prepared data set, not a bundle" "$infer" rank "$work/data"
check_error "a file instead of a bundle is an error" "good is not a directory, which a bundle of souk export is" "$infer" rank "$work/good"
check_error "a directory without souk.json is an error" "is not a bundle: it has no souk.json" "$infer" rank "$work"
# Without permission to look into it, nothing can be said of a directory but that.
as_nobody() { if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --clear-groups "$@"; else "$@"; fi; }
chmod 755 "$work"
if as_nobody "$infer" --version >/dev/null 2>&1; then
  cp -r "$bundle" "$work/locked"
  chmod 444 "$work/locked"
  check_error "a bundle in a closed directory is an error" "cannot open $work/locked/souk.json: Permission denied" \
    as_nobody "$infer" info "$work/locked"
  chmod 755 "$work/locked"
else
  skip "a bundle in a closed directory is an error" "no setpriv, or a user without rights cannot run the program"
fi

# ---- bench ----
wait $bench
is "souk-infer bench ends well" 0 "$(cat "$work/bench.rc")"
is "souk-infer bench prints six measures" 6 "$(grep -cE '^(user vector|list from (history|vector)) +[0-9]+( +[0-9.]+){3} +[0-9]+$' "$work/bench")"
# The first of six measures of a second each was there seconds before the last.
is "souk-infer bench prints each measure when it is done" yes "$([ $(($(stat -c %Y "$work/bench") - $(stat -c %Y "$work/bench.first"))) -ge 3 ] && echo yes)"

# ---- long lines ----
# 48 lines of 60,000 candidates, 33 MB: as trees they would take 400 MB.
long_lines() { awk 'BEGIN { for (l = 0; l < 48; l++) { printf "{\"user\":%d,\"history\":[\"i1\"],\"candidates\":[\"i3\"", l; for (i = 0; i < 60000; i++) printf ",\"no %d\"", i; print "]}" } }'; }
long_lines >"$work/long"
line_of() { printf '{"user":1,"history":['; yes '"i1",' | head -c "$1" | tr -d '\n'; printf '"i2"]}\n{"user":2,"history":[]}\n'; }
within() { (ulimit -v "$1" && shift && exec "$@"); } # KiB
if [[ $SOUK_BUILD != *san ]]; then
  check "long lines are ranked in bounded memory" within 300000 "$infer" rank "$bundle" --threads 1 --input "$work/long" --output "$work/ranked"
  is "every long line has its answer" 48 "$(grep -c '"items":\["i3"\]' "$work/ranked")"
  line_of 168000000 >"$work/endless"
  check_error "a line that is too long is an error of its own" "line 1: the line is longer than 128 MiB" within 700000 "$infer" rank "$bundle" --threads 1 --input "$work/endless" --output "$work/ranked"
  rm -f "$work/endless"
else
  skip "long lines are ranked in bounded memory" "an address sanitizer reserves memory of its own"
fi
"$infer" rank "$bundle" --threads 1 --input <(line_of 168000000) >"$work/ranked" 2>/dev/null
is "the line behind one that is too long is answered" 1 "$(grep -c '"user":2,"items"' "$work/ranked")"
is "integers of any length are names" '{"user":18446744073709551617,"items":["18446744073709551616"],"scores":[null],"unknown":1}' \
  "$(echo '{"user":18446744073709551617,"history":[99999999999999999999],"candidates":[18446744073709551616]}' | "$infer" score "$bundle")"
is "a user's name of more than 1024 bytes is an error" '{"user":null,"error":"\"user\" has 1025 bytes, more than 1024","line":1}' \
  "$(printf '{"user":"%01025d","history":[]}\n' 0 | "$infer" rank "$bundle" 2>/dev/null)"
is "a bad element is told with the user behind it" '{"user":"u","error":"\"deny\" must be an array of item names","line":1}' \
  "$(echo '{"history":[],"deny":[1.5,"i1"],"user":"u"}' | "$infer" rank "$bundle" 2>/dev/null)"
echo '{"user": "u", "history": []}' >"$work/both"
check_error "the questions in the place of the answers are an error" "--output and --input are the same file" "$infer" rank "$bundle" --input "$work/both" --output "$work/both"
check "the questions are still there" grep -q history "$work/both"
finish
