// What the files of src/format share among themselves.
#ifndef SOUK_FORMAT_INTERNAL_H
#define SOUK_FORMAT_INTERNAL_H

#include "format/temporary.h"

enum { TAG_DIGITS = 16 };
#define MARK_TMP ".tmp.souk-"
#define MARK_OLD ".old.souk-"

bool faulty(temporary_operation operation);
// Opens a path to lock it, for writing if that is allowed: some network file systems do not lock files that are open
// for reading only.
int open_to_lock(const char *path);
// A random tag: nobody can guess the name and create the file first.
void make_tag(char tag[TAG_DIGITS + 1]);
// PATH MARK TAG, PATH's last component cut where it would be too long.
int marked_name(char name[PATH_MAX], const char *path, const char *mark, const char *tag);

#endif
