// A column of items that looks like lists.
#ifndef SOUK_PREPARE_LIST_HINT_H
#define SOUK_PREPARE_LIST_HINT_H

#include "prepare/prepare_internal.h"

// Where the names of most items are made of parts that look like items, warns with the option that reads them so.
status warn_of_lists(prepare_job *job);

#endif
