// What the C library knows of memory.
#pragma once

#include <stddef.h>

// The descriptor of a new file that lies in memory, which other processes can map, and has no name, closed on exec; -1, with
// errno, where there is none.
int fgn_memory_file(const char *label);

// From now on what is allocated with at least `size` bytes goes back to the system as soon as it is freed.
void fgn_return_memory(size_t size);

// The flag of `open` for reading past the memory that the system keeps of files.
int fgn_direct_flag(void);
