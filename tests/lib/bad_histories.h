// Histories that every call of the inference library must refuse, and what it then says, for a bundle of rich_bundle.h.
#ifndef SOUK_TESTS_BAD_HISTORIES_H
#define SOUK_TESTS_BAD_HISTORIES_H

#include <limits.h>
#include "lib/rich_bundle.h"
#include "souk/infer.h"

enum { ITEMS = RICH_ITEMS };

// A pointer that is not aligned for its type.
#define ODD(type, p) ((type)(void *)((char *)(uintptr_t)(p) + 1))

typedef struct bad_history {
  souk_history h;
  const char *says;
} bad_history;

static int32_t items[] = {1, 2, ITEMS, -2}, events[] = {0, 3, -1};
static const char *const names[] = {"item1", NULL}, *const event_names[] = {"view", "vieww"};
static const char *const attribute[] = {"age", NULL};
static const souk_user users[] = {
    {.n_attributes = -1},
    {.n_attributes = INT32_MAX},
    {.n_attributes = 1},
    {.n_attributes = 1, .names = attribute, .values = attribute},
    {.n_attributes = 1, .names = attribute + 1, .values = attribute},
    {.reserved = 1},
    {.reserved_pointers = {NULL, items}},
};
static bad_history bad_histories[] = {
    {{.n = -1}, ".n = -1"},
    {{.n = INT32_MIN}, ".n = -2147483648"},
    {{.n = INT32_MAX, .items = items}, ".n = 2147483647"},
    {{.n = 1}, "items and names must not both be NULL"},
    {{.n = 1, .items = items, .names = names}, "items and names must not both be set"},
    {{.n = 1, .items = items, .events = events, .event_names = event_names}, "must not both be set"},
    {{.n = 3, .items = items}, ".items[2] = 40"},
    {{.n = 1, .items = items + 3}, ".items[0] = -2"},
    {{.n = 2, .names = names}, ".names[1] must not be NULL"},
    {{.n = 2, .items = items, .events = events}, ".events[1] = 3"},
    {{.n = 1, .items = items, .events = events + 2}, ".events[0] = -1"},
    {{.n = 2, .items = items, .event_names = event_names}, "no event type \"vieww\""},
    {{.n = 1, .items = ODD(int32_t *, items)}, "not aligned"},
    {{.n = 1, .names = ODD(const char *const *, names)}, "not aligned"},
    {{.n = 1, .items = items, .events = ODD(int32_t *, events)}, "not aligned"},
    {{.n = 1, .items = items, .event_names = ODD(const char *const *, event_names)}, "not aligned"},
    {{.n = 1, .texts = ODD(const char *const *, names)}, "not aligned"},
    {{.user = ODD(const souk_user *, users)}, ".user is not aligned"},
    {{.user = &users[0]}, ".user.n_attributes = -1"},
    {{.user = &users[1]}, ".user.n_attributes = 2147483647"},
    {{.user = &users[2]}, ".user.names must not be NULL"},
    {{.user = &users[3]}, "knows no attribute \"age\""},
    {{.user = &users[4]}, ".user.names[0] must not be NULL"},
    {{.user = &users[5]}, ".user.reserved = 1"},
    {{.user = &users[6]}, "has a field that this library"},
};
enum { BAD_HISTORIES = sizeof bad_histories / sizeof *bad_histories };

#endif
