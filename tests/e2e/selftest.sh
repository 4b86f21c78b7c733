#!/usr/bin/env bash
# souk selftest: passes here with every set of kernels, and says so when something is off.
. "$(dirname "$0")/lib.sh"
selftest() { "$souk" selftest --device cpu --threads 2 "$@"; }

check "souk selftest passes on the CPU" selftest
cp "$work/.out" "$work/table"
check "the table has a line for every op" \
  bash -c "for op in embed norm linear attention gather bag fuse xent leash classify drop optim backend; do grep -qE \"^\$op +[1-9][0-9]* +0 +0 \" '$work/table' || exit 1; done"
check "the three tiny models learn" bash -c "[ \$(grep -c '  learned\$' '$work/table') = 3 ]"
rows=$(grep -cE '^[a-z]+ +[1-9][0-9]* +[0-9]+ +[0-9]+ |  learned$' "$work/table") # a line a check
check "souk selftest counts its passed checks" grep -qE "^$rows of $rows checks passed" "$work/table"
check "souk selftest passes with plain C kernels" env SOUK_SIMD=c "$souk" selftest --device cpu --threads 2 \
  embed norm linear attention gather bag fuse xent optim
cp "$work/.out" "$work/plain"
check "the table says that the kernels are plain C" grep -q ' c kernels' "$work/plain"
check "souk selftest takes names of checks" selftest classify backend
cp "$work/.out" "$work/two"
check "the named checks and no others are run" grep -qE '^2 of 2 checks passed' "$work/two"
check "--sizes real runs more cases" bash -c "[ \$('$souk' selftest --device cpu classify --sizes real | sed -n 's/^classify  *\([0-9]*\) .*/\1/p') -gt \$('$souk' selftest --device cpu classify | sed -n 's/^classify  *\([0-9]*\) .*/\1/p') ]"
check_error "an unknown check is an error" 'there is no check "cla"' "$souk" selftest cla
check_error "an unknown device is an error" 'device' "$souk" selftest --device tpu
finish
