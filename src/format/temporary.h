// Outputs under way: a file or directory beside its place, which is fresh, ours alone and locked while we write it, and
// is moved into its place when it is whole.
//
// Names are PATH.tmp.souk-TAG, TAG being sixteen random hexadecimal digits; they are made with O_EXCL, O_NOFOLLOW and
// mkdir, so nothing that was there before is taken over or written through. Where a file system cannot exchange two
// directories, the one that gives way is PATH.old.souk-TAG for a moment.
//
// What a killed process leaves is found by these names, and told from what a living one writes by its lock (flock), which
// goes with the process. Where a file system has no locks, leftovers stay.
#ifndef SOUK_FORMAT_TEMPORARY_H
#define SOUK_FORMAT_TEMPORARY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct temporary {
  int fd; // open to read and write (a directory: to read), locked
  bool is_directory;
  bool in_place;       // has been published, even if an error came after that
  char path[PATH_MAX]; // its place
  char name[PATH_MAX]; // where it is now
  char tag[17];
} temporary;

// So that tests can see what happens when the system fails: true lets an operation fail with errno as it was set. NULL
// outside of them.
typedef enum temporary_operation {
  TEMPORARY_CREATE,
  TEMPORARY_RENAME,
  TEMPORARY_EXCHANGE,
  TEMPORARY_FSYNC
} temporary_operation;
extern bool (*temporary_fault)(temporary_operation operation);

// Makes one for `path` (of a target: links followed). like: has the same tag, NULL: a random one.
int temporary_make(temporary *t, const char *path, bool directory, const temporary *like);
// Removes it (a directory with all in it) and closes its descriptor.
void temporary_drop(temporary *t);

// Moves a finished file to its place, after fsync, and syncs the directory. On failure what was there is as it was, and
// the temporary is gone, unless it is in_place: then it may not be on disk yet. Closes the descriptor in every case.
int temporary_publish(temporary *t);
// Two files that belong together, each with a temporary of the same tag; see docs/formats.md, "Files in pairs". names:
// NULL removes what is at names_path, as it would not fit any longer. On failure the pair that was there is as it was, unless
// the data are in_place, with their names or none. Closes both.
int temporary_publish_pair(temporary *data, temporary *names, const char *names_path);
// A directory. replace: one that is there gives way, in one step where the file system can exchange two, and is removed;
// otherwise EEXIST, but an empty one does not count. On failure what was there is as it was, unless *aside says where it
// is now, or the new one is in_place. What cannot be removed is a leftover.
int temporary_publish_directory(temporary *t, bool replace, char aside[PATH_MAX]);

typedef struct leftovers {
  int removed;  // what killed processes had left unfinished
  int restored; // a directory whose exchange was cut short, or names that had been moved aside: back in place
  int stuck;    // found, but they could not be removed, or nobody can tell whether they are in use
} leftovers;

// Looks for what killed processes left beside `path`, and mends it.
void leftovers_mend(const char *path, leftovers *found);
// The same for two files that belong together.
void leftovers_mend_pair(const char *data_path, const char *names_path, leftovers *found);

// One line about it, for people; false: there is nothing to say.
bool leftovers_text(const leftovers *found, const char *path, char *buf, size_t bytes);

// Is this the name of a temporary (or of a directory set aside)? *mark: its suffix, from ".tmp." or ".old." on.
bool temporary_is_name(const char *name, const char **mark);

// A file or a directory with all in it; links are not followed.
int tree_remove(const char *path);
// The same under a temporary's name first, so that what is removed in part only is not taken for whole.
int tree_discard(const char *path);
// fsync of the directory that `path` is in.
int parent_sync(const char *path);

#endif
