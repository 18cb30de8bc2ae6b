# Sourced by the scripts here: builds the program that all packages carry, and lays out what they install.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. launch/install.sh
if command -v dpkg-query >/dev/null; then install_missing patchelf python3 binutils; fi

scratch=.build-package
out="${FGN_PACKAGES:-$scratch/packages}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
# Times in archives are those of the commit, so that one commit gives one archive.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"

# build_program: $program, with Swift's libraries in it, without symbols and without a search path of its own.
build_program() {
  swift build -c release --product fgn-dist --scratch-path "$scratch" --static-swift-stdlib -Xswiftc -gnone
  program="$PWD/$scratch/stripped/fgn-dist"
  install -D -s "$scratch/release/fgn-dist" "$program"
  patchelf --remove-rpath "$program"
  version="$("$program" --version)"
}

# stage PREFIX: what is installed below a prefix.
stage() {
  local prefix="$1" doc="$1/share/doc/fgn-dist" own="$1/share/fgn-dist"
  rm -rf "$prefix"
  mkdir -p "$prefix"/share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d} "$doc" "$own/launch"
  install -D "$program" "$prefix/bin/fgn-dist"
  "$program" --experimental-dump-help | python3 scripts/package/manual.py "$prefix/share/man/man1" "$version"
  # Sourced, and not run; and what it has no words for are files.
  "$program" --generate-completion-script bash | sed -e '1{/^#!/d}' -e 's/^complete /&-o default /' \
    >"$prefix/share/bash-completion/completions/fgn-dist"
  "$program" --generate-completion-script zsh >"$prefix/share/zsh/site-functions/_fgn-dist"
  "$program" --generate-completion-script fish >"$prefix/share/fish/vendor_completions.d/fgn-dist.fish"
  cp README.md CHANGELOG.md CITATION.cff "$doc/"
  cp -r docs "$doc/docs"
  cp -r configs "$own/configs"
  cp launch/hostfile.example launch/mpijob.yaml launch/fgn-dist.service "$own/launch/"
  install launch/train-hosts.sh launch/train.sbatch "$own/launch/"
  licences >"$doc/copyright"
  chmod -R u=rwX,go=rX "$prefix"
}

# licences PACKAGE…: of the program, of what is linked into it, and of libraries from Debian's packages beside it.
licences() {
  local package file
  echo "fgn-dist: no licence has been chosen yet; ask the owner before you use the code."
  echo "The program contains the following libraries, under the licences below."
  title "Swift's standard library and Foundation (with ICU)"
  cat "$(dirname "$(readlink -f "$(command -v swift)")")/../share/swift/LICENSE.txt"
  title "Swift Argument Parser"
  cat "$scratch/checkouts/swift-argument-parser/LICENSE.txt"
  title "Yams (with LibYAML)"
  cat "$scratch/checkouts/Yams/LICENSE"
  for package in "$@"; do
    file="/usr/share/doc/$package/copyright"
    title "$package"
    cat "$file"
  done
}

title() { printf '\n%s\n%s\n\n' "$1" "${1//?/-}"; }

# size FILE: its name and size.
size() { printf '%s  %s MB\n' "$(basename "$1")" "$(awk -v bytes="$(stat -c %s "$1")" 'BEGIN {printf "%.1f", bytes / 1e6}')"; }
