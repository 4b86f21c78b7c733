// What souk inspect makes of any file but HDF5: an object that can be printed, or a sentence. (souk inspect
// does this in a child process, but it should not crash there either.)
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "inspect/inspect.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes >= 4 && memcmp(data, "\x89HDF", 4) == 0) return 0;
  const char *path = fuzz_file(0, data, bytes);
  for (int64_t rows = 0; rows < 4; rows += 3) {
    const inspect_request q = {.path = path, .verify = true, .rows = rows};
    json_t *j;
    if (inspect(&q, &j) != OK) {
      require(j == NULL);
      require_sentence(path);
      continue;
    }
    fuzz_accepted();
    require(json_is_string(json_object_get(j, "kind")));
    char *text = json_dumps(j, JSON_COMPACT);
    require(text != NULL);
    free(text);
    json_decref(j);
  }
  return 0;
}
