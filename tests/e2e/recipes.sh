#!/usr/bin/env bash
# The recipes in datasets/: each turns a few rows in the form of its source (tests/recipes/NAME) into the histories, counts and
# catalogue that are written beside them by hand, and names a configuration that fits the result.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1

# The number of a field of report.json.
reported() { sed -nE "s/^ \"$1\": ([0-9]+),?$/\1/p" "$2/report.json"; }
# The history of a user, oldest item first, as souk inspect shows it.
history_of() { "$souk" inspect "$2" | awk -v user="$1" '/^sequences_shown/ {on = 1} on && $1 == user {$1 = $2 = $3 = $4 = ""; sub(/^ +/, ""); print}'; }
# as_expected NAME DATA: every line of tests/recipes/NAME/expected holds.
as_expected() {
  local key rest bad=0 found
  while read -r key rest; do
    case $key in
    history) found=$(history_of "${rest%% *}" "$2") && [ "$found" = "${rest#* }" ] ;;
    copy) found=$(cat "$2/copy.jsonl") && grep -qxF -- "$rest" "$2/copy.jsonl" ;;
    catalogue) found=$(cat "$2/catalogue.jsonl") && grep -qxF -- "$rest" "$2/catalogue.jsonl" ;;
    *) found=$(reported "$key" "$2") && [ "$found" = "$rest" ] ;;
    esac || { echo "expected: $key $rest"; echo "found: $found"; bad=1; }
  done <"tests/recipes/$1/expected"
  return $bad
}
prepare_recipe() { # NAME OUT
  local rows=tests/recipes/$1 words
  read -ra words <"$rows/arguments"
  for i in "${!words[@]}"; do
    [ -e "$rows/${words[i]%%,*}" ] && words[i]=$rows/${words[i]//,/,$rows/}
  done
  if [ -e "$rows/before" ]; then
    (eval "$(cat "$rows/before")") | "$souk" prepare "datasets/$1/prepare.yaml" "${words[@]}" --out "$2"
  else
    "$souk" prepare "datasets/$1/prepare.yaml" "${words[@]}" --out "$2"
  fi
}

for dir in tests/recipes/*/; do
  name=$(basename "$dir")
  check "the recipe $name reads rows of its source" prepare_recipe "$name" "$work/$name"
  check "the recipe $name gives the histories and counts written by hand" as_expected "$name" "$work/$name"
  check "the configuration of $name fits its data set" "$souk" plan "configs/$name.yaml" --data.dir "$work/$name"
done
for dir in datasets/*/; do
  name=$(basename "$dir")
  check "the folder datasets/$name has a README, a field map and a test of it or its data" \
    bash -c "[ -s $dir/README.md ] && [ -s $dir/prepare.yaml ] && { [ -d tests/recipes/$name ] || grep -q 'datasets/$name' tests/e2e/{prepare,synth}.sh; }"
  check "datasets/README.md lists $name" grep -qF "]($name/README.md)" datasets/README.md
done
finish
