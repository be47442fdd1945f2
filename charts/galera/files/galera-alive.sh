#!/usr/bin/env bash
# Liveness of the mariadb container: 0 it lives, 1 restart it. It asks nobody outside of this container, so that neither
# the sidecar nor etcd can have a database restarted.
#
# Alive is: whatever galera-start.sh does before it starts mariadbd, a wait for other nodes or for a person included; a
# mariadbd that answers, whatever it says; one that has never answered in this start (it recovers, or takes a state
# transfer), as long as something in this container reads from a disk or writes to one. A node that is not Primary lives.
set -u
readonly handoff=$GALERA_HANDOFF_DIR stall=${GALERA_STALL_SECONDS:-1800} socket=${GALERA_SOCKET:-/run/mysqld/mysqld.sock}

declare -A wrapper=()
while IFS='=' read -r name value; do
  [[ ! $name =~ ^[a-z_]+$ ]] || wrapper[$name]=$value
done 2>/dev/null <"$handoff/phase"
[[ ${wrapper[phase]-} == starting ]] || exit 0
readonly boot=${wrapper[boot_id]-} pid=${wrapper[pid]-0}

# The sidecar, another user, may write to this folder: no link of its is followed, and no text of its is calculated with.
keep() { # file word...
  (rm -f "$handoff/.$1.new" && set -C && printf '%s\n' "${*:2}" >"$handoff/.$1.new" &&
    mv -fT "$handoff/.$1.new" "$handoff/$1")
}

# It says yes to a refusal too: who refuses, lives. Its own limit ends with the connection; a frozen server takes that.
if timeout 8 "$(command -v mariadb-admin || command -v mysqladmin)" --no-defaults --protocol=socket \
  --socket="$socket" --connect-timeout=5 --silent ping >/dev/null 2>&1; then
  keep answered "$boot"
  exit 0
fi
if { read -r answered <"$handoff/answered"; } 2>/dev/null && [[ $answered == "$boot" ]]; then
  echo 'mariadbd answered before, and does not now'
  exit 1
fi

# What a process has read and written is its parent's when it ends, so this sum only grows. Where it cannot be had,
# nothing is said against the server.
[[ -r /proc/$pid/io ]] || exit 0
bytes=0
for file in /proc/[0-9]*/io; do
  [[ $file != "/proc/$$/io" ]] || continue
  while read -r name value; do
    [[ $name != @(read|write)_bytes: ]] || bytes=$((bytes + value))
  done 2>/dev/null <"$file"
done
read -r now _ </proc/uptime
now=${now%.*} of='' last='' since=0
{ read -r of last since <"$handoff/progress"; } 2>/dev/null
if [[ $of != "$boot" || $last != "$bytes" || ! $since =~ ^[1-9][0-9]{0,9}$ ]]; then
  keep progress "$boot" "$bytes" "$now"
elif ((now - since >= stall)); then
  echo "mariadbd has not answered yet, and for $((now - since)) s nothing was read or written"
  exit 1
fi
exit 0
