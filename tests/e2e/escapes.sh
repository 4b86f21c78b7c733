#!/usr/bin/env bash
# What comes from a file or a command line is printed with control characters escaped: nobody's log may drive a terminal.
. "$(dirname "$0")/run_lib.sh"
# A colour, DEL, CSI as a character of C1 and as a byte, and an override of the direction of writing.
mark=$'\x1b[31m\x7f\xc2\x9b2J\xe2\x80\xae'
byte=$'\x9b'
raw='[\x00-\x08\x0b-\x1f\x7f\x80\x9b](?<![\xc2-\xf4][\x80-\xbf])(?<![\xe0-\xf4][\x80-\xbf]{2})(?<!\xf0[\x80-\xbf]{3})|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]'
# escaped COMMAND...: whatever it returns, it prints no raw control character, and names the mark as it is escaped.
escaped() {
  "$@" >"$work/.said" 2>&1 </dev/null
  if LC_ALL=C grep -naP "$raw" "$work/.said" | cat -v | head -n 3 | grep .; then echo "raw control characters"; return 1; fi
  grep -qi 'x1b\|u001b' "$work/.said" || { echo "the mark is not named"; cat -v "$work/.said" | head -n 20; return 1; }
}
for text in $'\x9b' $'a\xc2\x9b' $'\x7f' $'\xe2\x80\xaa' $'\e'; do
  LC_ALL=C check "the check itself finds $(printf '%s' "$text" | od -An -tx1 | tr -d ' \n')" grep -qaP "$raw" <<<"$text"
done
check "the check itself takes letters of any alphabet" bash -c '! LC_ALL=C grep -qaP "$1" <<<"é数据ě☛🛛 → ‏"' . "$raw"
prepare() { "$souk" prepare --user user --fields.item item --out "$work/out" --force "$@"; }

printf 'user,%s,time\nu,i,1\n' "$mark" >"$work/header.csv"
check "a csv header that lacks a column is shown escaped" escaped prepare --log "$work/header.csv"
{ printf 'user,item,time\n'; for i in 1 2 3 4 5; do echo "u,i$i,$i"; done; printf 'u,i,%s\n' "$mark"; } >"$work/rows.csv"
check "rejected rows are shown escaped" escaped prepare --log "$work/rows.csv" --fields.time time --max_rejects 0.5
check "too many rejected rows are shown escaped" escaped prepare --log "$work/rows.csv" --fields.time time --max_rejects 0
printf 'user,item,time\nu,i,1\nu,j,%s%s\n' "$mark" "$byte" >"$work/bytes.csv"
check "rows that are no UTF-8 are shown escaped" escaped prepare --log "$work/bytes.csv" --fields.time time --max_rejects 0
awk -v m="$mark" 'BEGIN {print "user,item,time,event"
  for (u = 0; u < 40; u++) for (i = 0; i < 8; i++) print "u" m u ",i" m (u * 3 + i) % 20 "," i + 1 ",view" m}' >"$work/log.csv"
check "souk prepare shows names of event types escaped" escaped "$souk" prepare --log "$work/log.csv" --user user --fields.item item \
  --fields.time time --event event --name "data$mark" --out "$work/d"
printf '{"user":"u","item":5,"%s\n' "$mark" >"$work/bad.jsonl"
check "rows that are no JSON are shown escaped" escaped prepare --log "$work/bad.jsonl" --input.format jsonl
check "inspect shows users, items and event types escaped" escaped "$souk" inspect "$work/d"
check "inspect shows a vocabulary escaped" escaped "$souk" inspect "$work/d/vocab.tsv"
check "inspect shows rows of a log escaped" escaped "$souk" inspect "$work/log.csv"
check "inspect --json escapes as JSON does" grep -qi u001b <("$souk" inspect --json "$work/d")
check "souk eval shows the name of the data escaped" escaped "$souk" eval --baselines-only --data "$work/d" --bootstrap 0
quietly "$souk" pretrain --data.dir "$work/d" --out "$work/r$mark" --steps 4 --hidden 8 --layers 1 --heads 1 --max_positions 20 \
  --batch_tokens 256 --log_every 1
check "souk pretrain shows paths escaped" escaped "$souk" pretrain --data.dir "$work/d" --out "$work/r$mark" --steps 4
check "souk eval shows a checkpoint's path escaped" escaped "$souk" eval "$work/r$mark" --data "$work/d" --bootstrap 0
check "souk export shows paths escaped" escaped "$souk" export "$work/r$mark" "$work/b$mark"
check "souk inspect shows a run escaped" escaped "$souk" inspect "$work/r$mark"
check "souk inspect shows a bundle escaped" escaped "$souk" inspect "$work/b$mark"
check "souk-infer info shows the names of a bundle escaped" escaped "$infer" info "$work/b$mark"
check "souk-infer info as JSON escapes the names of a bundle" escaped "$infer" info "$work/b$mark" --json
check "souk-infer rank escapes names of items" escaped "$infer" rank "$work/b$mark" --input <(printf '{"history":["i%s1"]}\n' '\u001b[31m\u007f\u009b2J\u202e')
check "souk-infer shows a file that it cannot read escaped" escaped "$infer" rank "$work/b$mark" --input "$work/none$mark"
printf 'i%s\n' "$mark" >"$work/allow$mark"
check "souk-infer shows an item of a list that it does not know escaped" escaped "$infer" rank "$work/b$mark" --allow "$work/allow$mark" --input <(echo '{"history":["i"]}')
check "souk-infer shows an unknown event escaped" escaped "$infer" rank "$work/b$mark" --input <(printf '{"history":[{"item":"i","event":"x\\u001b"}]}\n')

printf '{"kind":"tr\\u001b[31m\\u009bain","step":1,"loss":2}\n{"kind":"train","step":1,"loss\\u001b":2}\n' >"$work/metrics.jsonl"
check "souk inspect shows kinds of metrics escaped" escaped "$souk" inspect "$work/metrics.jsonl"
check "souk plot shows what is not a figure escaped" escaped "$souk" plot "$work/metrics.jsonl" --out "$work/x.svg" --figures "$mark"
check "souk plot draws no control characters" bash -c "'$souk' plot '$work/metrics.jsonl' --out /dev/fd/1 --figures $'train/loss\x1b' | grep -q 'x1b</text>'"
header='{"t\u001b[31m\u009b\u202e":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
{ printf "\\x$(printf %02x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"; printf '\0\0\0\0'; } >"$work/t.safetensors"
check "souk inspect shows names of tensors escaped" escaped "$souk" inspect "$work/t.safetensors"
mkdir "$work/hf"; cp "$work/t.safetensors" "$work/hf/model.safetensors"; echo '{"model_type":"x\u001b\u009b\u202e"}' >"$work/hf/config.json"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a >"$work/hf/vocab.txt"
check "souk import shows what it does not know escaped" escaped "$souk" import "$work/hf" "$work/i"
manifest() { rm -rf "$work/m"; cp -r "$work/d" "$work/m"; sed -i "$1" "$work/m/manifest.json"; "${@:2}"; }
check "a manifest's unknown field is shown escaped" escaped manifest 's/"name": /"x\\u001b\\u009b\\u202e": 1, "name": /' "$souk" eval --baselines-only --data "$work/m"
check "a manifest's version is shown escaped" escaped manifest 's/"created_by": "/&\\u001b\\u009b\\u202e/; s/"version": 1/"version": 2/' "$souk" inspect "$work/m"
check "a manifest's file name is shown escaped" escaped manifest 's/"vocab.tsv"/"v\\u001b\\u009b\\u202e"/' "$souk" inspect "$work/m"
printf 'train: {"a%s": 1}\n' '\e[31m\u009b' >"$work/c.yaml"
check "an unknown option of a configuration is shown escaped" escaped "$souk" pretrain "$work/c.yaml"
for command in synth prepare inspect pretrain eval import export vectors plan plot replay selftest bench; do
  check "souk $command shows an unknown option escaped" escaped "$souk" $command "--x$mark$byte" 1
done
for command in prepare inspect pretrain eval plan replay "plot --out $work/x.svg" "vectors --items $work/x.npy"; do
  check "souk ${command%% *} shows a path that is not there escaped" escaped "$souk" $command "$work/none$mark$byte"
done
for command in users items rank score info bench; do
  check "souk-infer $command shows a path that is not there escaped" escaped "$infer" $command "$work/none$mark$byte"
done
check "an unknown command is shown escaped" escaped "$souk" "$mark"
check "souk-infer shows an unknown command escaped" escaped "$infer" "$mark"
check "the value of an option is shown escaped" escaped "$souk" synth --users "$mark" --out "$work/s"
check "a choice that there is not is shown escaped" escaped "$souk" pretrain --data.dir "$work/d" --out "$work/q" --model.activation "$mark"
# On a terminal a status line has its own carriage return and "erase to the end"; nothing else.
on_terminal() {
  script -qec "'$souk' export '$work/r$mark' '$work/b$mark' --force" /dev/null </dev/null >"$work/.typed" 2>&1
  grep -qF $'exporting' "$work/.typed" || { echo "no status line"; return 1; }
  escaped sed $'s/\e\\[K//g; s/\r//g' "$work/.typed"
}
if terminal; then check "the status line of a terminal shows paths escaped" on_terminal
else skip "the status line of a terminal shows paths escaped" "no script(1) or no terminals"; fi
finish
