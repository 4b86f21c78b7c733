# Sourced by the end-to-end scripts: TAP output, a scratch directory, the programs under test.
set -u
unset COLUMNS # of whoever runs the tests
souk=$SOUK_BUILD/souk
infer=$SOUK_BUILD/souk-infer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tap=0 tap_failed=0
ok() { tap=$((tap + 1)); echo "ok $tap - $1"; }
skip() { tap=$((tap + 1)); echo "ok $tap - $1 # skip $2"; }
# show_ends FILE...: the last lines of each as comments, which the runner shows beneath a check that failed.
show_ends() {
  local file
  for file in "$@"; do [ -f "$file" ] && tail -n 30 "$file" | sed 's/^/# /'; done
}
# not_ok NAME [FILE...]: a check that failed, and what the command behind it printed.
not_ok() { tap=$((tap + 1)); tap_failed=1; echo "not ok $tap - $1"; shift; show_ends "$@"; }
# show_failed STATUS COMMAND...: the command that failed, cut to a few lines, and what it printed.
show_failed() {
  local status=$1; shift
  printf 'exit status %s of: %s\n' "$status" "$*" | cut -c -300 | head -n 5 | sed 's/^/# /'
  show_ends "$work/.out"
}
# show_files COMMAND...: the ends of the files that a silent command (a grep, for example) was given.
show_files() {
  local word
  for word in "$@"; do
    if [[ $word == "$work"/* && -f $word ]] && grep -qI . "$word"; then echo "# $word:"; show_ends "$word"; fi
  done
}
# check NAME COMMAND...: passes when the command succeeds; its output is shown when it does not.
check() {
  local name=$1 rc; shift
  "$@" >"$work/.out" 2>&1; rc=$?
  if [ $rc = 0 ]; then ok "$name"; return; fi
  not_ok "$name"; show_failed $rc "$@"
  [ -s "$work/.out" ] || show_files "$@"
}
# check_error NAME TEXT COMMAND...: the command must fail (not by a signal) and say TEXT on stderr.
check_error() {
  local name=$1 text=$2 rc; shift 2
  "$@" >"$work/.out" 2>"$work/.err"; rc=$?
  if [ $rc -ne 0 ] && [ $rc -lt 126 ] && grep -qF -- "$text" "$work/.err"; then ok "$name"; return; fi
  not_ok "$name (wanted: $text)"; show_failed $rc "$@"; show_ends "$work/.err"
}
# has REGEX FILE: the file holds it; else it is shown.
has() { grep -qE -- "$1" "$2" || { cat "$2"; return 1; }; }
# dated_log: events of five users over January 2024, few enough to count by hand.
dated_log() {
  cat <<'CSV'
u,i,t
ann,a,2024-01-01
ann,b,2024-01-02
bob,b,2024-01-03
bob,a,2024-01-04
bob,c,2024-01-05
eve,a,2024-01-09T23:59:59
ann,c,2024-01-10
dan,a,2024-01-12
eve,d,2024-01-13
dan,b,2024-01-19T23:59:59.999
ann,e,2024-01-20
ann,d,2024-01-22
dan,d,2024-01-23
cat,b,2024-01-25
cat,a,2024-01-26
CSV
}
# What a machine may lack; what needs it is skipped, and so counted.
full_device() { [ -c /dev/full ] && ! { echo x >/dev/full; } 2>/dev/null; } # not so in every container
terminal() { script -qec true /dev/null </dev/null >/dev/null 2>&1; }       # script(1) and /dev/pts
# Many checks that take minutes repeat others in another build or order: one of a kind is enough for a user, and
# FULL=1 or STRICT=1 runs them all. left_out WHAT: prints a line, which is not counted.
thorough() { [ "${FULL:-0}" = 1 ] || [ "${STRICT:-0}" = 1 ]; }
left_out() { echo "# left out without FULL=1: $1"; }
# quietly COMMAND...: a step on the way to a check; it counts only when it fails.
quietly() {
  local rc
  "$@" >"$work/.out" 2>&1; rc=$?
  [ $rc = 0 ] || { not_ok "a step on the way to the next checks"; show_failed $rc "$@"; }
  return $rc
}
finish() { echo "1..$tap"; exit $tap_failed; }
