# Sourced by make.sh, which records the answers of the program that wrote the files, and by tests/e2e/yesterday.sh, which
# asks a later one the same. In the directory with the unpacked files; souk and infer are the programs.
# ask NAME: the answer with that name, on standard output. What a question leaves behind goes into new/.
export OMP_NUM_THREADS=1 SOUK_CUDA_BACKEND=none LC_ALL=C # od and awk write numbers as the locale has them
golden=${golden:-$(dirname "${BASH_SOURCE[0]}")}
answers="data.inspect.json
  a.inspect.json a.checkpoint.json a.eval.json a.users.txt a.items.txt a.metrics.jsonl a.ends.txt a.rest.json
  b.inspect.json b.checkpoint.json b.eval.json b.users.txt b.items.txt b.metrics.jsonl b.ends.txt b.rest.json
  c.replay.txt c.trace.txt
  a.bundle.inspect.json a.bundle.info.json a.bundle.lists.jsonl a.bundle.scores.jsonl a.bundle.users.txt a.bundle.items.jsonl
  b.bundle.inspect.json b.bundle.info.json b.bundle.lists.jsonl b.bundle.scores.jsonl b.bundle.users.txt b.bundle.items.jsonl"
# numbers FILE.npy: its header in a line, then four numbers a line.
numbers() {
  head -c 128 "$1" | tail -c +11
  tail -c +129 "$1" | od -An -v -t f4 -w16 | sed 's/^ *//; s/  */ /g'
}
# vectors OUTPUT COMMAND...: the command writes .npy there.
vectors() {
  rm -f "$1" && "${@:2}" >&2 && numbers "$1"
}
ask() {
  local run=${1%%.*} bundle=${1%%.*}.bundle which=auto
  [ "$run" = a ] || which=last
  mkdir -p new
  case $1 in
  data.inspect.json) "$souk" inspect --json data ;;
  ?.inspect.json) "$souk" inspect --json $run ;;
  ?.checkpoint.json) "$souk" inspect --json "$run/$(cat $run/last)" ;;
  ?.eval.json)
    "$souk" eval $run --which $which --json --bootstrap 0 --protocols full,popularity --negatives 20 --device cpu --threads 1 ;;
  ?.users.txt)
    vectors new/users.npy "$souk" vectors $run --which $which --users new/users.npy --data data --part test --device cpu --threads 1 ;;
  ?.items.txt) vectors new/items.npy "$souk" vectors $run --which $which --items new/items.npy --device cpu --threads 1 ;;
  # The rest of a run, where it was moved to: all of its metrics, those before its checkpoint included.
  ?.metrics.jsonl)
    rm -rf new/$run && cp -r $run new/$run && "$souk" pretrain new/$run --resume >new/$run.out 2>new/$run.err || { cat new/$run.err >&2; return 1; }
    cat new/$run/metrics.jsonl ;;
  ?.ends.txt) cat new/$run/last new/$run/best ;;
  ?.rest.json) "$souk" inspect --json "new/$run/$(cat new/$run/last)" ;;
  # A new run of the same configuration, whose metrics are those of the one that was killed and resumed.
  ?.again.jsonl)
    rm -rf new/again && "$souk" pretrain $run/config.yaml --out new/again >&2 && cat new/again/metrics.jsonl ;;
  c.replay.txt) "$souk" replay c; [ $? = 1 ] ;;
  c.trace.txt) "$souk" replay c/nonfinite-* --trace; [ $? = 1 ] ;;
  ?.bundle.inspect.json) "$souk" inspect --json $bundle ;;
  ?.bundle.info.json) "$infer" info $bundle --json ;;
  ?.bundle.lists.jsonl) "$infer" rank $bundle --k 6 --threads 1 --input "$golden/questions.jsonl" ;;
  ?.bundle.scores.jsonl) "$infer" score $bundle --threads 1 --input "$golden/candidates.jsonl" ;;
  ?.bundle.users.txt)
    vectors new/users.npy "$infer" users $bundle --threads 1 --input "$golden/questions.jsonl" --output new/users.npy --names new/users.jsonl &&
      cat new/users.jsonl ;;
  ?.bundle.items.jsonl) "$infer" items $bundle --output new/items.npy --names new/items.jsonl >&2 && cat new/items.jsonl ;;
  *) echo "no question is called $1" >&2; return 1 ;;
  esac
}
