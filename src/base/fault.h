// Faults on request. SOUK_FAULT=KIND:N makes the Nth operation of that kind in this process fail as the system would
// fail it; KIND:N+ the Nth and all that follow (a disk that stays full); KIND:N! kills the process (SIGKILL)
// just before its Nth; several are joined by commas.
// SOUK_FAULT=count lets everything pass and prints at the end how many of each kind there were, so that a test can
// fail every one of them in turn. Always compiled in: asking costs one load
// when the variable is not set.
//
// Kinds: alloc (mem_new and its family, backend memory, jansson), write, fsync, rename, create (files and
// directories), exchange (swapping two directories in one step, which then fails as on a file system that cannot
// swap; it counts as a rename as well). What libraries do by themselves (libhdf5's allocations, say) is not counted.
// HDF5's writes are, because they go through our driver.
#ifndef SOUK_BASE_FAULT_H
#define SOUK_BASE_FAULT_H

#include <stdbool.h>
#include "base/status.h"

typedef enum fault_kind {
  FAULT_ALLOC,
  FAULT_WRITE,
  FAULT_FSYNC,
  FAULT_RENAME,
  FAULT_CREATE,
  FAULT_EXCHANGE,
  FAULT_KINDS
} fault_kind;

// True when this operation must fail: the caller does not perform it. errno is set.
bool fault_at(fault_kind kind);

// Reads SOUK_FAULT and starts counting from 0. ERR_ARGUMENT if it cannot be parsed: a test that asks for a fault must
// not pass because of a typing error.
status fault_init(void);

#endif
