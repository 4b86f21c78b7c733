// The directory of temporary files; see scratch_dir.h.
#include "cmd/scratch_dir.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "format/temporary.h"

static char made[PATH_MAX];

static void remove_made(void) {
  tree_remove(made);
}

status scratch_dir(const char **path) {
  const char *tmp = getenv("TMPDIR");
  char name[PATH_MAX];
  *path = made;
  if (made[0] != '\0') return OK;
  TRY(path_join(name, sizeof name, tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp", "souk-scratch-XXXXXX"));
  if (mkdtemp(name) == NULL)
    return fail(ERR_IO, "cannot make a directory like %s: %s", name, strerror(errno));
  memcpy(made, name, strlen(name) + 1);
  atexit(remove_made);
  return OK;
}
