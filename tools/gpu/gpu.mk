# Programs for tools/gpu/pack: those of the build, linked once more, to look for their libraries in ../lib first. (As an old
# RPATH, which holds for what the libraries need, too.)
GPU_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../lib'

build/gpu/bin/souk: $(SOUK_PARTS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(GPU_LDFLAGS) -o $@ $^ $(PKG_LIBS)

build/gpu/bin/test_%: $(B)/tests/cuda/test_%.o $(TEST_LIB_OBJ) $(B)/infer-internal.a $(B)/libsouk.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(GPU_LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)
