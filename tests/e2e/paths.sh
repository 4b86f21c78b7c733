#!/usr/bin/env bash
# The wrong kind of path: every command says what it was given, what takes that, and what it wants; nothing that is there
# is written over.
. "$(dirname "$0")/run_lib.sh"
train "$work/run" --steps 2 --eval_every 0
"$souk" export "$work/run" "$work/bundle" >/dev/null 2>&1
"$souk" synth --users 50 --items 40 --out "$work/shop" >/dev/null 2>&1
mkdir "$work/empty" "$work/other"
echo hello >"$work/other/letter.txt"
checkpoint=$work/run/step-00000002
before=$(cd "$work" && find run bundle data shop empty other -type f -exec cksum {} + | sort)

# wrong NAME WANTED COMMAND...: with each of the paths in `given` at the end, the command must fail, name the path and the
# wanted kind.
wrong() {
  local name=$1 wanted=$2 path what; shift 2
  for path in "${given[@]}"; do
    case $path in
    $data) what='is a data set (--data.dir and --data take it)' ;;
    $checkpoint) what='is a checkpoint (souk eval, export, vectors and --train.init take it)' ;;
    $work/run) what='is a run (souk eval, export, vectors, plot and replay take it)' ;;
    $work/bundle) what='is a bundle (souk-infer answers from it)' ;;
    $work/shop) what='is a generated marketplace (souk prepare --log takes its events.csv.gz)' ;;
    $work/empty) what='is an empty directory' ;;
    $work/other) what='is a directory of another kind' ;;
    $work/tiny.yaml) what='is a file' ;;
    *) what='does not exist' ;;
    esac
    check_error "$name: ${path#"$work"/} ${what%%(*}" "$path $what" "$@" "$path"
    check "$name: ${path#"$work"/}: the error says that $wanted is needed" grep -q "$wanted is needed" "$work/.err"
  done
}
given=("$data" "$work/bundle" "$work/shop" "$work/empty" "$work/other" "$work/tiny.yaml" "$work/none")
wrong eval "a run or a checkpoint" "$souk" eval
wrong vectors "a run or a checkpoint" "$souk" vectors --items "$work/x.npy"
wrong init "a run or a checkpoint" "$souk" pretrain "$work/tiny.yaml" --out "$work/x" --train.init
wrong replay "a run" "$souk" replay
given=("$data" "$work/bundle" "$checkpoint" "$work/none")
wrong plot "a run" "$souk" plot --out "$work/x.svg"
given=("$work/run" "$checkpoint" "$work/bundle" "$work/shop" "$work/empty" "$work/tiny.yaml" "$work/none")
wrong data "a data set" "$souk" eval "$work/run" --data
wrong data.dir "a data set" "$souk" pretrain "$work/tiny.yaml" --out "$work/x" --data.dir
given=("$data" "$checkpoint" "$work/shop" "$work/none")
wrong pretrain "a configuration (a yaml file) or a run" "$souk" pretrain
wrong plan "a configuration (a yaml file) or a run" "$souk" plan
given=("$data" "$work/run" "$work/none")
wrong prepare "a configuration (a yaml file)" "$souk" prepare
given=("$data" "$work/shop")
wrong "a log" "a file" "$souk" prepare --user user --fields.item item --out "$work/x" --log
export_from() { "$souk" export "$1" "$work/x"; }
import_from() { "$souk" import "$1" "$work/x"; }
given=("$data" "$work/bundle" "$work/none")
wrong export "a run or a checkpoint" export_from
given=("$data" "$work/shop" "$work/none")
wrong import "a Hugging Face model" import_from

# Files of other kinds where a configuration is meant. What comes through a pipe is not looked at before it is read.
for file in "$work/log.csv" "$work/shop/events.csv.gz"; do
  check_error "a log as a configuration: ${file#"$work"/}" "$file is a log (souk prepare --log takes it), but a configuration" "$souk" prepare "$file"
done
check_error "weights as a configuration are an error" "is a binary file, but a configuration" "$souk" plan "$work/bundle/model.safetensors"
check_error "metrics as a run are an error" "is a metrics file of a run (souk plot takes it), but a run" "$souk" eval "$work/run/metrics.jsonl"
check_error "metrics as a configuration are an error" "is a metrics file of a run (souk plot takes it), but a configuration" "$souk" plan "$work/run/metrics.jsonl"
# But a configuration may have any name, and be UTF-16.
mkdir "$work/configs"
for name in a.csv a.tsv a.jsonl metrics.jsonl a.log; do
  cp "$work/tiny.yaml" "$work/configs/$name"
  check "a configuration may be named $name" "$souk" plan "$work/configs/$name"
done
{
  printf '\xff\xfe'
  while IFS= read -r line; do
    for ((i = 0; i < ${#line}; i++)); do printf '%s\0' "${line:i:1}"; done
    printf '\n\0'
  done <"$work/tiny.yaml"
} >"$work/configs/wide.yaml"
check "a configuration may be in UTF-16" "$souk" plan "$work/configs/wide.yaml"
check "a configuration may come from a pipe" bash -c "'$souk' plan <(cat '$work/tiny.yaml')"

# ---- places for something new
place() { check_error "$1: ${2#"$work"/} stays" "left as it is" "${@:3}"; }
for there in "$data" "$checkpoint" "$work/bundle" "$work/shop" "$work/tiny.yaml"; do
  place "a run" "$there" "$souk" pretrain "$work/tiny.yaml" --out "$there"
done
for there in "$checkpoint" "$work/bundle" "$work/shop"; do
  place "a data set" "$there" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --force --out "$there"
done
place "a checkpoint" "$data" "$souk" import "$work/bundle" "$data" --force
place "a bundle" "$data" "$souk" export "$work/run" "$data" --force
place "a bundle" "$work/log.csv" "$souk" export "$work/run" "$work/log.csv" --force
place "a bundle" "$work/run/metrics.jsonl" "$souk" export "$work/run" "$work/run/metrics.jsonl"
place "a bundle" "$checkpoint/model.h5" "$souk" export "$work/run" "$checkpoint/model.h5"
check "no file of the other outputs has changed" test "$before" = "$(cd "$work" && find run bundle data shop empty other -type f -exec cksum {} + | sort)"
check "no output was made" bash -c "! ls -d $work/x* 2>/dev/null"

# ---- a run where its configuration was meant
check_error "a run is not begun again without --resume" "--resume continues it" "$souk" pretrain "$work/run"
check "souk pretrain RUN --resume goes on" "$souk" pretrain "$work/run" --resume --steps 4
check "the resumed run is at its last step" test "$(cat "$work/run/last")" = step-00000004
mv "$work/run" "$work/moved"
check "a moved run resumes" "$souk" pretrain "$work/moved/" --resume --steps 5
check "a moved run goes on where it is now" test "$(cat "$work/moved/last")" = step-00000005 -a ! -e "$work/run"
check "a run's options make another run" "$souk" pretrain "$work/moved" --out "$work/again"
check "the other run has all options but its place" diff <(grep -v '^  out:' "$work/moved/config.yaml") <(grep -v '^  out:' "$work/again/config.yaml")
check "souk plan takes a run" "$souk" plan "$work/moved"

# ---- directories that are two things: what is asked for is taken
echo '{}' >"$work/moved/config.json"
check "a run with a config.json beside is exported" "$souk" export "$work/moved" "$work/both"
check "a run with a config.json beside resumes" "$souk" pretrain "$work/moved" --resume --steps 6
mkdir "$work/hf"
cp "$work/both"/{config.json,model.safetensors} "$work/moved/config.yaml" "$work/hf"
check_error "a Hugging Face model with a config.yaml beside is imported" "the vocabulary is missing" "$souk" import "$work/hf" "$work/x"
cp -r "$work/again" "$work/shared"
cp -r "$data"/* "$work/shared"
check_error "a new run is not begun in a data set's directory" "left as it is" "$souk" pretrain "$work/tiny.yaml" --data.dir "$work/shared" --out "$work/shared"
check "a run inside a data set's directory resumes" "$souk" pretrain "$work/tiny.yaml" --data.dir "$work/shared" --out "$work/shared" --resume --steps 6
finish
