#include "vector_math.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>

// The compiler does not know that libmvec has tanh and erf, so these two are called by their vector names.
__attribute__((target("avx2"))) __m256 _ZGVdN8v_tanhf(__m256);
__attribute__((target("avx2"))) __m256 _ZGVdN8v_erff(__m256);
__attribute__((target("avx2"))) __m256d _ZGVdN4v_tanh(__m256d);
__attribute__((target("avx2"))) __m256d _ZGVdN4v_erf(__m256d);

#define FGN_MAP(name, T, V, LANES, LOAD, STORE, VECTOR, SCALAR)                                                   \
  __attribute__((target("avx2,fma"))) static void name##_avx2(T *x, size_t n) {                                   \
    size_t i = 0;                                                                                                 \
    for (; i + LANES <= n; i += LANES) STORE(x + i, VECTOR(LOAD(x + i)));                                         \
    if (i < n) {                                                                                                  \
      T rest[LANES] = {0};                                                                                        \
      memcpy(rest, x + i, (n - i) * sizeof(T));                                                                   \
      STORE(rest, VECTOR(LOAD(rest)));                                                                            \
      memcpy(x + i, rest, (n - i) * sizeof(T));                                                                   \
    }                                                                                                             \
  }                                                                                                               \
  static void name(T *x, size_t n) {                                                                              \
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {                                        \
      name##_avx2(x, n);                                                                                          \
    } else {                                                                                                      \
      for (size_t i = 0; i < n; i++) x[i] = SCALAR(x[i]);                                                         \
    }                                                                                                             \
  }

#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FGN_MAP(name, T, V, LANES, LOAD, STORE, VECTOR, SCALAR)                                                   \
  static void name(T *x, size_t n) {                                                                              \
    for (size_t i = 0; i < n; i++) x[i] = SCALAR(x[i]);                                                           \
  }
#define CLONES
#endif

FGN_MAP(map_tanh_f32, float, __m256, 8, _mm256_loadu_ps, _mm256_storeu_ps, _ZGVdN8v_tanhf, tanhf)
FGN_MAP(map_erf_f32, float, __m256, 8, _mm256_loadu_ps, _mm256_storeu_ps, _ZGVdN8v_erff, erff)
FGN_MAP(map_tanh_f64, double, __m256d, 4, _mm256_loadu_pd, _mm256_storeu_pd, _ZGVdN4v_tanh, tanh)
FGN_MAP(map_erf_f64, double, __m256d, 4, _mm256_loadu_pd, _mm256_storeu_pd, _ZGVdN4v_erf, erf)

#define FGN_ACTIVATIONS(T, suffix, EXP, FABS)                                                                     \
  static T sigmoid_##suffix(T x) {                                                                                \
    T e = EXP(-FABS(x));                                                                                          \
    return (x < 0 ? e : 1) / (1 + e);                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_tanh_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                    \
    memcpy(y, x, n * sizeof(T));                                                                                  \
    map_tanh_##suffix(y, n);                                                                                      \
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
      y[i] = x[i] * s;                                                                                            \
      d[i] = s + y[i] * sigmoid_##suffix(-x[i]);                                                                  \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_gelu_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n) {                    \
    for (size_t i = 0; i < n; i++) y[i] = x[i] * (T)0.70710678118654752440; /* 1/√2 */                            \
    map_erf_##suffix(y, n);                                                                                       \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T cdf = (1 + y[i]) / 2;                                                                                     \
      T pdf = EXP(-x[i] * x[i] / 2) * (T)0.39894228040143267794; /* 1/√2π */                                      \
      y[i] = x[i] * cdf;                                                                                          \
      d[i] = cdf + x[i] * pdf;                                                                                    \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_multiply_##suffix(const T *restrict x, const T *restrict y, T *restrict z, size_t n) {          \
    for (size_t i = 0; i < n; i++) z[i] = x[i] * y[i];                                                            \
  }

FGN_ACTIVATIONS(float, f32, expf, fabsf)
FGN_ACTIVATIONS(double, f64, exp, fabs)
