# The CUDA backend, libsouk_cuda.so: kernels/*.cu and src/cuda/*.c, for a GPU (CUDA=1, nvcc) or on the simulator
# (CUDA=sim). `make all` puts it beside the program; without CUDA= there is none, and --device cuda says so.
#
#   build/cusim-KIND/libsouk_cuda.so   on the simulator, of one kind (docs/cusim.md)
KERNELS := $(wildcard kernels/*.cu)
CUDA_HOST := $(wildcard src/cuda/*.c)

define KERNEL_RULES
build/cusim-$1/src/cuda/%.o: src/cuda/%.c
	@mkdir -p $$(@D)
	$$(Q)$$(CUSIM_CC) -std=gnu11 $$(WARN) -fPIC -fvisibility=hidden -D_GNU_SOURCE $$(if $$(filter race,$1),-O1 -g,$$(CUSIM_KFLAGS_$1)) $$(CUSIM_INC) -MMD -MP -c $$< -o $$@

build/cusim-$1/libsouk_cuda.so: $(KERNELS:%.cu=build/cusim-$1/%.o) $(CUDA_HOST:%.c=build/cusim-$1/%.o) build/cusim-$1/libcusim.a
	$$(Q)$$(CUSIM_CXX) -shared $$(CUSIM_LDFLAGS_$1) -o $$@ $$(filter-out %.a,$$^) -Wl,--whole-archive build/cusim-$1/libcusim.a -Wl,--no-whole-archive $$(CUSIM_LIBS)
endef
$(foreach kind,$(CUSIM_KINDS),$(eval $(call KERNEL_RULES,$(kind))))
