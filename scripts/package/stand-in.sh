#!/usr/bin/env bash
# Makes a stand-in for Open MPI's library: stand-in.sh PROGRAM FILE. It has the names that the program needs, so that it starts
# as one process where there is no MPI; that makes no MPI call. A call that comes nevertheless, as under the launcher of
# another MPI, ends the program with 69 and a line that says why.
set -euo pipefail
program="$1"
file="$2"

names() { nm -D --undefined-only "$program" | awk '{print $2}' | grep -E "$1"; }
{
  cat <<'SOURCE'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int missing(void) {
  static const char text[] = "fgn-dist: error: there is no Open MPI (libmpi.so.40) here, and so one process only; "
                             "install it, or pip install 'fgn-dist[mpi]'\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(74);
  _exit(69);
}

// `doctor` shows it.
int MPI_Get_library_version(char *text, int *length) {
  strcpy(text, "none: one process only");
  *length = (int)strlen(text);
  return 0;
}
SOURCE
  # Constants of MPI are addresses, which nothing looks behind.
  for name in $(names '^ompi_'); do echo "char $name[8];"; done
  for name in $(names '^MPI_' | grep -vx MPI_Get_library_version); do echo "int $name() { return missing(); }"; done
} | clang -x c -shared -fPIC -O1 -Wl,-soname,libmpi.so.40 -Wl,-s -o "$file" -
