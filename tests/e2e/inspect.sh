#!/usr/bin/env bash
. "$(dirname "$0")/lib.sh"
# says FILE TEXT...: souk inspect FILE succeeds and its output has every TEXT.
says() {
  local file=$1; shift
  "$souk" inspect "$file" >"$work/.said" 2>&1 || { cat "$work/.said"; return 1; }
  for text in "$@"; do grep -qF -- "$text" "$work/.said" || { echo "lacks: $text"; head -n 60 "$work/.said"; return 1; }; done
}
quietly "$souk" synth --out "$work/m" --users 60 --items 80 --length 10
quietly "$souk" prepare datasets/synth/prepare.yaml --log "$work/m/events.csv.gz" --catalogue "$work/m/catalogue.jsonl" --out "$work/d"
quietly "$souk" pretrain --data.dir "$work/d" --out "$work/r" --steps 4 --eval_every 2 --hidden 16 --layers 1 --max_positions 20 \
  --data.window 20 --data.stride 10 --batch_tokens 256 --log_every 1
quietly "$souk" export "$work/r" "$work/b"
quietly "$souk" vectors "$work/r" --items "$work/v.npy"
quietly "$souk" vectors "$work/r" --items "$work/v.h5"
step=$work/r/$(cat "$work/r/last")

check "inspect shows a marketplace" says "$work/m" "generated marketplace" "events.csv.gz" "good" "best_clicks"
check "inspect shows a data set" says "$work/d" "data set" "created_by           souk $("$souk" --version | cut -d' ' -f2)" "sequences            60" "event_types          none, view, cart, buy" "p0000" "(view)" "sparsity"
check "inspect shows a shard" says "$work/d/shard-00000.h5" "shard of a data set" "valid_from" "int32"
check "inspect shows item attributes" says "$work/d/items.h5" "attributes of items" "category"
check "inspect shows a vocabulary" says "$work/d/vocab.tsv" "vocabulary" "event=view" "tokens"
printf 'user,item,time\n' >"$work/wide.csv"
for user in 用户一 u2 u3; do printf '%s\n' "$user,数据,1" "$user,数据集,2" "$user,a,3" "$user,b,4"; done >>"$work/wide.csv"
quietly "$souk" prepare --log "$work/wide.csv" --user user --fields.item item --fields.time time --out "$work/wide"
check "columns are aligned in characters of double width" says "$work/wide" "  user    length" "  用户一       4" "  u2           4"
check "inspect shows a manifest" says "$work/d/manifest.json" "json: souk.dataset"
check "inspect shows a report" says "$work/d/report.json" "json" "sparsity"
check "inspect shows a catalogue" says "$work/d/catalogue.jsonl" "catalogue (jsonl)" "title_zh"
check "inspect shows a run" says "$work/r" "run" "checkpoints" "best_valid" "batch_tokens: 256"
check "inspect shows a checkpoint" says "$step" "checkpoint" "word_embeddings" " x 16" "optimizer.h5"
check "inspect shows parameters" says "$step/model.h5" "parameters of a checkpoint" "word_embeddings"
check "inspect shows optimiser state" says "$step/optimizer.h5" "optimiser state" "m/"
check "inspect shows metrics" says "$work/r/metrics.jsonl" "metrics of a run" "last_train" "best_valid"
check "inspect shows a run's configuration" says "$work/r/config.yaml" "configuration of a run" "max_positions: 20"
check "inspect shows a configuration of prepare" says datasets/synth/prepare.yaml "configuration of souk prepare" "session_gap: 1800"
check "inspect shows TensorBoard events" says "$(ls "$work"/r/events.out.tfevents.* | head -n 1)" "TensorBoard events" "records" "cut_short            no"
check "inspect shows a bundle" says "$work/b" "bundle" "bert.embeddings.word_embeddings.weight" "max_positions"
check "inspect shows safetensors" says "$work/b/model.safetensors" "safetensors" "tensors" "F32"
check "inspect shows a numpy array" says "$work/v.npy" "numpy array" "<f4"
check "inspect shows vectors in HDF5" says "$work/v.h5" "vectors" "float32"
printf 'session;item\n1;a\n' >"$work/semicolons"
printf '1::1193::5\n' >"$work/colons"
printf 'u1,a,2024-03-01 12:30:00\n' >"$work/times"
for log in semicolons colons times; do check "inspect takes columns with $log for a csv log" says "$work/$log" "csv"; done
printf "{'reviewerID': 'A1', 'asin': 'B1'}\n" >"$work/dicts"
check "inspect shows rows that are Python dicts" says "$work/dicts" "jsonl (Python dicts)" "B1"
check "inspect shows a csv log in gzip" says "$work/m/events.csv.gz" "csv" "time,user_id"
check "inspect shows a jsonl log in gzip" says "$work/m/events.jsonl.gz" "jsonl" "user_id"
check "a file's kind does not depend on its name" bash -c "cp $work/v.npy $work/x.h5 && $souk inspect $work/x.h5 | grep -q 'numpy array'"
check "--json names the kind of a data set" bash -c "$souk inspect --json $work/d | tr -d ' \n' | grep -q '\"kind\":\"dataset\",\"name\":\"synth\"'"
check "--rows shows as many rows as asked for" bash -c "[ \$($souk inspect --rows 7 $work/m/events.csv.gz | grep -c 2024-) = 7 ]"

check_error "a missing path is an error" "cannot open" "$souk" inspect "$work/none"
check_error "inspect without a file is an error" "needs a FILE" "$souk" inspect
: >"$work/empty"
check_error "an empty file is an error" "is empty" "$souk" inspect "$work/empty"
printf '\n \t\n\n' >"$work/blank"
check_error "a file of empty lines is an error" "holds nothing but empty lines" "$souk" inspect "$work/blank"
mkdir "$work/dir"
check_error "an empty directory is told as one" "is an empty directory" "$souk" inspect "$work/dir"
printf '\x89PNG\r\n\x1a\n' >"$work/picture.png"
check_error "a picture is told as a file that Souk does not know" "not text in UTF-8 and has no known format" "$souk" inspect "$work/picture.png"
mkfifo "$work/pipe"
check_error "a pipe is not waited for" "is a pipe or a device" timeout 20 "$souk" inspect "$work/pipe"
check_error "a device without an end is not read" "is a pipe or a device" timeout 20 "$souk" inspect /dev/zero
mkdir "$work/hf" && echo '{"model_type":"bert"}' >"$work/hf/config.json"
check_error "a model of Hugging Face is told as one" "is a Hugging Face model: souk import takes it" "$souk" inspect "$work/hf"
mkdir -p "$work/nvidia/a/b" && cp tests/golden/h5py_lzf.hdf5 "$work/nvidia/a/b/x.hdf5"
check "shards in folders of a directory are shown" says "$work/nvidia" "directory of HDF5 files" "a/b/x.hdf5" "20 x 12"
echo x >"$work/dir/note"
check_error "a directory of another program is an error" "not a directory that Souk wrote" "$souk" inspect "$work/dir"
head -c 3000 /dev/urandom >"$work/noise"
printf '\x01\x02\x03' | cat - "$work/noise" >"$work/noise2"
check_error "a file of random bytes is an error" "" "$souk" inspect "$work/noise2"
printf 'train:\n  stepz: 5\n' >"$work/bad.yaml"
check_error "a configuration with an unknown option is an error" 'unknown option "train.stepz"' "$souk" inspect "$work/bad.yaml"
printf '{"schema": "souk.later"}' >"$work/dir/manifest.json"
check_error "an unknown schema is an error" "souk.later" "$souk" inspect "$work/dir"
printf '{"schema": ' >"$work/dir/manifest.json"
check_error "json that is cut short is an error" "manifest.json line 1" "$souk" inspect "$work/dir"
cp -r "$work/d" "$work/d2" && printf x >>"$work/d2/users.tsv"
check_error "a changed file of a data set is an error" "users.tsv has" "$souk" inspect "$work/d2"
check "--no-verify shows a data set with a changed file" "$souk" inspect --no-verify "$work/d2"
cp -r "$work/d" "$work/d3"
for name in ../d/users.tsv /etc/passwd truth/../../d/users.tsv; do
  sed "s#\"users.tsv\"#\"$name\"#" "$work/d/manifest.json" >"$work/d3/manifest.json"
  check_error "a manifest that lists $name is an error" "\"$name\" is not a plain file name" "$souk" inspect "$work/d3"
done
sed -E 's/"created_by": "[^"]*"/"created_by": "souk 0.9.0"/; s/"stride"/"hops": 3,\n "stride"/' "$work/d/manifest.json" >"$work/d3/manifest.json"
check_error "a data set with an unknown field names it and who wrote it" 'manifest.json: field "hops" is unknown; souk 0.9.0 wrote it, this is souk' "$souk" inspect "$work/d3"
cp "$work/d/manifest.json" "$work/d3/" && rm "$work/d3/users.tsv" && mkfifo "$work/d3/users.tsv"
check_error "a pipe in place of a listed file is an error" "users.tsv is missing" timeout 20 "$souk" inspect "$work/d3"
check "inspect names a run's last and best checkpoints" bash -c "$souk inspect --json $work/r | grep -q '\"last\": \"${step##*/}\"' && $souk inspect --json $work/r | grep -q '\"best\": \"step-'"
cp -r "$work/r" "$work/r2"
for name in ../r/step-00000004 '' .. "$(printf 'step-\xff')"; do
  printf '%s\n' "$name" >"$work/r2/best"
  check_error "a run whose best is '$(printf %q "$name")' is an error" "/r2/best does not name a checkpoint" "$souk" inspect "$work/r2"
done
rm "$work/r2/best" "$work/r2/last"
check "a run without best and last is shown" says "$work/r2" "run" "checkpoints"
cp -r "$step" "$work/c2" && rm "$work/c2/optimizer.h5"
check_error "a checkpoint with a missing file is an error" "optimizer.h5 is missing" "$souk" inspect "$work/c2"
# A terminal obeys control characters, and a file may hold any: none of them is printed, nor told in an error.
harmless() { ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]\|\xc2[\x80-\x9f]' "$1"; }
printf '{\n"\\u001b]0;a\\u0007": "\\u001b[31mb\\u009b", "list": [{"c\\u007f": "caf\xc3\xa9\\u001b[2J"}]}' >"$work/escapes.json"
"$souk" inspect "$work/escapes.json" >"$work/escapes"
check "control characters of a file are not printed" harmless "$work/escapes"
check "control characters of a file are escaped" bash -c "grep -qF '\x1b]0;a\x07' '$work/escapes' && grep -qF '\x1b[31mb\u009b' '$work/escapes' && grep -qF 'café\x1b[2J' '$work/escapes'"
"$souk" inspect "$work/no"$'\e]0;x\a\xc2\x9b'"café" 2>"$work/escapes"
check "control characters are not printed in an error" harmless "$work/escapes"
check "control characters in an error are escaped" grep -qF 'no\x1b]0;x\x07\u009bcafé' "$work/escapes"
# A data set that lists somebody's file, or no files at all, is refused by every command, also by those that compare no checksums.
refuses() { # TEXT FILES
  local text=$1 of command; shift
  for command in "inspect $work/evil" "inspect --no-verify $work/evil" "pretrain --data.dir $work/evil --out $work/no" "plan --data.dir $work/evil" \
    "eval --baselines-only --data $work/evil" "eval $work/r --data $work/evil" "vectors $work/r --data $work/evil --users $work/no.npy"; do
    # shellcheck disable=SC2086
    timeout 60 "$souk" $command >"$work/.o" 2>"$work/.e" && { echo "accepted by souk $command"; return 1; }
    grep -qF -- "$text" "$work/.e" || { echo "souk $command says:"; cat "$work/.e"; return 1; }
  done
}
cp -r "$work/d" "$work/evil"
sed -i 's|"files": {|&"../../../../etc/passwd": {"bytes": 1, "sha256": "x"},|' "$work/evil/manifest.json"
check "a data set that lists ../../../../etc/passwd is refused by every command" refuses '"../../../../etc/passwd" is not a plain file name'
tr -d '\n' <"$work/d/manifest.json" | sed 's|"files": {.*|"files": {}}|' >"$work/evil/manifest.json"
check "a data set that lists no files is refused by every command" refuses 'field "files" does not list'
# Every kind of file, cut at every eighth and with a byte changed: a sentence or an answer, never a crash.
damage() {
  local file=$1 n i
  n=$(stat -c %s "$file")
  for i in 1 2 3 4 5 6 7; do
    head -c $((n * i / 8)) "$file" >"$work/cut"
    "$souk" inspect "$work/cut" >"$work/.o" 2>&1
    [ $? -le 2 ] && ! grep -q "was ended by SIG" "$work/.o" || { echo "cut at $i/8 of $file:"; tail -n 3 "$work/.o"; return 1; }
    cp "$file" "$work/cut"
    printf '\xfe' | dd of="$work/cut" bs=1 seek=$((n * i / 8)) conv=notrunc 2>/dev/null
    "$souk" inspect "$work/cut" >"$work/.o" 2>&1
    [ $? -le 2 ] || { echo "byte at $i/8 of $file:"; tail -n 3 "$work/.o"; return 1; }
  done
}
for f in "$work/d/shard-00000.h5" "$work/b/items.safetensors" "$work/v.npy" "$work/r/metrics.jsonl" "$work/m/events.csv.gz" "$work/d/vocab.tsv" "$work/d/manifest.json"; do
  check "damage to ${f##*/} never crashes inspect" damage "$f"
done
finish
