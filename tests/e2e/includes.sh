#!/usr/bin/env bash
# tools/includes keeps the order of folders: what goes against it, or has no place in it, is reported.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v git >/dev/null; then
  skip "the order of includes" "there is no git here"
  finish
fi

tree=$work/tree
mkdir -p "$tree/tools" "$tree"/src/{base,format,train,eval,ops/cpu,dist,infer}
cp "$here/tools/includes" "$tree/tools/"
git -C "$tree" init -q
echo '#include "base/log.h"' >"$tree/src/base/log.c"
echo '#include "ops/ops.h"' >"$tree/src/dist/dist.h"
printf '#include <stdio.h>\n#include "dist/dist.h"\n#include "eval/ranking.h"\n' >"$tree/src/train/loop.c"
echo '#include "cmd/cmd.h"' >"$tree/src/main.c"
check "a tree in order passes" "$tree/tools/includes"
check "and nothing is said of it" test ! -s "$work/.out"

# reports NAME FILE TEXT LINE: with a file of that text in src, LINE is all that is said.
reports() {
  mkdir -p "$(dirname "$tree/src/$2")"
  printf '%s\n' "$3" >"$tree/src/$2"
  check "$1" bash -c "! '$tree/tools/includes' >'$work/said' && [ \"\$(cat '$work/said')\" = '$4' ]"
  rm "$tree/src/$2"
}
reports "a folder that nobody knows" strange/thing.c '' \
  'src/strange/thing.c: src/strange has no place in the order of includes (tools/includes)'
reports "an include against the order" base/file.c '#include "train/loop.h"' 'src/base/file.c includes train/'
reports "in a folder of a folder too" ops/cpu/cpu.c '#include "model/model.h"' 'src/ops/cpu/cpu.c includes model/'
reports "a circle of eval and train" eval/ranking.c '#include "train/loop.h"' 'src/eval/ranking.c includes train/'
reports "the inference module and the trainer" infer/api.h '#  include "base/log.h"' 'src/infer/api.h includes base/'
reports "a path that goes round" format/json.c '#include "../train/loop.h"' 'src/format/json.c includes ../'
reports "an include of a folder that is not there" train/plan.c '#include "far/away.h"' 'src/train/plan.c includes far/'

if git -C "$here" rev-parse -q --verify HEAD >/dev/null 2>&1; then
  check "the project itself is in order" "$here/tools/includes"
else
  skip "the project itself is in order" "this copy of the project is no git repository"
fi
finish
