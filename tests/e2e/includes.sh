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
check "a tree in order gives no output" test ! -s "$work/.out"

# reports NAME FILE TEXT LINE: with a file of that text in src, LINE is all that is said.
reports() {
  mkdir -p "$(dirname "$tree/src/$2")"
  printf '%s\n' "$3" >"$tree/src/$2"
  check "$1" bash -c "! '$tree/tools/includes' >'$work/said' && [ \"\$(cat '$work/said')\" = '$4' ]"
  rm "$tree/src/$2"
}
reports "a folder without a place in the order is reported" strange/thing.c '' \
  'src/strange/thing.c: src/strange has no place in the order of includes (tools/includes)'
reports "an include against the order is reported" base/file.c '#include "train/loop.h"' 'src/base/file.c includes train/'
reports "an include against the order in a subfolder is reported" ops/cpu/cpu.c '#include "model/model.h"' 'src/ops/cpu/cpu.c includes model/'
reports "an include of train in eval is reported" eval/ranking.c '#include "train/loop.h"' 'src/eval/ranking.c includes train/'
reports "an include of the trainer in the inference module is reported" infer/api.h '#  include "base/log.h"' 'src/infer/api.h includes base/'
reports "an include by a relative path is reported" format/json.c '#include "../train/loop.h"' 'src/format/json.c includes ../'
reports "an include of a folder that is not there is reported" train/plan.c '#include "far/away.h"' 'src/train/plan.c includes far/'

if git -C "$here" rev-parse -q --verify HEAD >/dev/null 2>&1; then
  check "the project itself is in order" "$here/tools/includes"
else
  skip "the project itself is in order" "this copy of the project is no git repository"
fi
finish
