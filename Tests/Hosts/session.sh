# Sourced by scripts that test over two hosts, from the project's folder: makes sure that there can be such, and gives
#
#   $hosts          hosts.sh, for the hosts $first and $second, which the script brings up
#   $work           a folder, with a hostfile
#   running         how many processes there are on both hosts
#
# and the environment for launch/train-hosts.sh and `fgn-dist launch`. It is root's affair; where that or namespaces are missing
# it says so, and that is all.
. launch/install.sh

skip() {
  echo "Not tested over two hosts: $1."
  exit 0
}
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
if command -v dpkg-query >/dev/null; then (install_missing iproute2 python3) || skip "iproute2 and python3 cannot be installed"; fi
export FGN_HOSTS
FGN_HOSTS="$(mktemp -d "${TMPDIR:-/tmp}/fgn-hosts.XXXXXX")"
hosts="$PWD/Tests/Hosts/hosts.sh"
export FGN_HOSTS_NAME="${FGN_HOSTS_NAME:-fgn}"
# The hosts' names are the machine's, so that one such test runs at a time. What it leaves behind does not hold the lock.
exec 9>"${TMPDIR:-/tmp}/$FGN_HOSTS_NAME-hosts.lock"
flock --wait 300 9 || { echo "Another test over two hosts has been running for 5 minutes." >&2; exit 1; }
first="${FGN_HOSTS_NAME}1" second="${FGN_HOSTS_NAME}2"
"$hosts" down
ip netns add "$first" 2>"$FGN_HOSTS/reason" && [ -e /dev/net/tun ] \
  || skip "no network namespaces or taps here ($(cat "$FGN_HOSTS/reason"))"
ip netns del "$first"
trap '"$hosts" down; rm -rf "$FGN_HOSTS"' EXIT

work="$FGN_HOSTS/work"
mkdir "$work"
printf '%s slots=1\n' "$first" "$second" >"$work/hostfile"
printf '#!/bin/sh\nexec "%s" rsh "$@"\n' "$hosts" >"$FGN_HOSTS/rsh"
chmod +x "$FGN_HOSTS/rsh"
export FGN_RSH="$FGN_HOSTS/rsh"
export FGN_MPIRUN_OPTIONS="--mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24
  --mca oob_tcp_if_include 10.77.0.0/24 --mca mpi_yield_when_idle 1"

# The processes on both hosts, but for the relay.
running() {
  local relay
  relay="$(cat "$FGN_HOSTS/relay.pid" 2>/dev/null || true)"
  for host in "$first" "$second"; do ip netns pids "$host"; done | grep -cvx "${relay:-none}" || true
}
