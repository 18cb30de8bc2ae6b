// Loops over contiguous numbers that profit from the widest vectors of the processor. Each is compiled for several
// instruction sets, and the best one is chosen when the program loads. exp and log come from glibc's vector library
// (libmvec, at most 4 units in the last place) where the architecture has it.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Makes the calling thread treat subnormal operands and results as zero; returns the state to restore.
uint64_t fgn_flush_subnormals(void);
void fgn_restore_subnormals(uint64_t before);

#define FGN_DECLARE(T, suffix)                                                                                    \
  /* max x; −infinity for n = 0. NaN entries are skipped. */                                                      \
  T fgn_max_##suffix(const T *x, size_t n);                                                                       \
  /* x ← exp(x − shift); returns their sum. */                                                                    \
  double fgn_exp_##suffix(T *x, T shift, size_t n);                                                               \
  /* Σ x·y, accumulated in double. */                                                                             \
  double fgn_dot_##suffix(const T *x, const T *y, size_t n);                                                      \
  /* Σ w·x² and Σ w·x, accumulated in double. */                                                                  \
  void fgn_weighted_moments_##suffix(const T *w, const T *x, size_t n, double *first, double *second);            \
  /* Whether no x is NaN or infinite. */                                                                          \
  int fgn_is_finite_##suffix(const T *x, size_t n);                                                               \
  /* x ← a·x. */                                                                                                  \
  void fgn_scale_##suffix(T a, T *x, size_t n);                                                                   \
  /* y ← a·x + b·y; with b = 0, y need not be finite before. */                                                   \
  void fgn_combine_##suffix(T a, const T *restrict x, T b, T *restrict y, size_t n);                              \
  /* z ← (x + a)·y + b·z; with b = 0, z need not be finite before. */                                             \
  void fgn_add_products_##suffix(const T *restrict x, T a, const T *restrict y, T b, T *restrict z, size_t n);    \
  /* z_j ← Σ (x + a)·y over the j-th t numbers, + b·z_j; with b = 0, z need not be finite before. */              \
  void fgn_add_dots_##suffix(const T *restrict x, T a, const T *restrict y, size_t t, T b, T *restrict z,         \
                             size_t n);                                                                           \
  /* s ← s + a·u, then u ← z + b·u; returns ‖u‖² and ‖z‖²: one pass of conjugate gradient over the parameters. */   \
  void fgn_advance_##suffix(T a, T *restrict s, const T *restrict z, T b, T *restrict u, size_t n,                \
                            double *squared_u, double *squared_z);                                                \
  /* loss = softplus(−m), p = σ(m), q = σ(−m), none of them by cancellation; NaN where m is not finite. */        \
  void fgn_logistic_##suffix(const T *restrict m, T *restrict loss, T *restrict p, T *restrict q, size_t n);

/* y = f(x) and d = f′(x). */
#define FGN_DECLARE_ACTIVATION(name, T, suffix)                                                                   \
  void fgn_##name##_##suffix(const T *restrict x, T *restrict y, T *restrict d, size_t n);

#define FGN_DECLARE_ACTIVATIONS(T, suffix)                                                                        \
  FGN_DECLARE_ACTIVATION(tanh, T, suffix)                                                                         \
  FGN_DECLARE_ACTIVATION(sigmoid, T, suffix)                                                                      \
  FGN_DECLARE_ACTIVATION(relu, T, suffix)                                                                         \
  FGN_DECLARE_ACTIVATION(gelu, T, suffix)                                                                         \
  FGN_DECLARE_ACTIVATION(silu, T, suffix)                                                                         \
  /* z = x·y, element by element; z may be x, but not overlap it otherwise. */                                    \
  void fgn_multiply_##suffix(const T *x, const T *restrict y, T *z, size_t n);                                    \
  /* x_ij = x_ij·b_j·a_i for each row i and column j. */                                                          \
  void fgn_scale_matrix_##suffix(T *restrict x, const T *restrict a, const T *restrict b, size_t rows,            \
                                 size_t columns);

FGN_DECLARE_ACTIVATIONS(float, f32)
FGN_DECLARE_ACTIVATIONS(double, f64)
FGN_DECLARE(float, f32)
FGN_DECLARE(double, f64)
#undef FGN_DECLARE_ACTIVATIONS
#undef FGN_DECLARE_ACTIVATION
#undef FGN_DECLARE

/* A square window that slides over each channel of an image of channels × height × width. */
typedef struct {
  size_t channels, height, width, kernel, stride, padding, out_height, out_width;
} fgn_window;

#define FGN_DECLARE_IMAGES(T, suffix)                                                                             \
  /* patches, a matrix with rows `pitch` apart: row (channel, ky, kx) ← the pixels that this place of the window  \
     sees from its out_height · out_width positions, zero outside the image. */                                   \
  void fgn_im2col_##suffix(const T *restrict image, fgn_window window, T *restrict patches, size_t pitch);        \
  /* image ← the sum of the patches put back: the adjoint of im2col. */                                           \
  void fgn_col2im_##suffix(const T *restrict patches, size_t pitch, fgn_window window, T *restrict image);        \
  /* y ← the largest pixel under the window, index ← its place in the image: the first of equals, the last NaN. The\
     image has less than 2²⁴ numbers, so that the index is exact, and each window a pixel inside. */              \
  void fgn_max_pool_##suffix(const T *restrict image, fgn_window window, T *restrict y, T *restrict index);       \
  /* y ← x[index] and x ← the sum of the y where index points: its adjoint. Indices of `fgn_max_pool` only. */    \
  void fgn_gather_##suffix(const T *restrict x, const T *restrict index, T *restrict y, size_t n);                \
  void fgn_scatter_##suffix(const T *restrict y, const T *restrict index, size_t n, T *restrict x, size_t count); \
  /* y ← the mean of the numbers under the window, zeros outside the image among them; and its adjoint. */        \
  void fgn_average_pool_##suffix(const T *restrict image, fgn_window window, T *restrict y);                      \
  void fgn_average_unpool_##suffix(const T *restrict y, fgn_window window, T *restrict image);                    \
  /* y, columns × rows, ← the transpose of x, rows × columns. */                                                  \
  void fgn_transpose_##suffix(const T *restrict x, size_t rows, size_t columns, T *restrict y);

FGN_DECLARE_IMAGES(float, f32)
FGN_DECLARE_IMAGES(double, f64)
#undef FGN_DECLARE_IMAGES

#define FGN_DECLARE_NORMALIZATION(T, suffix)                                                                      \
  /* Rows of n: y ← (x − mean)·r and inverse ← r, where 1/r² = variance + epsilon. */                             \
  void fgn_normalize_##suffix(const T *restrict x, size_t rows, size_t n, double epsilon, T *restrict y,          \
                              T *restrict inverse);                                                               \
  /* Rows of n: y ← weight·x + bias; y may be x, but not overlap it otherwise. */                                 \
  void fgn_affine_##suffix(const T *x, size_t rows, size_t n, const T *restrict weight, const T *restrict bias, T *y);\
  /* dy ← dy + weight·N dx with the derivative of `normalize`, which is a symmetric map:                          \
     N dx = r(dx − mean(dx) − normal·mean(normal·dx)), r = inverse. */                                            \
  void fgn_normalize_jvp_##suffix(const T *restrict normal, const T *restrict inverse, const T *restrict dx,      \
                                  const T *restrict weight, size_t rows, size_t n, T *restrict dy);               \
  /* dx ← N(weight·g). */                                                                                         \
  void fgn_normalize_vjp_##suffix(const T *restrict normal, const T *restrict inverse, const T *restrict g,       \
                                  const T *restrict weight, size_t rows, size_t n, T *restrict dx);               \
  /* weight ← Σ x·g and bias ← Σ g over rows, `pitch` apart, of which n columns count. */                         \
  void fgn_affine_vjp_##suffix(const T *restrict x, const T *restrict g, size_t rows, size_t pitch, size_t n,     \
                               T *restrict weight, T *restrict bias);

FGN_DECLARE_NORMALIZATION(float, f32)
FGN_DECLARE_NORMALIZATION(double, f64)
#undef FGN_DECLARE_NORMALIZATION

/* A step of stochastic gradient descent, and one of Adam; `decay` is μ. */
typedef struct {
  double rate, momentum, decay;
  int nesterov;
} fgn_sgd;

/* `correction1` and `correction2` are 1 − β₁ᵗ and 1 − β₂ᵗ; of `decay` and `decoupled_decay` one is zero. */
typedef struct {
  double rate, beta1, beta2, epsilon, decay, decoupled_decay, correction1, correction2;
} fgn_adam;

#define FGN_DECLARE_UPDATES(T, suffix)                                                                            \
  /* ‖g + a·x‖² */                                                                                                \
  double fgn_sum_square_##suffix(const T *g, T a, const T *x, size_t n);                                          \
  /* r ← r − (a·x + b·y); returns ‖r‖². */                                                                        \
  double fgn_subtract_##suffix(T a, const T *restrict x, T b, const T *restrict y, T *restrict r, size_t n);      \
  /* z ← a·x + b·y, s ← y + z */                                                                                  \
  void fgn_look_ahead_##suffix(T a, const T *restrict x, T b, const T *restrict y, T *restrict z, T *restrict s,  \
                               size_t n);                                                                         \
  /* s ← a·y + z, x ← x + rate·s; returns ‖s‖². */                                                                \
  double fgn_go_on_##suffix(T a, const T *restrict y, const T *restrict z, T rate, T *restrict x, T *restrict s,  \
                            size_t n);                                                                            \
  /* Σ x·y and ‖x‖² */                                                                                            \
  void fgn_dot_and_square_##suffix(const T *x, const T *y, size_t n, double *dot, double *square);                \
  /* h = g + μx, v ← ηv + h, d = v or h + ηv, x ← x − rate·d; returns ‖d‖². */                                    \
  double fgn_sgd_##suffix(fgn_sgd options, const T *restrict g, T *restrict x, T *restrict v, size_t n);          \
  /* h = g + μx, m ← β₁m + (1−β₁)h, v ← β₂v + (1−β₂)h², d = m̂/(√v̂ + ε) + μ'x, x ← x − rate·d; returns ‖d‖². */   \
  double fgn_adam_##suffix(fgn_adam options, const T *restrict g, T *restrict x, T *restrict m, T *restrict v,    \
                           size_t n);                                                                             \
  /* t ← v·(common − complement·(t − mean)) */                                                                    \
  void fgn_curvature_##suffix(const T *restrict v, T *restrict t, T common, T complement, T mean, size_t n);

FGN_DECLARE_UPDATES(float, f32)
FGN_DECLARE_UPDATES(double, f64)
#undef FGN_DECLARE_UPDATES

/* Sums over classes of a target t, of |π − t| and of (π − t)²/π, where π counts as the least normal number at least. */
typedef struct {
  double total, distance, square;
} fgn_target_sums;

#define FGN_DECLARE_TARGETS(T, suffix)                                                                            \
  /* Targets t = base + keep·x of some classes, or base where x is null. */                                       \
  typedef struct {                                                                                                \
    T base, keep;                                                                                                 \
    const T *x;                                                                                                   \
  } fgn_targets_##suffix;                                                                                         \
  /* Σ t·(a − z); a class of target 0 counts nothing, whatever its z. */                                          \
  double fgn_target_gap_##suffix(const T *z, T a, fgn_targets_##suffix t, size_t n);                              \
  /* v ← π − t where π = −complement·v before; adds to the sums. */                                               \
  void fgn_target_residuals_##suffix(T *restrict v, T complement, fgn_targets_##suffix t, size_t n,               \
                                     fgn_target_sums *sums);                                                      \
  /* p ← t − distance·v, but not below 0; returns their sum. */                                                   \
  double fgn_target_probabilities_##suffix(const T *restrict v, T distance, fgn_targets_##suffix t, T *restrict p,\
                                           size_t n);

FGN_DECLARE_TARGETS(float, f32)
FGN_DECLARE_TARGETS(double, f64)
#undef FGN_DECLARE_TARGETS

#define FGN_DECLARE_TRIANGULAR(T, suffix)                                                                         \
  /* b, k × n with rows `ldb` apart, ← U⁻ᵀ b for the upper triangle of u, k × k with rows `ldu` apart. */         \
  void fgn_substitute_##suffix(const T *u, size_t ldu, size_t k, T *b, size_t ldb, size_t n);

FGN_DECLARE_TRIANGULAR(float, f32)
FGN_DECLARE_TRIANGULAR(double, f64)
#undef FGN_DECLARE_TRIANGULAR

#define FGN_DECLARE_SPARSE(T, suffix)                                                                             \
  /* Rows y of n numbers: y ← y + Σ value · w_column over the entries starts_r ..< starts_(r+1) of each, in order. */ \
  void fgn_sparse_product_##suffix(const ptrdiff_t *starts, const int32_t *columns, const T *values, size_t rows, \
                                   const T *w, size_t n, T *restrict y);                                          \
  /* `count` rows g of n numbers, those of `columns`: g_column ← Σ value · factor_row · d_row over the column's entries, \
     in order. Factors are 1 if there are none. Each column has entries. */                                       \
  void fgn_sparse_transposed_product_##suffix(                                                                    \
      const int32_t *columns, const ptrdiff_t *starts, const int32_t *rows, const T *values, size_t count,        \
      const T *factors, const T *d, size_t n, T *restrict g);                                                     \
  /* y ← the inner products of `count` rows with the rows `from` ..< `to`. The former are given by rows, with the \
     places of their columns among all, the latter by columns, with rows ascending in each. */                    \
  void fgn_sparse_dots_##suffix(const ptrdiff_t *row_starts, const int32_t *places, const T *row_values,          \
                                size_t count, const ptrdiff_t *column_starts, const int32_t *rows,                \
                                const T *values, size_t from, size_t to, T *restrict y);

FGN_DECLARE_SPARSE(float, f32)
FGN_DECLARE_SPARSE(double, f64)
#undef FGN_DECLARE_SPARSE

/* y ← n numbers of a data file, whatever their alignment; `swapped` if their bytes are in the other order than the
   processor's. */
#define FGN_DECLARE_WIDEN(name, T, suffix)                                                                        \
  void fgn_widen_##name##_##suffix(const void *x, size_t n, int swapped, T *restrict y);

#define FGN_DECLARE_WIDENS(T, suffix)                                                                             \
  FGN_DECLARE_WIDEN(uint8, T, suffix)                                                                             \
  FGN_DECLARE_WIDEN(int8, T, suffix)                                                                              \
  FGN_DECLARE_WIDEN(uint16, T, suffix)                                                                            \
  FGN_DECLARE_WIDEN(int16, T, suffix)                                                                             \
  FGN_DECLARE_WIDEN(float16, T, suffix)                                                                           \
  FGN_DECLARE_WIDEN(bfloat16, T, suffix)                                                                          \
  FGN_DECLARE_WIDEN(float32, T, suffix)

FGN_DECLARE_WIDENS(float, f32)
FGN_DECLARE_WIDENS(double, f64)
FGN_DECLARE_WIDEN(uint32, double, f64)
FGN_DECLARE_WIDEN(int32, double, f64)
FGN_DECLARE_WIDEN(uint64, double, f64)
FGN_DECLARE_WIDEN(int64, double, f64)
FGN_DECLARE_WIDEN(float64, double, f64)
#undef FGN_DECLARE_WIDENS
#undef FGN_DECLARE_WIDEN

/* y, rows × columns, ← the rows `from` ..< `to` of a matrix whose columns lie one behind another in x, column j at place
   `places[j]`; numbers of `size` bytes, of any alignment. */
void fgn_transpose_numbers(const void *restrict x, size_t rows, size_t columns, const size_t *places, size_t size,
                           size_t from, size_t to, void *restrict y);
