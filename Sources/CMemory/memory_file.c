#define _GNU_SOURCE
#include "memory_file.h"

#include <sys/mman.h>

int fgn_memory_file(const char *label) { return memfd_create(label, MFD_CLOEXEC); }
