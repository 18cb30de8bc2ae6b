#include <string.h>

#include "clones.h"
#include "window.h"

// Rows of an image are short: copies of a fixed size, the last one overlapping, are faster than a call of memcpy, which
// the compiler would otherwise make of the loops.
#define NO_CALLS __attribute__((no_builtin("memcpy")))
#define COPY_ROWS(n)                                                                                              \
  for (size_t row = 0; row < rows; row++, x += x_pitch, y += y_pitch) {                                           \
    for (size_t i = 0; i + n <= count; i += n) __builtin_memcpy_inline(y + i, x + i, n * sizeof *x);              \
    __builtin_memcpy_inline(y + count - n, x + count - n, n * sizeof *x);                                         \
  }

#define FGN_IMAGES(T, suffix)                                                                                     \
  INLINE NO_CALLS void copy_rows_##suffix(const T *restrict x, size_t x_pitch, T *restrict y, size_t y_pitch,     \
                                          size_t rows, size_t count) {                                            \
    if (count >= 16) {                                                                                            \
      COPY_ROWS(16)                                                                                               \
    } else if (count >= 8) {                                                                                      \
      COPY_ROWS(8)                                                                                                \
    } else if (count >= 4) {                                                                                      \
      COPY_ROWS(4)                                                                                                \
    } else {                                                                                                      \
      for (size_t row = 0; row < rows; row++, x += x_pitch, y += y_pitch)                                         \
        for (size_t i = 0; i < count; i++) y[i] = x[i];                                                           \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  /* One row of patches: what the place (ky, kx) of the window sees in a channel. */                              \
  INLINE NO_CALLS void see_##suffix(const T *restrict image, fgn_window w, size_t ky, size_t kx, T *restrict seen) { \
    const size_t top = first_inside(w, ky), bottom = end_inside(w, w.height, w.out_height, ky);                   \
    const size_t left = first_inside(w, kx), right = end_inside(w, w.width, w.out_width, kx);                     \
    if (top >= bottom || left >= right) {                                                                         \
      memset(seen, 0, w.out_height * w.out_width * sizeof(T));                                                    \
      return;                                                                                                     \
    }                                                                                                             \
    const T *pixels = image + (top * w.stride + ky - w.padding) * w.width + left * w.stride + kx - w.padding;     \
    T *first = seen + top * w.out_width + left;                                                                   \
    const size_t rows = bottom - top, count = right - left;                                                       \
    if (w.stride == 1 && w.out_width == w.width)                                                                  \
      /* All rows at once; what comes over the edges from the next row is cleared below. */                       \
      memcpy(first, pixels, ((rows - 1) * w.width + count) * sizeof(T));                                          \
    else if (w.stride == 1)                                                                                       \
      copy_rows_##suffix(pixels, w.width, first, w.out_width, rows, count);                                       \
    else                                                                                                          \
      for (size_t row = 0; row < rows; row++)                                                                     \
        for (size_t i = 0; i < count; i++) first[row * w.out_width + i] = pixels[(row * w.width + i) * w.stride]; \
    memset(seen, 0, top * w.out_width * sizeof(T));                                                               \
    memset(seen + bottom * w.out_width, 0, (w.out_height - bottom) * w.out_width * sizeof(T));                    \
    if (left > 0 || right < w.out_width)                                                                          \
      for (size_t oy = top; oy < bottom; oy++) {                                                                  \
        for (size_t ox = 0; ox < left; ox++) seen[oy * w.out_width + ox] = 0;                                     \
        for (size_t ox = right; ox < w.out_width; ox++) seen[oy * w.out_width + ox] = 0;                          \
      }                                                                                                           \
  }                                                                                                               \
                                                                                                                  \
  CLONES NO_CALLS void fgn_im2col_##suffix(const T *restrict image, fgn_window w, T *restrict patches,            \
                                           size_t pitch) {                                                        \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t ky = 0; ky < w.kernel; ky++)                                                                    \
        for (size_t kx = 0; kx < w.kernel; kx++, patches += pitch) see_##suffix(image, w, ky, kx, patches);       \
  }                                                                                                               \
                                                                                                                  \
  typedef T eight_##suffix __attribute__((vector_size(8 * sizeof(T)), aligned(sizeof(T))));                       \
  typedef T four_##suffix __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T))));                        \
                                                                                                                  \
  /* y ← y + x for rows that are too short for what a compiler makes of a loop. */                                \
  INLINE void add_row_##suffix(const T *restrict x, T *restrict y, size_t count) {                                \
    size_t i = 0;                                                                                                 \
    for (; i + 8 <= count; i += 8) *(eight_##suffix *)(y + i) += *(const eight_##suffix *)(x + i);                \
    if (i + 4 <= count) {                                                                                         \
      *(four_##suffix *)(y + i) += *(const four_##suffix *)(x + i);                                               \
      i += 4;                                                                                                     \
    }                                                                                                             \
    _Pragma("clang loop vectorize(disable) unroll(disable)") for (; i < count; i++) y[i] += x[i];                 \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_col2im_##suffix(const T *restrict patches, size_t pitch, fgn_window w, T *restrict image) {     \
    memset(image, 0, w.channels * w.height * w.width * sizeof(T));                                                \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t ky = 0; ky < w.kernel; ky++) {                                                                  \
        const size_t top = first_inside(w, ky), bottom = end_inside(w, w.height, w.out_height, ky);               \
        for (size_t kx = 0; kx < w.kernel; kx++, patches += pitch) {                                              \
          const size_t left = first_inside(w, kx), right = end_inside(w, w.width, w.out_width, kx);               \
          if (left >= right) continue;                                                                            \
          for (size_t oy = top; oy < bottom; oy++) {                                                              \
            const T *row = patches + oy * w.out_width;                                                            \
            T *pixels = image + (oy * w.stride + ky - w.padding) * w.width + kx - w.padding;                      \
            if (w.stride == 1)                                                                                    \
              add_row_##suffix(row + left, pixels + left, right - left);                                          \
            else                                                                                                  \
              for (size_t ox = left; ox < right; ox++) pixels[ox * w.stride] += row[ox];                          \
          }                                                                                                       \
        }                                                                                                         \
      }                                                                                                           \
  }                                                                                                               \
                                                                                                                  \
  /* Tile by tile, so that the lines of both stay in the cache. */                                                 \
  void fgn_transpose_##suffix(const T *restrict x, size_t rows, size_t columns, T *restrict y) {                  \
    for (size_t top = 0; top < rows; top += 16)                                                                   \
      for (size_t left = 0; left < columns; left += 16) {                                                         \
        const size_t bottom = top + 16 < rows ? top + 16 : rows, right = left + 16 < columns ? left + 16 : columns;\
        for (size_t column = left; column < right; column++)                                                      \
          for (size_t row = top; row < bottom; row++) y[column * rows + row] = x[row * columns + column];         \
      }                                                                                                           \
  }

FGN_IMAGES(float, f32)
FGN_IMAGES(double, f64)
