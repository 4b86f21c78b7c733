# The CUDA simulator, included from the Makefile. docs/cusim.md says what it is and how to build on it.
#
#   CUSIM_KINDS                      st mt asan race, and uc: st with the portable (ucontext) switch
#   build/cusim-KIND/libcusim.a      the runtime and the libraries that it stands in for
#   build/cusim-KIND/PATH.o          PATH.cu (device and host code, C++) and PATH.c of that kind
#   $(CUSIM_INC), $(CUSIM_KFLAGS_KIND), $(CUSIM_LDFLAGS_KIND)   for rules elsewhere
CUSIM_CXX ?= g++
CUSIM_CC ?= gcc
CUSIM_KINDS := st mt asan race uc
CUSIM_INC := -Itools/cusim/include -Ikernels -Isrc
CUSIM_ARCH := $(if $(shell grep -m1 -w avx2 /proc/cpuinfo 2>/dev/null),-march=x86-64-v3)
CUSIM_WARN := -Wall -Wextra -Wshadow -Wno-unknown-pragmas $(WERROR_FLAG)
CUSIM_STD := -std=c++17 $(CUSIM_WARN) -fPIC -pthread $(CUSIM_ARCH)

# Kernels, the host code beside them, and tests.
CUSIM_KFLAGS_st := -O2 -g
CUSIM_KFLAGS_mt := -O2 -g -DCUSIM_MT
CUSIM_KFLAGS_uc := -O2 -g
CUSIM_KFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
                     -fsanitize-sections=cusim_shared
CUSIM_KFLAGS_race := -O1 -g -fsanitize=thread --param tsan-instrument-func-entry-exit=0 --param tsan-distinguish-volatile=1
# The runtime: never instrumented by the race build, and without UBSan.
CUSIM_RFLAGS_st := -O2 -g
CUSIM_RFLAGS_mt := -O2 -g -DCUSIM_MT
CUSIM_RFLAGS_uc := -O2 -g -DCUSIM_UCONTEXT
CUSIM_RFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address
CUSIM_RFLAGS_race := -O2 -g -DCUSIM_RACE
CUSIM_LDFLAGS_asan := -fsanitize=address,undefined
CUSIM_LIBS := -lpthread -ldl -lrt -lm

CUSIM_SRC := $(filter-out %/race.cpp,$(wildcard tools/cusim/src/*.cpp))
CUSIM_SRC_race := tools/cusim/src/race.cpp
CUSIM_TESTS := $(basename $(notdir $(wildcard tests/cusim/test_*.cpp tests/cusim/test_*.c)))
CUSIM_FIXTURES := $(basename $(notdir $(wildcard tests/cusim/*.cu)))

define CUSIM_RULES
build/cusim-$1/tools/cusim/src/%.o: tools/cusim/src/%.cpp
	@mkdir -p $$(@D)
	$$(Q)$$(CUSIM_CXX) $$(CUSIM_STD) $$(CUSIM_RFLAGS_$1) $$(CUSIM_INC) -MMD -MP -c $$< -o $$@

build/cusim-$1/%.o: %.cu
	@mkdir -p $$(@D)
	$$(Q)$$(CUSIM_CXX) -x c++ $$(CUSIM_STD) $$(CUSIM_KFLAGS_$1) $$(CUSIM_INC) -MMD -MP -c $$< -o $$@

# Host code of the tests is not instrumented by the race build: only device code is checked there.
build/cusim-$1/tests/cusim/%.o: tests/cusim/%.cpp
	@mkdir -p $$(@D)
	$$(Q)$$(CUSIM_CXX) $$(CUSIM_STD) $$(if $$(filter race,$1),-O1 -g,$$(CUSIM_KFLAGS_$1)) $$(CUSIM_INC) -MMD -MP -c $$< -o $$@

build/cusim-$1/tests/cusim/%.o: tests/cusim/%.c
	@mkdir -p $$(@D)
	$$(Q)$$(CUSIM_CC) -std=gnu11 $$(WARN) -fPIC $$(if $$(filter race,$1),-O1 -g,$$(CUSIM_KFLAGS_$1)) $$(CUSIM_INC) -MMD -MP -c $$< -o $$@

build/cusim-$1/libcusim.a: $(patsubst %.cpp,build/cusim-$1/%.o,$(CUSIM_SRC) $(CUSIM_SRC_$1))
	$$(Q)rm -f $$@ && ar rcs $$@ $$^

build/cusim-$1/tests/cusim/%: build/cusim-$1/tests/cusim/%.o $(CUSIM_FIXTURES:%=build/cusim-$1/tests/cusim/%.o) build/cusim-$1/libcusim.a
	$$(Q)$$(CUSIM_CXX) $$(CUSIM_LDFLAGS_$1) -o $$@ $$(filter-out %.a,$$^) -Wl,--whole-archive build/cusim-$1/libcusim.a -Wl,--no-whole-archive $$(CUSIM_LIBS)

# As the backend is built: kernels and the simulator in a library that is loaded when asked for.
build/cusim-$1/tests/cusim/libfaults.so: build/cusim-$1/tests/cusim/faults.o build/cusim-$1/tests/cusim/samples.o build/cusim-$1/libcusim.a
	$$(Q)$$(CUSIM_CXX) -shared $$(CUSIM_LDFLAGS_$1) -o $$@ $$(filter-out %.a,$$^) -Wl,--whole-archive build/cusim-$1/libcusim.a -Wl,--no-whole-archive $$(CUSIM_LIBS)

build/cusim-$1/tests/cusim/plugin_main: build/cusim-$1/tests/cusim/plugin_main.o build/cusim-$1/tests/cusim/libfaults.so
	$$(Q)$$(CUSIM_CC) $$(CUSIM_LDFLAGS_$1) -o $$@ $$< $$(CUSIM_LIBS)

cusim-$1: $(CUSIM_TESTS:%=build/cusim-$1/tests/cusim/%) build/cusim-$1/tests/cusim/plugin_main
endef
$(foreach kind,$(CUSIM_KINDS),$(eval $(call CUSIM_RULES,$(kind))))

.PHONY: cusim-tests test-cusim conform-cusim bench-cusim $(CUSIM_KINDS:%=cusim-%)
cusim-tests: $(CUSIM_KINDS:%=cusim-%)

test-cusim: ## the CUDA simulator's own tests
	@$(MAKE) --no-print-directory test ONLY=cusim FULL=1

conform-cusim: ## compare the simulator with the CUDA toolkit: headers, and the fixtures compiled for every device
	@tests/cusim/conform.sh full

bench-cusim: build/cusim-st/tests/cusim/bench build/cusim-mt/tests/cusim/bench build/cusim-asan/tests/cusim/bench build/cusim-race/tests/cusim/bench ## what the simulator's primitives cost
	@for kind in st mt asan race; do echo "$$kind:"; build/cusim-$$kind/tests/cusim/bench; done

-include $(shell find $(CUSIM_KINDS:%=build/cusim-%) -name '*.d' 2>/dev/null)
