// The batch of a fixture on the host, made from the table of fields (ops/batch_fields.h): a field that is added there is
// filled here by its kind and its range, and a range that is empty (because the batch_spec leaves it at 0) leaves it out.
#ifndef SOUK_OPS_CHECK_BATCH_FILL_H
#define SOUK_OPS_CHECK_BATCH_FILL_H

#include "ops/check/harness.h"

typedef struct host_batch {
  batch_arrays a; // NULL: left out
  batch_counts caps;
  char *memory;
} host_batch;

// What lies past the live counts is valid but wrong, and another thing for each filler.
status host_batch_make(host_batch *h, const fixture *f, fill filler);
void host_batch_free(host_batch *h); // also after a failure
size_t host_batch_bytes(const host_batch *h, const batch_field *f);

#endif
