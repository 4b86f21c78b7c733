/* cusim: CUDA's vector types, for C and C++. Sizes and alignments are those of the toolkit. */
#ifndef CUSIM_VECTOR_TYPES_H
#define CUSIM_VECTOR_TYPES_H

#define CUSIM_VEC1(name, type) \
  struct name {                \
    type x;                    \
  };                           \
  typedef struct name name;
#define CUSIM_VEC2(name, type, align)           \
  struct __attribute__((aligned(align))) name { \
    type x, y;                                  \
  };                                            \
  typedef struct name name;
#define CUSIM_VEC3(name, type) \
  struct name {                \
    type x, y, z;              \
  };                           \
  typedef struct name name;
#define CUSIM_VEC4(name, type, align)           \
  struct __attribute__((aligned(align))) name { \
    type x, y, z, w;                            \
  };                                            \
  typedef struct name name;

#define CUSIM_VECTORS(prefix, type, size) \
  CUSIM_VEC1(prefix##1, type)             \
  CUSIM_VEC2(prefix##2, type, 2 * (size)) \
  CUSIM_VEC3(prefix##3, type)             \
  CUSIM_VEC4(prefix##4, type, (size) == 8 ? 16 : 4 * (size))

CUSIM_VECTORS(char, signed char, 1)
CUSIM_VECTORS(uchar, unsigned char, 1)
CUSIM_VECTORS(short, short, 2)
CUSIM_VECTORS(ushort, unsigned short, 2)
CUSIM_VECTORS(int, int, 4)
CUSIM_VECTORS(uint, unsigned int, 4)
CUSIM_VECTORS(long, long int, 8)
CUSIM_VECTORS(ulong, unsigned long int, 8)
CUSIM_VECTORS(longlong, long long int, 8)
CUSIM_VECTORS(ulonglong, unsigned long long int, 8)
CUSIM_VECTORS(float, float, 4)
CUSIM_VECTORS(double, double, 8)

struct dim3 {
  unsigned int x, y, z;
#ifdef __cplusplus
  constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1) : x(vx), y(vy), z(vz) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
#endif
};
typedef struct dim3 dim3;

#ifdef __cplusplus
#define CUSIM_MAKE(prefix, type)                                             \
  static inline prefix##1 make_##prefix##1(type x) {                         \
    return prefix##1 {x};                                                    \
  }                                                                          \
  static inline prefix##2 make_##prefix##2(type x, type y) {                 \
    return prefix##2 {x, y};                                                 \
  }                                                                          \
  static inline prefix##3 make_##prefix##3(type x, type y, type z) {         \
    return prefix##3 {x, y, z};                                              \
  }                                                                          \
  static inline prefix##4 make_##prefix##4(type x, type y, type z, type w) { \
    return prefix##4 {x, y, z, w};                                           \
  }
CUSIM_MAKE(char, signed char)
CUSIM_MAKE(uchar, unsigned char)
CUSIM_MAKE(short, short)
CUSIM_MAKE(ushort, unsigned short)
CUSIM_MAKE(int, int)
CUSIM_MAKE(uint, unsigned int)
CUSIM_MAKE(long, long int)
CUSIM_MAKE(ulong, unsigned long int)
CUSIM_MAKE(longlong, long long int)
CUSIM_MAKE(ulonglong, unsigned long long int)
CUSIM_MAKE(float, float)
CUSIM_MAKE(double, double)
#endif

#endif
