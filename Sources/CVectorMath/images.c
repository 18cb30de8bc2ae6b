#include <string.h>

#include "clones.h"
#include "window.h"

// Rows of an image are short: blocks of a fixed size, the last one overlapping, beat a call of memcpy.
#define COPY_BLOCKS(n, x, y, count)                                                                               \
  if (count >= n) {                                                                                               \
    for (size_t i = 0; i + n <= count; i += n) memcpy(y + i, x + i, n * sizeof *y);                               \
    memcpy(y + count - n, x + count - n, n * sizeof *y);                                                          \
    return;                                                                                                       \
  }

#define FGN_IMAGES(T, suffix)                                                                                     \
  __attribute__((always_inline)) static inline void copy_row_##suffix(const T *x, T *y, size_t count) {                                          \
    COPY_BLOCKS(16, x, y, count)                                                                                  \
    COPY_BLOCKS(8, x, y, count)                                                                                   \
    COPY_BLOCKS(4, x, y, count)                                                                                   \
    for (size_t i = 0; i < count; i++) y[i] = x[i];                                                               \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_im2col_##suffix(const T *restrict image, fgn_window w, T *restrict patches, size_t pitch) {            \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t ky = 0; ky < w.kernel; ky++)                                                                    \
        for (size_t kx = 0; kx < w.kernel; kx++, patches += pitch) {                                              \
          const size_t end = end_inside(w, kx);                                                                   \
          const size_t from = first_inside(w, kx) < end ? first_inside(w, kx) : end;                              \
          for (size_t oy = 0; oy < w.out_height; oy++) {                                                          \
            T *row = patches + oy * w.out_width;                                                                  \
            const size_t y = oy * w.stride + ky - w.padding; /* wraps to a huge number above the image */         \
            if (y >= w.height) {                                                                                  \
              memset(row, 0, w.out_width * sizeof(T));                                                            \
              continue;                                                                                           \
            }                                                                                                     \
            const T *pixels = image + y * w.width + kx - w.padding;                                               \
            for (size_t ox = 0; ox < from; ox++) row[ox] = 0;                                                     \
            if (w.stride == 1)                                                                                    \
              copy_row_##suffix(pixels + from, row + from, end - from);                                           \
            else                                                                                                  \
              for (size_t ox = from; ox < end; ox++) row[ox] = pixels[ox * w.stride];                             \
            for (size_t ox = end; ox < w.out_width; ox++) row[ox] = 0;                                            \
          }                                                                                                       \
        }                                                                                                         \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_col2im_##suffix(const T *restrict patches, size_t pitch, fgn_window w, T *restrict image) {     \
    memset(image, 0, w.channels * w.height * w.width * sizeof(T));                                                \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t ky = 0; ky < w.kernel; ky++)                                                                    \
        for (size_t kx = 0; kx < w.kernel; kx++, patches += pitch) {                                              \
          const size_t from = first_inside(w, kx), end = end_inside(w, kx);                                       \
          for (size_t oy = 0; oy < w.out_height; oy++) {                                                          \
            const size_t y = oy * w.stride + ky - w.padding;                                                      \
            if (y >= w.height) continue;                                                                          \
            const T *row = patches + oy * w.out_width;                                                            \
            T *pixels = image + y * w.width + kx - w.padding;                                                     \
            if (w.stride == 1)                                                                                    \
              for (size_t ox = from; ox < end; ox++) pixels[ox] += row[ox];                                       \
            else                                                                                                  \
              for (size_t ox = from; ox < end; ox++) pixels[ox * w.stride] += row[ox];                            \
          }                                                                                                       \
        }                                                                                                         \
  }                                                                                                               \
                                                                                                                  \
  void fgn_transpose_##suffix(const T *restrict x, size_t rows, size_t columns, T *restrict y) {                  \
    for (size_t row = 0; row < rows; row++)                                                                       \
      for (size_t column = 0; column < columns; column++) y[column * rows + row] = x[row * columns + column];     \
  }

FGN_IMAGES(float, f32)
FGN_IMAGES(double, f64)
