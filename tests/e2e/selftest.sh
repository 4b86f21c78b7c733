#!/usr/bin/env bash
# souk selftest: passes here with every set of kernels, and says so when something is off.
. "$(dirname "$0")/lib.sh"
selftest() { "$souk" selftest --device cpu --threads 2 "$@"; }

check "all checks pass" selftest
cp "$work/.out" "$work/table"
check "its table has a line for every op" \
  bash -c "for op in embed norm linear attention gather xent classify optim backend; do grep -qE \"^\$op +[1-9][0-9]* +0 +0 \" '$work/table' || exit 1; done"
check "the tiny models learn" bash -c "[ \$(grep -c '  learned\$' '$work/table') = 3 ]"
check "the count says so" grep -qE '^12 of 12 checks passed' "$work/table"
check "the kernels without vectors pass too" env SOUK_SIMD=c "$souk" selftest --device cpu --threads 2 \
  embed norm linear attention gather xent optim
cp "$work/.out" "$work/plain"
check "and it is them" grep -q ' c kernels' "$work/plain"
check "two checks can be picked" selftest classify backend
cp "$work/.out" "$work/two"
check "and are the only ones" grep -qE '^2 of 2 checks passed' "$work/two"
check "real sizes can be asked for" bash -c "[ \$('$souk' selftest --device cpu classify --sizes real | sed -n 's/^classify  *\([0-9]*\) .*/\1/p') -gt \$('$souk' selftest --device cpu classify | sed -n 's/^classify  *\([0-9]*\) .*/\1/p') ]"
check_error "an unknown check" 'there is no check "cla"' "$souk" selftest cla
check_error "an unknown device" 'device' "$souk" selftest --device tpu
finish
