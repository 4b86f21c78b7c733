#!/usr/bin/env bash
# Where the toolkit's libraries are found when the CUDA backend is loaded, and what is said when they are not. The backend is
# the simulator's, made to need libcudart and libcublasLt of a version that no machine has.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.." || exit 1
if [ "$(basename "$SOUK_BUILD")" != gcc ]; then
  skip "the search for the toolkit's libraries" "only beside the default build"
  finish
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
export CUSIM_NOTES=0
if ! nice -n 2 make --no-print-directory -j2 build/cusim-st/libsouk_cuda.so >"$work/build" 2>&1; then
  not_ok "the backend builds on the simulator"
  tail -n 20 "$work/build" | sed 's/^/# /'
  finish
fi
cudart=libcudart.so.99 cublaslt=libcublasLt.so.99 lib=$work/lib
mkdir "$lib"
for name in $cudart $cublaslt; do
  : | gcc -shared -fPIC -Wl,-soname,$name -x c - -o "$lib/$name"
done
needy=$work/libsouk_cuda.so # what it exports is the simulator's, which it needs by its whole path
: | gcc -shared -fPIC -Wl,--no-as-needed -x c - -x none -o "$needy" -L"$lib" -l:$cudart -l:$cublaslt "$PWD/build/cusim-st/libsouk_cuda.so"

# with VARIABLE=VALUE...: does the backend open? Nothing of this shell's environments is left.
with() {
  env -u CUDA_HOME -u CUDA_PATH -u CONDA_PREFIX -u LD_LIBRARY_PATH HOME="$work/home" PATH="$work/none:/usr/bin:/bin" \
    SOUK_CUDA_BACKEND="$needy" "$@" "$souk" selftest backend --device cuda
}
# found NAME FOLDER VARIABLE=VALUE...: with both libraries there, and only there
found() {
  local name=$1 folder=$2
  shift 2
  mkdir -p "$folder"
  cp "$lib"/* "$folder"
  check "$name" with "$@"
  rm "$folder"/lib*
}
check_error "if both libraries are missing, the first is named" "the CUDA backend needs $cudart, which was not found where the loader looks (LD_LIBRARY_PATH, ldconfig)" with
for place in "\$CUDA_HOME/{lib64,lib,targets/*/lib} (not set)" "$work/home/.local/lib/python3*/site-packages/nvidia/*/lib," \
  "/usr/local/cuda{,-*}/{lib64,lib,targets/*/lib}," "/opt/cuda/{lib64,targets/*/lib};"; do
  check "the error names the place $place" grep -qF -- "$place" "$work/.err"
done
check_error "a variable's folder is named by its value" ", $work/cuda/{lib64,lib,targets/*/lib}," with CUDA_HOME="$work/cuda"
found "found in LD_LIBRARY_PATH" "$work/here" LD_LIBRARY_PATH="$work/here"
found "found in a runfile's CUDA_HOME" "$work/cuda/lib64" CUDA_HOME="$work/cuda"
found "found in CUDA_PATH's targets folder" "$work/cuda/targets/x86_64-linux/lib" CUDA_PATH="$work/cuda"
found "found in a folder with special characters in its name" "$work/a [b]{c,d}*/lib64" CUDA_HOME="$work/a [b]{c,d}*"
found "found in conda's lib" "$work/conda/lib" CONDA_PREFIX="$work/conda"
packages=lib/python3.12/site-packages/nvidia
found "found in pip packages inside conda" "$work/conda/$packages/cu13/lib" CONDA_PREFIX="$work/conda"
found "found in packages of pip --user" "$work/home/.local/$packages/cu13/lib"
mkdir -p "$work/venv/bin" && ln -s /bin/true "$work/venv/bin/python3"
venv=PATH=$work/none:$work/venv/bin:/usr/bin:/bin
found "found in pip packages of the python3 that is first in PATH" "$work/venv/$packages/cu13/lib" "$venv"
for part in cublas:$cublaslt cuda_runtime:$cudart; do # CUDA 12: a folder each
  mkdir -p "$work/venv/$packages/${part%:*}/lib" && cp "$lib/${part#*:}" "$work/venv/$packages/${part%:*}/lib"
done
check "found in pip packages of CUDA 12, one folder a library" with "$venv"
rm "$work/venv/$packages/cublas/lib/$cublaslt"
check_error "if only the second library is missing, it is named" "the CUDA backend needs $cublaslt, which was not found" with "$venv"
echo nothing >"$work/venv/$packages/cublas/lib/$cublaslt"
check_error "a file that is not a library is named with the loader's reason" "needs $cublaslt: $work/venv/bin/../$packages/cublas/lib/$cublaslt: file too short" with "$venv"
check_error "any other loading error is the loader's own" "the CUDA backend cannot be loaded: $work/none.so: cannot open" with SOUK_CUDA_BACKEND="$work/none.so"
auto() { SOUK_CUDA_BACKEND=$needy "$souk" selftest backend | grep -q '^cpu'; }
check "--device auto takes the CPU when libraries are missing" auto
finish
