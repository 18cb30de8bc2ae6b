// The parts of OpenBLAS that the package uses: CBLAS, and LAPACK routines, declared here because a LAPACK header is a
// separate system package. Also the properties of the processor: the affinity mask, whose declarations glibc hides from
// Swift, and the instruction sets.
#pragma once
#include <cblas.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);

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
