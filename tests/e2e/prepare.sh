#!/usr/bin/env bash
. "$(dirname "$0")/lib.sh"
cat >"$work/log.csv" <<'X'
user,item,time,event
u1,a,100,view
u1,"b, with comma",200,buy
u1,c,5000,view
u2,a,100,view
u2,a,101,view
u2,c,102,buy
u3,a,oops,view
X
run() { "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event "$@"; }
check "a csv log becomes a data set" run --out "$work/d" --max_rejects 0.5
check "the data set has a manifest" test -s "$work/d/manifest.json"
check "the manifest names the version that wrote it" grep -qF "\"created_by\": \"souk $("$souk" --version | cut -d' ' -f2)\"" "$work/d/manifest.json"
check "the vocabulary has the items" grep -q '^b, with comma' "$work/d/vocab.tsv"
check "the report has the rejected rows" grep -q 'time that cannot be read' "$work/d/report.json"
check_error "an existing data set is kept without --force" "--force" run --out "$work/d" --max_rejects 0.5
check "--force replaces an existing data set" run --out "$work/d" --force --max_rejects 0.5
check "the same log gives the same bytes" cmp <(cat "$work/d/shard-00000.h5") <(run --out "$work/e" --max_rejects 0.5 >/dev/null; cat "$work/e/shard-00000.h5")
check_error "too many rejected rows are an error" "max_rejects" run --out "$work/f"
check "too many rejected rows leave nothing behind" bash -c "! ls $work | grep -q '^f'"
check_error "a missing column is named" 'no column "who"' run --out "$work/f" --user who
check_error "an unknown option is answered with the nearest" 'did you mean "filter.min_user"' run --filter.min_usr 2
check_error "a wrong type names the key" "filter.min_user must be a whole number" run --min_user x
check_error "a range is checked" "out of range" run --output.deflate 11
check_error "a missing log is named" "/no/such" "$souk" prepare --log /no/such --out "$work/f"
printf 'output:\n  outt: x\n' >"$work/bad.yaml"
check_error "yaml errors name line and key" 'bad.yaml line 2: unknown option "output.outt"; did you mean "output.out"?' "$souk" prepare "$work/bad.yaml"
gzip -c "$work/log.csv" | head -c 60 >"$work/cut.csv.gz"
check_error "a truncated gzip file is noticed" "cut short" "$souk" prepare --log "$work/cut.csv.gz" --user user --fields.item item --out "$work/f"
# Events that do not fit into memory go to a file in the new directory.
awk 'BEGIN { print "user,item"; for (i = 0; i < 250000; i++) print "user" i * 7919 % 30011 ",item" i % 977 }' >"$work/long.csv"
long() { "$souk" prepare --log "$work/long.csv" --user user --fields.item item --memory 1M "$@"; }
check "a log that does not fit into memory becomes a data set" long --out "$work/long"
check "the file of events leaves nothing in the data set" bash -c "! ls -A '$work/long' | grep -q events"
SOUK_FAULT=write:1 check_error "a disk that is full while events go to the file is told" ".events: No space left on device" long --out "$work/g"
check "a disk that was full leaves nothing behind" bash -c "! ls -A '$work' | grep -q '^g'"
for memory in 1M 1G; do # the file of events, and a shard
  check_error "a limit on file sizes is an error of souk prepare, not a signal ($memory)" "File too large" bash -c "ulimit -f 200; exec '$souk' prepare --log '$work/long.csv' --user user --fields.item item --memory $memory --out '$work/g' --deflate 0"
done
check "a limit on file sizes leaves nothing behind" bash -c "! ls -A '$work' | grep -q '^g'"
# Every file operation of a run on several threads fails once, of the writes and allocations some: there is a sentence, or the data
# set is the same (rename: swapping directories has a second way), nothing is left beside it, and the run ends.
awk 'BEGIN { print "user,item,time,price"; for (i = 0; i < 9000; i++) printf "user%0200d,i%d,%d,%.2f\n", i * 7919 % 3001, i % 977, 1650000000 + i * 31 % 8009, i % 99 / 7 }' >"$work/wide.csv"
printf 'item_id,title\ni1,One\n' >"$work/titles.csv"
mkdir "$work/faults"
wide() { timeout 60 "$souk" prepare --log "$work/wide.csv" --user user --fields.item item --time time --fields.price price --catalogue "$work/titles.csv" --title title --min_item 3 --memory 1M --threads 3 --shard_tokens 900 --out "$work/faults/d" --force; }
SOUK_FAULT=count wide >"$work/.out" 2>"$work/counts"
mv "$work/faults/d" "$work/whole"
essence() { cat "$1/manifest.json" "$1"/*.h5 "$1/report.json"; }
attempt() { # KIND NUMBER
  rm -rf "$work/faults/d"
  SOUK_FAULT=$1:$2 wide >"$work/.out" 2>"$work/faults.err"
  local rc=$? there
  there=$(ls -A "$work/faults")
  if [ $rc = 0 ]; then [ "$1" != write ] && [ "$there" = d ] && cmp -s <(essence "$work/whole") <(essence "$work/faults/d")
  elif [ $rc -gt 2 ] || [ "$(grep -c '^souk: error: .\{15,\}' "$work/faults.err")" != 1 ]; then false
  else [ -z "$there" ] || grep -q 'is in place, but may not be on disk yet' "$work/faults.err"
  fi
}
for kind in create fsync rename write alloc; do
  n=$(sed -n "s/^faults:.* $kind \([0-9]*\).*/\1/p" "$work/counts") stride=1 wrong='' tried=0
  case $kind in write | alloc) stride=$((n / 12 + 1)) ;; esac
  for at in $(seq 1 $stride "$n"); do
    tried=$((tried + 1))
    attempt $kind "$at" || wrong="$wrong $at"
  done
  check "each failing $kind of a run on several threads gives a sentence and leaves nothing" test $tried -gt 5 -a -z "$wrong"
done
check "one thread gives the same bytes" bash -c "'$souk' prepare --log '$work/long.csv' --user user --fields.item item --threads 1 --out '$work/one' && cmp '$work/one/manifest.json' '$work/long/manifest.json'"
# Blocks of very short rows are the largest when they are read. (Sanitizers take memory of their own.)
if [[ $SOUK_BUILD != *-*san* ]]; then
  { echo u,i; yes "$(seq -f '%.0f,b' 900)" | head -c 44000000; } | "$souk" prepare --log - --user u --fields.item i --memory 16M --threads 64 --out "$work/short" >"$work/short.out" 2>"$work/.err"
  memory=$(sed -n 's/.*; memory \([0-9]*\)[.0-9]* MiB at most/\1/p' "$work/short.out")
  check "short rows on 64 threads take less than 480 MiB" test "${memory:-9999}" -lt 480
fi
awk 'BEGIN { print "user,item,price"; for (i = 0; i < 3000; i++) print "u" i % 9 ",i" i "," (i < 3 ? 5 : "") }' >"$work/late.csv"
check "items that come after the last row with a price have none" bash -c "'$souk' prepare --log '$work/late.csv' --user user --fields.item item --fields.price price --out '$work/late' && awk -F'\t' '/^price=/ { n++; sum += \$2 } END { exit n == 0 || sum > 3 }' '$work/late/vocab.tsv'"
gzip -c "$work/long.csv" >"$work/long.csv.gz"
check "a compressed log gives the same shard" bash -c "'$souk' prepare --log '$work/long.csv.gz' --user user --fields.item item --threads 3 --out '$work/gz' && cmp '$work/gz/shard-00000.h5' '$work/long/shard-00000.h5'"
check "the report tells the time of each stage" bash -c "'$souk' prepare --log '$work/long.csv' --user user --fields.item item --out '$work/one' --force | grep -qE '^stages +reading .* s, sorting and filtering .* s, vocabulary .* s, writing .* s$'"
if [ -d "$SOUK_SHARED/data/amazon-beauty" ]; then
  check "Amazon Beauty becomes a data set" "$souk" prepare datasets/amazon-beauty/prepare.yaml --log "$SOUK_SHARED/data/amazon-beauty/beauty.txt" --out "$work/beauty"
  check "Amazon Beauty has the published number of events" grep -q '"events": 353962' "$work/beauty/report.json"
  check "Amazon Beauty in 1 MB of memory gives the same shard" bash -c "$souk prepare datasets/amazon-beauty/prepare.yaml --log $SOUK_SHARED/data/amazon-beauty/beauty.txt --out $work/small --memory 1M && cmp $work/small/shard-00000.h5 $work/beauty/shard-00000.h5"
else
  skip "Amazon Beauty becomes a data set" "no shared data"
fi
finish
