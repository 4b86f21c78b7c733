// The filter lzf of HDF5 files (number 32000), which h5py writes and libhdf5 does not know: only undone here, never applied.
//
// A packed chunk is a series of pieces. One that begins with a byte b below 32 is b + 1 bytes as they are. Any other repeats
// what was unpacked before: the upper three bits of b are its length less two (seven: a further byte is added), the lower
// five and the byte behind are how far back it begins, less one.
#ifndef SOUK_HDF5_H5_LZF_H
#define SOUK_HDF5_H5_LZF_H

#include <stddef.h>
#include <stdint.h>

// Unpacks from [n] into to [room]; how many bytes that gave, 0 if it is not such a chunk or has no room.
size_t lzf_unpack(const uint8_t *from, size_t n, uint8_t *to, size_t room);
// Makes it known to the library of this process. The caller holds the lock, or needs none.
void h5_lzf_register(void);

#endif
