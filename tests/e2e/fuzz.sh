#!/usr/bin/env bash
# Fuzz targets: built, seeds replayed, then a minute of fuzzing over all of them (FUZZ_SECONDS=). With FULL=1 only, and
# clang with libFuzzer. A crash prints the input's file and the command that shows it again.
. "$(dirname "$0")/lib.sh"
seconds=${FUZZ_SECONDS:-60}
has_fuzzer() {
  command -v clang >/dev/null || return 1
  printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *d, size_t n);\nint LLVMFuzzerTestOneInput(const unsigned char *d, size_t n) { return n > 0 && d[0] == 1 ? 0 : 0; }\n' >"$work/probe.c"
  clang -fsanitize=fuzzer,address,undefined -fopenmp -o "$work/probe" "$work/probe.c" >/dev/null 2>&1
}
if [ "$(basename "$SOUK_BUILD")" != gcc ]; then # once is enough: the targets have a build of their own
  skip "fuzzing of the readers of files" "only beside the default build"
  finish
elif ! thorough; then
  left_out "fuzzing: two minutes and more, with building"
  finish
elif ! has_fuzzer; then
  skip "fuzzing of the readers of files" "no clang with libFuzzer (make deps-lint)"
  finish
fi
unset ONLY ASAN_OPTIONS UBSAN_OPTIONS CMOCKA_MESSAGE_OUTPUT # the runner has its own
export MAKEFLAGS=
if ! make --no-print-directory -j"$(nproc)" fuzz-targets >"$work/build" 2>&1; then
  not_ok "the fuzz targets build" "$work/build"
  finish
fi
ok "the fuzz targets build"
# The runner's lines are numbered from 1; ours go on.
TAP=1 tests/fuzz/run build/clang-fuzz/tests/fuzz all "$seconds" >"$work/fuzz"
rc=$?
while IFS= read -r line; do
  case $line in
  "ok "*) ok "${line#ok * - }" ;;
  "not ok "*) not_ok "${line#not ok * - }" ;;
  "#"*) echo "$line" ;;
  esac
done <"$work/fuzz"
check "the fuzz runner's exit status agrees with its checks" test $rc = $tap_failed
finish
