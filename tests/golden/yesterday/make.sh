#!/usr/bin/env bash
# make.sh BUILD: writes files.tar.gz and answers/ anew with BUILD/souk and BUILD/souk-infer. tests/e2e/yesterday.sh asks
# later programs the same. The files here are of souk 0.1.0, commit 502a107634b5, so they are made by a build of that
# commit (git worktree add ... 502a107634b5), never by the program that is to be tested. What is measured in
# seconds differs from one making to the next (in manifests, too), and the rest is the same on the same machine.
#   data                 a data set with event types, sessions, prices, attributes and a catalogue
#   a                    masked items with pairs of sessions, full softmax, dot products; killed after step 12 of 20, with a
#                        best checkpoint before the last one, two steps into a metrics window
#   b                    sampled loss, cosine, pre-norm and what else is not the default; killed as a was
#   c                    a step whose gradient was not finite
#   a.bundle, b.bundle   what souk export made of the best checkpoint of a and the last of b
set -eu
[ $# = 1 ] || { echo "usage: make.sh BUILD" >&2; exit 2; }
souk=$(realpath "$1/souk") infer=$(realpath "$1/souk-infer")
[ "$("$souk" --version)" = "souk 0.1.0" ] || { echo "$souk is not of version 0.1.0" >&2; exit 1; }
golden=$(realpath "$(dirname "$0")")
. "$golden/ask.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

awk 'BEGIN {
  srand(11); print "user,session,item,time,event,price"
  split("view cart buy view", kind, " ")
  for (u = 0; u < 24; u++) {
    n = 5 + u % 6; item = (u * 5) % 36
    for (i = 0; i < n; i++) {
      print "u" u ",s" int(i / 3) ",i" item "," 1700000000 + 86400 * u + 60 * i "," kind[1 + (u + i) % 4] "," 5 + item * 3 % 17
      item = (item + 1 + (u * i) % 3) % 36
    }
  }
}' >log.csv
awk 'BEGIN {
  print "item,name,kind,maker,price,text,colour"
  split("red green blue", colour, " ")
  for (i = 0; i < 34; i++) printf "i%d,\"Ding %d \"\"gross\"\" \303\274\",k%d,m%d,%d.5,\"about, %d\",%s\n", i, i, i % 3, i % 2, 5 + i * 3 % 17, i, colour[1 + i % 3]
}' >catalogue.csv
"$souk" prepare --log log.csv --user user --session session --fields.item item --fields.time time --event event \
  --fields.price price --catalogue catalogue.csv --catalogue.item item --title name --category kind --brand maker \
  --catalogue.price price --description text --keep colour --price_buckets 4 --window 12 --stride 6 --name yesterday --out data

# Killed before the checkpoint of step 18 gets its name: the one of step 12 is the last, and the metrics are ahead of it.
common=(--data.dir data --device cpu --threads 1 --peak_gflops 10 --no-tensorboard --no-background)
killed() { # RUN OPTIONS...
  local run=$1 n; shift
  for n in $(seq 1 200); do
    rm -rf "$run"
    (SOUK_FAULT=rename:$n! exec "$souk" pretrain "${common[@]}" --out "$run" "$@") >"$run.out" 2>&1 || true
    [ -d "$run" ] && [ -f "$run/last" ] && [ "$(cat "$run/last")" = step-00000012 ] && ls -d "$run"/step-00000018.tmp.* >/dev/null 2>&1 && break
  done 2>/dev/null # the shell tells of each kill
  rm -rf "$run"/*.tmp.* "$run"/*.old.* "$run.out"
  grep -q '"step":15,' "$run/metrics.jsonl" && test "$(cat "$run/last")" = step-00000012
}
middle=(--steps 20 --eval_every 6 --eval_users 20 --log_every 5 --warmup_steps 4 --keep 1)
killed a "${middle[@]}" --next_session --pooler --cls_sep --no-item_classes --hidden 16 --layers 1 --heads 2 --intermediate 24 \
  --max_positions 24 --batch_tokens 160 --lr 0.01
killed b "${middle[@]}" --negatives 12 --negative_kind popularity --negative_alpha 0.75 --score cosine --temperature 0.2 \
  --pre_norm --positions_from_end --item_classes --lazy_rows --accumulate 2 --duplicates 3 --last_copies 2 --crop 0.25 \
  --mask_style bert --no-mask_events --hidden 12 --layers 2 --heads 2 --intermediate 20 --activation gelu --max_positions 14 \
  --batch_tokens 96 --lr 0.005 --schedule cosine --min_lr 0.1 --decay_steps 30 --metric mrr --data.seed 5 --train.seed 6
test "$(cat a/best)" = step-00000006
rc=0
"$souk" pretrain "${common[@]}" --out c --accumulate 2 --next_session --pooler --cls_sep --hidden 8 --layers 1 --heads 1 \
  --intermediate 8 --max_positions 24 --batch_tokens 64 --steps 20 --log_every 2 --eval_every 0 --lr 100 \
  --weight_decay 100 --warmup_steps 0 --schedule constant || rc=$?
test $rc = 1
rm -r c/step-*
rm -f c/last c/best
"$souk" export a a.bundle
"$souk" export b b.bundle --which last

rm -rf "$golden/files.tar.gz" "$golden/answers"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - data a b c a.bundle b.bundle |
  gzip -9n >"$golden/files.tar.gz"
mkdir "$golden/answers"
for name in $answers; do ask "$name" >"$golden/answers/$name" 2>err || { echo "no $name" >&2; cat err >&2; exit 1; }; done
