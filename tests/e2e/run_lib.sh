# Sourced by the scripts that train: a small log made by awk, its data set, and what the runs have in common.
# One thread: these runs are tiny, and with two, each waits for the other whenever another job takes a core. Files go
# to memory unless TMPDIR is set: there are thousands of fsyncs, slow on a disk, and no test needs them to be real.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 300000 ]; then
  export TMPDIR=/dev/shm
fi
. "$(dirname "$0")/lib.sh"
export OMP_NUM_THREADS=1
data=$work/data
awk 'BEGIN {
  srand(3); print "user,item,time,event"
  for (u = 0; u < 400; u++) {
    n = 4 + int(rand() * 16); item = int(rand() * 120)
    for (i = 0; i < n; i++) {
      print "u" u ",i" item "," 1000 * u + 10 * i "," (rand() < .7 ? "view" : "buy")
      item = rand() < .8 ? (item + 3) % 120 : int(rand() * 120)
    }
  }
}' >"$work/log.csv"
"$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time --event event --out "$data" \
  >"$work/.out" 2>&1 || { not_ok "the test's data set" "$work/.out"; finish; }
cat >"$work/tiny.yaml" <<X
data: {dir: "$data", batch_tokens: 256}
model: {hidden: 8, layers: 1, heads: 1, max_positions: 20}
train: {device: ${TEST_DEVICE:-cpu}, threads: 1, peak_gflops: 10, eval_users: 50, log_every: 5}
X
# train RUN OPTIONS...: stderr to RUN.err, and on if it fails.
train() {
  local run=$1 rc; shift
  "$souk" pretrain "$work/tiny.yaml" --out "$run" "$@" 2>"$run.err"; rc=$?
  [ $rc = 0 ] || cat "$run.err" >&2
  return $rc
}
# essence RUN: what must not depend on when a run was stopped: the checksums of all checkpoints, which of them are
# last and best, and the metrics without those that depend on time.
essence() {
  local run=$1
  for d in "$run"/step-*; do
    [ -d "$d" ] && echo "${d##*/} $(grep -A 2 -E '"(model|optimizer|average).h5"' "$d/manifest.json" | grep sha256 | tr -d ' \n')"
  done
  (cd "$run" && cat last best 2>&1)
  sed -e '/"kind":"end"/d' -e 's/,"tokens_per_s":[^,}]*//; s/,"gflops":[^,}]*//; s/,"share_of_peak":[^,}]*//' "$run/metrics.jsonl"
}
# field FILE KIND STEP NAME: a figure of a metrics line.
field() {
  grep "\"kind\":\"$2\",\"step\":$3," "$1/metrics.jsonl" | sed -n "s/.*\"$4\":\([^,}]*\).*/\1/p"
}
slow() { [[ $SOUK_BUILD == *-san* || $SOUK_BUILD == *-tsan* || $SOUK_BUILD == *-cov* || $SOUK_BUILD == *-debug* ]]; }
# npy_rows NPY NAMES: a line a row, its name first. NAMES: names, or what souk-infer users writes.
npy_rows() {
  local width
  width=$(head -c 128 "$1" | tr -d '\0' | grep -aoE "\([0-9]+, [0-9]+\)" | sed 's/.*, //; s/)//')
  tail -c +129 "$1" | od -An -v -t f4 -w$((4 * width)) | paste <(sed 's/.*"user":"\([^"]*\)".*/\1/' "$2") -
}
# agree NPY NAMES NPY NAMES ROWS TOLERANCE: are these the same rows, by their users?
agree() {
  npy_rows "$1" "$2" | LC_ALL=C sort >"$work/a" && npy_rows "$3" "$4" | LC_ALL=C sort >"$work/b" &&
    paste "$work/a" "$work/b" | awk -v wanted="$5" -v most="$6" '{n = NF / 2; if ($1 != $(n + 1)) bad = 1
      for (i = 2; i <= n; i++) {d = $i - $(n + i); if (d < 0) d = -d; if (d > worst) worst = d}; rows++}
      END {print rows, worst; exit !(rows == wanted && !bad && worst < most)}'
}
# vectors_agree NAME DATA QUESTIONS OPTIONS...: after 30 steps a bundle gives the user vectors that the trainer has for the histories
# before the test targets, which QUESTIONS are.
vectors_agree() {
  local name=$1 data=$2 questions=$3; shift 3
  train "$work/$name" --data.dir "$data" --steps 30 --lr 1e-2 --eval_every 0 "$@" &&
    "$souk" export "$work/$name" "$work/$name.bundle" &&
    "$souk" vectors "$work/$name" --users "$work/ours.npy" --data "$data" --part test &&
    "$infer" users "$work/$name.bundle" --input "$questions" --output "$work/theirs.npy" --names "$work/theirs.names" &&
    agree "$work/ours.npy" "$work/ours.npy.names.tsv" "$work/theirs.npy" "$work/theirs.names" "$(wc -l <"$questions")" 1e-4
}
