# The CUDA backend, libsouk_cuda.so: kernels/*.cu and src/cuda/*.c, for a GPU (CUDA=1, nvcc) or on the simulator
# (CUDA=sim). `make all` puts it beside the program; without CUDA= there is none, and --device cuda says so.
#
#   CUDA=1                             NVCC=path of nvcc, CUDA_HOME=a toolkit whose parts come first (tools/gpu/toolkit)
#                                      GPU_ARCHS="80 90": machine code for these; native: for the GPUs of this machine
#   CUDA=sim                           CUSIM_KIND=st (docs/cusim.md)
#   build/nvcc/libsouk_cuda.so         for GPUs: machine code for GPU_ARCHS, and PTX of the newest for later GPUs
#   build/nvcc/kernels/X.log           what ptxas says of the kernels of X.cu (make kernels-report)
#   build/cusim-KIND/libsouk_cuda.so   on the simulator, of one kind
KERNELS := $(wildcard kernels/*.cu)
CUDA_HOST := $(wildcard src/cuda/*.c) src/ops/shapes.c src/ops/optim_items.c

# ---- for GPUs ------------------------------------------------------------------------------------------------
ifeq ($(origin NVCC),undefined)
NVCC := $(shell CUDA_HOME='$(CUDA_HOME)' tools/gpu/toolkit nvcc)
endif
# Empty: the architectures that Souk is meant for and this nvcc knows.
GPU_ARCHS ?=
NVCC_FLAGS := -std=c++17 -O3 -lineinfo -Xptxas -v,-warn-spills -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra -Ikernels -Isrc
# Registers that spill to memory are a warning, too.
NVCC_WERROR := $(if $(WERROR_FLAG),--Werror all-warnings -Xcompiler -Werror)
CUDA_CXX := $(if $(filter default undefined,$(origin CXX)),g++,$(CXX))
FIND_TOOLKIT = CUDA_HOME='$(CUDA_HOME)' tools/gpu/toolkit flags build/nvcc '$(NVCC)' '$(GPU_ARCHS)' '$(NVCC_FLAGS)'

# Beside it: include, libraries and archs, flags for the compilers. They change only if the toolkit or GPU_ARCHS do.
.PHONY: FORCE
build/nvcc/toolkit: FORCE
	$(Q)$(FIND_TOOLKIT)

# Of the log only warnings and errors are printed, without the lines about each kernel.
build/nvcc/%.o: %.cu build/nvcc/toolkit
	@mkdir -p $(@D)
	$(Q)$(NVCC) $(NVCC_FLAGS) $(NVCC_WERROR) -optf build/nvcc/archs,build/nvcc/include -MMD -MP -MF $(@:.o=.d) -c $< -o $@ \
	  >$(@:.o=.log) 2>&1; rc=$$?; \
	  { grep -vE '^ptxas info|^ +[0-9]+ bytes stack frame, 0 bytes spill' $(@:.o=.log) || true; } | c++filt >&2; \
	  [ $$rc = 0 ] || { rm -f $@; exit 1; }

build/nvcc/src/%.o: src/%.c build/nvcc/toolkit
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) -fPIC -fvisibility=hidden -D_GNU_SOURCE -Isrc -Ikernels @build/nvcc/include -MMD -MP -c $< -o $@

# No run path is written into it: the toolkit's libraries are found when it is loaded (src/ops/cuda_libraries.c).
build/nvcc/libsouk_cuda.so: $(KERNELS:%.cu=build/nvcc/%.o) $(CUDA_HOST:%.c=build/nvcc/%.o) kernels/exports.map
	$(Q)$(CUDA_CXX) -shared -Wl,--as-needed -Wl,--version-script=kernels/exports.map -o $@ $(filter %.o,$^) @build/nvcc/libraries

.PHONY: kernels-report nvcc-flags cuda-host-check
nvcc-flags:
	@echo '$(NVCC_FLAGS) $(NVCC_WERROR)'
cuda-host-check: build/nvcc/toolkit # every warning of this compiler
	@for f in $(CUDA_HOST); do $(CC) -std=gnu11 -O2 $(WARN) -D_GNU_SOURCE -Isrc -Ikernels @build/nvcc/include -c $$f -o /dev/null || exit 1; done
kernels-report: $(KERNELS:%.cu=build/nvcc/%.o) ## registers, shared memory and spills of every kernel on every device (nvcc)
	@tools/kernel_report $(KERNELS:%.cu=build/nvcc/%.log)

# ---- on the simulator ----------------------------------------------------------------------------------------
define KERNEL_RULES
build/cusim-$1/src/%.o: src/%.c
	@mkdir -p $$(@D)
	$$(Q)$$(CUSIM_CC) -std=gnu11 $$(WARN) -fPIC -fvisibility=hidden -D_GNU_SOURCE $$(if $$(filter race,$1),-O1 -g,$$(CUSIM_KFLAGS_$1)) $$(CUSIM_INC) -MMD -MP -c $$< -o $$@

build/cusim-$1/libsouk_cuda.so: $(KERNELS:%.cu=build/cusim-$1/%.o) $(CUDA_HOST:%.c=build/cusim-$1/%.o) build/cusim-$1/libcusim.a
	$$(Q)$$(CUSIM_CXX) -shared $$(CUSIM_LDFLAGS_$1) -o $$@ $$(filter-out %.a,$$^) -Wl,--whole-archive build/cusim-$1/libcusim.a -Wl,--no-whole-archive $$(CUSIM_LIBS)
endef
$(foreach kind,$(CUSIM_KINDS),$(eval $(call KERNEL_RULES,$(kind))))

# ---- do the op tables notice what a kernel lacks? ----------------------------------------------------------------
# This takes long: a second for a mutant that is caught at once, a minute for one that is not, and there are hundreds
# of them. Results are reused until something that they depend on changes.
.PHONY: mutants
mutants: $(B)/souk $(foreach kind,st race asan,build/cusim-$(kind)/libsouk_cuda.so) ## kernels that lack a barrier, wait, mask or bound must fail a table: ONLY=file CHANGE=kind KINDS=st JOBS=2
	@$(foreach kind,st race asan,MUTANT_FLAGS_$(kind)='$(CUSIM_STD) $(CUSIM_KFLAGS_$(kind))') MUTANT_CXX='$(CUSIM_CXX)' \
	  MUTANT_SOUK='$(B)/souk' CHANGE='$(CHANGE)' KINDS='$(KINDS)' MUTANT_HOST='$(CUDA_HOST)' tools/mutants $(ONLY)

# ---- beside the program --------------------------------------------------------------------------------------
CUSIM_KIND ?= st
ifneq ($(filter-out 1 sim,$(CUDA)),)
$(error CUDA=$(CUDA): known are 1 (nvcc) and sim (the simulator))
endif
ifneq ($(filter-out $(CUSIM_KINDS),$(CUSIM_KIND)),)
$(error CUSIM_KIND=$(CUSIM_KIND): known are $(CUSIM_KINDS))
endif
ifeq ($(CUDA)$(NVCC),1)
$(error $(shell $(FIND_TOOLKIT) 2>&1); CUDA=sim needs none)
endif

CUDA_BUILT := $(if $(filter 1,$(CUDA)),nvcc,cusim-$(CUSIM_KIND))
.PHONY: cuda-beside
cuda-beside: build/$(CUDA_BUILT)/libsouk_cuda.so
	@mkdir -p $(B)
	$(Q)ln -sfn ../$(CUDA_BUILT)/libsouk_cuda.so $(B)/libsouk_cuda.so
ifneq ($(CUDA),)
all: cuda-beside
endif

-include $(shell find build/nvcc -name '*.d' 2>/dev/null)
