# Souk. Bare `make` prints what can be made and what was found on this machine; `make CUDA=1`, or any other variable
# without a goal, builds what the variable asks for.
#
# Variables: CC=gcc|clang  SAN=1 (address + undefined-behaviour sanitizers)  TSAN=1 (thread sanitizer)
#            COV=1 (gcov)  DEBUG=1 (-O0 -g)  V=1 (show commands)  EXTRA_CFLAGS=  PREFIX=/usr/local DESTDIR=
#            ONLY=pattern (tests)  FULL=1 (tests: nothing is left out)  STRICT=1 (that, and a skipped test is a failure)
#            WERROR=1 (a warning of the compiler is an error: for CI and for whoever changes the code)
#            CUDA=1|sim (the CUDA backend, by nvcc or on the simulator)  NVCC=  CUDA_HOME=  GPU_ARCHS=  CUSIM_KIND=
# Every set of flags has a build directory of its own; build/souk and build/souk-infer are the default build.

.DEFAULT_GOAL := $(if $(MAKEOVERRIDES)$(CUDA),all,help)
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
Q := $(if $(V),,@)
# The version and the number in the library's file name are written down once, in the public header.
VERSION := $(shell sed -nE 's/^.define SOUK_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$$/\2/p' include/souk/infer.h | paste -sd.)
SONAME := libsouk_infer.so.$(shell sed -nE 's/^.define SOUK_INFER_ABI ([0-9]+)$$/\1/p' include/souk/infer.h)

# ---- what is on this machine -------------------------------------------------------------------------------
DEPS_APT := gcc g++ make pkg-config libhdf5-dev libopenblas-openmp-dev libyaml-dev libjansson-dev libutf8proc-dev \
            libcmocka-dev zlib1g-dev libdeflate-dev libzstd-dev liblzma-dev libbz2-dev
LINT_APT := clang-format clang-tidy cppcheck clang libclang-rt-dev libomp-dev
PKGS := hdf5 openblas yaml-0.1 jansson libutf8proc zlib libdeflate libzstd liblzma
have_pkg = $(shell pkg-config --exists $(1) 2>/dev/null && pkg-config --modversion $(1))
have_cmd = $(shell command -v $(1) 2>/dev/null)

# ---- flags ---------------------------------------------------------------------------------------------------
# New compilers have new warnings, which must not break a user's build; WERROR=1 is for development.
WERROR_FLAG := $(if $(filter-out 0,$(WERROR)),-Werror)
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef $(WERROR_FLAG)
OPT := $(if $(DEBUG),-O0,-O2) -g
BASE_CFLAGS := -std=gnu11 $(OPT) $(WARN) -fno-math-errno -ffp-contract=off -fopenmp -fPIC -fvisibility=hidden -D_GNU_SOURCE \
               -DSOUK_VERSION='"$(VERSION)"'
BASE_LDFLAGS := -fopenmp
ifdef SAN
BASE_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BASE_LDFLAGS += -fsanitize=address,undefined
endif
ifdef TSAN
BASE_CFLAGS += -fsanitize=thread
BASE_LDFLAGS += -fsanitize=thread
endif
ifdef COV
BASE_CFLAGS += --coverage -fprofile-update=atomic -DSOUK_COVERAGE
BASE_LDFLAGS += --coverage
endif
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS) 2>/dev/null))
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lbz2 -lm -lpthread -ldl
CFLAGS_ALL := $(BASE_CFLAGS) $(EXTRA_CFLAGS) -Isrc -Iinclude $(PKG_CFLAGS)
# Only in src/simd may the compiler reassociate and contract; no code there tests for NaN.
SIMD_CFLAGS := -O3 -fno-trapping-math
AVX2_CFLAGS := -mavx2 -mfma -ffp-contract=fast

KEY := $(notdir $(CC))$(if $(SAN),-san)$(if $(TSAN),-tsan)$(if $(COV),-cov)$(if $(DEBUG),-debug)$(if $(EXTRA_CFLAGS),-$(shell echo '$(EXTRA_CFLAGS)' | cksum | cut -d' ' -f1))
B := build/$(KEY)
DEFAULT_KEY := gcc
INFER := $(if $(wildcard src/infer_cli/main.c),$(B)/souk-infer $(B)/libsouk_infer.a $(B)/libsouk_infer.so $(B)/$(SONAME))
ROOT_LINKS := $(if $(filter $(DEFAULT_KEY),$(KEY)),build/souk $(if $(INFER),build/souk-infer build/libsouk_infer.so build/$(SONAME)))

# ---- sources -------------------------------------------------------------------------------------------------
# The inference module is a product of its own: src/infer, src/simd and the leaf src/format only; src/infer_cli is the program.
INFER_MAIN := $(wildcard src/infer_cli/*.c)
INFER_SRC := $(wildcard src/infer/*.c src/simd/*.c src/format/*.c)
SOUK_SRC := $(filter-out src/main.c $(wildcard src/infer/*.c src/infer_cli/*.c src/cuda/*.c),$(wildcard src/*/*.c src/*/*/*.c))
LIB_OBJ := $(SOUK_SRC:%.c=$(B)/%.o)
INFER_OBJ := $(INFER_SRC:%.c=$(B)/%.o)
TEST_LIB_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
TEST_SRC := $(wildcard tests/unit/*.c tests/ops/*.c tests/cuda/*.c)
TEST_BIN := $(TEST_SRC:%.c=$(B)/%)
ALL_C := $(shell find src include tests tools kernels -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' 2>/dev/null)

.PHONY: help all deps deps-lint demo test lint format install uninstall clean tests-built coverage

help: ## this list
	@echo "Souk $(VERSION). Targets:"
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 24
	@echo
	@echo "make CUDA=1 builds the backend for GPUs too (nvcc), make CUDA=sim the same on the simulator (docs/cuda.md)."
	@echo
	@echo "Found on this machine:"
	@printf '  %-10s %s\n' compiler "$$($(CC) --version 2>/dev/null | head -n 1 | grep . || echo "missing (make deps)")" \
	  HDF5 "$(or $(call have_pkg,hdf5),missing (make deps))" \
	  BLAS "$(or $(addprefix OpenBLAS ,$(call have_pkg,openblas)),missing (make deps))" \
	  MPI "$(or $(call have_cmd,mpirun),none (single process))" \
	  nvcc "$(or $(NVCC),none (no CUDA=1))" \
	  GPU "$$(nvidia-smi -L 2>/dev/null | head -n 1 | grep . || echo none)"

all: $(B)/souk $(INFER) $(ROOT_LINKS) ## build souk, souk-infer and libsouk_infer

# Packages are installed only when one is missing; the stamp keeps repeated makes quick.
build/.deps-ok: Makefile
	@tools/install_deps $(DEPS_APT)
	@mkdir -p build && touch $@

deps: ## install what the build needs (apt; only what is missing)
	@tools/install_deps $(DEPS_APT)

deps-lint: ## install what `make lint` needs
	@tools/install_deps $(LINT_APT)

# Whoever types no -j gets a job for each processor.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# Pkg-config answers are read when make starts, so what needs packages runs make again after installing them.
demo: build/.deps-ok ## from raw log to ranked lists and promotion copy on this machine, in about two minutes
	@echo "building in $(B)"
	@$(MAKE) --no-print-directory $(JOBS) all
	@tools/demo $(B)

test: build/.deps-ok ## build and run the tests (FULL=1: all schedules and fuzzing too; SAN=1, TSAN=1, ONLY=pattern, STRICT=1)
	@echo "building in $(B)"
	@$(MAKE) --no-print-directory $(JOBS) all tests-built
	@tests/run $(B)

tests-built: $(TEST_BIN)

coverage: ## line coverage of src/ by the tests, a line a directory (gcovr)
	@tools/install_deps gcovr
	@$(MAKE) --no-print-directory COV=1 test FULL=1
	@gcovr --root . --filter 'src/' --object-directory build/gcc-cov --csv build/coverage.csv
	@awk -F, 'NR > 1 {d = $$1; sub("/[^/]*$$", "", d); n[d] += $$2; hit[d] += $$3; n["all"] += $$2; hit["all"] += $$3} \
	  END {for (d in n) printf "%-16s %6d of %6d lines  %5.1f%%\n", d, hit[d], n[d], 100 * hit[d] / n[d]}' build/coverage.csv | sort -r

lint: deps-lint ## formatting, cppcheck, clang build, include direction, leftovers
	@tools/lint

format: deps-lint ## rewrite sources with clang-format
	@clang-format -i $(ALL_C)

# The characters that the tokeniser knows, of utf8proc's data; a test compares the two.
.PHONY: unicode-table
unicode-table: ## src/format/unicode_table.c anew, of the utf8proc that is installed
	@mkdir -p $(B) && $(CC) $(CFLAGS_ALL) tools/unicode_table.c -o $(B)/unicode_table $(PKG_LIBS)
	@$(B)/unicode_table >$(B)/unicode_table.c && cp $(B)/unicode_table.c src/format/unicode_table.c

# The commit that the program was built from, for tables of measured times; only the files that print it are
# recompiled.
COMMIT := $(or $(shell git describe --always --dirty --abbrev=12 2>/dev/null),unknown)
build/commit: $(if $(filter $(COMMIT),$(shell cat build/commit 2>/dev/null)),,force)
	@mkdir -p build && echo '$(COMMIT)' >$@
.PHONY: force
force:
$(B)/src/cmd/cmd_bench.o: build/commit
$(B)/src/cmd/cmd_bench.o: CFLAGS_ALL += -DSOUK_COMMIT='"$(COMMIT)"'

# ---- rules ---------------------------------------------------------------------------------------------------
$(B)/src/simd/%_avx2.o: src/simd/%_avx2.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SIMD_CFLAGS) $(if $(filter x86_64,$(shell uname -m)),$(AVX2_CFLAGS)) -MMD -MP -c $< -o $@

$(B)/src/simd/%.o: src/simd/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(SIMD_CFLAGS) -MMD -MP -c $< -o $@

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(filter tests/%,$<),-Itests) -MMD -MP -c $< -o $@

# The flags hold the version, which this header says: what is built with it must not keep an older one.
$(patsubst %.c,$(B)/%.o,$(shell grep -rl --include='*.c' SOUK_VERSION src tests)): include/souk/infer.h

$(B)/libsouk.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

# The archive for tests exports every symbol of the module; the library only those that infer.h declares.
$(B)/infer-internal.a: $(INFER_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libsouk_infer.a: $(INFER_OBJ)
	$(Q)rm -f $@ && ld -r -o $(@:.a=.o) $^ && objcopy --localize-hidden $(@:.a=.o) && ar rcs $@ $(@:.a=.o)

$(B)/libsouk_infer.so: $(INFER_OBJ)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) $(filter-out -fopenmp,$(BASE_LDFLAGS)) -o $@ $^ -lm -lpthread

# The name that programs linked here look for.
$(B)/$(SONAME): $(B)/libsouk_infer.so
	$(Q)ln -sf libsouk_infer.so $@

# souk writes copy with the inference library (souk eval --copy).
SOUK_PARTS := $(B)/src/main.o $(B)/libsouk.a $(B)/libsouk_infer.a
$(B)/souk: $(SOUK_PARTS)
	$(Q)$(CC) $(BASE_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/souk-infer: $(INFER_MAIN:%.c=$(B)/%.o) $(B)/infer-internal.a
	$(Q)$(CC) $(filter-out -fopenmp,$(BASE_LDFLAGS)) -o $@ $^ -lm -lpthread

$(B)/tests/%: $(B)/tests/%.o $(TEST_LIB_OBJ) $(B)/infer-internal.a $(B)/libsouk.a
	$(Q)$(CC) $(BASE_LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)

build/souk: build/$(DEFAULT_KEY)/souk
	$(Q)ln -sf $(DEFAULT_KEY)/souk $@
build/souk-infer: build/$(DEFAULT_KEY)/souk-infer
	$(Q)ln -sf $(DEFAULT_KEY)/souk-infer $@
build/libsouk_infer.so build/$(SONAME): build/libsouk_infer%: build/$(DEFAULT_KEY)/libsouk_infer%
	$(Q)ln -sf $(DEFAULT_KEY)/$(@F) $@

MAN := $(PREFIX)/share/man/man1
COMPLETION := $(PREFIX)/share/bash-completion/completions
install: all ## PREFIX= DESTDIR=: binaries, manual pages, completion, configurations, inference library, header, pkg-config file, Python module; the CUDA backend if built
	install -d $(DESTDIR)$(PREFIX)/{bin,lib/pkgconfig,include/souk,share/souk/{python,configs}} $(DESTDIR)$(MAN) $(DESTDIR)$(COMPLETION)
	install -m 755 $(B)/souk $(B)/souk-infer $(DESTDIR)$(PREFIX)/bin/
	for p in souk souk-infer; do $(B)/$$p --man > $(DESTDIR)$(MAN)/$$p.1 && $(B)/$$p --completion bash > $(DESTDIR)$(COMPLETION)/$$p || exit 1; done
	install -m 644 $(B)/libsouk_infer.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libsouk_infer.so $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libsouk_infer.so
	if [ -e $(B)/libsouk_cuda.so ]; then install -d $(DESTDIR)$(PREFIX)/lib/souk && install -m 755 $(B)/libsouk_cuda.so $(DESTDIR)$(PREFIX)/lib/souk/; fi
	install -m 644 include/souk/*.h $(DESTDIR)$(PREFIX)/include/souk/
	install -m 644 tools/python/souk.py $(DESTDIR)$(PREFIX)/share/souk/python/
	install -m 644 configs/*.yaml configs/lexicon-*.txt $(DESTDIR)$(PREFIX)/share/souk/configs/
	printf 'prefix=%s\nlibdir=$${prefix}/lib\nincludedir=$${prefix}/include\n\nName: souk_infer\nDescription: Souk inference: user and item vectors, ranked lists\nVersion: %s\nLibs: -L$${libdir} -lsouk_infer\nLibs.private: -lm -lpthread\nCflags: -I$${includedir}\n' '$(PREFIX)' '$(VERSION)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/souk_infer.pc
	@tools/tell_linker '$(PREFIX)/lib' $(SONAME) '$(DESTDIR)'

uninstall: ## the reverse of install
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/souk bin/souk-infer lib/libsouk_infer.a lib/$(SONAME) lib/libsouk_infer.so lib/pkgconfig/souk_infer.pc)
	rm -f $(addprefix $(DESTDIR)$(MAN)/,souk.1 souk-infer.1) $(addprefix $(DESTDIR)$(COMPLETION)/,souk souk-infer)
	rm -rf $(DESTDIR)$(PREFIX)/include/souk $(DESTDIR)$(PREFIX)/lib/souk $(DESTDIR)$(PREFIX)/share/souk

clean: ## remove build products (downloads and environments under build/ too)
	rm -rf build

-include tools/cusim/cusim.mk
-include kernels/kernels.mk
-include tests/fuzz/fuzz.mk
-include tools/interop/interop.mk
-include tools/peers/peers.mk
-include tools/gpu/gpu.mk
-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- is there what a build needs? --------------------------------------------------------------------------------
# One sentence about missing tools instead of a hundred compiler errors. Goals that install packages first skip this
# check.
GOALS := $(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))
OF_CUDA := $(filter build/nvcc/% build/cusim-% %cusim cusim-% mutants,$(GOALS))
OF_SOUK := $(filter all install tests-built fuzz-targets fuzz-built mutants build/% $(B)/%,$(filter-out build/nvcc/% build/cusim-%,$(GOALS)))
NEED_CMDS := $(if $(OF_SOUK),$(firstword $(CC)) pkg-config ar) $(if $(OF_CUDA)$(filter sim,$(CUDA)),g++)
NEED_PKGS := $(if $(OF_SOUK),$(PKGS)) $(if $(filter tests-built fuzz-% mutants,$(OF_SOUK)),cmocka)
MISSING := $(foreach c,$(NEED_CMDS),$(if $(call have_cmd,$c),,$c))
ifneq ($(strip $(NEED_PKGS)),)
MISSING += $(shell ! command -v pkg-config >/dev/null || pkg-config --exists $(NEED_PKGS) || for p in $(NEED_PKGS); do pkg-config --exists $$p || echo $$p; done)
endif
ifneq ($(strip $(MISSING)),)
$(error this machine lacks $(strip $(MISSING)); make $(if $(filter clang%,$(MISSING)),deps-lint,deps) installs what is missing)
endif
