#include "vector_math.h"

#include <math.h>

#include "clones.h"

#define FGN_DEFINE(T, suffix, EXP, LOG, FABS)                                                                     \
  CLONES T fgn_max_##suffix(const T *x, size_t n) {                                                               \
    T lanes[16];                                                                                                  \
    for (size_t j = 0; j < 16; j++) lanes[j] = -INFINITY;                                                         \
    size_t i = 0;                                                                                                 \
    for (; i + 16 <= n; i += 16)                                                                                  \
      for (size_t j = 0; j < 16; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];                       \
    for (; i < n; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];                                              \
    T max = lanes[0];                                                                                             \
    for (size_t j = 1; j < 16; j++) max = lanes[j] > max ? lanes[j] : max;                                        \
    return max;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_exp_##suffix(T *x, T shift, size_t n) {                                                       \
    ANY_ORDER                                                                                                     \
    T sum = 0;                                                                                                    \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T e = EXP(x[i] - shift);                                                                                    \
      x[i] = e;                                                                                                   \
      sum += e;                                                                                                   \
    }                                                                                                             \
    return (double)sum;                                                                                           \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_dot_##suffix(const T *x, const T *y, size_t n) {                                              \
    ANY_ORDER                                                                                                     \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];                                            \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_weighted_moments_##suffix(const T *w, const T *x, size_t n, double *first, double *second) {    \
    ANY_ORDER                                                                                                     \
    double a = 0, b = 0;                                                                                          \
    for (size_t i = 0; i < n; i++) {                                                                              \
      double wx = (double)w[i] * (double)x[i];                                                                    \
      a += wx;                                                                                                    \
      b += wx * (double)x[i];                                                                                     \
    }                                                                                                             \
    *first = a;                                                                                                   \
    *second = b;                                                                                                  \
  }                                                                                                               \
                                                                                                                  \
  CLONES int fgn_is_finite_##suffix(const T *x, size_t n) {                                                       \
    ANY_ORDER                                                                                                     \
    T sum = 0; /* of zeros and NaN */                                                                             \
    for (size_t i = 0; i < n; i++) sum += x[i] * 0;                                                               \
    return sum == 0;                                                                                              \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_scale_##suffix(T a, T *x, size_t n) {                                                           \
    for (size_t i = 0; i < n; i++) x[i] = a * x[i];                                                               \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_combine_##suffix(T a, const T *restrict x, T b, T *restrict y, size_t n) {                      \
    if (b == 0)                                                                                                   \
      for (size_t i = 0; i < n; i++) y[i] = a * x[i];                                                             \
    else                                                                                                          \
      for (size_t i = 0; i < n; i++) y[i] = a * x[i] + b * y[i];                                                  \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_add_products_##suffix(const T *restrict x, T a, const T *restrict y, T b, T *restrict z, size_t n) { \
    if (b == 0)                                                                                                   \
      for (size_t i = 0; i < n; i++) z[i] = (x[i] + a) * y[i];                                                    \
    else                                                                                                          \
      for (size_t i = 0; i < n; i++) z[i] = (x[i] + a) * y[i] + b * z[i];                                         \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_add_dots_##suffix(const T *restrict x, T a, const T *restrict y, size_t t, T b, T *restrict z,     \
                                    size_t n) {                                                                   \
    ANY_ORDER                                                                                                     \
    for (size_t j = 0; j < n; j++, x += t, y += t) {                                                              \
      T sum = 0;                                                                                                  \
      for (size_t i = 0; i < t; i++) sum += (x[i] + a) * y[i];                                                    \
      z[j] = b == 0 ? sum : sum + b * z[j];                                                                       \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_advance_##suffix(T a, T *restrict s, const T *restrict z, T b, T *restrict u, size_t n,         \
                                   double *squared_u, double *squared_z) {                                        \
    ANY_ORDER                                                                                                     \
    double uu = 0, zz = 0;                                                                                        \
    for (size_t i = 0; i < n; i++) {                                                                              \
      s[i] += a * u[i];                                                                                           \
      T next = z[i] + b * u[i];                                                                                   \
      u[i] = next;                                                                                                \
      uu += (double)next * (double)next;                                                                          \
      zz += (double)z[i] * (double)z[i];                                                                          \
    }                                                                                                             \
    *squared_u = uu;                                                                                              \
    *squared_z = zz;                                                                                              \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_logistic_##suffix(const T *restrict m, T *restrict loss, T *restrict p, T *restrict q,          \
                                     size_t n) {                                                                  \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T x = m[i];                                                                                                 \
      T e = EXP(-FABS(x));                                                                                        \
      /* log(1 + e) to a few ulp although 1 + e rounds: Kahan's quotient. */                                      \
      T u = 1 + e;                                                                                                \
      T log1p = u == 1 ? e : LOG(u) * (e / (u - 1));                                                              \
      T large = 1 / u, small = e / u;                                                                             \
      loss[i] = (x < 0 ? -x : 0) + log1p + (x - x); /* x − x carries NaN and infinity into the loss */            \
      p[i] = x < 0 ? small : large;                                                                               \
      q[i] = x < 0 ? large : small;                                                                               \
    }                                                                                                             \
  }

FGN_DEFINE(float, f32, expf, logf, fabsf)
FGN_DEFINE(double, f64, exp, log, fabs)
