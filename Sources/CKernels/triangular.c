#include <string.h>

#include "clones.h"
#include "vector_math.h"

typedef float vector_f32 __attribute__((vector_size(64)));
typedef double vector_f64 __attribute__((vector_size(64)));

enum { ROWS = 4 };

// Computes rows from the i-th on, given the rows before them: as many rows at once, and vectors of each, as stay in
// registers.
#define FGN_TRIANGULAR(T, suffix)                                                                                 \
  INLINE void substitute_rows_##suffix(const T *u, size_t ldu, T *b, size_t ldb, size_t i, size_t rows,           \
                                       size_t vectors) {                                                          \
    _Pragma("clang fp contract(fast)")                                                                            \
    vector_##suffix x[ROWS][2], y[2];                                                                             \
    for (size_t r = 0; r < rows; r++) memcpy(x[r], b + (i + r) * ldb, vectors * sizeof(*y));                      \
    for (size_t j = 0; j < i; j++) {                                                                              \
      memcpy(y, b + j * ldb, vectors * sizeof(*y));                                                               \
      for (size_t r = 0; r < rows; r++)                                                                           \
        for (size_t c = 0; c < vectors; c++) x[r][c] -= u[j * ldu + i + r] * y[c];                                \
    }                                                                                                             \
    for (size_t r = 0; r < rows; r++) {                                                                           \
      for (size_t q = 0; q < r; q++)                                                                              \
        for (size_t c = 0; c < vectors; c++) x[r][c] -= u[(i + q) * ldu + i + r] * x[q][c];                       \
      for (size_t c = 0; c < vectors; c++) x[r][c] /= u[(i + r) * ldu + i + r];                                   \
      memcpy(b + (i + r) * ldb, x[r], vectors * sizeof(*y));                                                      \
    }                                                                                                             \
  }                                                                                                               \
                                                                                                                  \
  INLINE void substitute_columns_##suffix(const T *u, size_t ldu, size_t k, T *b, size_t ldb, size_t vectors) {   \
    size_t i = 0;                                                                                                 \
    for (; i + ROWS <= k; i += ROWS) substitute_rows_##suffix(u, ldu, b, ldb, i, ROWS, vectors);                  \
    for (; i < k; i++) substitute_rows_##suffix(u, ldu, b, ldb, i, 1, vectors);                                   \
  }                                                                                                               \
                                                                                                                  \
  CLONES void fgn_substitute_##suffix(const T *u, size_t ldu, size_t k, T *b, size_t ldb, size_t n) {             \
    const size_t width = sizeof(vector_##suffix) / sizeof(T);                                                     \
    size_t c = 0;                                                                                                 \
    for (; c + 2 * width <= n; c += 2 * width) substitute_columns_##suffix(u, ldu, k, b + c, ldb, 2);             \
    for (; c + width <= n; c += width) substitute_columns_##suffix(u, ldu, k, b + c, ldb, 1);                     \
    if (c == n) return;                                                                                           \
    for (size_t i = 0; i < k; i++) {                                                                              \
      T *x = b + i * ldb;                                                                                         \
      for (size_t j = 0; j < i; j++)                                                                              \
        for (size_t d = c; d < n; d++) x[d] -= u[j * ldu + i] * b[j * ldb + d];                                   \
      for (size_t d = c; d < n; d++) x[d] /= u[i * ldu + i];                                                      \
    }                                                                                                             \
  }

FGN_TRIANGULAR(float, f32)
FGN_TRIANGULAR(double, f64)
