#include <float.h>
#include <math.h>

#include "clones.h"
#include "vector_math.h"

// Loops over the classes of one row but its label, with targets t = base + keep·x, or base where there is no x.
#define FGN_TARGETS(T, suffix, FABS, LEAST)                                                                       \
  INLINE T target_##suffix(fgn_targets_##suffix t, size_t i) { return t.x ? t.base + t.keep * t.x[i] : t.base; }  \
                                                                                                                  \
  /* r²/π in this order: outside of ANY_ORDER, for r² may underflow where r²/π does not. */                       \
  INLINE T ratio_##suffix(T r, T probability) { return r * (r / (probability > LEAST ? probability : LEAST)); }   \
                                                                                                                  \
  CLONES double fgn_target_gap_##suffix(const T *z, T a, fgn_targets_##suffix t, size_t n) {                      \
    ANY_ORDER                                                                                                     \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T share = target_##suffix(t, i);                                                                            \
      sum += share == 0 ? 0 : (double)share * ((double)a - (double)z[i]);                                         \
    }                                                                                                             \
    return sum;                                                                                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_target_residuals_##suffix(T *restrict v, T complement, fgn_targets_##suffix t, size_t n,        \
                                            fgn_target_sums *sums) {                                              \
    ANY_ORDER                                                                                                     \
    double total = 0, distance = 0, square = 0;                                                                   \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T share = target_##suffix(t, i);                                                                            \
      T probability = -complement * v[i];                                                                         \
      T r = probability - share;                                                                                  \
      v[i] = r;                                                                                                   \
      total += (double)share;                                                                                     \
      distance += (double)FABS(r);                                                                                \
      square += (double)ratio_##suffix(r, probability);                                                           \
    }                                                                                                             \
    sums->total += total;                                                                                         \
    sums->distance += distance;                                                                                   \
    sums->square += square;                                                                                       \
  }                                                                                                               \
                                                                                                                  \
  CLONES double fgn_target_probabilities_##suffix(const T *restrict v, T distance, fgn_targets_##suffix t,        \
                                                  T *restrict p, size_t n) {                                      \
    ANY_ORDER                                                                                                     \
    double sum = 0;                                                                                               \
    for (size_t i = 0; i < n; i++) {                                                                              \
      T probability = target_##suffix(t, i) - distance * v[i];                                                    \
      p[i] = probability > 0 ? probability : 0;                                                                   \
      sum += (double)p[i];                                                                                        \
    }                                                                                                             \
    return sum;                                                                                                   \
  }

FGN_TARGETS(float, f32, fabsf, FLT_MIN)
FGN_TARGETS(double, f64, fabs, DBL_MIN)
