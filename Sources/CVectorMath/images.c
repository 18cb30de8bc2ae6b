#include <string.h>

#include "clones.h"
#include "window.h"

#define FGN_IMAGES(T, suffix)                                                                                     \
  /* One row of patches where the windows are as many as the pixels of a channel: the channel, moved. Rows are copied\
     all at once, and what came over the edge from the next row is cleared. */                                    \
  static void shift_##suffix(const T *restrict channel, fgn_window w, size_t ky, size_t kx, T *restrict row) {    \
    const size_t from = first_inside(w, kx), end = end_inside(w, kx), all = w.out_height;                         \
    const size_t top = ky >= w.padding ? 0 : w.padding - ky, rest = w.height + w.padding - ky;                    \
    const size_t bottom = w.height + w.padding <= ky ? 0 : rest < all ? rest : all;                               \
    if (from >= end || top >= bottom) {                                                                           \
      memset(row, 0, all * w.width * sizeof(T));                                                                  \
      return;                                                                                                     \
    }                                                                                                             \
    memset(row, 0, top * w.width * sizeof(T));                                                                    \
    memcpy(row + top * w.width + from, channel + (top + ky - w.padding) * w.width + from + kx - w.padding,        \
           ((bottom - top - 1) * w.width + end - from) * sizeof(T));                                              \
    for (size_t y = top; y < bottom; y++) {                                                                       \
      for (size_t x = 0; x < from; x++) row[y * w.width + x] = 0;                                                 \
      for (size_t x = end; x < w.width; x++) row[y * w.width + x] = 0;                                            \
    }                                                                                                             \
    memset(row + bottom * w.width, 0, (all - bottom) * w.width * sizeof(T));                                      \
  }                                                                                                               \
                                                                                                                  \
  void fgn_im2col_##suffix(const T *restrict image, fgn_window w, T *restrict patches, size_t pitch) {            \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t ky = 0; ky < w.kernel; ky++)                                                                    \
        for (size_t kx = 0; kx < w.kernel; kx++, patches += pitch) {                                              \
          const size_t end = end_inside(w, kx);                                                                   \
          const size_t from = first_inside(w, kx) < end ? first_inside(w, kx) : end;                              \
          if (w.stride == 1 && w.out_width == w.width) {                                                          \
            shift_##suffix(image, w, ky, kx, patches);                                                            \
            continue;                                                                                             \
          }                                                                                                       \
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
              memcpy(row + from, pixels + from, (end - from) * sizeof(T));                                        \
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
