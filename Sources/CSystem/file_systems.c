#include "file_systems.h"

#include <sys/vfs.h>

bool fgn_keeps_bytes_of_hosts(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return false;
  switch ((unsigned)status.f_type) {
  case 0x0bd00bd0: // Lustre
  case 0x47504653: // Spectrum Scale
  case 0x19830326: // BeeGFS
  case 0x00c36400: // CephFS
    return true;
  default:
    return false;
  }
}
