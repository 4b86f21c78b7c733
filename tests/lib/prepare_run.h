// Whole runs of souk prepare in a temporary directory, for its tests.
#ifndef SOUK_TESTS_PREPARE_RUN_H
#define SOUK_TESTS_PREPARE_RUN_H

#include <jansson.h>
#include <stdint.h>
#include "data/dataset.h"
#include "prepare/prepare.h"

extern char dir[256];    // of the test
extern prepare_config c; // of the next run

int setup(void **unused);    // makes dir
int teardown(void **unused); // removes it

// Defaults for a csv log at DIR/log; the data set is DIR/NAME.
void begin(const char *name);
void option_text(const char *name, const char *value);
void write_log(const char *name, const char *text); // to DIR/NAME
status run(void);                                   // without its report for people
dataset *run_and_open(void);                        // fails the test on an error
json_t *report(void);                               // of the last run
int64_t count_of(const json_t *j, const char *name);
// "a.view/0 b.buy/1 | c/1 | d/1": items, event types and sessions of a user, with bars before validation and test; "": no such
// user.
void expect_user(dataset *d, const char *user, const char *wanted);

#endif
