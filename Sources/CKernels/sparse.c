#include <string.h>

#include "clones.h"
#include "vector_math.h"

// Rows at random places of a large matrix are not prefetched: measurements show no gain.
#define FGN_SPARSE(T, suffix)                                                                                     \
  /* y ← [y +] Σ a_e x_(i_e), with rows x of n numbers: four entries at a time, so that y is loaded seldom. */    \
  INLINE void sum_rows_##suffix(const int32_t *i, const T *a, const T *factors, ptrdiff_t count, const T *x,      \
                                size_t n, T *restrict y, int adds) {                                              \
    ptrdiff_t e = 0;                                                                                              \
    for (; e + 4 <= count; e += 4) {                                                                              \
      T a0 = a[e], a1 = a[e + 1], a2 = a[e + 2], a3 = a[e + 3];                                                   \
      if (factors) a0 *= factors[i[e]], a1 *= factors[i[e + 1]], a2 *= factors[i[e + 2]], a3 *= factors[i[e + 3]]; \
      const T *x0 = x + i[e] * n, *x1 = x + i[e + 1] * n, *x2 = x + i[e + 2] * n, *x3 = x + i[e + 3] * n;         \
      if (adds)                                                                                                   \
        for (size_t c = 0; c < n; c++) y[c] += (a0 * x0[c] + a1 * x1[c]) + (a2 * x2[c] + a3 * x3[c]);             \
      else                                                                                                        \
        for (size_t c = 0; c < n; c++) y[c] = (a0 * x0[c] + a1 * x1[c]) + (a2 * x2[c] + a3 * x3[c]);              \
      adds = 1;                                                                                                   \
    }                                                                                                             \
    for (; e < count; e++) {                                                                                      \
      const T a0 = factors ? a[e] * factors[i[e]] : a[e];                                                         \
      const T *x0 = x + i[e] * n;                                                                                 \
      if (adds)                                                                                                   \
        for (size_t c = 0; c < n; c++) y[c] += a0 * x0[c];                                                        \
      else                                                                                                        \
        for (size_t c = 0; c < n; c++) y[c] = a0 * x0[c];                                                         \
      adds = 1;                                                                                                   \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_sparse_product_##suffix(const ptrdiff_t *starts, const int32_t *columns, const T *values,       \
                                          size_t rows, const T *w, size_t n, T *restrict y) {                     \
    for (size_t r = 0; r < rows; r++, y += n)                                                                     \
      sum_rows_##suffix(columns + starts[r], values + starts[r], NULL, starts[r + 1] - starts[r], w, n, y, 1);    \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_sparse_transposed_product_##suffix(                                                             \
      const int32_t *columns, const ptrdiff_t *starts, const int32_t *rows, const T *values, size_t count,        \
      const T *factors, const T *d, size_t n, T *restrict g) {                                                    \
    for (size_t k = 0; k < count; k++)                                                                            \
      sum_rows_##suffix(rows + starts[k], values + starts[k], factors, starts[k + 1] - starts[k], d, n,           \
                        g + columns[k] * n, 0);                                                                   \
  }                                                                                                               \
                                                                                                                  \
  void fgn_sparse_dots_##suffix(const ptrdiff_t *row_starts, const int32_t *places, const T *row_values,          \
                                size_t count, const ptrdiff_t *column_starts, const int32_t *rows,                \
                                const T *values, size_t from, size_t to, T *restrict y) {                         \
    for (size_t r = 0; r < count; r++, y += to - from) {                                                          \
      memset(y, 0, (to - from) * sizeof(T));                                                                      \
      for (ptrdiff_t e = row_starts[r]; e < row_starts[r + 1]; e++) {                                             \
        const T a = row_values[e];                                                                                \
        ptrdiff_t low = column_starts[places[e]], end = column_starts[places[e] + 1];                             \
        /* The first of the column's entries that is in the rows. */                                              \
        for (ptrdiff_t high = end; low < high;) {                                                                 \
          const ptrdiff_t middle = low + (high - low) / 2;                                                        \
          if ((size_t)rows[middle] < from) low = middle + 1;                                                      \
          else high = middle;                                                                                     \
        }                                                                                                         \
        for (; low < end && (size_t)rows[low] < to; low++) y[(size_t)rows[low] - from] += a * values[low];        \
      }                                                                                                           \
    }                                                                                                             \
  }

FGN_SPARSE(float, f32)
FGN_SPARSE(double, f64)
