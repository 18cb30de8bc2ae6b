#!/usr/bin/env bash
# Two "hosts" on one machine: network namespaces fgn1 and fgn2 with a link between them, names, shared memory and processors
# of their own. As root, on Linux.
#
#   hosts.sh up                     a plain link (veth), which `tc` may slow down and `ip link set v0 down` pulls
#   hosts.sh up DELAY_MS LOSS%      a link of relay.py; kill -STOP $(cat "$FGN_HOSTS/relay.pid") cuts it, -CONT heals it
#   hosts.sh run HOST COMMAND...    runs a command on a host
#   hosts.sh rsh HOST COMMAND...    the same as a stand-in for ssh, for mpirun --mca plm_rsh_agent; needs the link
#   hosts.sh down
#
# FGN_HOSTS is a folder for files of the relay, and FGN_HOSTS_NAME another name than fgn for the hosts.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
: "${FGN_HOSTS:=/tmp/fgn-hosts}" "${FGN_HOSTS_NAME:=fgn}"

run() {
  local host="$1" number="${1#"$FGN_HOSTS_NAME"}"
  shift
  # One processor a host; a name, System V memory and /dev/shm that are the host's own.
  exec taskset -c $(((number - 1) % $(nproc --all))) nsenter --net="/run/netns/$host" unshare --uts --ipc --mount sh -c '
    hostname "$0"; mount --bind "/etc/netns/$0/hosts" /etc/hosts; mount -t tmpfs tmpfs /dev/shm; exec "$@"' "$host" "$@"
}

case "${1:-}" in
  up)
    mkdir -p "$FGN_HOSTS"
    for i in 1 2; do
      ip netns add "$FGN_HOSTS_NAME$i"
      mkdir -p "/etc/netns/$FGN_HOSTS_NAME$i"
      printf '127.0.0.1 localhost\n10.77.0.1 %s1\n10.77.0.2 %s2\n' "$FGN_HOSTS_NAME" "$FGN_HOSTS_NAME" >"/etc/netns/$FGN_HOSTS_NAME$i/hosts"
    done
    if [ $# -eq 1 ]; then
      ip link add v0 netns "${FGN_HOSTS_NAME}1" type veth peer name v0 netns "${FGN_HOSTS_NAME}2"
    else
      rm -f "$FGN_HOSTS/relay.log"
      python3 "$here/relay.py" "$2" "${3%\%}" "${FGN_HOSTS_NAME}1" "${FGN_HOSTS_NAME}2" >"$FGN_HOSTS/relay.log" 2>&1 &
      echo $! >"$FGN_HOSTS/relay.pid"
      for _ in $(seq 100); do
        grep -qs ready "$FGN_HOSTS/relay.log" && break
        sleep 0.1
      done
      grep -q ready "$FGN_HOSTS/relay.log" || { cat "$FGN_HOSTS/relay.log" >&2; exit 1; }
    fi
    for i in 1 2; do
      ip -n "$FGN_HOSTS_NAME$i" link set lo up
      ip -n "$FGN_HOSTS_NAME$i" addr add "10.77.0.$i/24" dev v0
      ip -n "$FGN_HOSTS_NAME$i" link set v0 up
    done
    ;;
  run) shift; run "$@" ;;
  rsh)
    shift
    while [[ "$1" == -* ]]; do shift; done
    host="$1"
    shift
    # As ssh would find it: a port where nobody listens refuses at once where the link is there.
    case "$(timeout 5 bash -c "</dev/tcp/10.77.0.${host#"$FGN_HOSTS_NAME"}/9" 2>&1)" in
      *refused*) ;;
      *) echo "$host: no answer" >&2; exit 255 ;;
    esac
    run "$host" sh -c "$*"
    ;;
  down)
    if [ -f "$FGN_HOSTS/relay.pid" ]; then kill -KILL "$(cat "$FGN_HOSTS/relay.pid")" 2>/dev/null || true; fi
    rm -f "$FGN_HOSTS/relay.pid"
    for i in 1 2; do
      ip netns pids "$FGN_HOSTS_NAME$i" 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
      ip netns del "$FGN_HOSTS_NAME$i" 2>/dev/null || true
      rm -rf "/etc/netns/$FGN_HOSTS_NAME$i"
    done
    ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
