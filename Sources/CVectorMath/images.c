#include "vector_math.h"

#include <string.h>

// Position (oy, ox) of the window sees pixel (oy·stride + ky − padding, ox·stride + kx − padding) at its place (ky, kx).
// For one kx the columns that fall into the image are a range of ox.
static size_t first_inside(fgn_window w, size_t kx) {
  return kx >= w.padding ? 0 : (w.padding - kx + w.stride - 1) / w.stride;
}

static size_t end_inside(fgn_window w, size_t kx) {
  if (w.width + w.padding <= kx) return 0;
  size_t end = (w.width + w.padding - kx - 1) / w.stride + 1;
  return end < w.out_width ? end : w.out_width;
}

#define FGN_IMAGES(T, suffix)                                                                                     \
  void fgn_im2col_##suffix(const T *restrict image, fgn_window w, T *restrict patches, size_t pitch) {            \
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
              memcpy(row + from, pixels + from, (end - from) * sizeof(T));                                        \
            else                                                                                                  \
              for (size_t ox = from; ox < end; ox++) row[ox] = pixels[ox * w.stride];                             \
            for (size_t ox = end; ox < w.out_width; ox++) row[ox] = 0;                                            \
          }                                                                                                       \
        }                                                                                                         \
  }                                                                                                               \
                                                                                                                  \
  void fgn_col2im_##suffix(const T *restrict patches, size_t pitch, fgn_window w, T *restrict image) {            \
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
  }

FGN_IMAGES(float, f32)
FGN_IMAGES(double, f64)
