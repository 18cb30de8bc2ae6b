#!/usr/bin/env bash
# Trains on the hosts of a hostfile over ssh, one rank a host with all its CPUs as threads, and heals itself:
#
#   launch/train-hosts.sh HOSTFILE CONFIG --run-directory DIR [further options of `fgn-dist train`]
#
# The project, the working directory, the data and the run directory lie at the same place on all hosts, as on a shared file
# system, and ssh asks for no password. A run that was interrupted goes on, and `fgn-dist launch` starts it again where ranks or
# hosts are lost; FGN_LAUNCH_OPTIONS has options of that, such as --grow. FGN_RANKS_PER_HOST gives each host more ranks, FGN_RSH
# names a stand-in for ssh, FGN_MPIRUN_OPTIONS adds options of mpirun. The program is the one built here, or else the one of
# PATH, as a package installs it; FGN_DIST_PROGRAM names another.
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 64
fi
hostfile="$1"
config="$2"
shift 2
program="${FGN_DIST_PROGRAM:-$(cd "$(dirname "$0")/.." && pwd)/.build/release/fgn-dist}"
[ -n "${FGN_DIST_PROGRAM:-}" ] || [ -x "$program" ] || program="$(command -v fgn-dist || echo "$program")"
rsh="${FGN_RSH:-ssh -oBatchMode=yes}"

fail() {
  echo "train-hosts.sh: $1" >&2
  exit "$2"
}
# The supervisor leaves out hosts that are not there. At the start of a run that is more likely a mistake.
[ -r "$hostfile" ] || fail "$hostfile: cannot be read; name a file with a host a line" 66
hosts=$(sed 's/#.*//' "$hostfile" | awk 'NF {print $1}')
[ -n "$hosts" ] || fail "$hostfile: names no host" 64
[ -r "$config" ] || fail "$config: cannot be read" 66
for host in $hosts; do
  timeout 20 $rsh "$host" true </dev/null || fail "$host: cannot be reached by ${rsh%% *} without a password" 66
  timeout 20 $rsh "$host" "test -x $(printf %q "$program")" </dev/null \
    || fail "$host: has no $program; build or install it there, or share the folder" 66
  timeout 20 $rsh "$host" "cd $(printf %q "$PWD") && test -r $(printf %q "$config")" </dev/null \
    || fail "$host: cannot read $config in $PWD; share the folder" 66
done

# Open MPI refuses to start as root unless it is told twice.
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
exec "$program" launch --hosts "$hostfile" --ranks-per-host "${FGN_RANKS_PER_HOST:-1}" ${FGN_LAUNCH_OPTIONS:-} \
  -- train "$config" "$@"
