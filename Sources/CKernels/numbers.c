#include <string.h>

#include "clones.h"
#include "vector_math.h"

// Integer arithmetic, for which every instruction set has vectors, replaces conversions that only some have. A
// subnormal number is a multiple of 2⁻²⁴: converted as an integer, it needs no subnormal float, which may be flushed to
// zero.
INLINE float float_of_half(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7fff, sign = (uint32_t)(bits & 0x8000) << 16;
  const float small = (float)(int32_t)magnitude * 0x1p-24f;
  uint32_t small_bits, result;
  memcpy(&small_bits, &small, sizeof small_bits);
  result = (magnitude << 13) + 0x38000000;
  result = magnitude < 0x0400 ? small_bits : result;
  result = magnitude >= 0x7c00 ? (magnitude << 13) | 0x7f800000 : result;
  result |= sign;
  float value;
  memcpy(&value, &result, sizeof value);
  return value;
}

INLINE float float_of_bfloat(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

INLINE float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

INLINE double double_of_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#define SAME(bits) (bits)

// The language sees bytes that are read one by one, since files guarantee no alignment.
#define FGN_WIDEN(name, U, swap, value, T, suffix)                                                                \
  CLONES void fgn_widen_##name##_##suffix(const void *x, size_t n, int swapped, T *restrict y) {                  \
    const char *bytes = x;                                                                                        \
    if (swapped)                                                                                                  \
      for (size_t i = 0; i < n; i++) {                                                                            \
        U bits;                                                                                                   \
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);                                                      \
        bits = swap(bits);                                                                                        \
        y[i] = (T)value(bits);                                                                                    \
      }                                                                                                           \
    else                                                                                                          \
      for (size_t i = 0; i < n; i++) {                                                                            \
        U bits;                                                                                                   \
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);                                                      \
        y[i] = (T)value(bits);                                                                                    \
      }                                                                                                           \
  }

#define FGN_WIDEN_EXACT(T, suffix)                                                                                \
  FGN_WIDEN(uint8, uint8_t, SAME, SAME, T, suffix)                                                                \
  FGN_WIDEN(int8, uint8_t, SAME, (int8_t), T, suffix)                                                             \
  FGN_WIDEN(uint16, uint16_t, __builtin_bswap16, SAME, T, suffix)                                                 \
  FGN_WIDEN(int16, uint16_t, __builtin_bswap16, (int16_t), T, suffix)                                             \
  FGN_WIDEN(float16, uint16_t, __builtin_bswap16, float_of_half, T, suffix)                                       \
  FGN_WIDEN(bfloat16, uint16_t, __builtin_bswap16, float_of_bfloat, T, suffix)                                    \
  FGN_WIDEN(float32, uint32_t, __builtin_bswap32, float_of_bits, T, suffix)

FGN_WIDEN_EXACT(float, f32)
FGN_WIDEN_EXACT(double, f64)
FGN_WIDEN(uint32, uint32_t, __builtin_bswap32, SAME, double, f64)
FGN_WIDEN(int32, uint32_t, __builtin_bswap32, (int32_t), double, f64)
FGN_WIDEN(uint64, uint64_t, __builtin_bswap64, SAME, double, f64)
FGN_WIDEN(int64, uint64_t, __builtin_bswap64, (int64_t), double, f64)
FGN_WIDEN(float64, uint64_t, __builtin_bswap64, double_of_bits, double, f64)

#define FGN_TRANSPOSE_BYTES(U)                                                                                    \
  for (size_t top = from; top < to; top += 64)                                                                    \
    for (size_t left = 0; left < columns; left += 16)                                                             \
      for (size_t column = left; column < columns && column < left + 16; column++)                                \
        for (size_t row = top; row < to && row < top + 64; row++) {                                               \
          U bits;                                                                                                 \
          memcpy(&bits, (const char *)x + (places[column] * rows + row) * sizeof bits, sizeof bits);              \
          memcpy((char *)y + (row * columns + column) * sizeof bits, &bits, sizeof bits);                         \
        }

void fgn_transpose_numbers(const void *restrict x, size_t rows, size_t columns, const size_t *places, size_t size,
                           size_t from, size_t to, void *restrict y) {
  switch (size) {
    case 1: FGN_TRANSPOSE_BYTES(uint8_t) break;
    case 2: FGN_TRANSPOSE_BYTES(uint16_t) break;
    case 4: FGN_TRANSPOSE_BYTES(uint32_t) break;
    case 8: FGN_TRANSPOSE_BYTES(uint64_t) break;
    default:
      for (size_t row = from; row < to; row++)
        for (size_t column = 0; column < columns; column++)
          memcpy((char *)y + (row * columns + column) * size, (const char *)x + (places[column] * rows + row) * size,
                 size);
  }
}
