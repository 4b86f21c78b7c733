#!/usr/bin/env bash
# make on a machine that lacks what a build needs: one sentence that says what, and what to do.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$work/bin
mkdir "$bin"
for tool in make bash sh mkdir touch find grep sed cat head cut cksum uname git ln rm ls env sort tr nproc awk expand dirname basename; do
  at=$(command -v "$tool") && ln -s "$at" "$bin/$tool"
done
# bare TARGET...: make there, with nothing of what surrounds this script.
bare() { env -i PATH="$bin" HOME="$work" make --no-print-directory -C "$root" "$@"; }
for target in all install tests-built build/souk fuzz-built; do
  check_error "make $target without a compiler says what to install" "this machine lacks gcc pkg-config ar; make deps installs what is missing" bare "$target"
done
check_error "make CC=clang without clang says what to install" "this machine lacks clang pkg-config ar; make deps-lint installs" bare all CC=clang
check_error "make test-cusim without g++ says what to install" "g++" bare test-cusim
bare help >"$work/list" 2>&1
check "bare make lists its targets without any tool" grep -q '  make all ' "$work/list"
check "bare make says which compiler and libraries are missing" test "$(grep -cE '(compiler|HDF5|BLAS) *missing \(make deps\)' "$work/list")" = 3
for tool in gcc ar pkg-config; do ln -s "$(command -v "$tool")" "$bin/$tool"; done
check_error "make all without HDF5 and BLAS names both libraries" "this machine lacks hdf5 openblas" env PKG_CONFIG_LIBDIR="$work" PATH="$bin" make --no-print-directory -C "$root" all
check_error "make tests-built without cmocka names cmocka" "cmocka; make deps" env PKG_CONFIG_LIBDIR="$work" PATH="$bin" make --no-print-directory -C "$root" tests-built
check "make installs and asks for nothing when all is there" env PATH="$bin" make --no-print-directory -C "$root" -n all
finish
