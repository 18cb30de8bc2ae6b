// Loops over contiguous numbers that pay for the widest vectors the processor has. Each is compiled for several
// instruction sets and the best is chosen when the program loads; exp and log come from glibc's vector library
// (libmvec, at most 4 units in the last place) where the architecture has it.
#pragma once
#include <stddef.h>

#define FGN_DECLARE(T, suffix)                                                                                    \
  /* max x; −infinity for n = 0. NaN entries are skipped. */                                                      \
  T fgn_max_##suffix(const T *x, size_t n);                                                                       \
  /* x ← exp(x − shift); returns their sum. */                                                                    \
  double fgn_exp_##suffix(T *x, T shift, size_t n);                                                               \
  /* Σ x·y, accumulated in double. */                                                                             \
  double fgn_dot_##suffix(const T *x, const T *y, size_t n);                                                      \
  /* Σ w·x² and Σ w·x, accumulated in double. */                                                                  \
  void fgn_weighted_moments_##suffix(const T *w, const T *x, size_t n, double *first, double *second);            \
  /* x ← a·x. */                                                                                                  \
  void fgn_scale_##suffix(T a, T *x, size_t n);                                                                   \
  /* y ← a·x + b·y; with b = 0, y need not be finite before. */                                                   \
  void fgn_combine_##suffix(T a, const T *restrict x, T b, T *restrict y, size_t n);                              \
  /* s ← s + a·u, then u ← z + b·u; returns ‖u‖² and ‖z‖²: one pass of conjugate gradient over the parameters. */   \
  void fgn_advance_##suffix(T a, T *restrict s, const T *restrict z, T b, T *restrict u, size_t n,                \
                            double *squared_u, double *squared_z);                                                \
  /* loss = softplus(−m), p = σ(m), q = σ(−m), none of them by cancellation; NaN where m is not finite. */        \
  void fgn_logistic_##suffix(const T *restrict m, T *restrict loss, T *restrict p, T *restrict q, size_t n);

FGN_DECLARE(float, f32)
FGN_DECLARE(double, f64)
#undef FGN_DECLARE
