// Where the base of a checkpoint is (checkpoint.h): its absolute path, and its path from the checkpoint's own directory,
// by which it is found after both were moved together.
#ifndef SOUK_MODEL_CHECKPOINT_BASE_H
#define SOUK_MODEL_CHECKPOINT_BASE_H

#include <limits.h>
#include <stdbool.h>

// The way from one directory to another, "../../base/step-00000008", both absolute. False: they have nothing in
// common but the root, or the one lies in the other, and moving them together means nothing.
bool base_relative(char relative[PATH_MAX], const char *dir, const char *base);

// The absolute path of what `relative` leads to from the directory DIR, which must be there. False: nowhere.
bool base_from(char place[PATH_MAX], const char *dir, const char *relative);

#endif
