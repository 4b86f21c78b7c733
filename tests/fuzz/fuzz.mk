# Fuzzing, included by the Makefile. The targets are built by clang with libFuzzer and the sanitizers, in a
# build directory of their own; what they find lands in build/fuzz/NAME. See docs/security.md.

FUZZ_APT := clang libclang-rt-dev libomp-dev
# Counters in every loop keep some from becoming vectors, of which clang warns.
FUZZ_BUILD := CC=clang SAN=1 EXTRA_CFLAGS="-fsanitize=fuzzer-no-link -Wno-pass-failed -DSOUK_SMALL_BUFFERS"
FUZZ_BIN := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LIB := $(B)/tests/fuzz/fuzz.o $(B)/tests/fuzz/bundles.o $(B)/tests/fuzz/log_rows.o $(patsubst %.c,$(B)/%.o,$(wildcard src/infer_cli/cli_*.c))
TIME ?= 60

.PHONY: fuzz fuzz-smoke fuzz-seeds fuzz-targets fuzz-built fuzz-run

fuzz: ## look for inputs that break a reader: TIME=60 seconds a target, ONLY=pattern
	@tools/install_deps $(DEPS_APT) $(FUZZ_APT)
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) fuzz-run FUZZ_ARGS="each $(TIME)"

fuzz-smoke: ## replay the seeds, then a minute of fuzzing over all targets
	@tools/install_deps $(DEPS_APT) $(FUZZ_APT)
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) fuzz-run FUZZ_ARGS="all $(TIME)"

fuzz-targets:
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) fuzz-built

fuzz-seeds: fuzz-targets ## write the seeds that are made from real files anew
	@build/clang-fuzz/tests/fuzz/make_seeds tests/fuzz/corpus

# The rest runs in a make with FUZZ_BUILD's variables.
fuzz-built: $(FUZZ_BIN) $(B)/tests/fuzz/make_seeds
	@ln -sfn $(notdir $(B)) build/clang-fuzz

fuzz-run: fuzz-built
	@tests/fuzz/run $(B)/tests/fuzz $(FUZZ_ARGS)

$(B)/tests/fuzz/make_seeds: $(B)/tests/fuzz/make_seeds.o $(TEST_LIB_OBJ) $(B)/infer-internal.a $(B)/libsouk.a
	$(Q)$(CC) $(BASE_LDFLAGS) -fsanitize=fuzzer-no-link -o $@ $^ -lcmocka $(PKG_LIBS)

$(FUZZ_BIN): %: %.o $(FUZZ_LIB) $(TEST_LIB_OBJ) $(B)/infer-internal.a $(B)/libsouk.a
	$(Q)$(CC) $(BASE_LDFLAGS) -fsanitize=fuzzer -o $@ $^ -lcmocka $(PKG_LIBS)
