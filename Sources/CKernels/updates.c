#include "vector_math.h"

#include <math.h>

#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#define ANY_ORDER _Pragma("clang fp reassociate(on) contract(fast)")

#define FGN_UPDATES(T, suffix, SQRT)                                                                              \
  CLONES double fgn_sum_square_##suffix(const T *g, T a, const T *x, size_t n) {                                  \
    ANY_ORDER                                                                                                     \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T y = g[i] + a * x[i];                                                                                      \
      sum += (double)y * (double)y;                                                                               \
    }                                                                                                             \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_subtract_##suffix(T a, const T *restrict x, T b, const T *restrict y, T *restrict r,          \
                                      size_t n) {                                                                 \
    ANY_ORDER                                                                                                     \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T next = r[i] - (a * x[i] + b * y[i]);                                                                      \
      r[i] = next;                                                                                                \
      sum += (double)next * (double)next;                                                                         \
    }                                                                                                             \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_look_ahead_##suffix(T a, const T *restrict x, T b, const T *restrict y, T *restrict z,          \
                                      T *restrict s, size_t n) {                                                  \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T next = a * x[i] + b * y[i];                                                                               \
      z[i] = next;                                                                                                \
      s[i] = y[i] + next;                                                                                         \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_go_on_##suffix(T a, const T *restrict y, const T *restrict z, T rate, T *restrict x,          \
                                   T *restrict s, size_t n) {                                                     \
    ANY_ORDER                                                                                                     \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T next = a * y[i] + z[i];                                                                                   \
      s[i] = next;                                                                                                \
      x[i] += rate * next;                                                                                        \
      sum += (double)next * (double)next;                                                                         \
    }                                                                                                             \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_dot_and_square_##suffix(const T *x, const T *y, size_t n, double *dot, double *square) {        \
    ANY_ORDER                                                                                                     \
    double a = 0, b = 0;                                                                                          \
    for (size_t i = 0; i < n; i++) {                                                                              \
      a += (double)x[i] * (double)y[i];                                                                           \
      b += (double)x[i] * (double)x[i];                                                                           \
    }                                                                                                             \
    *dot = a;                                                                                                     \
    *square = b;                                                                                                  \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_sgd_##suffix(fgn_sgd o, const T *restrict g, T *restrict x, T *restrict v, size_t n) {        \
    ANY_ORDER                                                                                                     \
    const T rate = o.rate, momentum = o.momentum, decay = o.decay;                                                \
    const T along_gradient = o.nesterov ? 1 : 0, along_velocity = o.nesterov ? o.momentum : 1;                    \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T h = g[i] + decay * x[i];                                                                                  \
      T velocity = momentum * v[i] + h;                                                                           \
      T d = along_gradient * h + along_velocity * velocity;                                                       \
      v[i] = velocity;                                                                                            \
      x[i] -= rate * d;                                                                                           \
      sum += (double)d * (double)d;                                                                               \
    }                                                                                                             \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_adam_##suffix(fgn_adam o, const T *restrict g, T *restrict x, T *restrict m, T *restrict v,   \
                                  size_t n) {                                                                     \
    ANY_ORDER                                                                                                     \
    const T rate = o.rate, keep1 = o.beta1, take1 = 1 - o.beta1, keep2 = o.beta2, take2 = 1 - o.beta2;            \
    const T epsilon = o.epsilon, decay = o.decay, decoupled = o.decoupled_decay;                                  \
    const T scale1 = 1 / o.correction1, scale2 = 1 / sqrt(o.correction2);                                         \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T h = g[i] + decay * x[i];                                                                                  \
      T first = keep1 * m[i] + take1 * h;                                                                         \
      T second = keep2 * v[i] + take2 * (h * h);                                                                  \
      T d = scale1 * first / (scale2 * SQRT(second) + epsilon) + decoupled * x[i];                                \
      m[i] = first;                                                                                               \
      v[i] = second;                                                                                              \
      x[i] -= rate * d;                                                                                           \
      sum += (double)d * (double)d;                                                                               \
    }                                                                                                             \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_curvature_##suffix(const T *restrict v, T *restrict t, T common, T complement, T mean,          \
                                     size_t n) {                                                                  \
    for (size_t i = 0; i < n; i++) t[i] = v[i] * (common - complement * (t[i] - mean));                           \
  }

FGN_UPDATES(float, f32, sqrtf)
FGN_UPDATES(double, f64, sqrt)
