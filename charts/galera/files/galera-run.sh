#!/usr/bin/env bash
# Entry of the mariadb container: finds what differs from image to image and from pod to pod, writes the SQL of the first
# start, and becomes galera-start.sh, which decides with the sidecar how MariaDB starts.
set -eu
export LC_ALL=C.UTF-8

readonly auth=${GALERA_AUTH_DIR:-/etc/galera/auth} scripts=${GALERA_SCRIPTS_DIR:-/etc/galera/initdb} init=$GALERA_INIT_DIR

quote() { # text: as a string of SQL
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

secret() { # key: the password in that file, as a string of SQL; fails where there is none
  local text
  [[ -r $auth/$1 ]] && text=$(<"$auth/$1") && [[ $text ]] && quote "$text"
}

accounts() { # the SQL of the accounts
  local password
  echo "SET SESSION sql_mode = '';"
  if password=$(secret exporter-password); then
    # The sidecar's: mysql.wsrep_cluster_members is made by the first server that runs with wsrep on, later than this.
    # A grant on a table that is not there is accepted only together with CREATE.
    cat <<SQL
CREATE USER exporter@localhost IDENTIFIED BY $password WITH MAX_USER_CONNECTIONS 3;
GRANT CREATE, SELECT ON mysql.wsrep_cluster_members TO exporter@localhost;
REVOKE CREATE ON mysql.wsrep_cluster_members FROM exporter@localhost;
SQL
  fi
  if password=$(secret operator-password); then # for galeractl sync-test
    cat <<SQL
CREATE USER operator@'%' IDENTIFIED BY $password;
GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON \`galera\\_exporter\\_sync\\_test\\_%\`.* TO operator@'%';
SQL
  fi
  if password=$(secret root-password); then
    echo "ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD($password);"
    [[ ${AUTH_ROOT_REMOTE:-} != true ]] || cat <<SQL
CREATE USER root@'%' IDENTIFIED BY $password;
GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;
SQL
  fi
  [[ ! ${AUTH_DATABASE:-} ]] || echo "CREATE DATABASE IF NOT EXISTS \`$AUTH_DATABASE\`;"
  if [[ ${AUTH_USERNAME:-} ]] && password=$(secret password); then
    echo "CREATE USER $(quote "$AUTH_USERNAME")@'%' IDENTIFIED BY $password;"
    [[ ! ${AUTH_DATABASE:-} ]] ||
      echo "GRANT ALL PRIVILEGES ON \`${AUTH_DATABASE//_/\\_}\`.* TO $(quote "$AUTH_USERNAME")@'%';"
  fi
}

# The volume itself has the sticky bit, as a volume in memory does: there nobody can move what the other one wrote.
[[ -d $GALERA_HANDOFF_DIR ]] || mkdir -m 2770 "$GALERA_HANDOFF_DIR"

rm -f "$init"/*.sql # of an earlier start of this container
(umask 077 && accounts >"$init/10-accounts.sql")
for file in "$scripts"/*/*.sql; do
  [[ -e $file ]] || continue # no file matched
  ln -s "$file" "$init/50-${file##*/}" || {
    echo "[galera-run] two scripts of the first start are called ${file##*/}: rename one of them" >&2
    exit 78
  }
done

# /usr/lib in MariaDB's own image, a folder of its own in Debian's and Red Hat's packages.
provider=none
for file in "${GALERA_ROOT:-}"/usr/lib{,64}{,/galera,/galera-4}/libgalera_smm.so; do
  [[ ! -r $file ]] || provider=$file
done

address=$POD_IP options=${GALERA_PROVIDER_OPTIONS:-}
if [[ $address == *:* ]]; then
  address="[$address]" options="gmcast.listen_addr=tcp://[::]:4567;$options"
fi

exec "${0%/*}/galera-start.sh" mariadbd --defaults-file=/etc/galera/my.cnf --wsrep-provider="$provider" \
  --wsrep-node-name="$POD_NAME" --wsrep-node-address="$address" --wsrep-provider-options="$options"
