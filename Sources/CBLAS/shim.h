// The parts of BLAS that the package uses, and what its libraries say of themselves. Also the properties of the processor:
// the affinity mask, whose declarations glibc hides from Swift, and the instruction sets.
#pragma once
#if __has_include(<mkl_cblas.h>)
#include <mkl_cblas.h>
#else
#include <cblas.h>
#endif
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// Which library is linked shows by its own functions. The addresses of the others are zero.
#pragma GCC visibility push(default)
extern char *fgn_openblas_corename(void) __asm__("openblas_get_corename") __attribute__((weak));
extern void fgn_openblas_threads(int) __asm__("openblas_set_num_threads") __attribute__((weak));
extern char *fgn_openblas_config(void) __asm__("openblas_get_config") __attribute__((weak));
extern void fgn_mkl_version(char *, int) __asm__("MKL_Get_Version_String") __attribute__((weak));
extern void fgn_mkl_threads(int) __asm__("MKL_Set_Num_Threads") __attribute__((weak));
extern char *fgn_blis_version(void) __asm__("bli_info_get_version_str") __attribute__((weak));
extern void fgn_blis_threads(long) __asm__("bli_thread_set_num_threads") __attribute__((weak));
#pragma GCC visibility pop

/// The libraries of BLAS that can be told apart.
enum fgn_blas { FGN_BLAS_OTHER, FGN_BLAS_OPENBLAS, FGN_BLAS_MKL, FGN_BLAS_BLIS };

// glibc hides the declaration from Swift.
struct fgn_symbol_place { const char *file; void *start; const char *name; void *address; };
extern int fgn_find_symbol(const void *, struct fgn_symbol_place *) __asm__("dladdr");

/// Whether the products of matrices are in the same file as a function.
static inline int fgn_has_products(const void *function) {
  struct fgn_symbol_place own, products;
  return function && fgn_find_symbol(function, &own) && fgn_find_symbol((const void *)cblas_sgemm, &products) &&
         own.start == products.start;
}

/// The library that answers calls of BLAS. Others may be there as well: LAPACK brings its own.
static inline enum fgn_blas fgn_blas_library(void) {
  if (fgn_has_products((const void *)fgn_mkl_threads)) return FGN_BLAS_MKL;
  if (fgn_has_products((const void *)fgn_blis_threads)) return FGN_BLAS_BLIS;
  // Also behind a file of its interface alone, as in Debian.
  if (fgn_openblas_threads) return FGN_BLAS_OPENBLAS;
  if (fgn_mkl_threads) return FGN_BLAS_MKL;
  return fgn_blis_threads ? FGN_BLAS_BLIS : FGN_BLAS_OTHER;
}

/// The name of OpenBLAS's kernels; NULL with another library.
static inline const char *fgn_openblas_kernels(void) {
  return fgn_blas_library() == FGN_BLAS_OPENBLAS && fgn_openblas_corename ? fgn_openblas_corename() : NULL;
}

/// Writes what the library says of its version; an empty text where it says nothing.
static inline void fgn_blas_version(char *text, int count) {
  enum fgn_blas library = fgn_blas_library();
  const char *version = NULL;
  text[0] = 0;
  if (library == FGN_BLAS_MKL && fgn_mkl_version) {
    fgn_mkl_version(text, count - 1);
    text[count - 1] = 0;
  }
  if (library == FGN_BLAS_OPENBLAS && fgn_openblas_config) version = fgn_openblas_config();
  if (library == FGN_BLAS_BLIS && fgn_blis_version) version = fgn_blis_version();
  if (!version) return;
  int i = 0;
  for (; i < count - 1 && version[i]; i++) text[i] = version[i];
  text[i] = 0;
}

/// Makes the library compute in the calling thread alone. A library without such a call is taken to have one thread.
static inline void fgn_blas_use_one_thread(void) {
  if (fgn_mkl_threads) fgn_mkl_threads(1);
  if (fgn_openblas_threads) fgn_openblas_threads(1);
  if (fgn_blis_threads) fgn_blis_threads(1);
}

/// The CPUs that a process may run on (0: this one), one bit per CPU; returns the number of bytes written, negative on
/// failure.
static inline long fgn_affinity(int process, unsigned char *mask, size_t bytes) {
  return syscall(SYS_sched_getaffinity, process, bytes, mask);
}

/// The bits of the vectors that an x86 processor multiplies and adds at once, 256 or 512; 0 for other processors.
static inline int fgn_vector_bits(void) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
  // The instruction sets of the kernels named SkylakeX.
  int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return wide ? 512 : 256;
#else
  return 0;
#endif
}
