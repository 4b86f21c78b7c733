#!/usr/bin/env bash
# From a log to answers: souk export, souk-infer, and the library as an installed product.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1

# A shop of 40 items whose customers go from one item to the next, some with an event type.
awk 'BEGIN { print "user,item,time,event"; for (u = 0; u < 60; u++) for (i = 0; i < 8; i++)
  printf "u%d,\"i%d\",%d,%s\n", u, (u * 7 + i * (1 + u % 2)) % 40, 1000 * i + u, i % 3 ? "view" : "buy" }' >"$work/log.csv"
awk 'BEGIN { print "item,title"; for (i = 0; i < 39; i++) printf "i%d,\"Ding %d \"\"gross\"\" \xc3\xbc\"\n", i, i }' >"$work/items.csv"
check "souk prepare makes a data set with a catalogue" "$souk" prepare --log "$work/log.csv" --user user --fields.item item --fields.time time \
  --event event --input.catalogue "$work/items.csv" --catalogue.item item --title title --out "$work/data"
check "a short training ends well" "$souk" pretrain --data.dir "$work/data" --out "$work/run" --steps 30 --eval_every 15 --eval_users 50 \
  --hidden 16 --layers 2 --heads 2 --max_positions 12 --warmup_steps 5 --score cosine --temperature 0.1 --train.threads 1
check "souk export of a run makes a bundle" "$souk" export "$work/run" "$work/bundle"
check "souk export --which last makes a bundle" "$souk" export "$work/run" "$work/last" --which last
check "souk export of a checkpoint directory makes a bundle" bash -c "'$souk' export '$work'/run/\$(cat '$work/run/last') '$work/again'"
check "the same checkpoint exports to the same bytes" cmp "$work/last/model.safetensors" "$work/again/model.safetensors"
check_error "an existing bundle is kept without --force" "--force" "$souk" export "$work/run" "$work/bundle"
check "--force replaces an existing bundle" "$souk" export "$work/run" "$work/bundle" --force
check_error "--force does not replace a directory of another kind" "it is left as it is" "$souk" export "$work/run" "$work/data" --force
check_error "export of a missing run names it" "/no/such/run" "$souk" export /no/such/run "$work/x"
check_error "export with one path prints its usage" "souk export CHECKPOINT|RUN BUNDLE" "$souk" export "$work/run"
check "souk export --help succeeds" "$souk" export --help
# What a checkpoint from elsewhere names beside it is taken over only if it is in its directory and the manifest means it.
cp -r "$work/run/$(cat "$work/run/last")" "$work/linked"
mv "$work/linked/catalogue.jsonl" "$work/secret" && ln -s ../secret "$work/linked/catalogue.jsonl"
check_error "export refuses a catalogue that is a link out of the checkpoint" "catalogue.jsonl is a symbolic link that leads out" "$souk" export "$work/linked" "$work/x"
ln -sfn linked/../again "$work/way"
check "a bundle that is reached through a link is opened" "$infer" info "$work/way"
cp -r "$work/data" "$work/other" && rm "$work/other/catalogue.jsonl" && echo '{"item":"i1","title":"secret"}' >"$work/secret"
ln -s ../secret "$work/other/catalogue.jsonl"
check_error "pretrain refuses a data set whose catalogue is a link out of it" "leads out of its directory" "$souk" pretrain --data.dir "$work/other" --out "$work/y" --steps 1 --hidden 8 --heads 1 --layers 1
rm "$work/other/catalogue.jsonl" && cp "$work/secret" "$work/other/catalogue.jsonl"
"$souk" pretrain --data.dir "$work/other" --out "$work/y" --steps 1 --eval_every 0 --hidden 8 --heads 1 --layers 1 >"$work/told" 2>&1
check "a catalogue that is not the one of the manifest is told" grep -q "catalogue.jsonl.*; the checkpoint is written without a catalogue" "$work/told"
check "the checkpoint of that run has no catalogue" bash -c "test -f '$work/y/step-00000001/model.h5' && ! test -e '$work/y/step-00000001/catalogue.jsonl'"
cp -r "$work/run" "$work/broken"
printf 'x' | dd of="$work/broken/$(cat "$work/run/last")/model.h5" bs=1 seek=3000 conv=notrunc 2>/dev/null
check_error "export of a damaged checkpoint names the checksum" "its checksum" "$souk" export "$work/broken" "$work/x" --which last
check "a failed export leaves nothing behind" bash -c "! ls -d '$work'/x* '$work'/*.tmp.* '$work'/*.old.* 2>/dev/null | grep ."

cat >"$work/questions" <<'X'
{"user":"a","history":["i1","i2","i3"]}
{"user":7,"history":[{"item":"i5","event":"buy"},{"item":"never seen"},"i6"],"future":{"x":1}}

{"history":[]}
{"user":"among \"some\" \u00e9","history":["i1"],"candidates":["i9","i4","nobody","i9"],"deny":["i4"]}
{"user":"allow","history":["i1"],"allow":["i1","i2","i3"]}
X
check "souk-infer rank writes ranked lists" "$infer" rank "$work/bundle" --k 5 --input "$work/questions" --output "$work/lists"
is() { local name=$1 wanted=$2; shift 2; local got; got=$("$@"); if [ "$got" = "$wanted" ]; then ok "$name"; else not_ok "$name (got: $got)"; fi; }
line() { sed -n "$1p" "$work/lists"; }
is "rank writes one line per question" 5 bash -c "wc -l <'$work/lists'"
is "rank repeats users as they were written" '"a" 7 null "among \"some\" é" "allow"' \
  bash -c "sed -E 's/^\{\"user\":(\"([^\"\\\\]|\\\\.)*\"|[^,]*),.*/\1/' '$work/lists' | paste -sd' '"
is "rank counts unknown items" '"unknown":1}' bash -c "sed -n 2p '$work/lists' | grep -o '\"unknown\":1}'"
is "rank has titles from the catalogue" 5 bash -c "sed -n 1p '$work/lists' | grep -oE 'Ding [0-9]+ .{2}gross.{2} ü|null' | wc -l"
check "rank filters the items of the history out" bash -c "! sed -n 1p '$work/lists' | grep -E '\"i[123]\"'"
check "rank takes candidates without the denied ones" grep -q '"items":\["i9"\]' <(line 4)
check "rank takes allowed items without the history" bash -c "sed -n 5p '$work/lists' | grep -qE '\"items\":\[\"i(2\",\"i3|3\",\"i2)\"\]'"
check "--keep-history lists items of the history too" bash -c "'$infer' rank '$work/bundle' --keep-history --k 40 <'$work/questions' | sed -n 1p | grep -q '\"i1\"'"
check "standard input and output give the same lists as files" cmp "$work/lists" <("$infer" rank "$work/bundle" --k=5 --threads 1 <"$work/questions")
check "SOUK_SIMD=c gives the same lists" bash -c "SOUK_SIMD=c '$infer' rank '$work/bundle' --k 5 --input '$work/questions' | cut -d: -f1-3 | cmp - <(cut -d: -f1-3 '$work/lists')"
printf 'i2\ni3\nnobody\n' >"$work/few"
check "--allow lists only the items of a file" bash -c "'$infer' rank '$work/bundle' --allow '$work/few' --input '$work/questions' 2>'$work/.err' | sed -n 3p | grep -qE '\"items\":\[\"i.\",\"i.\"\]' && grep -q '1 of 3 names' '$work/.err'"
check "--deny lists none of the items of a file" bash -c "! '$infer' rank '$work/bundle' --k 40 --deny '$work/few' --input '$work/questions' 2>/dev/null | sed -n 3p | grep -E '\"i[23]\"'"

# Scores of all items by score are those of rank.
"$infer" items "$work/bundle" --output "$work/v.npy" --names "$work/v.jsonl" && names=$(sed -E 's/.*"item":("[^"]*").*/\1/' "$work/v.jsonl" | paste -sd,)
echo "{\"user\":1,\"history\":[\"i1\",\"i2\"],\"candidates\":[$names,\"nobody\",17]}" >"$work/all"
check "souk-infer score writes scores of given candidates" "$infer" score "$work/bundle" --input "$work/all" --output "$work/scored"
check "score has null for unknown candidates" grep -q ',null,null\],"unknown":0}' "$work/scored"
check "souk-infer users writes vectors and names" "$infer" users "$work/bundle" --input "$work/questions" --output "$work/u.npy" --names "$work/u.jsonl"
is "--names says whose row it is" '{"user":7,"unknown":1}' sed -n 2p "$work/u.jsonl"
if command -v python3 >/dev/null; then
  cat >"$work/check.py" <<'X'
import json, struct, sys, ast, subprocess
def npy(path):
    data = open(path, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    n = struct.unpack("<H", data[8:10])[0]
    assert (10 + n) % 64 == 0 and data[9 + n:10 + n] == b"\n"
    head = ast.literal_eval(data[10:10 + n].decode())
    assert head["descr"] == "<f4" and not head["fortran_order"]
    rows, width = head["shape"]
    assert len(data) == 10 + n + 4 * rows * width
    return [struct.unpack_from("<%df" % width, data, 10 + n + 4 * width * i) for i in range(rows)]
work = sys.argv[1]
u, v = npy(work + "/u.npy"), npy(work + "/v.npy")
names = [json.loads(line)["item"] for line in open(work + "/v.jsonl")]
assert len(u) == 5 and len(v) == len(names) and len(u[0]) == 17 and u[0][16] == 1.0
history = [["i1", "i2", "i3"], ["i5", "i6"], []]
lists = [json.loads(line) for line in open(work + "/lists")]
for i in range(3):  # the lists are sorted by dot product
    scores = {name: sum(a * b for a, b in zip(u[i], row)) for name, row in zip(names, v) if name not in history[i]}
    best = sorted(scores.values(), reverse=True)[:5]
    for score, wanted, item in zip(lists[i]["scores"], best, lists[i]["items"]):
        assert abs(score - wanted) < 1e-5 and abs(scores[item] - wanted) < 1e-5, (i, score, wanted)
scored = json.loads(open(work + "/scored").read())
assert scored["items"] == names + ["nobody", "17"]
X
  check "vectors are .npy files whose dot products give the lists" python3 "$work/check.py" "$work"
else
  skip "vectors are .npy files whose dot products give the lists" "no python3"
fi

check "souk-infer info prints a bundle" "$infer" info "$work/bundle"
is "souk-infer info --json has the number of items" 40 bash -c "'$infer' info '$work/bundle' --json | sed -E 's/.*\"items\":([0-9]+).*/\1/'"
check "souk-infer --help prints its usage" bash -c "'$infer' --help | grep -q 'usage: souk-infer COMMAND BUNDLE'"
check "souk-infer --version prints its version" bash -c "'$infer' --version | grep -qE '^souk-infer [0-9]+\.'"
bad() { echo "$1" >"$work/bad"; }
fails() { check_error "$1" "$2" "$infer" rank "$work/bundle" --input "$work/bad"; }
{ head -n 3 "$work/questions"; echo '{"history":["i1",]}'; } >"$work/bad"
fails "an input line that is not JSON is named by its number" "bad line 4: a value is expected"
bad '{"histroy":[]}'; fails "an input line without a history is an error" 'bad line 1: field "history" is missing'
bad '{"history":[{"item":"i1","event":"vieww"}]}'; fails "an unknown event type is an error" 'line 1: the bundle has no event type "vieww"'
bad '{"history":[1.5]}'; fails "a history of numbers that are not ids is an error" '"history" must hold item names'
bad '{"history":"i1"}'; fails "a history that is not an array is an error" '"history" must be an array'
bad '{"history":[],"deny":[[]]}'; fails "a deny list of arrays is an error" '"deny" must be an array of item names'
bad '{"history":[],"user":{}}'; fails "a user that is an object is an error" '"user" must be a string or a number'
bad '[]'; fails "an input line that is an array is an error" 'line 1: an object is expected'
bad '{"history":[],"history":[]}'; fails "a repeated field is an error" 'the key "history" appears twice'
check_error "score without candidates is an error" 'line 1: score needs "candidates"' "$infer" score "$work/bundle" --input "$work/questions"
check_error "users without --output is an error" "--output FILE is needed" "$infer" users "$work/bundle" --input "$work/questions"
check_error "a missing bundle is named in the error" "/no/such" "$infer" rank /no/such
check_error "a missing input file is named in the error" "/no/such" "$infer" rank "$work/bundle" --input /no/such
check_error "an unknown option of souk-infer is an error" 'unknown option "--kk"' "$infer" rank "$work/bundle" --kk 3
check_error "--k without a value is an error" "--k needs a value" "$infer" rank "$work/bundle" --k
check_error "--k 0 is an error" "--k must be a whole number from 1" "$infer" rank "$work/bundle" --k 0
check_error "an unknown command of souk-infer is an error" 'unknown command "guess"' "$infer" guess "$work/bundle"
check_error "souk-infer without a bundle is an error" "a bundle is needed" "$infer" rank
if full_device; then
  check_error "ranked lists to a full disk are an error" "standard output" bash -c "'$infer' rank '$work/bundle' <'$work/questions' >/dev/full"
else
  skip "ranked lists to a full disk are an error" "/dev/full is not that device"
fi
rm "$work/last/vocab.tsv"
# The last item's vector gets the largest numbers that there are: every score of it overflows.
cp -r "$work/bundle" "$work/large"
for at in 36 32 28 24 20 16 12 8; do printf '\377\377\177\177'; done |
  dd of="$work/large/items.safetensors" bs=1 seek=$(($(stat -c %s "$work/large/items.safetensors") - 36)) conv=notrunc 2>/dev/null
overflow() { check_error "$1 that overflows" "$2" "$infer" "$3" "$work/large" --skip-checksums "${@:4}"; }
overflow "a list" "$work/questions line 1: the score of item" rank --input "$work/questions"
check "only lists with the overflowing item fail" bash -c "'$infer' rank '$work/large' --skip-checksums --input '$work/questions' 2>/dev/null | grep -n '\"items\"' | cut -d: -f1 | paste -sd' ' | grep -qx '4 5'"
overflow "a score" "$work/all line 1: the score of user vector 0 and items[" score --input "$work/all"
overflow "a bench" "is not finite" bench --threads 1
check_error "a bundle with a missing file is an error" "vocab.tsv" "$infer" info "$work/last"

# Interrupted while it waits for more input: no file is left.
mkfifo "$work/pipe"
"$infer" rank "$work/bundle" --input "$work/pipe" --output "$work/interrupted" 2>/dev/null & pid=$!
exec 9>"$work/pipe"; head -n 1 "$work/questions" >&9
for _ in $(seq 100); do ls "$work"/interrupted.tmp.* >/dev/null 2>&1 && break; sleep 0.05; done
check "the output has a temporary file while souk-infer works" bash -c "ls '$work'/interrupted.tmp.*"
kill -TERM $pid; wait $pid; rc=$?
exec 9>&-
is "SIGTERM ends souk-infer with status 143" 143 echo $rc
check "SIGTERM leaves neither output nor temporary file" bash -c "! ls '$work'/interrupted* 2>/dev/null | grep ."

# A program that was compiled when functions or structures were others must not be given this library: its name has a number.
soname=libsouk_infer.so.$(sed -nE 's/^#define SOUK_INFER_ABI ([0-9]+)$/\1/p' include/souk/infer.h)
is "the library's soname has the number of the header's interface" "$soname" bash -c "readelf -d '$SOUK_BUILD/libsouk_infer.so' | sed -nE 's/.*SONAME.*\[(.*)\]/\1/p'"
is "souk.py looks for the library's soname" "$soname" sed -nE 's/^_SONAME = "([^"]*)".*/\1/p' tools/python/souk.py
# Of number 1. What is missing here was taken away: raise SOUK_INFER_ABI, and begin this list anew.
functions="adapter_name classify_sized close embed_texts_sized event_name explain_sized find_adapter find_event find_item get_info_sized
  infer_version item_count item_name item_record item_title item_vectors item_vectors_of_products_sized label_name open query_vectors_sized
  rank_flat_sized rank_sized score score_pairs_sized status_text user_vectors user_vectors_flat user_attribute"
exported=$(nm -D --defined-only "$SOUK_BUILD/libsouk_infer.so" | awk '{print $3}')
is "the library exports the functions of that interface" "" bash -c "for f in $(echo $functions); do grep -qx souk_\$f <<<'$exported' || echo \$f; done"

# The installed library, by pkg-config, shared and static, from C and C++.
case $(basename "$SOUK_BUILD") in
  *-san*) flags="-fsanitize=address,undefined" make_flags="SAN=1" ;;
  *-tsan*) flags="-fsanitize=thread" make_flags="TSAN=1" ;;
  *-cov*) flags="--coverage" make_flags="COV=1" ;;
  *) flags="" make_flags="" ;;
esac
case $(basename "$SOUK_BUILD") in clang*) cc=clang ;; *) cc=gcc ;; esac
if ! command -v pkg-config >/dev/null; then
  skip "the installed library" "no pkg-config"
else
  # Under `make test` the flags of that make are in MAKEFLAGS already.
  if [ -n "${MAKEFLAGS:-}" ]; then make_flags=""; else make_flags="CC=$cc $make_flags"; fi
  # shellcheck disable=SC2086
  check "make install installs under a DESTDIR" bash -c "set -o pipefail; make --no-print-directory $make_flags install PREFIX=/opt/souk DESTDIR='$work/root' | tee '$work/installed'"
  check "make install says that ldconfig is left to do" grep -q "$soname is staged under $work/root: run ldconfig where it goes to /opt/souk/lib" "$work/installed"
  check "make install installs the Python module" cmp tools/python/souk.py "$work/root/opt/souk/share/souk/python/souk.py"
  # A linker's cache of our own: what is installed for good is put into it, where it looks there.
  printf '#!/bin/sh\nif [ "$1" = -p ]; then cat "%s/cache"; else echo "	%s => /usr/local/lib/%s" >"%s/cache"; fi\n' "$work" "$soname" "$soname" "$work" >"$work/ldconfig"
  chmod +x "$work/ldconfig"
  ldconfig_says() { LDCONFIG=$work/ldconfig tools/tell_linker "$1" $soname "" | grep -oE '^(ldconfig has run|ldconfig does not look in [^:]*|not root)'; }
  if [ "$(id -u)" = 0 ]; then
    is "as root, make install runs ldconfig" "ldconfig has run" ldconfig_says /usr/local/lib
    is "as root, a directory that ldconfig does not search is named" "ldconfig does not look in /opt/souk/lib" ldconfig_says /opt/souk/lib
  else
    is "without root, make install says that ldconfig was not run" "not root" ldconfig_says /usr/local/lib
    check "without root, ldconfig is not run" test ! -e "$work/cache"
  fi
  export PKG_CONFIG_PATH=$work/root/opt/souk/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root
  cat >"$work/program.c" <<'X'
#include <souk/infer.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
  souk_error error;
  souk_bundle *bundle;
  const char *const names[] = {"i1", "i2", "i3"};
  souk_query query;
  int32_t items[5], count, i;
  float scores[5];
  char version[32];
  memset(&query, 0, sizeof query);
  query.history.n = 3;
  query.history.names = names;
  snprintf(version, sizeof version, "%d.%d.%d", SOUK_VERSION_MAJOR, SOUK_VERSION_MINOR, SOUK_VERSION_PATCH);
  if (strcmp(version, souk_infer_version()) != 0) return 2;
  if (argc == 1) return puts(version) < 0;
  if (argc != 2 || souk_open(&bundle, argv[1], 0, &error) != SOUK_OK) return fprintf(stderr, "%s\n", error.message), 1;
  if (souk_rank(bundle, &query, 1, 5, NULL, items, scores, &count, NULL, &error) != SOUK_OK) return 1;
  for (i = 0; i < count; i++) printf("%s\"%s\"", i > 0 ? "," : "", souk_item_name(bundle, items[i]));
  printf("\n");
  souk_close(bundle);
  return 0;
}
X
  wanted=$(line 1 | sed -E 's/.*"items":\[([^]]*)\].*/\1/')
  build() { # OUTPUT COMPILER LANGUAGE LIBS
    # shellcheck disable=SC2046,SC2086
    $2 -x $3 -Wall -Wextra -Werror -pedantic $flags $(pkg-config --cflags souk_infer) "$work/program.c" -x none -o "$1" $4
  }
  check "a C program builds against the installed shared library" build "$work/shared" $cc "c -std=c11" "$(pkg-config --libs souk_infer)"
  is "a C program with the shared library answers" "$wanted" env LD_LIBRARY_PATH="$work/root/opt/souk/lib" "$work/shared" "$work/bundle"
  is "header, library, program, pkg-config and make say one version" "$(pkg-config --modversion souk_infer)" \
    bash -c "{ LD_LIBRARY_PATH='$work/root/opt/souk/lib' '$work/shared'; '$infer' --version | cut -d' ' -f2; make --no-print-directory help | sed -nE 's/^Souk (.*)\. Targets:/\1/p'; } | sort -u"
  check "a C program builds against the build directory's library" build "$work/here" $cc "c -std=c11" "-L$SOUK_BUILD -lsouk_infer -Wl,-rpath,$SOUK_BUILD"
  is "a C program with the build directory's library answers" "$wanted" "$work/here" "$work/bundle"
  check "a C program needs the library by its soname" bash -c "readelf -d '$work/shared' | grep -q '$soname'"
  if [ -z "$flags" ]; then
    check "the library needs libc, libm and threads only" bash -c "! ldd '$work/root/opt/souk/lib/$soname' | grep -vE 'linux-vdso|libc\.so|libm\.so|libpthread|ld-linux'"
  fi
  check "the library exports nothing but souk_ names" bash -c "! nm -D --defined-only '$work/root/opt/souk/lib/$soname' | awk '{print \$3}' | grep -vE '^souk_|^__?(asan|ubsan|odr|gcov|sanitizer|tsan|llvm)|^_(init|fini)\$|^(__|mangle)'"
  check "a C program builds against the static library" build "$work/static" $cc "c -std=c11" "$work/root/opt/souk/lib/libsouk_infer.a -lm -lpthread"
  is "a C program with the static library answers the same" "$wanted" "$work/static" "$work/bundle"
  if command -v g++ >/dev/null && [ $cc = gcc ]; then
    check "a C++ program builds against the shared library" build "$work/cxx" g++ "c++ -std=c++11 -Wno-missing-field-initializers" "$(pkg-config --libs souk_infer)"
    is "a C++ program with the shared library answers" "$wanted" env LD_LIBRARY_PATH="$work/root/opt/souk/lib" "$work/cxx" "$work/bundle"
  else
    skip "a C++ program builds against the shared library" "no g++ of the same kind"
  fi
  # shellcheck disable=SC2086
  check "make uninstall succeeds" make --no-print-directory $make_flags uninstall PREFIX=/opt/souk DESTDIR="$work/root"
  check "make uninstall removes every file" bash -c "! find '$work/root' -type f -o -type l | grep ."
fi
finish
