#!/usr/bin/env bash
# How the CUDA backend is built on machines unlike this one: toolkits of every layout and age, with an nvcc that compiles
# nothing, and what `make` builds when it is given a variable and no goal. The sources are built in a copy.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
if [ "$(basename "$SOUK_BUILD")" != gcc ]; then
  skip "building with other toolkits" "only beside the default build"
  finish
fi
unset MAKEFLAGS MAKELEVEL MFLAGS CUDA_HOME CONDA_PREFIX WERROR NVCC CUDA GPU_ARCHS
tree=$work/tree
mkdir "$tree" && cp -r Makefile kernels src include tools tests "$tree"
make_in() { make --no-print-directory -C "$tree" "$@"; }

# A toolkit's parts. nvcc knows the architectures of a version, and makes objects with nothing in them.
new_nvcc() { # FILE ARCHITECTURES
  mkdir -p "$(dirname "$1")"
  cat >"$1" <<X
#!/usr/bin/env bash
case \$1 in
--list-gpu-arch) printf 'compute_%s\n' $2; exit ;;
--version) echo 'of this test'; exit ;;
esac
while [ \$# -gt 0 ]; do
  case \$1 in -o) object=\$2 ;; *.cu) echo "\$1" >>"$work/compiled" ;; esac
  shift
done
[ ! -f "$work/warn" ] || echo "x.cu(1): warning #177-D: variable was declared but never referenced"
echo "ptxas info    : 0 bytes gmem"
: | gcc -fPIC -x c - -c -o "\$object"
X
  chmod +x "$1"
}
new_headers() { mkdir -p "$1/crt" && ln -s "$PWD"/tools/cusim/include/* "$1" && touch "$1/crt/host_config.h"; }
new_libraries() { # FOLDER FILE...
  local f
  mkdir -p "$1"
  for f in "${@:2}"; do : | gcc -shared -fPIC -Wl,-soname,"${f%.so*}.so.12" -x c - -o "$1/$f"; done
}
v11="50 60 70 75 80 86 87 89 90" v13="75 80 86 87 88 89 90 100 110 103 120 121"

runfile=$work/cuda-11.8 # also what conda and Debian are like, but for the names of folders
new_nvcc "$runfile/bin/nvcc" "$v11"
new_headers "$runfile/include"
new_libraries "$runfile/lib64" libcudart.so libcublasLt.so

# ---- a variable without a goal
bare() { make_in | grep -q '^  make all '; }
check "bare make prints what can be made" bare
goal() { # VARIABLES...: the program is linked, and with CUDA= the backend
  make_in -n NVCC="$runfile/bin/nvcc" "$@" >"$work/plan" 2>"$work/err" || { cat "$work/err"; return 1; }
  grep -q -- '-o build/[^ ]*/souk ' "$work/plan" && { [[ $1 != CUDA=* ]] || grep -q -- '-o build/[^ ]*/libsouk_cuda.so ' "$work/plan"; }
}
for given in CUDA=1 CUDA=sim SAN=1 DEBUG=1; do check "make $given builds" goal $given; done
if command -v clang >/dev/null; then check "make CC=clang builds" goal CC=clang; else skip "make CC=clang builds" "no clang"; fi
in_environment() { CUDA=sim make --no-print-directory -C "$tree" -n >"$work/plan" && grep -q -- '-o build/[^ ]*/libsouk_cuda.so ' "$work/plan"; }
check "CUDA=sim in the environment builds" in_environment

# ---- the whole of it: with an old nvcc, and again with another choice
library=build/nvcc/libsouk_cuda.so
old() { make_in -j2 "$library" NVCC="$runfile/bin/nvcc" "$@"; }
check "a toolkit that does not know every architecture builds" old
archs() { [ "$(grep -oE 'code=(sm|compute)_[0-9]+' "$tree/build/nvcc/archs" | cut -d= -f2 | xargs)" = "$1" ]; }
check "it builds for those that it knows, with PTX of the newest" archs "sm_80 sm_86 sm_89 sm_90 compute_90"
compiled() { local n; n=$(wc -l <"$work/compiled"); rm -f "$work/compiled"; touch "$work/compiled"; [ "$n" = "$1" ]; }
kernels=$(ls kernels/*.cu | wc -l)
check "it compiles every kernel" compiled "$kernels"
check "the same choice again builds" old
check "the same choice again compiles nothing" compiled 0
check "another GPU_ARCHS builds" old GPU_ARCHS="90 80"
check "another GPU_ARCHS compiles every kernel" compiled "$kernels"
check "another GPU_ARCHS is what nvcc was given" archs "sm_80 sm_90 compute_90"
touch "$work/warn"
warned() { old >"$work/out" 2>&1 && grep -q 'warning #177-D' "$work/out" && ! grep -q 'ptxas info' "$work/out"; }
check "a warning of nvcc is shown and stops nothing" warned
rm "$work/warn"
werror() { make_in nvcc-flags WERROR=1 | grep -q -- '--Werror all-warnings' && make_in nvcc-flags | grep -vq -- '-Werror'; }
check "with WERROR=1 a warning of nvcc is an error" werror
echo 'int f(int x); int f(int x) { int y; return x; }' >"$tree/src/base/warns.c"
check "a warning of gcc stops nothing" make_in build/gcc/src/base/warns.o
rm "$tree/build/gcc/src/base/warns.o"
check_error "with WERROR=1 a warning of gcc is an error" "-Werror=unused-variable" make_in build/gcc/src/base/warns.o WERROR=1

# ---- what is refused
for wrong in '75:GPU_ARCHS has 75: the kernels need 80' '120:GPU_ARCHS has 120, which' 'sm_90:GPU_ARCHS has "sm_90": wanted are numbers'; do
  check_error "GPU_ARCHS=${wrong%%:*} is an error" "${wrong#*:}" old GPU_ARCHS="${wrong%%:*}"
done
smi() { # VALUE...: make with an nvidia-smi that answers so
  mkdir -p "$work/smi" && printf '#!/bin/sh\nprintf "%s"\n' "$1" >"$work/smi/nvidia-smi" && chmod +x "$work/smi/nvidia-smi"
  PATH="$work/smi:$PATH" old GPU_ARCHS=native
}
check "GPU_ARCHS=native asks nvidia-smi" smi '8.6\n9.0\n8.6\n'
check "GPU_ARCHS=native takes what this machine has" archs "sm_86 sm_90 compute_90"
check_error "GPU_ARCHS=native without a GPU is an error" "nvidia-smi names no GPU of this machine: No devices were found" smi 'No devices were found\n'

# ---- layouts
toolkit() { # ROOT VARIABLE=VALUE...: what is found from ROOT's nvcc
  local out=$work/found
  rm -rf "$out"
  env "${@:2}" tools/gpu/toolkit flags "$out" "$1" ""
}
found() { # FILE WORDS: of what toolkit found, below $work
  [ "$(sed "s|$work/||g" "$work/found/$1")" = "$2" ] || { cat "$work/found/$1"; return 1; }
}
site=$work/venv/lib/python3.11/site-packages/nvidia
new_nvcc "$site/cu13/bin/nvcc" "$v13"
new_headers "$site/cu13/include"
new_libraries "$site/cu13/lib" libcudart.so.13 libcublasLt.so.13
check "pip's toolkit of CUDA 13 is found" toolkit "$site/cu13/bin/nvcc"
check "pip, CUDA 13: its headers are found" found include "-isystem ${site#"$work/"}/cu13/include"
check "pip, CUDA 13: its libraries are found, which have a version only" found libraries "${site#"$work/"}/cu13/lib/libcudart.so.13 ${site#"$work/"}/cu13/lib/libcublasLt.so.13"
python=$work/venv/bin/python3
mkdir -p "${python%/*}" && printf '#!/bin/sh\n' >"$python" && chmod +x "$python"
mkdir "$work/tools" # PATH has no nvcc of this machine
for t in bash env dirname sort uname; do ln -s "$(command -v $t)" "$work/tools"; done
nvcc_found() { [ "$(PATH="${python%/*}:$work/tools" tools/gpu/toolkit nvcc)" = "$site/$1/bin/nvcc" ]; }
check "pip, CUDA 13: its nvcc is found by the first python3 in PATH" nvcc_found cu13
rm -r "$site/cu13"
new_nvcc "$site/cuda_nvcc/bin/nvcc" "$v11"
new_headers "$site/cuda_runtime/include"
mkdir -p "$site/cuda_nvcc/include" "$site/cublas/include"
mv "$site/cuda_runtime/include/crt" "$site/cuda_nvcc/include"
mv "$site/cuda_runtime/include/cublasLt.h" "$site/cublas/include"
new_libraries "$site/cuda_runtime/lib" libcudart.so.12
new_libraries "$site/cublas/lib" libcublasLt.so.12
check "pip's toolkit of CUDA 12, several packages, is found" toolkit "$site/cuda_nvcc/bin/nvcc"
check "pip, CUDA 12: its nvcc is found" nvcc_found cuda_nvcc
s=${site#"$work/"}
check "pip, CUDA 12: its headers are found" found include "-isystem $s/cuda_runtime/include -isystem $s/cublas/include -isystem $s/cuda_nvcc/include"
check "pip, CUDA 12: its libraries are found" found libraries "$s/cuda_runtime/lib/libcudart.so.12 $s/cublas/lib/libcublasLt.so.12"

conda=$work/conda target=$(uname -m)-linux
new_nvcc "$conda/bin/nvcc" "$v13"
new_headers "$conda/targets/$target/include"
new_libraries "$conda/lib" libcudart.so libcublasLt.so
check "conda's toolkit is found" toolkit "$conda/bin/nvcc" CONDA_PREFIX="$conda"
check "conda: its headers are found" found include "-isystem conda/targets/$target/include"
check "conda: its libraries are found" found libraries "conda/lib/libcudart.so conda/lib/libcublasLt.so"
check "CUDA_HOME's nvcc comes first" test "$(CUDA_HOME=$conda tools/gpu/toolkit nvcc)" = "$conda/bin/nvcc"
check "CUDA_HOME beside another nvcc is accepted" toolkit "$runfile/bin/nvcc" CUDA_HOME="$conda"
check "CUDA_HOME's headers and libraries come first" found libraries "conda/lib/libcudart.so conda/lib/libcublasLt.so"

rm "$conda/lib/libcublasLt.so"
check_error "a missing library is named with the places searched" "libcublasLt was not found; it was looked for as $conda/lib64/libcublasLt.so $conda/lib/libcublasLt.so" toolkit "$conda/bin/nvcc"
rm "$conda/targets/$target/include/cublasLt.h"
check_error "a missing header is named with the places searched" "cublasLt.h was not found; it was looked for as $conda/include/cublasLt.h $conda/targets/$target/include/cublasLt.h" toolkit "$conda/bin/nvcc"
check_error "no nvcc at all is an error" 'there is no nvcc: looked for it in $CUDA_HOME/bin, PATH, $CONDA_PREFIX/bin' make_in CUDA=1 NVCC=
check_error "an NVCC that is not there is an error" "there is no nvcc: looked for $work/none" old NVCC="$work/none"
finish
