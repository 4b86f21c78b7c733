#include "base/tensor_file.h"

#include <stdlib.h>

status tensor_file_begin(out_file **f, const char *path, tensor *list, int32_t n, const char *metadata) {
  size_t bytes;
  *f = NULL;
  char *header = safetensors_header(list, (size_t)n, metadata, &bytes);
  status rc = header != NULL ? OK : fail(ERR_MEMORY, "out of memory: the header of %s", path);
  if (rc == OK) rc = out_open(f, path);
  if (rc == OK) rc = out_write(*f, header, bytes);
  free(header);
  return rc;
}
