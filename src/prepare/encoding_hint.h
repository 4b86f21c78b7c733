// What to say where a file's text is not UTF-8: which encoding it may have, and the option for it.
#ifndef SOUK_PREPARE_ENCODING_HINT_H
#define SOUK_PREPARE_ENCODING_HINT_H

#include "prepare/prepare_internal.h"

// Warns if rows of these files were rejected because of their encoding. encoding: what they were read as, "" for UTF-8; source:
// the option for it.
void hint_encoding(prepare_job *job, const reject_list *list, const input_files *files, const char *encoding,
                   const char *source);
// Adds the hint to the thread's error (of a header that lacks a column, say) if the file is not UTF-8 and is read as such.
// Returns rc.
status hint_in_error(status rc, const char *path, const log_format *format);

#endif
