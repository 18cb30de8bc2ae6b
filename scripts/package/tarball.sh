#!/usr/bin/env bash
# Makes fgn-dist-VERSION-linux-ARCH.tar.gz: the program with manual pages, completions, documentation, configurations and launch
# files, for any folder. It needs Open MPI (libmpi.so.40), OpenBLAS (libopenblas.so.0), zlib, bzip2, and a C library and a
# libstdc++ that are as new as those here. It goes to .build-package/packages/, or into FGN_PACKAGES.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build_program
name="fgn-dist-$version-linux-$(uname -m)"
stage "$scratch/stage/$name"
# The same bytes for the same program: no names, no times and no order of this machine.
tar -C "$scratch/stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" \
  | gzip -9n >"$out/$name.tar.gz"
size "$out/$name.tar.gz"
