#!/usr/bin/env bash
# The test runner itself: tests/run on made-up tests that pass, fail, crash, are skipped, print nothing or end too early.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
tree=$work/tree
mkdir -p "$tree/tests/e2e" "$tree/build/tests/unit"
cp tests/run "$tree/tests/"
cp tests/e2e/lib.sh "$tree/tests/e2e/"
made() { cat >"$tree/$1"; chmod +x "$tree/$1"; } # PATH: a test of standard input
run() { (unset ONLY STRICT FULL; cd "$tree" && env "$@" tests/run build) >"$work/said" 2>"$work/.err"; } # [VARIABLE=VALUE]...
fails() { ! run "$@"; }
has() { grep -qF -- "$1" "$work/said" || { cat "$work/said"; return 1; }; }
lacks() { ! grep -F -- "$1" "$work/said"; }
last() { [ "$(tail -n 1 "$work/said")" = "$1" ] || { cat "$work/said"; return 1; }; }
listed() { sed -n '/^failed:$/,$p' "$work/said" >"$work/list"; grep -qF -- "  $1" "$work/list" || { cat "$work/list"; return 1; }; }
begin='#!/usr/bin/env bash
. "$(dirname "$0")/lib.sh"'

made tests/e2e/good.sh <<X
$begin
check "this is so" true
check_error "that fails, as it should" "no such" ls "no such"
finish
X
check "all is well" run
check "counts" last "2 passed, 0 failed, 0 skipped"
check "nothing is listed" lacks "failed:"
check "how long it took is said" grep -qE '^[0-9]+ min [0-9]+ s, without building$' "$work/said"
check "no control characters" bash -c "! grep '[[:cntrl:]]' '$work/said'"
made tests/e2e/name.sh <<X
$begin
check "the name is there" grep '^tests/e2e/name.sh *\$' "$work/said"
finish
X
check "a script's name is shown while it runs" run
check "and its line completed at its end" grep -qE '^tests/e2e/name.sh +1 passed   0 failed   0 skipped +[0-9]+s$' "$work/said"
rm "$tree/tests/e2e/name.sh"

# What is left out is said, and neither a skip nor a failure.
made tests/e2e/part.sh <<X
$begin
if thorough; then ok "much"; else left_out "much"; fi
finish
X
check "a script that leaves everything out" run
check "says so" has "# left out without FULL=1: much"
check "which is not counted" last "2 passed, 0 failed, 0 skipped"
check "FULL=1 leaves nothing out" run FULL=1
check "which counts" last "3 passed, 0 failed, 0 skipped"
check "nor does STRICT=1" run STRICT=1
check "and that counts" last "3 passed, 0 failed, 0 skipped"
check "a pattern that fits nothing is a failure" fails ONLY=nothing
check "with a sentence" has "no test is called like nothing"
rm "$tree/tests/e2e/part.sh"

# A script whose checks fail in the middle of much else.
made tests/e2e/bad.sh <<X
$begin
for i in 1 2 3; do echo "# chatter \$i"; ok "fine \$i"; done
echo "hint before the check"
check "a command that says why" bash -c "echo the reason >&2; exit 7"
ok "behind it"
check_error "another sentence" "the right words" bash -c "echo the wrong words >&2; exit 1"
echo found >"\$work/file"
check "a grep" grep sought "\$work/file"
quietly bash -c "echo the way; exit 2"
ok "behind that"
for i in \$(seq 200); do echo "# chatter \$i"; ok "fine \$i"; done
finish
X
check "a failing check is a failing run" fails
check "which is counted" last "207 passed, 4 failed, 0 skipped"
check "each is shown" has "not ok 4 - a command that says why"
check "with what the command said" has "the reason"
check "and the command" has "exit status 7 of: bash -c"
check "and what came before" has "hint before the check"
check "what was said instead of the sentence" has "the wrong words"
check "the text that a grep did not find it in" has "# found"
check "what a step on the way said" has "the way"
check "but not the rest" lacks "chatter"
for name in "a command that says why" "another sentence (wanted: the right words)" "a grep" "a step on the way"; do
  check "listed at the end: $name" listed "tests/e2e/bad.sh: $name"
done
check "the whole is in a file" grep -q 'chatter 200' "$tree/build/logs/bad.sh.log"
rm "$tree/tests/e2e/bad.sh"

# Ends that are none.
made tests/e2e/died.sh <<X
$begin
ok "one"
: "\$nobody_has_set_this"
finish
X
made tests/e2e/left.sh <<X
$begin
ok "one"
exit 0
X
made tests/e2e/silent.sh <<X
#!/bin/sh
exit 0
X
made tests/e2e/killed.sh <<X
$begin
not_ok "one"
kill -SEGV \$\$
X
made tests/e2e/late.sh <<X
#!/bin/sh
echo "ok 1 - one"; echo "1..1"; echo "a leak, say"; exit 23
X
check "ends that are none" fails
check "a script that dies is shown with its last lines" has "nobody_has_set_this: unbound variable"
check "and its last check" listed 'tests/e2e/died.sh: ended before its end (exit status 1); the last check was "ok 1 - one"'
check "one that leaves" listed "tests/e2e/left.sh: ended before its end (exit status 0)"
check "one that says nothing" listed "tests/e2e/silent.sh: printed no check (exit status 0)"
check "one that is killed" listed "tests/e2e/killed.sh: crashed: signal 11 (SEGV)"
check "and had failed before" listed "tests/e2e/killed.sh: one"
check "one that fails after its checks" listed "tests/e2e/late.sh: exit status 23, though no check failed"
check "each is a failure" last "5 passed, 6 failed, 0 skipped"
rm "$tree"/tests/e2e/{died,left,silent,killed,late}.sh

# A program of cmocka's.
cat >"$work/t.c" <<'X'
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
static void good(void **s) { (void)s; fprintf(stderr, "chatter\n"); }
static void bad(void **s) { (void)s; fprintf(stderr, "a hint\n"); assert_int_equal(3, 4); }
static void skipped(void **s) { (void)s; skip(); }
static void crash(void **s) { (void)s; if (getenv("CRASH") != NULL) abort(); }
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(good),
                                     cmocka_unit_test(skipped), cmocka_unit_test(crash)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
X
quietly gcc -o "$tree/build/tests/unit/test_made" "$work/t.c" -lcmocka
check "a failing C program is a failing run" fails
check "the failing test is shown" has "not ok 2 - bad"
check "with what was printed in it" has "a hint"
check "and the assertion" has "# 0x3 != 0x4"
check "but not the rest" lacks "chatter"
check "listed at the end, too" listed "tests/unit/test_made: bad"
check "a skipped test is no failure" last "5 passed, 1 failed, 1 skipped"
check "and is shown" has "# SKIP skipped"
check "a C program that crashes" fails CRASH=1
check "is named" listed 'tests/unit/test_made: crashed: signal 6 (ABRT); the last check was "not ok 4 # SKIP skipped"'
check "a failure more" last "4 passed, 2 failed, 1 skipped"
check "with STRICT=1" fails STRICT=1
check "a skipped test is a failure" last "5 passed, 2 failed, 0 skipped"
check "which is listed" listed "tests/unit/test_made: skipped: not ok 4 # SKIP skipped"
finish
