#!/usr/bin/env bash
# Trains on the hosts of a hostfile over ssh, one rank a host with all its CPUs as threads:
#
#   launch/train-hosts.sh HOSTFILE CONFIG [--run-directory DIR] [further options of `fgn-dist train`]
#
# The project, the working directory, the data and the run directory lie at the same place on all hosts, as on a shared file
# system, and ssh asks for no password. A run that was interrupted goes on. FGN_RANKS_PER_HOST gives each host more ranks,
# FGN_RSH names a stand-in for ssh, FGN_MPIRUN_OPTIONS adds options of mpirun. The program is the one built here, or else the
# one of PATH, as a package installs it; FGN_DIST_PROGRAM names another.
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
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
# With keepalives mpirun notices within seconds that a host is gone; without them it waits for ever.
# In a session of its own, so that ^C reaches this script alone: mpirun would leave the ranks a second.
setsid mpirun --hostfile "$hostfile" -wdir "$PWD" --map-by "ppr:${FGN_RANKS_PER_HOST:-1}:node" --bind-to none \
  --mca plm_rsh_agent "$rsh" --mca oob_tcp_keepalive_time 4 --mca oob_tcp_keepalive_intvl 2 \
  --mca oob_tcp_keepalive_probes 3 ${FGN_MPIRUN_OPTIONS:-} \
  "$program" train "$config" --resume "$@" &
ranks=$!
# Which mpirun hands on to the ranks, and they save a checkpoint.
trap 'kill -USR1 $ranks 2>/dev/null' TERM INT HUP USR1
# A signal interrupts `wait`. The last one tells the code, also of ranks that ended meanwhile.
while kill -0 $ranks 2>/dev/null; do wait $ranks || true; done
code=0
wait $ranks || code=$?
case $code in
  0) ;;
  75) echo "train-hosts.sh: stopped with a checkpoint; the same command goes on" >&2 ;;
  *) echo "train-hosts.sh: ended with $code; the same command goes on from the last checkpoint" >&2 ;;
esac
exit $code
