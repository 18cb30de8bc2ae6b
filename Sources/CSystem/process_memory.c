#define _GNU_SOURCE
#include "process_memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>

int fgn_memory_file(const char *label) { return memfd_create(label, MFD_CLOEXEC); }

void fgn_return_memory(size_t size) { mallopt(M_MMAP_THRESHOLD, (int)size); }

int fgn_direct_flag(void) { return O_DIRECT; }
