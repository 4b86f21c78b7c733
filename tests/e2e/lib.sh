# Sourced by the end-to-end scripts: TAP output, a scratch directory, the programs under test.
set -u
souk=$SOUK_BUILD/souk
infer=$SOUK_BUILD/souk-infer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tap=0 tap_failed=0
ok() { tap=$((tap + 1)); echo "ok $tap - $1"; }
not_ok() { tap=$((tap + 1)); tap_failed=1; echo "not ok $tap - $1"; }
skip() { tap=$((tap + 1)); echo "ok $tap - $1 # skip $2"; }
# check NAME COMMAND...: passes when the command succeeds; its output is shown when it does not.
check() {
  local name=$1; shift
  if "$@" >"$work/.out" 2>&1; then ok "$name"; else not_ok "$name"; sed 's/^/# /' "$work/.out" | tail -n 30; fi
}
# check_error NAME TEXT COMMAND...: the command must fail (not by a signal) and say TEXT on stderr.
check_error() {
  local name=$1 text=$2 rc; shift 2
  "$@" >"$work/.out" 2>"$work/.err"; rc=$?
  if [ $rc -ne 0 ] && [ $rc -lt 126 ] && grep -qF -- "$text" "$work/.err"; then ok "$name"
  else not_ok "$name (exit $rc, wanted: $text)"; sed 's/^/# /' "$work/.err" | tail -n 10; fi
}
finish() { echo "1..$tap"; exit $tap_failed; }
