#include <math.h>
#include <string.h>

#include "clones.h"
#include "vector_math.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>

// The compiler does not know that libmvec has tanh and erfc, so they are called by their vector names.
__attribute__((target("avx2"))) __m256 _ZGVdN8v_tanhf(__m256);
__attribute__((target("avx2"))) __m256 _ZGVdN8v_erfcf(__m256);
__attribute__((target("avx2"))) __m256d _ZGVdN4v_tanh(__m256d);
__attribute__((target("avx2"))) __m256d _ZGVdN4v_erfc(__m256d);

// y ← f(x); y may be x.
#define FGN_MAP(name, T, LANES, LOAD, STORE, VECTOR, SCALAR)                                                      \
  __attribute__((target("avx2,fma"))) static void name##_avx2(const T *x, T *y, size_t n) {                       \
    size_t i = 0;                                                                                                 \
    for (; i + LANES <= n; i += LANES) STORE(y + i, VECTOR(LOAD(x + i)));                                         \
    if (i < n) {                                                                                                  \
      T rest[LANES] = {0};                                                                                        \
      memcpy(rest, x + i, (n - i) * sizeof(T));                                                                   \
      STORE(rest, VECTOR(LOAD(rest)));                                                                            \
      memcpy(y + i, rest, (n - i) * sizeof(T));                                                                   \
    }                                                                                                             \
  }                                                                                                               \
  static void name(const T *x, T *y, size_t n) {                                                                  \
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {                                        \
      name##_avx2(x, y, n);                                                                                       \
    } else {                                                                                                      \
      for (size_t i = 0; i < n; i++) y[i] = SCALAR(x[i]);                                                         \
    }                                                                                                             \
  }
#else
#define FGN_MAP(name, T, LANES, LOAD, STORE, VECTOR, SCALAR)                                                      \
  static void name(const T *x, T *y, size_t n) {                                                                  \
    for (size_t i = 0; i < n; i++) y[i] = SCALAR(x[i]);                                                           \
  }
#endif

FGN_MAP(map_tanh_f32, float, 8, _mm256_loadu_ps, _mm256_storeu_ps, _ZGVdN8v_tanhf, tanhf)
FGN_MAP(map_erfc_f32, float, 8, _mm256_loadu_ps, _mm256_storeu_ps, _ZGVdN8v_erfcf, erfcf)
FGN_MAP(map_tanh_f64, double, 4, _mm256_loadu_pd, _mm256_storeu_pd, _ZGVdN4v_tanh, tanh)
FGN_MAP(map_erfc_f64, double, 4, _mm256_loadu_pd, _mm256_storeu_pd, _ZGVdN4v_erfc, erfc)

// silu and gelu are x times a distribution function, which is 0 or 1 long before |x| reaches 10⁴. Limiting x there in
// the products keeps 0 · ∞ from turning their limits into NaN.
#define FGN_ACTIVATIONS(T, suffix, EXP, FABS)                                                                     \
  static T above_##suffix(T x) { return x < (T)-1e4 ? (T)-1e4 : x; }                                              \
  static T within_##suffix(T x) { return x > (T)1e4 ? (T)1e4 : above_##suffix(x); }                               \
                                                                                                                  \
  static T sigmoid_##suffix(T x) {                                                                                \
    T e = EXP(-FABS(x));                                                                                          \
    return (x < 0 ? e : 1) / (1 + e);                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_tanh_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                    \
    map_tanh_##suffix(x, y, n);                                                                                   \
    for (size_t i = 0; i < n; i++) d[i] = (1 - y[i]) * (1 + y[i]);                                                \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_sigmoid_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                 \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T s = sigmoid_##suffix(x[i]);                                                                               \
      y[i] = s;                                                                                                   \
      d[i] = s * sigmoid_##suffix(-x[i]);                                                                         \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_relu_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                    \
    for (size_t i = 0; i < n; i++) {                                                                              \
      d[i] = x[i] > 0 ? 1 : 0;                                                                                    \
      y[i] = x[i] <= 0 ? 0 : x[i]; /* NaN stays */                                                                \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_silu_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                    \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T s = sigmoid_##suffix(x[i]);                                                                               \
      y[i] = above_##suffix(x[i]) * s;                                                                            \
      d[i] = s + within_##suffix(x[i]) * s * sigmoid_##suffix(-x[i]);                                             \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  /* Φ(x) = erfc(−x/√2)/2, which keeps its digits in the lower tail; 1 + erf does not. */                         \
  CLONES void fgn_gelu_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                    \
    for (size_t i = 0; i < n; i++) y[i] = x[i] * (T)-0.70710678118654752440; /* 1/√2 */                           \
    map_erfc_##suffix(y, y, n);                                                                                   \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T cdf = y[i] / 2;                                                                                           \
      T pdf = EXP(-x[i] * x[i] / 2) * (T)0.39894228040143267794; /* 1/√2π */                                      \
      y[i] = above_##suffix(x[i]) * cdf;                                                                          \
      d[i] = cdf + within_##suffix(x[i]) * pdf;                                                                   \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_multiply_##suffix(const T *x, const T *restrict y, T *z, size_t n) {                            \
    _Pragma("clang loop vectorize(assume_safety)") /* z may be x */                                               \
    for (size_t i = 0; i < n; i++) z[i] = x[i] * y[i];                                                            \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_scale_matrix_##suffix(T *restrict x, const T *restrict a, const T *restrict b, size_t rows,     \
                                        size_t columns) {                                                         \
    for (size_t i = 0; i < rows; i++, x += columns)                                                               \
      for (size_t j = 0; j < columns; j++) x[j] = x[j] * b[j] * a[i];                                             \
  }

FGN_ACTIVATIONS(float, f32, expf, fabsf)
FGN_ACTIVATIONS(double, f64, exp, fabs)
