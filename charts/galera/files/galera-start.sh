#!/usr/bin/env bash
# Starts MariaDB with Galera as the sidecar decides, and stays its parent:  galera-start.sh mariadbd [argument...]
#
# Each start of mariadbd: prepare (check, note, clean), recover (find the position), request (tell the sidecar),
# wait (for its decision), start, supervise. Without a decision made for this very start nothing is started, and
# only a decision makes a new cluster: no file that is left on a disk can.
#
# Files to and from the sidecar, in GALERA_HANDOFF_DIR, are lines name=value, renamed into place, never sourced. The
# sidecar is another user, and writes to that folder and to GALERA_STATE_DIR: what it says is checked, and what it may
# put there is never written through. It has no right to see the data: "datadir" tells it what it has to know of them.
# Exit status: mariadbd's own (128+n after signal n); 0 if asked to end before it was started; 70 the initialization
# failed, or the decision does not fit the data; 75 the lease of a bootstrap was not renewed; 78 something is missing.
set -u
export LC_ALL=C.UTF-8 # *.sql in the order of their bytes

readonly handoff=${GALERA_HANDOFF_DIR-} state=${GALERA_STATE_DIR-} datadir=${GALERA_DATADIR:-/var/lib/mysql}
readonly init_dir=${GALERA_INIT_DIR-} sst_method=${GALERA_SST_METHOD:-mariabackup} server=("$@")
readonly recover_seconds=${GALERA_RECOVER_SECONDS:-3600} # InnoDB may have much to redo
# With less input and output than this a server that ends hangs. Not none: it may write to its log, for ever.
readonly stop_seconds=${GALERA_STOP_SECONDS:-15} stop_bytes=65536
# In the data directory, so that it shares the fate of the data it speaks of: a lost volume takes it along, and so
# does an SST. It is there from before the first file until etcd has confirmed the cluster, and says "complete" when
# the init SQL is done. System tables that no cluster was made of are worth nothing: the next start may wipe them.
readonly marker=$datadir/init-incomplete
readonly ZERO=00000000-0000-0000-0000-000000000000 UUID='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'

declare -A got              # what take() read
boot=none                   # id of this start
child=0 status=0            # our running child; how the last one ended
asked='' deadline='' taken=0 # when the child was asked to end, is killed, its decision was taken: by now()
moved=0 still='' # bytes that a server which ends has read and written, and since when it is hardly more
temporary=0 pace=0.2        # the server that runs the init SQL; seconds between two looks at things
due=0 described=''          # when the data directory is described again, by now(); how it was
ending='' again='' stale='' # why the child is ended: a signal to us; an order; a lease that was not renewed

exec {pipe}<> <(:) # nobody writes to it: a read with a timeout is a sleep that needs no process
trap 'ending=1' TERM INT QUIT # mariadbd ignores INT; all three mean: shut down in order
trap : HUP

log() { printf '%(%F %T)T [galera-start] %s\n' -1 "$*" >&2; }
tick() {
  ((now < due)) || describe
  read -rt "$pace" -u "$pipe" || :
}
# Whole seconds that only grow. SECONDS of bash follows the wall clock, which jumps.
now() { read -r now _ </proc/uptime && now=${now%.*}; }

# Written whole or not at all, also when the power fails; our group may read it. With -C only a file that is not there is
# opened: a link that the sidecar made to a file of the database is not followed.
keep() { # file line...
  (rm -f "$1.new" && set -C && umask 027 && printf '%s\n' "${@:2}" >"$1.new" && sync "$1.new" &&
    mv -fT "$1.new" "$1" && sync "${1%/*}") && return
  log "cannot write $1"
  return 1
}

take() { # file: its lines into got; an absent file has none
  local line
  got=()
  { while read -r line || [[ $line ]]; do
    [[ ! $line =~ ^([a-z_]+)=(.*)$ ]] || got[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
  done <"$1"; } 2>/dev/null
}

pick() { # extended regular expression of whole lines, file, which group: the first by default
  sed -En "s/^$1\r?$/${3:-\\1}/p" "$2" 2>/dev/null
}

tell() { # phase text [exit status]
  keep "$handoff/phase" "boot_id=$boot" "phase=$1" "pid=$child" "text=${2//$'\n'/ }" ${3:+"exit=$3"}
}

# What the sidecar has to know of the data directory: what its top folder has, and how far a state transfer is. It is no
# more than it could read there, if it had the right. Times are seconds since the epoch; | ends a line of grastate.dat.
describe() {
  local size changed type path begun pages=0 page_bytes=0 logs=0 mysql=0 view_file=0 started='' received='' newest=0
  local grastate=''
  now
  begun=$now
  [[ -r $datadir && -x $datadir ]] || return 0
  while read -r size changed type path; do
    changed=${changed%.*}
    case $path in
      mysql) mysql=1 ;;
      gvwstate.dat) view_file=1 ;;
      grastate.dat) { read -rd '' -n 4096 grastate <"$datadir/grastate.dat"; } 2>/dev/null ;;
      gcache.page.*) pages=$((pages + 1)) page_bytes=$((page_bytes + size)) ;;
      GRA_*.log) logs=$((logs + 1)) ;;
      sst_in_progress) started=$changed ;;
      .sst) received=${received:-0} ;;
      .sst/*)
        [[ $type != f ]] || received=$((received + size)) newest=$((changed > newest ? changed : newest))
        ;;
    esac
  done < <(cd "$datadir" && find . -mindepth 1 '(' -path ./.sst -o -path './.sst/*' -o -prune ')' \
    -printf '%s %T@ %y %P\n' 2>/dev/null)
  set -- "mysql=$mysql" "grastate=${grastate//$'\n'/|}" "gvwstate=$view_file" "sst_start=$started" \
    "sst_received=$received" "sst_changed=$newest" "pages=$pages" "page_bytes=$page_bytes" "gra_logs=$logs"
  [[ $* == "$described" ]] || { keep "$handoff/datadir" "$@" && described=$*; }
  now
  due=$((now + 2 + 10 * (now - begun))) # what takes long is not done all the time
}

finish() { # status text
  [[ $temporary == 0 ]] || kill -KILL "$temporary" 2>/dev/null # its data are incomplete and made anew
  log "$2"
  [[ ! -w $handoff ]] || { describe && tell exited "$2" "$1"; }
  exit "$1"
}

leave_if_asked() { [[ ! $ending ]] || finish 0 'asked to end before MariaDB was started'; }
end_child() { asked=$now && kill -TERM "$child" 2>/dev/null; }
end_child_soon() { end_child && deadline=$((now + 10)); }

# Galera can wait for ever, at the end, for a node that took a state transfer from it and is gone (seen with 11.8.9). What
# the server has to write it has written by then, and InnoDB recovers it.
hangs() {
  local name value bytes=0
  [[ $still && -r /proc/$child/io ]] || return 1
  while read -r name value; do
    [[ $name != @(read|write)_bytes: ]] || bytes=$((bytes + value))
  done 2>/dev/null <"/proc/$child/io"
  ((bytes - moved < stop_bytes)) || moved=$bytes still=$now
  ((now - still >= stop_seconds)) || return 1
  log "mariadbd was told to end, and has read and written next to nothing for $((now - still)) s: it hangs, and is killed"
}

launch() { # command...: as our child
  "$@" {pipe}<&- <&0 &
  child=$!
  now
}

# Waits for the child to end and sets status; "$2" is called at each tick. "$1", called when we are asked to end, says
# what becomes of the child.
attend() {
  local told=''
  while kill -0 "$child" 2>/dev/null; do
    now
    [[ ! $ending || $told ]] || { told=1 && "$1"; }
    [[ ! $asked ]] || ((now - asked < 5)) || {
      ! hangs || kill -KILL "$child" 2>/dev/null
      end_child # mariadbd loses a SIGTERM while it connects or takes an SST
    }
    [[ ! $deadline ]] || ((now < deadline)) || kill -KILL "$child" 2>/dev/null
    ${2:+"$2"}
    tick
  done
  { wait "$child"; } 2>/dev/null # bash would report a signal on stderr; our own text does
  status=$? child=0 asked='' deadline='' still=''
}

check() {
  local entry settings name served
  for entry in "$handoff" "$state" "$datadir"; do
    [[ -d $entry && -w $entry && -x $entry ]] || finish 78 "user $(id -u) cannot write the directory '$entry':\
 see GALERA_HANDOFF_DIR, GALERA_STATE_DIR, GALERA_DATADIR"
  done
  for entry in "$datadir"/{mysql,ibdata1,grastate.dat}; do
    [[ ! -e $entry || -w $entry ]] || finish 78 "user $(id -u) cannot write $entry, which belongs to\
 $(stat -c '%U:%G (%u:%g), mode %a' "$entry"): chown -R $datadir"
  done
  set -- "${server[0]}" mariadb:mysql mariadb-install-db:mysql_install_db "wsrep_sst_$sst_method"
  case $sst_method in mariabackup) set -- "$@" mariadb-backup:mariabackup socat ;; rsync*) set -- "$@" rsync ;; esac
  for name in find "$@"; do
    command -v "${name%:*}" "${name#*:}" >/dev/null || finish 78 "no program ${name/:/ or } in PATH"
  done
  settings=$("${server[@]}" --verbose --help 2>&1) ||
    finish 78 "mariadbd does not accept its options: $(printf '%s' "$settings" | grep -m 3 -F ERROR)"
  # 11.8 has two of that name: whether the plugin that makes a variable of each option is on, and the library.
  provider=$(pick 'wsrep-provider +(.*)' <(printf '%s\n' "$settings") | grep -vxE 'ON|OFF|FORCE(_PLUS_PERMANENT)?')
  served=$(pick 'datadir +(.*)' <(printf '%s\n' "$settings"))
  [[ -r $provider ]] || finish 78 "wsrep_provider is '$provider', which is no file: set it to libgalera_smm.so;\
 packages galera-4, mariadb-server-galera"
  [[ $served -ef $datadir ]] || finish 78 "mariadbd's datadir is '$served', GALERA_DATADIR is '$datadir'"
}

# Galera writes gvwstate.dat, synchronously, at each Primary view, and removes it in an orderly stop: a copy stays.
keep_view() {
  local text=''
  { read -rd '' text <"$datadir/gvwstate.dat"; } 2>/dev/null
  [[ $text != "$view_text" && $text == *my_uuid:*view_id:*'#vwend'* ]] || return 0
  # A full disk must not end a server that runs; without the copy, though, the evidence must not be removed.
  keep "$state/last-view" "$text" || [[ $child != 0 ]] || finish 78 "no copy of gvwstate.dat could be made in $state"
  view_text=$text
}

read_view() { # of the copy: own_uuid, view_seq, view
  own_uuid=$(pick "my_uuid: ($UUID)" "$state/last-view")
  view_seq=$(pick "view_id: 3 $UUID ([0-9]{1,10})" "$state/last-view" '\2') # the uuid has a group of its own
  view=$(pick "member: ($UUID) [0-9]+" "$state/last-view" | paste -sd, -)
}

read_grastate() { # grastate, uuid, seqno, safe
  uuid=$(pick "uuid: +($UUID)" "$datadir/grastate.dat") grastate=ok
  seqno=$(pick 'seqno: +(-1|[0-9]{1,19})' "$datadir/grastate.dat")
  safe=$(pick 'safe_to_bootstrap: +([01])' "$datadir/grastate.dat")
  if [[ ! -e $datadir/grastate.dat ]]; then
    grastate=absent
  elif [[ ! $uuid || ! $seqno || ! $safe ]]; then
    grastate=unreadable uuid='' seqno='' safe=''
  elif [[ $uuid == "$ZERO" && $data == data ]]; then
    grastate=corrupt
  fi
}

read_recovered() { # log of a recovery: its last position; a line may carry a GTID behind a comma
  pick ".*WSREP: Recovered position:? +($UUID:-?[0-9]{1,19})(,.*)?" "$1" | tail -n 1
}

prepare() {
  boot=$(</proc/sys/kernel/random/uuid)
  check
  rm -f "$handoff"/{request,decision,decision.used,order,lease} # of an earlier start
  tell preparing 'looks at the data directory'
  describe
  data=empty sst_interrupted=0 view_text=''
  [[ ! -e $datadir/mysql && ! -e $datadir/ibdata1 ]] || data=data
  [[ ! -e $marker ]] || data=incomplete
  # Not wsrep_sst.pid, nor xtrabackup_*: a donor that crashed leaves them too, and its data are good.
  [[ ! -e $datadir/sst_in_progress && ! -e $datadir/.sst ]] || sst_interrupted=1
  keep_view
  [[ ! -e $datadir/gvwstate.dat || $view_text ]] || log 'gvwstate.dat is not whole and is thrown away'
  rm -f "$datadir/gvwstate.dat" # with it Galera would restore the view by itself, whatever etcd knows
  read_view
  read_grastate
}

recover() {
  position=$ZERO:-1 source=none
  if [[ $data == data ]]; then
    find_position
  elif [[ $data == incomplete && $(<"$marker") == complete ]]; then
    # A cluster may have been made of it, and confirmed, before we could take the marker away: then it has a position.
    find_position
    [[ $position == *:-1 ]] || { data=data && rm -f "$marker" && sync "$datadir"; }
  fi
}

find_position() { # position, source
  local log_file=$datadir/recover.log
  if [[ $grastate == ok && $seqno != -1 ]]; then
    position=$uuid:$seqno source=grastate
  elif [[ -e $datadir/mysql ]]; then # without, mariadbd would make InnoDB's files and find nothing
    tell recovering 'runs mariadbd --wsrep-recover'
    rm -f "$log_file"
    # Without the wsrep options it would skip the recovery. It must not listen: a probe could take it for the server.
    launch "${server[@]}" --wsrep-recover --wsrep-on=ON --wsrep-provider="$provider" --skip-networking \
      --wsrep-cluster-address=gcomm://localhost --socket="$datadir/recover.sock" --log-error="$log_file"
    deadline=$((now + recover_seconds))
    attend end_child_soon
    leave_if_asked
    position=$(read_recovered "$log_file")
    source=recover
    log "recovered position: ${position:-none}"
    [[ $status != 0 || ! $position ]] || return 0
    position=$ZERO:-1 source=none
    log "mariadbd --wsrep-recover ended with status $status and gave no position; the end of $log_file:"
    tail -n 50 "$log_file" >&2
  fi
}

request() {
  leave_if_asked
  keep "$handoff/request" version=1 "boot_id=$boot" "data=$data" "position=$position" "source=$source" \
    "safe=${safe:-0}" "grastate=$grastate" "sst_interrupted=$sst_interrupted" \
    "own_uuid=$own_uuid" "view_seq=${view_seq:--1}" "view=$view" ||
    finish 78 'nobody can decide without a request'
}

await_decision() {
  local seen spoken=-30 text="waits for the sidecar's decision; it has data=$data position=$position ($source)"
  tell waiting "$text"
  now
  seen=$now
  until ((now - seen < 5)) && [[ -e $handoff/decision ]] && decided; do
    leave_if_asked
    ((now - seen < 5)) || { log "slept for $((now - seen)) s: what was decided meanwhile is past" && return 1; }
    ((now - spoken < 30)) || { log "$text" && spoken=$now; }
    seen=$now
    tick
    now
  done
  taken=$now
}

# An initialization may take long, and this host may sleep: others may be elected meanwhile. Then etcd must still know
# of this start before it becomes a cluster.
await_lease() {
  local first=''
  take "$handoff/lease"
  first=${got[beat]-}
  while now && ((now - taken < lease_seconds || now - renewed < 10)); do
    leave_if_asked
    take "$handoff/lease"
    [[ ${got[boot_id]-} != "$boot" || ${got[beat]-} == "$first" ]] || return 0
    tick
  done
  finish 75 "did not start mariadbd: the lease of its bootstrap was not renewed"
}

# Takes the decision away before anything is done with it: no crash makes it count twice.
decided() {
  mv -f "$handoff/decision" "$handoff/decision.used" || return 1
  take "$handoff/decision.used"
  action=${got[action]-} start_position=${got[position]-} lease_seconds=${got[lease_seconds]-}
  initialize=${got[initialize]-0} fresh=${got[fresh]-0} group=${got[group]-}
  [[ $start_position != "$ZERO:-1" ]] || start_position='' # said in another way
  local text="$action epoch=${got[epoch]-} position=${start_position:-none} initialize=$initialize fresh=$fresh"
  text+=" group=${group:-as configured}"
  if [[ ${got[boot_id]-} != "$boot" || ${got[version]-} != 1 ]]; then
    log "ignored a decision for another start (${got[boot_id]-none})"
  elif [[ ! $action:$lease_seconds =~ ^(join:|bootstrap:[1-9][0-9]{0,5})$ ||
    ! $start_position =~ ^($UUID:[0-9]{1,19})?$ || ! $group =~ ^[0-9A-Za-z._-]{0,32}$ ]]; then
    log "ignored a decision that makes no sense: $text lease_seconds=$lease_seconds"
  else
    log "decision: $text"
    return 0
  fi
  return 1
}

wipe() { # all of the data directory but the marker and a file system's own folder
  local entry
  for entry in "$datadir"/* "$datadir"/.[!.]*; do
    [[ $entry == "$marker" || $entry == */lost+found ]] || rm -rf -- "$entry" || finish 78 "cannot remove $entry"
  done
}

# Makes system tables and runs the init SQL. Whatever ends it, the marker stays and all is made anew.
initialize() {
  local user file socket=$datadir/init.sock # nobody else may be the server that gets the init SQL
  tell initializing 'makes the system tables'
  user=$(id -un) || finish 78 "user $(id -u) has no name in /etc/passwd; the administrator's account needs one"
  { : >"$marker" && sync "$marker" "$datadir"; } || finish 78 "cannot write $marker"
  [[ $data == empty ]] || wipe
  # Administrators are root and our own user, each through the socket: no password to keep, none to leak.
  launch "$(command -v mariadb-install-db || command -v mysql_install_db)" "${server[@]:1}" --datadir="$datadir" \
    --wsrep-on=OFF --skip-test-db --auth-root-authentication-method=socket --auth-root-socket-user="$user" >&2
  attend : # it is not told to end: it is a script, which would die and leave its server at work
  leave_if_asked
  [[ $status == 0 ]] || finish 70 "mariadb-install-db failed with status $status: see above"

  tell initializing 'runs the init SQL'
  rm -f "$socket"
  launch "${server[@]}" --wsrep-on=OFF --skip-networking --skip-log-bin --socket="$socket"
  temporary=$child
  until [[ -S $socket ]]; do
    leave_if_asked
    kill -0 "$temporary" 2>/dev/null || finish 70 'the temporary server for the init SQL ended: see above'
    tick
  done
  for file in ${init_dir:+"$init_dir"/*.sql}; do
    [[ -e $file ]] || continue # no file matched
    log "runs $file"
    launch "$(command -v mariadb || command -v mysql)" --no-defaults --protocol=socket --socket="$socket" \
      --user="$user" --default-character-set=utf8mb4 <"$file" >&2
    attend end_child_soon
    leave_if_asked
    [[ $status == 0 ]] || finish 70 "the init SQL failed: $file"
  done
  child=$temporary
  end_child
  attend end_child_soon
  temporary=0
  leave_if_asked
  [[ $status == 0 ]] || finish 70 "the temporary server for the init SQL ended with status $status: see above"
  { sync -f "$datadir" && keep "$marker" complete; } || finish 78 "cannot write $marker"
}

write_grastate() { # uuid safe
  keep "$datadir/grastate.dat" '# GALERA saved state' 'version: 2.1' "uuid:    $1" 'seqno:   -1' \
    "safe_to_bootstrap: $2" || finish 78 'Galera would start from the wrong position'
}

# Makes the data directory what the decision takes it for, and sets flags, the server's further arguments.
arrange() {
  local start_uuid=${start_position%:*}
  flags=(${start_position:+"--wsrep-start-position=$start_position"})
  if [[ $action == bootstrap ]]; then
    [[ $initialize:$data == 1:empty || $initialize:$data == 1:incomplete || $initialize:$data == 0:data ]] ||
      finish 70 "the decision bootstrap initialize=$initialize does not fit data=$data: nothing was done"
    [[ $initialize == 0 ]] || initialize
    # etcd has decided: Galera is to believe that this node may start the cluster. With seqno -1, so that after a crash
    # of ours this file does not look like that of the last node to leave.
    write_grastate "${start_uuid:-$ZERO}" 1
    flags+=(--wsrep-new-cluster)
  elif [[ $data != data ]]; then
    [[ $data == empty ]] || { wipe && rm -f "$marker"; }
    flags=()
  elif [[ $fresh == 1 ]]; then
    # In the state directory: the SST removes it from the other. A zero uuid makes the joiner ask for an SST whatever
    # InnoDB has, and shows the next start, if this one fails before that, that the data are not to be trusted.
    keep "$state/grastate.dat.discarded" "$(cat "$datadir/grastate.dat" 2>/dev/null)"
    write_grastate "$ZERO" 0
    flags=()
  elif [[ $start_position && $uuid != "$start_uuid" ]]; then
    write_grastate "$start_uuid" 0 # Galera takes a start position only if grastate.dat has its uuid
  fi
  # Whoever still runs by an earlier election has another name: Galera keeps the two apart.
  flags+=(${group:+"--wsrep-cluster-name=$group"})
  # Only now: the sidecar has been told of them. Galera's SST scripts stumble over some.
  rm -rf "$datadir"/{sst_in_progress,.sst,wsrep_sst.pid,rsync_sst.pid,rsync_sst.conf} \
    "$datadir"/{xtrabackup_galera_info,xtrabackup_ist,donor_galera_info}
}

start() {
  local beat='' confirmed=1 renewed
  leave_if_asked
  now
  renewed=$now
  [[ $action == join ]] || { confirmed='' && { ((now - taken < 3)) || await_lease; }; }
  launch "${server[@]}" "${flags[@]}"
  renewed=$now
  log "started mariadbd, pid $child: ${server[*]} ${flags[*]}"
  tell starting "mariadbd runs, pid $child"
  trap '[[ $child == 0 ]] || kill -HUP "$child"' HUP # it opens its log files anew
  attend stop supervise
  trap : HUP
  see_confirmation # it may have come since
  [[ ! $stale ]] || finish 75 "ended mariadbd: the lease of its bootstrap was not renewed for $lease_seconds s"
  [[ $again && ! $ending ]] || finish "$status" "mariadbd ended with status $status"
  log "mariadbd ended with status $status, as ordered; begins again"
  # What it has left behind of a state transfer would take the next one's place. We are the first process of our container.
  [[ $$ != 1 ]] || kill -KILL -1 2>/dev/null
  again='' pace=0.2
}

stop() { # in order, however long that takes: what it does not write now it has to recover later
  log 'ends mariadbd'
  tell stopping 'ends mariadbd'
  pace=0.02 # the others may stop too: the last view is soon followed by the removal of gvwstate.dat
  moved=0 still=$now
  hangs
  end_child
  # Data that are being replaced cannot be lost: no pod has to wait for the end of an SST only to be deleted.
  [[ ! $ending || ! -e $datadir/sst_in_progress ]] || end_child_soon
}

supervise() {
  see_confirmation
  [[ $confirmed || $stale ]] || ((now - renewed < lease_seconds)) || {
    # At once: nobody was served from it, and by now others may be about to be elected.
    stale=1
    kill -KILL "$child" 2>/dev/null
    tell stopping "ends mariadbd: the lease of its bootstrap was not renewed for $lease_seconds s"
  }
  keep_view
  obey
}

obey() { # an order
  [[ -e $handoff/order ]] || return 0
  take "$handoff/order"
  rm -f "$handoff/order"
  if [[ ${got[boot_id]-} == "$boot" && ${got[action]-} == stop ]]; then
    log "the sidecar orders a stop: ${got[reason]-}"
    again=1
    stop
  else
    log "ignored an order for another start (${got[boot_id]-none})"
  fi
}

see_confirmation() { # or at least that the lease was renewed
  [[ ! $confirmed ]] || return 0
  take "$handoff/lease"
  [[ ${got[boot_id]-} == "$boot" ]] || return 0
  [[ ${got[beat]-} == "$beat" ]] || { beat=${got[beat]-} && renewed=$now; }
  [[ ${got[confirmed]-} == 1 ]] || return 0
  confirmed=1
  log 'the bootstrap is confirmed in etcd'
  rm -f "$marker"
}

((${#server[@]})) || finish 78 'usage: galera-start.sh mariadbd [argument...]'
while :; do
  prepare
  recover
  request
  await_decision || continue
  arrange
  start
done
