#include "vector_math.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
// The control bits for results (bit 15) and operands (bit 6).
#define FLUSH 0x8040u
uint64_t fgn_flush_subnormals(void) {
  const unsigned int before = _mm_getcsr();
  _mm_setcsr(before | FLUSH);
  return before;
}
void fgn_restore_subnormals(uint64_t before) { _mm_setcsr((unsigned int)before); }
#elif defined(__aarch64__)
#define FLUSH (UINT64_C(1) << 24)
uint64_t fgn_flush_subnormals(void) {
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"(before | FLUSH));
  return before;
}
void fgn_restore_subnormals(uint64_t before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
uint64_t fgn_flush_subnormals(void) { return 0; }
void fgn_restore_subnormals(uint64_t before) { (void)before; }
#endif
