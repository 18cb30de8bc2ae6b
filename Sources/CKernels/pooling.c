#include <math.h>
#include <string.h>

#include "clones.h"
#include "window.h"

// Inlined once more for the common window, 2 × 2 with stride 2 and no padding: with these constants the strided loads
// become vectors.
#define WITH_COMMON_WINDOW(function, a, b, c)                                                                     \
  if (w.kernel == 2 && w.stride == 2 && w.padding == 0) {                                                         \
    w.kernel = w.stride = 2, w.padding = 0;                                                                       \
    function(a, w, b, c);                                                                                         \
  } else {                                                                                                        \
    function(a, w, b, c);                                                                                         \
  }

#define FGN_POOLING(T, suffix)                                                                                    \
  INLINE void max_pool_##suffix(const T *restrict image, fgn_window w, T *restrict y, T *restrict index) {        \
    for (size_t c = 0; c < w.channels; c++)                                                                       \
      for (size_t oy = 0; oy < w.out_height; oy++, y += w.out_width, index += w.out_width) {                      \
        /* The first pixel of each window, in case all are −∞. */                                                 \
        const size_t top = oy * w.stride > w.padding ? oy * w.stride - w.padding : 0;                             \
        const int row = (int)((c * w.height + top) * w.width);                                                    \
        for (int ox = 0; ox < (int)w.out_width; ox++) {                                                           \
          const int left = ox * (int)w.stride - (int)w.padding;                                                   \
          y[ox] = -INFINITY;                                                                                      \
          index[ox] = (T)(row + (left > 0 ? left : 0));                                                           \
        }                                                                                                         \
        for (size_t ky = 0; ky < w.kernel; ky++) {                                                                \
          const size_t iy = oy * w.stride + ky - w.padding; /* wraps to a huge number above the image */          \
          if (iy >= w.height) continue;                                                                           \
          for (size_t kx = 0; kx < w.kernel; kx++) {                                                              \
            const int from = (int)first_inside(w, kx), end = (int)end_inside(w, w.width, w.out_width, kx);                              \
            const int first = (int)((c * w.height + iy) * w.width + kx) - (int)w.padding;                         \
            for (int ox = from; ox < end; ox++) {                                                                 \
              const int place = first + ox * (int)w.stride;                                                       \
              const T x = image[place];                                                                           \
              const int take = (x > y[ox]) | (x != x);                                                            \
              y[ox] = take ? x : y[ox];                                                                           \
              index[ox] = take ? (T)place : index[ox];                                                            \
            }                                                                                                     \
          }                                                                                                       \
        }                                                                                                         \
      }                                                                                                           \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_max_pool_##suffix(const T *restrict image, fgn_window w, T *restrict y, T *restrict index) {    \
    if (w.kernel != 2 && w.stride == 2) {                                                                         \
      w.stride = 2; /* a constant from here on, as above */                                                       \
      max_pool_##suffix(image, w, y, index);                                                                      \
    } else {                                                                                                      \
      WITH_COMMON_WINDOW(max_pool_##suffix, image, y, index)                                                      \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  void fgn_gather_##suffix(const T *restrict x, const T *restrict index, T *restrict y, size_t n) {               \
    for (size_t i = 0; i < n; i++) y[i] = x[(int)index[i]];                                                       \
  }                                                                                                               \
                                                                                                                  \
  void fgn_scatter_##suffix(const T *restrict y, const T *restrict index, size_t n, T *restrict x, size_t count) {\
    memset(x, 0, count * sizeof(T));                                                                              \
    for (size_t i = 0; i < n; i++) x[(int)index[i]] += y[i];                                                      \
  }                                                                                                               \
                                                                                                                  \
  INLINE void average_pool_##suffix(const T *restrict image, fgn_window w, T scale, T *restrict y) {              \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t oy = 0; oy < w.out_height; oy++, y += w.out_width) {                                            \
        memset(y, 0, w.out_width * sizeof(T));                                                                    \
        for (size_t ky = 0; ky < w.kernel; ky++) {                                                                \
          const size_t iy = oy * w.stride + ky - w.padding;                                                       \
          if (iy >= w.height) continue;                                                                           \
          for (size_t kx = 0; kx < w.kernel; kx++) {                                                              \
            const size_t from = first_inside(w, kx), end = end_inside(w, w.width, w.out_width, kx);                                     \
            const T *pixels = image + iy * w.width + kx - w.padding;                                              \
            for (size_t ox = from; ox < end; ox++) y[ox] += pixels[ox * w.stride];                                \
          }                                                                                                       \
        }                                                                                                         \
        for (size_t ox = 0; ox < w.out_width; ox++) y[ox] *= scale;                                               \
      }                                                                                                           \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_average_pool_##suffix(const T *restrict image, fgn_window w, T *restrict y) {                   \
    const T scale = 1 / (T)(w.kernel * w.kernel);                                                                 \
    WITH_COMMON_WINDOW(average_pool_##suffix, image, scale, y)                                                    \
  }                                                                                                               \
                                                                                                                  \
  INLINE void average_unpool_##suffix(const T *restrict y, fgn_window w, T scale, T *restrict image) {            \
    memset(image, 0, w.channels * w.height * w.width * sizeof(T));                                                \
    for (size_t c = 0; c < w.channels; c++, image += w.height * w.width)                                          \
      for (size_t oy = 0; oy < w.out_height; oy++, y += w.out_width)                                              \
        for (size_t ky = 0; ky < w.kernel; ky++) {                                                                \
          const size_t iy = oy * w.stride + ky - w.padding;                                                       \
          if (iy >= w.height) continue;                                                                           \
          for (size_t kx = 0; kx < w.kernel; kx++) {                                                              \
            const size_t from = first_inside(w, kx), end = end_inside(w, w.width, w.out_width, kx);                                     \
            T *pixels = image + iy * w.width + kx - w.padding;                                                    \
            for (size_t ox = from; ox < end; ox++) pixels[ox * w.stride] += y[ox] * scale;                        \
          }                                                                                                       \
        }                                                                                                         \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_average_unpool_##suffix(const T *restrict y, fgn_window w, T *restrict image) {                 \
    const T scale = 1 / (T)(w.kernel * w.kernel);                                                                 \
    WITH_COMMON_WINDOW(average_unpool_##suffix, y, scale, image)                                                  \
  }

FGN_POOLING(float, f32)
FGN_POOLING(double, f64)
