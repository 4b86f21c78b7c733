// TensorBoard event files; see events.h. Two protobuf messages of scalars do not need a library: a message is a row of
// fields, each a key (number << 3 | wire type) and a value (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes).
#include "train/events.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/memory.h"

struct event_log {
  append_file *f;
};

// ---- checksums -----------------------------------------------------------------------------------------------

static uint32_t crc_table[256];

static void make_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = (c & 1) != 0 ? c >> 1 ^ 0x82F63B78u : c >> 1; // the polynomial, reflected
    crc_table[i] = c;
  }
}

uint32_t crc32c(const void *data, size_t bytes) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_table);
  const uint8_t *p = data;
  uint32_t c = 0xFFFFFFFFu;
  for (size_t i = 0; i < bytes; i++) c = c >> 8 ^ crc_table[(c ^ p[i]) & 0xFFu];
  return ~c;
}

uint32_t crc32c_masked(const void *data, size_t bytes) {
  const uint32_t c = crc32c(data, bytes);
  return (c >> 15 | c << 17) + 0xA282EAD8u; // a checksum over data that holds checksums would be weak
}

// ---- protobuf ------------------------------------------------------------------------------------------------

static uint8_t *put_varint(uint8_t *p, uint64_t v) {
  for (; v >= 128; v >>= 7) *p++ = (uint8_t)(v | 128);
  *p++ = (uint8_t)v;
  return p;
}

static uint8_t *put_little(uint8_t *p, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++) *p++ = (uint8_t)(v >> (8 * i));
  return p;
}

static uint8_t *put_bytes(uint8_t *p, uint32_t field, const void *data, size_t bytes) {
  p = put_varint(p, field << 3 | 2);
  p = put_varint(p, bytes);
  memcpy(p, data, bytes);
  return p + bytes;
}

static uint8_t *put_head(uint8_t *p, double wall_time, int64_t step) {
  uint64_t bits;
  memcpy(&bits, &wall_time, sizeof bits);
  p = put_varint(p, 1 << 3 | 1);
  p = put_little(p, bits, 8);
  if (step == 0) return p; // the default is left out
  p = put_varint(p, 2 << 3 | 0);
  return put_varint(p, (uint64_t)step);
}

// Value {string tag = 1; float simple_value = 2}.
static size_t encode_value(uint8_t *buf, const event_scalar *s) {
  const float value = (float)s->value;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint8_t *p = put_bytes(buf, 1, s->tag, strnlen(s->tag, EVENT_TAG));
  p = put_varint(p, 2 << 3 | 5);
  return (size_t)(put_little(p, bits, 4) - buf);
}

size_t event_encode(uint8_t buf[EVENT_BYTES], double wall_time, int64_t step, const event_scalar *scalars,
                    size_t n) {
  uint8_t summary[EVENT_BYTES] = {0}, value[EVENT_TAG + 16] = {0}, *p = summary;
  if (n > EVENT_SCALARS) n = EVENT_SCALARS;
  for (size_t i = 0; i < n; i++)
    p = put_bytes(p, 1, value, encode_value(value, &scalars[i])); // repeated Value
  const size_t bytes = (size_t)(p - summary);
  p = put_head(buf, wall_time, step);
  return (size_t)(put_bytes(p, 5, summary, bytes) - buf);
}

// ---- the file ------------------------------------------------------------------------------------------------

static double wall_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static status write_record(event_log *e, const uint8_t *message, size_t bytes) {
  uint8_t record[EVENT_BYTES + 16], *p = put_little(record, bytes, 8);
  p = put_little(p, crc32c_masked(record, 8), 4);
  memcpy(p, message, bytes);
  p = put_little(p + bytes, crc32c_masked(message, bytes), 4);
  return append_write(e->f, record, (size_t)(p - record));
}

static status write_opening(event_log *e, int64_t resume_step) {
  static const char version[] = "brain.Event:2";
  static const uint8_t start[] = {1 << 3 | 0, 1}; // SessionLog {status = START}
  uint8_t message[EVENT_BYTES] = {0};
  uint8_t *end = put_bytes(put_head(message, wall_seconds(), 0), 3, version, sizeof version - 1);
  TRY(write_record(e, message, (size_t)(end - message)));
  if (resume_step < 0) return OK;
  end = put_bytes(put_head(message, wall_seconds(), resume_step + 1), 7, start, sizeof start);
  return write_record(e, message, (size_t)(end - message));
}

status events_open(event_log **out, const char *run_dir, int64_t resume_step) {
  *out = NULL;
  char host[64] = "", path[PATH_MAX];
  if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') strcpy(host, "host");
  for (char *p = host; *p != '\0'; p++)
    if (*p == '/') *p = '-';
  long long seconds = (long long)wall_seconds();
  do {
    char name[128];
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.souk", seconds++, host);
    TRY(path_join(path, sizeof path, run_dir, name));
  } while (file_exists(path));
  event_log *e;
  TRY(mem_new(&e, 1, sizeof *e, "an event file"));
  status rc = append_open(&e->f, path, APPEND_FRESH);
  if (rc == OK) rc = write_opening(e, resume_step);
  if (rc != OK) {
    if (e->f != NULL) unlink(path);
    append_close(e->f);
    free(e);
    return rc;
  }
  *out = e;
  return OK;
}

status events_write(event_log *e, int64_t step, const event_scalar *scalars, size_t n) {
  uint8_t message[EVENT_BYTES] = {0};
  return write_record(e, message, event_encode(message, wall_seconds(), step, scalars, n));
}

status events_sync(event_log *e) {
  return append_sync(e->f);
}

status events_close(event_log *e) {
  if (e == NULL) return OK;
  const status rc = append_close(e->f);
  free(e);
  return rc;
}
