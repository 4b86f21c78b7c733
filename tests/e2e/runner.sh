#!/usr/bin/env bash
# The test runner itself: tests/run on made-up tests that pass, fail, crash, are skipped, print nothing or end too early.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
tree=$work/tree
mkdir -p "$tree/tests/e2e" "$tree/build/tests/unit"
cp tests/run "$tree/tests/"
cp tests/e2e/lib.sh "$tree/tests/e2e/"
made() { cat >"$tree/$1"; chmod +x "$tree/$1"; } # PATH: a test of standard input
run() { (unset ONLY STRICT FULL AT_ONCE; cd "$tree" && env "$@" tests/run build) >"$work/said" 2>"$work/.err"; } # [VARIABLE=VALUE]...
fails() { ! run "$@"; }
has() { grep -qF -- "$1" "$work/said" || { cat "$work/said"; return 1; }; }
lacks() { ! grep -F -- "$1" "$work/said"; }
last() { [ "$(tail -n 1 "$work/said")" = "$1" ] || { cat "$work/said"; return 1; }; }
listed() { sed -n '/^failed:$/,$p' "$work/said" >"$work/list"; grep -qF -- "  $1" "$work/list" || { cat "$work/list"; return 1; }; }
begin='#!/usr/bin/env bash
. "$(dirname "$0")/lib.sh"'

made tests/e2e/good.sh <<X
$begin
check "a check that passes" true
check_error "an error that is expected" "no such" ls "no such"
finish
X
check "a run whose checks pass succeeds" run
check "its last line has the counts" last "2 passed, 0 failed, 0 skipped"
check "it lists no failing check" lacks "failed:"
check "it says how long it took" grep -qE '^[0-9]+ min [0-9]+ s, without building$' "$work/said"
check "it prints no control characters" bash -c "! grep '[[:cntrl:]]' '$work/said'"
made tests/e2e/name.sh <<X
$begin
check "the script is named before it ends" grep '^tests/e2e/name.sh *\$' "$work/said"
finish
X
check "a script's name is printed while it runs, if nothing runs beside it" run AT_ONCE=1
check "its line gets the counts at its end" grep -qE '^tests/e2e/name.sh +1 passed   0 failed   0 skipped +[0-9]+s$' "$work/said"
rm "$tree/tests/e2e/name.sh"
# Two that wait for each other end only if they run beside each other.
for i in 1 2; do
  made tests/e2e/beside$i.sh <<X
$begin
touch "$tree/began$i"
for _ in \$(seq 200); do [ -e "$tree/began$((3 - i))" ] && break; sleep 0.05; done
check "the other one has begun before this one ends" test -e "$tree/began$((3 - i))"
finish
X
done
check "two tests run beside each other" run AT_ONCE=2 ONLY=beside
check "each of them has a whole line of its own" bash -c "[ \$(grep -cE '^tests/e2e/beside[12].sh +1 passed   0 failed   0 skipped +[0-9]+s\$' '$work/said') = 2 ]"
check "what runs beside each other is counted together" last "2 passed, 0 failed, 0 skipped"
rm "$tree"/tests/e2e/beside[12].sh

# What is left out is said, and neither a skip nor a failure.
made tests/e2e/part.sh <<X
$begin
if thorough; then ok "what takes minutes"; else left_out "what takes minutes"; fi
finish
X
check "a script that leaves everything out succeeds" run
check "what it leaves out is said" has "# left out without FULL=1: what takes minutes"
check "what it leaves out is not counted" last "2 passed, 0 failed, 0 skipped"
check "a run with FULL=1 succeeds" run FULL=1
check "FULL=1 leaves nothing out" last "3 passed, 0 failed, 0 skipped"
check "a run with STRICT=1 succeeds" run STRICT=1
check "STRICT=1 leaves nothing out" last "3 passed, 0 failed, 0 skipped"
check "a pattern that fits nothing is a failure" fails ONLY=nothing
check "the pattern that fits nothing is named" has "no test is called like nothing"
rm "$tree/tests/e2e/part.sh"

# A script whose checks fail in the middle of much else.
made tests/e2e/bad.sh <<X
$begin
for i in 1 2 3; do echo "# chatter \$i"; ok "passing check \$i before"; done
echo "hint before the check"
check "a command that says why" bash -c "echo the reason >&2; exit 7"
ok "a check behind it"
check_error "another sentence" "the right words" bash -c "echo the wrong words >&2; exit 1"
echo found >"\$work/file"
check "a grep without a match" grep sought "\$work/file"
quietly bash -c "echo the way; exit 2"
ok "a check behind the step"
for i in \$(seq 200); do echo "# chatter \$i"; ok "passing check \$i after"; done
finish
X
check "a failing check is a failing run" fails
check "failing checks are counted" last "207 passed, 4 failed, 0 skipped"
check "a failing check is shown" has "not ok 4 - a command that says why"
check "the output of its command is shown" has "the reason"
check "its command and exit status are shown" has "exit status 7 of: bash -c"
check "what was printed before it is shown" has "hint before the check"
check "the error that came instead of the expected one is shown" has "the wrong words"
check "the text in which grep found nothing is shown" has "# found"
check "the output of a failing step is shown" has "the way"
check "the output of passing checks is not shown" lacks "chatter"
for name in "a command that says why" "another sentence (wanted: the right words)" "a grep without a match" "a step on the way"; do
  check "the failing check is listed at the end: $name" listed "tests/e2e/bad.sh: $name"
done
check "the whole output is in a file" grep -q 'chatter 200' "$tree/build/logs/bad.sh.log"
rm "$tree/tests/e2e/bad.sh"

# Names that do not say what is checked.
made tests/e2e/names.sh <<X
$begin
ok "is not"
ok "and nothing goes wrong"
ok "the same name again"
skip "the same name again" "a reason"
finish
X
check "names that say nothing are a failing run" fails
check "a short name is listed" listed 'tests/e2e/names.sh: the name "is not" does not say what is checked'
check "a name that goes on from another is listed" listed 'tests/e2e/names.sh: the name "and nothing goes wrong" does not say what is checked'
check "a repeated name is listed" listed 'tests/e2e/names.sh: several checks have the name "the same name again"'
check "each bad name counts as a failure" last "5 passed, 3 failed, 1 skipped"
rm "$tree/tests/e2e/names.sh"

# Scripts that end too early.
made tests/e2e/died.sh <<X
$begin
ok "a first check"
: "\$nobody_has_set_this"
finish
X
made tests/e2e/left.sh <<X
$begin
ok "a first check"
exit 0
X
made tests/e2e/silent.sh <<X
#!/bin/sh
exit 0
X
made tests/e2e/killed.sh <<X
$begin
not_ok "a first check"
kill -SEGV \$\$
X
made tests/e2e/late.sh <<X
#!/bin/sh
echo "ok 1 - a first check"; echo "1..1"; echo "a leak, say"; exit 23
X
check "scripts that end too early are a failing run" fails
check "a script that dies is shown with its last lines" has "nobody_has_set_this: unbound variable"
check "a script that dies is listed with its last check" listed 'tests/e2e/died.sh: ended before its end (exit status 1); the last check was "ok 1 - a first check"'
check "a script that exits without its plan is listed" listed "tests/e2e/left.sh: ended before its end (exit status 0)"
check "a script without a check is listed" listed "tests/e2e/silent.sh: printed no check (exit status 0)"
check "a script that is killed is listed" listed "tests/e2e/killed.sh: crashed: signal 11 (SEGV)"
check "its failing check is listed too" listed "tests/e2e/killed.sh: a first check"
check "a script that fails after its checks is listed" listed "tests/e2e/late.sh: exit status 23, though no check failed"
check "each early end counts as a failure" last "5 passed, 6 failed, 0 skipped"
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
check "the failing C test is shown" has "not ok 2 - bad"
check "the output of the failing C test is shown" has "a hint"
check "the assertion of the failing C test is shown" has "# 0x3 != 0x4"
check "the output of passing C tests is not shown" lacks "chatter"
check "the failing C test is listed at the end" listed "tests/unit/test_made: bad"
check "a skipped C test is not a failure" last "5 passed, 1 failed, 1 skipped"
check "a skipped C test is shown" has "# SKIP skipped"
check "a C program that crashes is a failing run" fails CRASH=1
check "the crash is listed with signal and last check" listed 'tests/unit/test_made: crashed: signal 6 (ABRT); the last check was "not ok 4 # SKIP skipped"'
check "the crash counts as a failure" last "4 passed, 2 failed, 1 skipped"
check "a skipped C test with STRICT=1 is a failing run" fails STRICT=1
check "a skipped C test with STRICT=1 counts as a failure" last "5 passed, 2 failed, 0 skipped"
check "a skipped C test with STRICT=1 is listed" listed "tests/unit/test_made: skipped: not ok 4 # SKIP skipped"
finish
