// What the two files that read times share.
#ifndef SOUK_PREPARE_TIMES_INTERNAL_H
#define SOUK_PREPARE_TIMES_INTERNAL_H

#include "prepare/times.h"

// A reason, as rows are rejected by it.
#define BAD_TIME(why) "time that cannot be read: " why

// Reads a date, with or without a time of day, that fills [p, end).
bool date_parse(time_format format, int32_t zone, const char *p, const char *end, event_time *t,
                const char **why);

#endif
