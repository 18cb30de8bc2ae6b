#include <math.h>

#include "clones.h"
#include "vector_math.h"

// Means and differences from them are computed in double, so that rows far from zero lose no digits.
#define FGN_NORMALIZATION(T, suffix)                                                                              \
  CLONES void fgn_normalize_##suffix(const T *restrict x, size_t rows, size_t n, double epsilon, T *restrict y,   \
                                     T *restrict inverse) {                                                       \
    ANY_ORDER                                                                                                     \
    for (size_t row = 0; row < rows; row++, x += n, y += n) {                                                     \
      double sum = 0, squares = 0;                                                                                \
      for (size_t i = 0; i < n; i++) sum += (double)x[i];                                                         \
      const double mean = sum / (double)n;                                                                        \
      for (size_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);                    \
      const double r = 1 / sqrt(squares / (double)n + epsilon);                                                   \
      for (size_t i = 0; i < n; i++) y[i] = (T)(((double)x[i] - mean) * r);                                       \
      inverse[row] = (T)r;                                                                                        \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_affine_##suffix(const T *x, size_t rows, size_t n, const T *restrict weight,                    \
                                  const T *restrict bias, T *y) {                                                 \
    for (size_t row = 0; row < rows; row++, x += n, y += n) {                                                     \
      _Pragma("clang loop vectorize(assume_safety)") /* y may be x */                                             \
      for (size_t i = 0; i < n; i++) y[i] = x[i] * weight[i] + bias[i];                                           \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_normalize_jvp_##suffix(const T *restrict normal, const T *restrict inverse, const T *restrict dx,\
                                         const T *restrict weight, size_t rows, size_t n, T *restrict dy) {       \
    ANY_ORDER                                                                                                     \
    for (size_t row = 0; row < rows; row++, normal += n, dx += n, dy += n) {                                      \
      double sum = 0, product = 0;                                                                                \
      for (size_t i = 0; i < n; i++) {                                                                            \
        sum += (double)dx[i];                                                                                     \
        product += (double)dx[i] * (double)normal[i];                                                             \
      }                                                                                                           \
      const T a = (T)(sum / (double)n), b = (T)(product / (double)n), r = inverse[row];                           \
      for (size_t i = 0; i < n; i++) dy[i] += weight[i] * r * (dx[i] - a - normal[i] * b);                        \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_normalize_vjp_##suffix(const T *restrict normal, const T *restrict inverse, const T *restrict g,\
                                         const T *restrict weight, size_t rows, size_t n, T *restrict dx) {       \
    ANY_ORDER                                                                                                     \
    for (size_t row = 0; row < rows; row++, normal += n, g += n, dx += n) {                                       \
      double sum = 0, product = 0;                                                                                \
      for (size_t i = 0; i < n; i++) {                                                                            \
        const T h = weight[i] * g[i];                                                                             \
        sum += (double)h;                                                                                         \
        product += (double)h * (double)normal[i];                                                                 \
      }                                                                                                           \
      const T a = (T)(sum / (double)n), b = (T)(product / (double)n), r = inverse[row];                           \
      for (size_t i = 0; i < n; i++) dx[i] = r * (weight[i] * g[i] - a - normal[i] * b);                          \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_affine_vjp_##suffix(const T *restrict x, const T *restrict g, size_t rows, size_t pitch, size_t n,\
                                      T *restrict weight, T *restrict bias) {                                     \
    for (size_t i = 0; i < n; i++) weight[i] = bias[i] = 0;                                                       \
    for (size_t row = 0; row < rows; row++, x += pitch, g += pitch)                                               \
      for (size_t i = 0; i < n; i++) {                                                                            \
        weight[i] += x[i] * g[i];                                                                                 \
        bias[i] += g[i];                                                                                          \
      }                                                                                                           \
  }

FGN_NORMALIZATION(float, f32)
FGN_NORMALIZATION(double, f64)
