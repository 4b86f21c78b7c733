// TensorBoard event files, beside metrics.jsonl: the same figures where TensorBoard looks for them.
//
// A file RUN/events.out.tfevents.SECONDS.HOST.souk is begun each time a run starts or resumes (SECONDS is made larger
// until the name is free, so that files sort in the order in which they were begun). Format: records of
//   uint64 length, uint32 masked CRC-32C of the length, the bytes, uint32 masked CRC-32C of the bytes
// (little-endian), each a protobuf message Event {double wall_time = 1; int64 step = 2; string file_version = 3;
// Summary summary = 5; SessionLog session_log = 7}. The first record says "brain.Event:2". A resumed run's second is a
// SessionLog START at the next step, at which TensorBoard forgets what earlier files say of that step and later.
#ifndef SOUK_TRAIN_EVENTS_H
#define SOUK_TRAIN_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct event_log event_log;

typedef struct event_scalar {
  const char *tag; // "train/loss"
  double value;
} event_scalar;

enum { EVENT_SCALARS = 64, EVENT_TAG = 128 }; // of one record at most; longest tag

// resume_step >= 0: the run continues after that step; -1: a new run.
status events_open(event_log **out, const char *run_dir, int64_t resume_step);
status events_write(event_log *e, int64_t step, const event_scalar *scalars, size_t n);
status events_sync(event_log *e);
status events_close(event_log *e); // NULL is safe

// CRC-32C (Castagnoli) as in RFC 3720, and TensorFlow's masked form of it.
uint32_t crc32c(const void *data, size_t bytes);
uint32_t crc32c_masked(const void *data, size_t bytes);
// One Event message into buf, as described above; returns its size. For tests as well.
enum { EVENT_BYTES = 64 + EVENT_SCALARS * (EVENT_TAG + 16) };
size_t event_encode(uint8_t buf[EVENT_BYTES], double wall_time, int64_t step, const event_scalar *scalars,
                    size_t n);

#endif
