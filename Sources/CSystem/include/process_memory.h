// Functions of the C library for memory.
#pragma once

#include <stddef.h>

// The descriptor of a new unnamed file in memory, which other processes can map; closed on exec. -1, with errno, on
// failure.
int fgn_memory_file(const char *label);

// Makes allocations of at least `size` bytes return to the system as soon as they are freed.
void fgn_return_memory(size_t size);

// The flag of `open` for reading past the page cache.
int fgn_direct_flag(void);
