#pragma once

// Compiles a function for several instruction sets; the best one is chosen when the program loads.
#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

// Sums may be taken in any order, since a strict order cannot be vectorised. The order is still fixed for a given n.
#define ANY_ORDER _Pragma("clang fp reassociate(on) contract(fast)")

// Becomes part of each clone that calls it.
#define INLINE static inline __attribute__((always_inline))
