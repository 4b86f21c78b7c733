#!/usr/bin/env bash
# What all commands share: help, exit statuses, standard output that cannot be written, backends that are none. And
# souk vectors, whose numbers `make interop` compares.
. "$(dirname "$0")/run_lib.sh"
# status NAME WANTED COMMAND...
status() {
  local name=$1 wanted=$2 rc; shift 2
  "$@" >"$work/said" 2>"$work/wrong"; rc=$?
  if [ $rc = "$wanted" ]; then ok "$name"; else not_ok "$name (exit $rc)" "$work/said" "$work/wrong"; fi
}
for help in --help -h help; do status "souk $help" 0 "$souk" $help; done
check "names every command" test "$(grep -cE '^  (synth|prepare|inspect|pretrain|eval|import|export|vectors|plan|plot|replay|selftest|bench) ' "$work/said")" = 13
for command in synth prepare inspect pretrain eval import export vectors plan plot replay selftest bench; do
  check "souk $command --help" bash -c "'$souk' $command --help | grep -q '^usage: souk $command'"
done
status "no command is an error" 2 "$souk"
check "with the list on stderr" bash -c "! test -s $work/said && grep -q 'usage: souk COMMAND' $work/wrong"
status "an unknown one, too" 2 "$souk" pretrian
check "which is named" grep -q 'unknown command "pretrian"' "$work/wrong"
status "the version" 0 "$souk" --version
check "is a number" grep -qE '^souk [0-9]+\.[0-9]+\.[0-9]+$' "$work/said"
status "an unknown option" 2 "$souk" plan --steppes 3
status "a fault that is none" 2 env SOUK_FAULT=nonsense "$souk" --version
if full_device; then
  check_error "a full disk behind standard output" "cannot write to standard output" bash -c "'$souk' inspect '$data' >/dev/full"
else
  skip "a full disk behind standard output" "/dev/full is not that device"
fi

# A library that is no backend, and one of another version of the table.
check_error "no library" "cannot be loaded" env SOUK_CUDA_BACKEND="$work/none.so" "$souk" selftest --device cuda
if slow; then
  skip "a library that is no backend" "a sanitizer's library must come first"
else
  check_error "a library that is no backend" "is not a CUDA backend" env SOUK_CUDA_BACKEND="$SOUK_BUILD/libsouk_infer.so" "$souk" selftest --device cuda
fi

# Vectors.
train "$work/run" --steps 4 --eval_every 2 --save_every 2
vectors() { "$souk" vectors "$work/run" --device cpu --threads 1 "$@"; }
check "vectors of items" vectors --items "$work/items.npy"
check "of users" vectors --users "$work/users.npy" --data "$data"
check "of what came before the test item, as HDF5" vectors --users "$work/before.h5" --data "$data" --part test --which last
printf '{"tokens": ["[CLS]", "i1", "[MASK]"]}\n{"ids": [2, 7]}\n' >"$work/sequences"
check "hidden states" vectors --hidden "$work/hidden.npy" --input "$work/sequences"
check "items: one a row, and the bias beside the 8" bash -c "'$souk' inspect '$work/items.npy' | grep -q ' x 9'"
check "users: likewise" bash -c "'$souk' inspect '$work/users.npy' | grep -q '400 x 9'"
check "hidden states: 8 a token" bash -c "'$souk' inspect '$work/hidden.npy' | grep -q '5 x 8'"
check_error "nothing asked for" "nothing to write" vectors
check_error "users without data" "--users needs --data" vectors --users "$work/u.npy"
check_error "hidden states without sequences" "--hidden needs --input" vectors --hidden "$work/h.npy"
check_error "no run" "/no/such" "$souk" vectors /no/such --items "$work/none.npy"
check "no file where there was an error" bash -c "! ls '$work'/none.npy* '$work'/u.npy* '$work'/h.npy* 2>/dev/null"
finish
