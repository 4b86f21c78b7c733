// SHA-256 (FIPS 180-4), for the checksums in manifests. The processor's own instructions are used where it has them.
#ifndef SOUK_FORMAT_SHA256_H
#define SOUK_FORMAT_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct sha256 {
  uint32_t h[8];
  uint8_t block[64]; // the bytes of an incomplete block
  uint64_t bytes;    // in all
} sha256;

void sha256_init(sha256 *s);
void sha256_update(sha256 *s, const void *data, size_t bytes);
// Lower-case hexadecimal digest of all bytes; *s cannot be used afterwards.
void sha256_final(sha256 *s, char hex[65]);

// The three in one, of data [bytes].
void sha256_hex(const void *data, size_t bytes, char hex[65]);
// The same in portable C only, as the reference for the processor's instructions.
void sha256_hex_portable(const void *data, size_t bytes, char hex[65]);

#endif
