#!/usr/bin/env bash
# Makes fgn-dist_VERSION-1_ARCH.deb for this release of Debian or Ubuntu: what the tarball has, below /usr. What it depends on
# is what dpkg-shlibdeps finds that the program needs. DEBFULLNAME and DEBEMAIL name the maintainer. It goes to
# .build-package/packages/, or into FGN_PACKAGES.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
install_missing dpkg-dev

build_program
root="$scratch/stage/deb"
rm -rf "$root"
stage "$root/usr"
# Debian's places and forms.
mkdir "$root/usr/share/zsh/vendor-completions" "$root/DEBIAN"
mv "$root/usr/share/zsh/site-functions/_fgn-dist" "$root/usr/share/zsh/vendor-completions/"
rmdir "$root/usr/share/zsh/site-functions"
doc="$root/usr/share/doc/fgn-dist"
mv "$doc/CHANGELOG.md" "$doc/changelog"
maintainer="${DEBFULLNAME:-The maintainers of fgn-dist} <${DEBEMAIL:-fgn-dist@example.org}>"
echo "Debian has the Apache License in /usr/share/common-licenses/Apache-2.0." >>"$doc/copyright"
date="$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
printf 'fgn-dist (%s-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' "$version" "$maintainer" "$date" \
  >"$doc/changelog.Debian"
gzip -9n "$root"/usr/share/man/man1/* "$doc/changelog" "$doc/changelog.Debian"
mkdir -p "$root/usr/share/lintian/overrides"
cat >"$root/usr/share/lintian/overrides/fgn-dist" <<'OVERRIDES'
# Yams carries LibYAML, with changes of its own.
fgn-dist: embedded-library libyaml *
# The file is the same in all packages, also where there are no common licences.
fgn-dist: copyright-file-contains-full-apache-2-license
OVERRIDES

architecture="$(dpkg --print-architecture)"
# dpkg-shlibdeps wants a source package around it.
source="$scratch/stage/source"
mkdir -p "$source/debian"
printf 'Source: fgn-dist\n\nPackage: fgn-dist\nArchitecture: any\n' >"$source/debian/control"
needed="$(cd "$source" && dpkg-shlibdeps -O "$OLDPWD/$root/usr/bin/fgn-dist" | sed -n 's/^shlibs:Depends=//p')"
# Open MPI 5 has the library under the same name, in a package of another: Debian 13.
needed="$(echo "$needed" | sed -E 's/libopenmpi3 \([^)]*\)/& | libopenmpi40/; s/libopenmpi3t64 \([^)]*\)/& | libopenmpi40/')"
cat >"$root/DEBIAN/control" <<CONTROL
Package: fgn-dist
Version: $version-1
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size "$root/usr" | cut -f1)
Depends: $needed, openmpi-bin
Section: science
Priority: optional
Description: trainer of softmax classifiers by Fast Gauss-Newton, over MPI
 Trains softmax heads on fixed features, perceptrons and small convolutional
 networks with second-order steps that use one curvature row per example, on one
 process or on many under mpirun. Models are scored, used and exported by the
 same program.
CONTROL
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
file="$out/fgn-dist_$version-1_$architecture.deb"
dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
size "$file"
if command -v lintian >/dev/null; then lintian --fail-on error "$file"; fi
