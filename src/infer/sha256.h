// SHA-256 (FIPS 180-4), for the checksums of a bundle.
#ifndef SOUK_INFER_SHA256_H
#define SOUK_INFER_SHA256_H

#include <stddef.h>

// Lower-case hexadecimal digest of data [bytes].
void infer_sha256(const void *data, size_t bytes, char hex[65]);
// The same in portable C only, as the reference for the processor's own instructions.
void infer_sha256_portable(const void *data, size_t bytes, char hex[65]);

#endif
