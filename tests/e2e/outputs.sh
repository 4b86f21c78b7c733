#!/usr/bin/env bash
# Where outputs go. Every option that writes a file: through links and pipes, into devices and descriptors, over
# directories and into closed ones; with planted and with left-over temporaries; two files that belong together.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi # fsyncs are waited for on a disk
. "$(dirname "$0")/lib.sh"
export OMP_NUM_THREADS=1
cd "$work" || exit 1
awk 'BEGIN { print "user,item,time"; for (u = 0; u < 60; u++) for (i = 0; i < 8; i++)
  printf "u%d,i%d,%d\n", u, (u * 7 + i * (1 + u % 2)) % 40, 1000 * i + u }' >log.csv
"$souk" prepare --log log.csv --user user --fields.item item --fields.time time --out data >/dev/null 2>&1
"$souk" pretrain --data.dir data --out run --steps 4 --eval_every 2 --hidden 16 --layers 1 --heads 2 --max_positions 12 \
  --train.threads 1 --peak_gflops 10 2>/dev/null
"$souk" export run B >/dev/null 2>&1 || { echo "not ok 1 - the test's bundle"; exit 1; }
for i in 1 2 3 4 5; do echo "{\"user\":$i,\"history\":[\"i$i\",\"i3\"]}"; done >q
sed 's/}$/,"candidates":["i1","i2"]}/' q >candidates
echo '{"tokens":["[CLS]","i1","[SEP]"]}' >sequences

# write OPTION FILE: the command with that option, run=exec: in place of this shell. Names end in .npy where the command wants it.
write() {
  local to=$2
  case $1 in
  rank) ${run:-} "$infer" rank B --input q --threads 1 --output "$to" ;;
  score) ${run:-} "$infer" score B --input candidates --output "$to" ;;
  info) ${run:-} "$infer" info B --json --output "$to" ;;
  users) ${run:-} "$infer" users B --input q --output "$to" ;;
  items) ${run:-} "$infer" items B --output "$to" ;;
  users-names) ${run:-} "$infer" users B --input q --output other.npy --names "$to" ;;
  items-names) ${run:-} "$infer" items B --output other.npy --names "$to" ;;
  lists) ${run:-} "$souk" eval run --bootstrap 0 --threads 1 --lists "$to" >/dev/null ;;
  vectors-items) ${run:-} "$souk" vectors run --items "$to" ;;
  vectors-users) ${run:-} "$souk" vectors run --data data --users "$to" ;;
  vectors-hidden) ${run:-} "$souk" vectors run --input sequences --hidden "$to" ;;
  vectors-h5) ${run:-} "$souk" vectors run --items "$to" ;;
  plot) ${run:-} "$souk" plot run --out "$to" ;;
  esac
}
suffix() { case $1 in vectors-h5) echo .h5 ;; vectors-*) echo .npy ;; plot) echo .svg ;; esac; }
node_works=0 # a device node of our own, never one of /dev
mknod null c 1 3 2>/dev/null && (: >null) 2>/dev/null && node_works=1
ln -s /proc/self/fd/1 stdout # as /dev/stdout is
closed=(env)
[ "$(id -u)" != 0 ] || closed=(setpriv --reuid 65534 --regid 65534 --clear-groups)
chmod a+rx . && chmod -R a+rX . # for whoever we step down to
can_step_down=0
"${closed[@]}" bash -c '"$0" --version && "$1" --version' "$souk" "$infer" >/dev/null 2>&1 && can_step_down=1

for option in ${OPTIONS:-rank score info users items users-names items-names lists vectors-items vectors-users vectors-hidden vectors-h5 plot}; do
  s=$(suffix $option)
  good=ref$s
  write $option $good >/dev/null 2>.first || { not_ok "$option writes a file"; sed 's/^/# /' .first; continue; }
  mkdir -p far d$s
  echo before >far/f$s; ln -s far/f$s link$s; ln -s link$s link-to-link$s
  check "$option: a link to a link to a file is written" write $option link-to-link$s
  check "$option: both links stay, and the file is replaced" bash -c "[ -L link$s ] && [ -L link-to-link$s ] && [ ! -L far/f$s ] && cmp far/f$s $good"
  ln -s far/new$s dangling$s
  check "$option: a link to a missing file is written" write $option dangling$s
  check "$option: the link stays, and its file is made" bash -c "[ -L dangling$s ] && cmp far/new$s $good"
  ln -s loop2$s loop$s; ln -s loop$s loop2$s
  check_error "$option: links in a circle are an error" "Too many levels of symbolic links" write $option loop$s
  check_error "$option: a directory is an error" "cannot write d$s: " write $option d$s
  check_error "$option: a missing directory is an error" "no/f$s: No such file or directory" write $option no/f$s
  check "$option: the directory and the circle of links stay" bash -c "[ -d d$s ] && [ -L loop$s ] && [ -L loop2$s ]"
  mkfifo fifo$s
  if [ $option = vectors-h5 ]; then # HDF5 goes back and forth in its file
    check_error "$option: a pipe is refused" "fifo$s is not a regular file" write $option fifo$s
  else
    cat fifo$s >through & pid=$!
    check "$option: a pipe is written" write $option fifo$s
    wait $pid
    check "$option: the pipe stays a pipe and had every byte" bash -c "[ -p fifo$s ] && cmp through $good"
    if [ -z "$s" ] && [ $option != lists ]; then # whose report is on standard output
      check "$option: standard output by name, a pipe" cmp $good <(write $option stdout)
      (echo first; write $option stdout; echo last) >among 2>.out
      check "$option: standard output by name, a file that others write to" cmp among <(echo first; cat $good; echo last)
      write $option /proc/self/fd/7 7>descriptor 2>.out
      check "$option: a descriptor is written" cmp descriptor $good
      write $option >(cat >substituted; echo >.done) 2>.out
      for _ in $(seq 100); do [ -e .done ] && break; sleep 0.05; done
      check "$option: process substitution is written" cmp substituted $good
    fi
    if [ $node_works = 1 ]; then
      mknod null$s.$s c 1 3 2>/dev/null; mknod full$s c 1 7; mknod zero$s c 1 3
      check "$option: a device is written" write $option zero$s
      check_error "$option: a full device is an error" "No space left on device" write $option full$s
      check "$option: both devices stay devices" test -c zero$s -a -c full$s
    else skip "$option: devices" "mknod is not permitted here, or nodev"; fi
  fi
  # A name that can be foreseen is not used; what was planted there stays, and is not followed.
  echo victim >victim$s
  check "$option: a link planted at the temporary's name" eval "(ln -s victim$s planted$s.tmp.\$BASHPID && run=exec && write $option planted$s)"
  check "$option: the planted link is not written through" bash -c "[ \"\$(cat victim$s)\" = victim ] && cmp planted$s $good && [ -L planted$s.tmp.* ]"
  # What a killed one left goes, with a line; what is in use or not by our name stays.
  echo half >left$s.tmp.souk-0123456789abcdef
  echo used >left$s.tmp.souk-fedcba9876543210
  echo mine >left$s.tmp.souk-mine
  echo mine >left$s.tmp.4711
  exec 8<left$s.tmp.souk-fedcba9876543210; flock 8
  write $option left$s 2>.said
  check "$option: a leftover is removed" bash -c "[ ! -e left$s.tmp.souk-0123456789abcdef ]"
  check "$option: one line says that the leftover is removed" test "$(grep -c "left unfinished work at .*left$s; 1 unfinished output is removed" .said)" = 1
  check "$option: temporaries in use or of others stay" test -e left$s.tmp.souk-fedcba9876543210 -a -e left$s.tmp.souk-mine -a -e left$s.tmp.4711
  exec 8<&-
  if [ $can_step_down = 1 ]; then
    mkdir shut; echo old >shut/f$s; chmod 666 shut/f$s; chmod 555 shut; chmod 777 .
    export -f write; export souk infer
    check_error "$option: a read-only directory is an error" "cannot create shut/f$s: Permission denied" "${closed[@]}" bash -c "write $option shut/f$s"
    check "$option: the file in the read-only directory is unchanged" grep -q old shut/f$s
    chmod 755 shut .
  else skip "$option: a read-only directory is an error" "nobody to step down to"; fi
  rm -rf far d$s shut link* dangling* loop* fifo$s planted* left* victim* null?* full$s zero$s ref* other* .done
done

# A table that grows row by row: likewise.
bench() { "$souk" bench ops --shapes tiny --ops linear_forward --seconds 0 --threads 1 --peak_gflops 1 --bandwidth_gb 1 --csv "$1"; }
mkfifo rows; cat rows >through & pid=$!
check "csv: a pipe is written" bench rows
wait $pid
check "csv: the pipe stays a pipe and had the rows" bash -c "[ -p rows ] && grep -q linear_forward through"
(echo first; bench /dev/fd/7 >/dev/null; echo last) >among 7>&1
check "csv: a descriptor is written where it stands" bash -c "[ \"\$(head -n 1 among)\" = first ] && [ \"\$(tail -n 1 among)\" = last ] && grep -q linear_forward among"
mkdir d; check_error "csv: a directory is an error" "cannot open d: Is a directory" bench d; rmdir d
check_error "vectors: one file for two kinds is an error" "are the same file" "$souk" vectors run --items x.npy --data data --users ./x.npy

# ---- two files that belong together --------------------------------------------------------------------------
# pair COMMAND: writes v.npy and its names.
pair() {
  case $1 in
  souk) "$souk" vectors run --items v.npy ;;
  infer) "$infer" items B --output v.npy --names v.npy.names.tsv ;;
  esac
}
check_error "infer: one file for output and names is an error" "the same file" "$infer" items B --output same.npy --names ./same.npy
for kind in infer souk; do
  pair $kind; cp v.npy new.npy; cp v.npy.names.tsv new.tsv
  # What is left when it is killed between the old names' leaving and the new data's coming: the old pair, in parts.
  tag=00112233445566aa
  old() { echo old data >v.npy; echo old names >v.npy.names.tsv; mv v.npy.names.tsv v.npy.names.tsv.old.souk-$tag; echo new names >v.npy.names.tsv.tmp.souk-$tag; echo new data >v.npy.tmp.souk-$tag; }
  old
  mkfifo wait; "$infer" users B --input wait --output v.npy --names v.npy.names.tsv 2>.said & pid=$!
  exec 9>wait
  for _ in $(seq 100); do [ -e v.npy.names.tsv ] && break; sleep 0.05; done
  check "$kind: names that had been moved aside are put back" grep -q "old names" v.npy.names.tsv
  check "$kind: one line says that they were put back" grep -q "has been put back" .said
  kill -9 $pid; wait $pid 2>/dev/null; exec 9>&-; rm wait
  check "$kind: a kill leaves the old pair" bash -c "grep -q 'old data' v.npy && grep -q 'old names' v.npy.names.tsv"
  check "$kind: a kill leaves two temporaries" test "$(ls v.npy*.tmp.souk-* | wc -l)" = 2
  pair $kind 2>.said
  check "$kind: the next command removes the temporaries" bash -c "! ls v.npy*souk-* && grep -q '2 unfinished outputs are removed' .said"
  check "$kind: the next command writes a new pair" bash -c "cmp v.npy new.npy && cmp v.npy.names.tsv new.tsv"
  # After the new data's coming the old names fit nothing.
  old; rm v.npy.tmp.souk-$tag; "$infer" users B --input /no/such --output v.npy --names v.npy.names.tsv 2>/dev/null
  pair $kind 2>/dev/null
  check "$kind: names without their data are not put back" bash -c "! ls v.npy*souk-* && cmp v.npy.names.tsv new.tsv"
  rm -f v.npy* new.*
done
# Killed before any of its files is made or renamed: the next one leaves nothing behind, and both are new.
"$souk" vectors run --items w.npy; cp w.npy new.npy; cp w.npy.names.tsv new.tsv
for fault in create rename; do
  n=$(SOUK_FAULT=count "$souk" vectors run --items w.npy 2>&1 | sed -n "s/^faults:.* $fault \([0-9]*\).*/\1/p") good=0
  for at in $(seq 1 "$n"); do
    { SOUK_FAULT=$fault:$at! "$souk" vectors run --items w.npy; } 2>/dev/null
    "$souk" vectors run --items w.npy 2>/dev/null
    cmp -s w.npy new.npy && cmp -s w.npy.names.tsv new.tsv && ! ls w.npy*souk-* >.out 2>&1 && good=$((good + 1))
  done
  check "vectors: killed before each of $n ${fault}s, the pair matches" test "$n" -gt 1 -a $good = "$n"
done

# ---- directories ---------------------------------------------------------------------------------------------
# directory COMMAND: makes the directory P anew.
directory() {
  case $1 in
  prepare) "$souk" prepare --log log.csv --user user --fields.item item --fields.time time --out P --force ;;
  export) "$souk" export run P --force ;;
  synth) "$souk" synth --out P --users 20 --items 30 --length 5 --force ;;
  esac
}
# readable COMMAND: the programs that read P take it for whole.
readable() { "$souk" inspect P --verify; }
for kind in prepare export synth; do
  rm -rf P*
  check "$kind: makes a directory" directory $kind
  for fault in create rename; do
    for exchange in "" ,exchange:1+; do # also where a file system cannot exchange two directories
      n=$(SOUK_FAULT=count directory $kind 2>&1 | sed -n "s/^faults:.* $fault \([0-9]*\).*/\1/p")
      good=0 tried=0 gone=0
      [ -z "$exchange" ] || [ $fault = create ] || n=$((n + 2)) # aside, into its place, and to where leftovers go
      for at in $(seq 1 "$n"); do
        tried=$((tried + 1))
        SOUK_FAULT=$fault:$at!$exchange directory $kind >/dev/null 2>&1
        [ -d P ] || gone=$((gone + 1))
        directory $kind >.out 2>&1 && readable >/dev/null 2>&1 && ! ls -d P.* >/dev/null 2>&1 && good=$((good + 1))
      done
      check "$kind: killed before ${fault}s${exchange:+, in two steps}: the next one leaves nothing behind ($tried of $n)" test $tried -gt 1 -a $good = $tried
      [ -n "$exchange" ] || check "$kind: killed before ${fault}s, the directory is never missing" test $gone = 0
    done
  done
  # In two steps, killed between them: what was there is aside, and the next command brings it back first.
  n=$(SOUK_FAULT=count directory $kind 2>&1 | sed -n "s/^faults:.* rename \([0-9]*\).*/\1/p")
  touch P/old; ln -s P Q
  for at in $(seq $((n - 1)) $((n + 2))); do SOUK_FAULT="rename:$at!,exchange:1+" directory $kind >/dev/null 2>&1; [ -e P ] || break; done
  check "$kind: a kill between the two renames leaves the old directory aside" test ! -e P -a -e P.old.souk-*/old
  SOUK_FAULT=create:1 directory $kind >.out 2>.said
  check "$kind: the next command puts it back, even if it fails itself" test -e P/old
  check "$kind: one line says that it was put back" grep -q "what it had moved aside has been put back" .said
  # Another schema's directory is not taken, whatever its marker's name; nor is a file, or a loop.
  mv P kept; mkdir P; echo '{"schema":"souk.else"}' | tee P/manifest.json P/souk.json >P/synth.json
  check_error "$kind: a directory of another kind stays" "it is left as it is" directory $kind
  rm -r P; echo file >P
  check_error "$kind: a file in the directory's place is an error" "it is left as it is" directory $kind
  check "$kind: the file in the directory's place is unchanged" grep -q file P
  rm P; mkdir far; ln -s far/P P
  check "$kind: a link to a missing directory is written" directory $kind
  check "$kind: the directory is made where the link leads" bash -c "[ -L P ] && [ -d far/P ] && [ ! -L far/P ]"
  rm -rf P far kept Q
done

# A reader that opens a bundle all the time, while it is exported anew again and again.
rm -rf B2; "$souk" export run B2 >/dev/null 2>&1
(for _ in $(seq 30); do "$souk" export run B2 --force >/dev/null 2>&1 || echo bad; done; touch .over) >.exports &
opens=0 failed=0
while [ ! -e .over ]; do
  opens=$((opens + 1))
  "$infer" info B2 >/dev/null 2>.out || { failed=$((failed + 1)); sed 's/^/# /' .out; }
done
wait
check "30 forced exports, none of $opens opens fails" test $failed = 0 -a $opens -gt 10 -a ! -s .exports

# ---- a run that ends before its first checkpoint -------------------------------------------------------------
train=("$souk" pretrain --data.dir data --steps 4 --log_every 1 --hidden 16 --layers 1 --heads 2 --max_positions 12 --train.threads 1 --peak_gflops 10 --eval_every 0 --save_every 4)
{ SOUK_FAULT=write:6! "${train[@]}" --out early; } 2>/dev/null
cp early/metrics.jsonl before
check "a run killed before its first checkpoint has metrics" test -s before -a ! -e early/last
check_error "another run does not overwrite these metrics" "--resume starts the run again and keeps them" "${train[@]}" --out early
check "these metrics are unchanged" cmp before early/metrics.jsonl
check "--resume starts such a run again" "${train[@]}" --out early --resume
check "--resume keeps the old metrics under another name" cmp before early/metrics.1.jsonl
check "the new metrics have the new run's steps" test "$(grep -c '"kind":"train"' early/metrics.jsonl)" = 4

# ---- what may not be seen is not absent ----------------------------------------------------------------------
if [ $can_step_down = 1 ]; then
  cp -r run shut-run; cp -r data shut-data; cp -r B shut-bundle
  chmod 777 . && chmod -R a+rX shut-* && chmod 600 shut-run/step-*/manifest.json && "${closed[@]}" true
  denied() { check_error "$1" "Permission denied" "${closed[@]}" "${@:2}"; }
  denied "a checkpoint that may not be read is not damaged" "$souk" pretrain shut-run/config.yaml --data.dir data --out shut-run --steps 5 --resume
  check "a checkpoint that may not be read is not set aside" bash -c "! ls shut-run | grep damaged"
  chmod 000 shut-run shut-data shut-bundle
  denied "pretrain on a closed data set" "$souk" pretrain --data.dir shut-data --out new
  denied "plan on a closed data set" "$souk" plan --data.dir shut-data
  denied "eval on a closed data set" "$souk" eval run --data shut-data
  denied "eval of a closed run" "$souk" eval shut-run
  denied "vectors of a closed run" "$souk" vectors shut-run --items x.npy
  denied "export of a closed run" "$souk" export shut-run x
  denied "replay of a closed run" "$souk" replay shut-run
  denied "plot of a closed run" "$souk" plot shut-run --out x.svg
  denied "import of a closed directory" "$souk" import shut-run x
  denied "pretrain into a closed run" "$souk" pretrain --data.dir data --out shut-run
  denied "pretrain --init from a closed run" "$souk" pretrain --data.dir data --out new --init shut-run
  denied "inspect of a closed run" "$souk" inspect shut-run
  denied "prepare over a closed data set" "$souk" prepare --log log.csv --user user --fields.item item --out shut-data --force
  denied "export over a closed bundle" "$souk" export run shut-bundle --force
  chmod 444 shut-data shut-bundle # to be listed, but not to be entered
  denied "prepare over a data set that may only be listed" "$souk" prepare --log log.csv --user user --fields.item item --out shut-data --force
  denied "pretrain on a data set that may only be listed" "$souk" pretrain --data.dir shut-data --out new
  chmod 000 shut-data shut-bundle
  denied "synth over a directory that may only be listed" "$souk" synth --out shut-bundle --users 10 --force
  for mode in 000 444; do # not to be listed; not to be entered
    chmod $mode shut-bundle
    for c in rank users items info bench; do
      case $c in rank | users) args=(--input q --output x) ;; bench) args=() ;; *) args=(--output x) ;; esac
      denied "souk-infer $c of a closed bundle ($mode)" "$infer" $c shut-bundle "${args[@]}"
    done
  done
  chmod -R u+rwX shut-*
else skip "commands on closed directories" "nobody to step down to"; fi
finish
