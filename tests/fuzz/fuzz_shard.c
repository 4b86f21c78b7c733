// A shard of a data set, as bytes. libhdf5 is not what is tested here: a child may die of it. What the child
// lets pass is read by this process without harm, and is within the ranges that the rest relies on.
#include <limits.h>
#include <string.h>
#include "data/dataset.h"
#include "fuzz/fuzz.h"
#include "lib/tiny_dataset.h"

static char dir[PATH_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  require_ok(path_join(dir, sizeof dir, fuzz_directory(), "data"));
  tiny_dataset(dir, 12, 9, 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  dataset *d;
  sequence_block *b;
  fuzz_write(dir, "shard-00000.h5", data, bytes);
  if (dataset_open(&d, dir, false) != OK) {
    require_sentence(dir);
    return 0;
  }
  const dataset_info *info = dataset_get_info(d);
  if (block_read(&b, d, 0, info->sequences) == OK) {
    fuzz_accepted();
    for (int64_t i = 0; i < info->sequences; i++) {
      sequence s;
      block_get(b, i, &s);
      require(s.n >= 1 && s.n <= info->longest && s.valid_from >= 0);
      require(s.valid_from <= s.test_from && s.test_from <= s.n);
      for (int32_t k = 0; k < s.n; k++)
        require(s.tokens[k] >= 0 && s.tokens[k] < info->vocab_size && s.events[k] < info->n_event_types);
    }
    block_free(b);
  } else {
    require_sentence("shard-00000.h5");
  }
  dataset_close(d);
  return 0;
}
