#pragma once

#include <stdbool.h>

// Whether an open file is on a file system for many hosts that keeps bytes which they write beside each other: Lustre, Spectrum
// Scale, BeeGFS or CephFS. Not NFS: there a host writes back whole pages, with what it takes for the bytes of others.
bool fgn_keeps_bytes_of_hosts(int descriptor);
