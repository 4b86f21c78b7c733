// What the files of src/format share among themselves.
#ifndef SOUK_FORMAT_INTERNAL_H
#define SOUK_FORMAT_INTERNAL_H

#include "format/temporary.h"

enum { TAG_DIGITS = 16 };
#define MARK_TMP ".tmp.souk-"
#define MARK_OLD ".old.souk-"

bool faulty(temporary_operation operation);
// To write where that may be: some network file systems lock nothing that is only open to read.
int open_to_lock(const char *path);
// Nobody can guess it, so nobody can be there first.
void make_tag(char tag[TAG_DIGITS + 1]);
// PATH MARK TAG, PATH's last component cut where it would be too long.
int marked_name(char name[PATH_MAX], const char *path, const char *mark, const char *tag);

#endif
