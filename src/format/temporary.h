// Unfinished outputs: a file or directory with a temporary name beside the final one, made by us, locked while we
// write it, and renamed when it is complete.
//
// Names are PATH.tmp.souk-TAG, TAG being sixteen random hexadecimal digits; they are made with O_EXCL, O_NOFOLLOW and
// mkdir, so an existing file is never reused and a link never followed. Where a file system cannot exchange two
// directories, the one being replaced is PATH.old.souk-TAG for a moment.
//
// What a killed process leaves is found by these names. A lock (flock) shows whether the writer is still alive,
// because it ends with the process. On file systems without locks leftovers stay.
#ifndef SOUK_FORMAT_TEMPORARY_H
#define SOUK_FORMAT_TEMPORARY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct temporary {
  int fd; // open to read and write (a directory: to read), locked
  bool is_directory;
  bool in_place;       // it was published, even if a later step failed
  char path[PATH_MAX]; // its place
  char name[PATH_MAX]; // where it is now
  char tag[17];
} temporary;

// For tests of failing system calls: if it returns true, the operation fails with the errno that it has set. NULL
// otherwise.
typedef enum temporary_operation {
  TEMPORARY_CREATE,
  TEMPORARY_RENAME,
  TEMPORARY_EXCHANGE,
  TEMPORARY_FSYNC
} temporary_operation;
extern bool (*temporary_fault)(temporary_operation operation);

// Makes one for `path` (a target's path, in which links have been followed). like: take over its tag; NULL: a random
// tag.
int temporary_make(temporary *t, const char *path, bool directory, const temporary *like);
// Removes the temporary (a directory with all in it) and closes its descriptor.
void temporary_drop(temporary *t);

// Renames a finished file, after fsync, and syncs the directory. After an error the old file is unchanged and the
// temporary removed, unless in_place is set: then the new file is there but may not be on disk yet. Closes the
// descriptor in every case.
int temporary_publish(temporary *t);
// Two files that belong together, each with a temporary of the same tag; see docs/formats.md, "Files in pairs". names:
// NULL removes the file at names_path, because its names would not be those of the new data. After an error the old
// pair is unchanged, unless the data are in_place, with their names or none. Closes both.
int temporary_publish_pair(temporary *data, temporary *names, const char *names_path);
// The same for a directory. replace: an existing directory is swapped with the new one, in one step if the file
// system can, and removed. Without it EEXIST, unless the existing one is empty. After an error the old directory is
// unchanged, unless *aside names its new place or in_place is set. What cannot be removed stays as a leftover.
int temporary_publish_directory(temporary *t, bool replace, char aside[PATH_MAX]);

typedef struct leftovers {
  int removed;  // unfinished outputs of killed processes
  int restored; // put back: a directory whose replacement was interrupted, or names that had been moved aside
  int stuck;    // found but not removed: it failed, or they may be in use
} leftovers;

// Finds what killed processes left beside `path`, and removes it or puts it back.
void leftovers_recover(const char *path, leftovers *found);
// The same for two files that belong together.
void leftovers_recover_pair(const char *data_path, const char *names_path, leftovers *found);

// One line about it for people; false: nothing was found.
bool leftovers_text(const leftovers *found, const char *path, char *buf, size_t bytes);

// Is this the name of a temporary (or of a directory set aside)? *mark: its suffix, from ".tmp." or ".old." on.
bool temporary_is_name(const char *name, const char **mark);

// Removes a file, or a directory with all in it; links are not followed.
int tree_remove(const char *path);
// The same, but renamed to a temporary's name first, so that a removal that is cut short does not leave an incomplete
// directory under the old name.
int tree_discard(const char *path);

#endif
