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
for help in --help -h help; do status "souk $help succeeds" 0 "$souk" $help; done
check "souk --help names every command" test "$(grep -cE '^  (synth|prepare|inspect|pretrain|eval|import|export|vectors|plan|plot|replay|selftest|bench) ' "$work/said")" = 13
for command in synth prepare inspect pretrain eval import export vectors plan plot replay selftest bench; do
  check "souk $command --help prints its usage" bash -c "'$souk' $command --help | grep -q '^usage: souk $command'"
done
status "souk without a command fails" 2 "$souk"
check "souk without a command lists the commands on stderr" bash -c "! test -s $work/said && grep -q 'usage: souk COMMAND' $work/wrong"
status "an unknown command fails" 2 "$souk" pretrian
check "an unknown command is named in the error" grep -q 'unknown command "pretrian"' "$work/wrong"
status "souk --version succeeds" 0 "$souk" --version
check "souk --version prints a version number" grep -qE '^souk [0-9]+\.[0-9]+\.[0-9]+$' "$work/said"
check "objects that hold the version are built again when it changes" bash -c "unset MAKEFLAGS MAKELEVEL SAN TSAN COV DEBUG CC EXTRA_CFLAGS; make -n -W include/souk/infer.h -C '$(dirname "$0")/../..' build/gcc/src/data/writer.o | grep -q 'src/data/writer[.]c'"
status "an unknown option fails with status 2" 2 "$souk" plan --steppes 3
status "an unknown kind of SOUK_FAULT fails with status 2" 2 env SOUK_FAULT=nonsense "$souk" --version
if full_device; then
  check_error "standard output on a full disk is an error" "cannot write to standard output" bash -c "'$souk' inspect '$data' >/dev/full"
else
  skip "standard output on a full disk is an error" "/dev/full is not that device"
fi

# A library that is no backend, and one of another version of the table.
check_error "a missing CUDA library is an error" "cannot be loaded" env SOUK_CUDA_BACKEND="$work/none.so" "$souk" selftest --device cuda
if slow; then
  skip "a library that is not a backend is an error" "a sanitizer's library must come first"
else
  check_error "a library that is not a backend is an error" "is not a CUDA backend" env SOUK_CUDA_BACKEND="$SOUK_BUILD/libsouk_infer.so" "$souk" selftest --device cuda
fi

# Vectors.
train "$work/run" --steps 4 --eval_every 2 --save_every 2
vectors() { "$souk" vectors "$work/run" --device cpu --threads 1 "$@"; }
check "souk vectors writes item vectors" vectors --items "$work/items.npy"
check "souk vectors writes user vectors" vectors --users "$work/users.npy" --data "$data"
check "souk vectors writes HDF5 with users before the test item" vectors --users "$work/before.h5" --data "$data" --part test --which last
printf '{"tokens": ["[CLS]", "i1", "[MASK]"]}\n{"ids": [2, 7]}\n' >"$work/sequences"
check "souk vectors writes hidden states" vectors --hidden "$work/hidden.npy" --input "$work/sequences"
check "item vectors have 8 columns and the bias" bash -c "'$souk' inspect '$work/items.npy' | grep -q ' x 9'"
check "user vectors have a row per user and 9 columns" bash -c "'$souk' inspect '$work/users.npy' | grep -q '400 x 9'"
check "hidden states have a row per token and 8 columns" bash -c "'$souk' inspect '$work/hidden.npy' | grep -q '5 x 8'"
check "rows of hidden states are told apart by sequence and place" cmp <(printf '0 0\n0 1\n0 2\n1 0\n1 1\n') "$work/hidden.npy.names.tsv"
cp "$work/items.npy" "$work/again.npy"; echo old >"$work/again.npy.names.tsv"
check "hidden states in the place of item vectors replace their names" bash -c "'$souk' vectors '$work/run' --device cpu --hidden '$work/again.npy' --input '$work/sequences' && ! grep -q old '$work/again.npy.names.tsv'"
for twice in "--items $work/x.npy --users $work/x.npy" "--items $work/x.h5 --users $work/../${work##*/}/x.h5" "--users $work/x.h5 --hidden $work/x.h5 --input $work/sequences"; do
  # shellcheck disable=SC2086
  check_error "one file for two kinds of vectors is an error ($(sed "s|$work/||g; s|[^ ]*/||g" <<<"$twice"))" "are the same file" vectors --data "$data" $twice
done
ln -s x.npy "$work/link.npy"
check_error "a link to the other output is an error" "--items and --users are the same file" vectors --data "$data" --items "$work/x.npy" --users "$work/link.npy"
ln -s x.npy.names.tsv "$work/names.npy"
check_error "an output in the place of another's names is an error" "--users and the names of --items are the same file" vectors --data "$data" --items "$work/x.npy" --users "$work/names.npy"
mkfifo "$work/pipe.npy"
check_error "a pipe for two outputs is an error" "--items and --users are the same file" vectors --data "$data" --items "$work/pipe.npy" --users "$work/pipe.npy"
ln -s sequences "$work/sequences.npy"
check_error "an output in the place of the input is an error" "--hidden and --input are the same file" vectors --hidden "$work/sequences.npy" --input "$work/sequences"
check "nothing is written where two paths are one" bash -c "! ls '$work'/x.* 2>/dev/null && test -s '$work/sequences'"
check_error "souk vectors with nothing to write is an error" "nothing to write" vectors
check_error "--users without --data is an error" "--users needs --data" vectors --users "$work/u.npy"
check_error "--hidden without --input is an error" "--hidden needs --input" vectors --hidden "$work/h.npy"
check_error "sequences from a pipe, which cannot be read twice, are an error" "--input is read twice; write its lines to a file" bash -c "'$souk' vectors '$work/run' --device cpu --hidden '$work/h.npy' --input <(cat '$work/sequences')"
check_error "vectors of a missing run are an error" "/no/such" "$souk" vectors /no/such --items "$work/none.npy"
check "no file is left where there was an error" bash -c "! ls '$work'/none.npy* '$work'/u.npy* '$work'/h.npy* 2>/dev/null"
finish
