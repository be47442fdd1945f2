#!/usr/bin/env bash
# Liveness of the mariadb container: 0 it lives, 1 restart it. It asks nobody but this container, so that neither the
# sidecar nor etcd can have a database restarted.
#
# Alive is: whatever galera-start.sh does before it starts mariadbd, a wait for other nodes or for a person included; a
# mariadbd that answers, whatever it says; one that has never answered in this start (it recovers, or takes a state
# transfer), as long as something in this container reads or writes a disk. A node that is not Primary is alive.
set -u
readonly handoff=$GALERA_HANDOFF_DIR stall=${GALERA_STALL_SECONDS:-1800}

declare -A wrapper=()
while IFS='=' read -r name value; do
  [[ ! $name =~ ^[a-z_]+$ ]] || wrapper[$name]=$value
done 2>/dev/null <"$handoff/phase"
[[ ${wrapper[phase]-} == starting ]] || exit 0

keep() { printf '%s\n' "${*:2}" >"$handoff/.$1.new" && mv -f "$handoff/.$1.new" "$handoff/$1"; }
seen() { read -r "${@:2}" 2>/dev/null <"$handoff/$1"; }

# It says yes to a refusal as well: who refuses, lives.
if "$(command -v mariadb-admin || command -v mysqladmin)" --no-defaults --protocol=socket \
  --socket=/run/mysqld/mysqld.sock --connect-timeout=5 --silent ping >/dev/null 2>&1; then
  keep answered "${wrapper[boot_id]-}"
  exit 0
fi
boot=''
seen answered boot
if [[ $boot == "${wrapper[boot_id]-}" ]]; then
  echo 'mariadbd does not answer any more'
  exit 1
fi

# What a process has read and written passes to its parent when it ends: the sum only grows.
bytes=0
for file in /proc/[0-9]*/io; do
  while read -r name value; do
    case $name in read_bytes: | write_bytes:) bytes=$((bytes + value)) ;; esac
  done 2>/dev/null <"$file"
done
read -r now _ </proc/uptime
now=${now%.*} boot='' last='' since=''
seen progress boot last since
if [[ $boot != "${wrapper[boot_id]-}" || $last != "$bytes" ]]; then
  keep progress "${wrapper[boot_id]-}" "$bytes" "$now"
elif ((now - since >= stall)); then
  echo "mariadbd has neither answered nor read or written anything for $((now - since)) s"
  exit 1
fi
exit 0
