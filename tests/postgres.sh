#!/bin/bash
# A PostgreSQL server of a test's own: on a Unix socket in its folder, without fsync, and gone after
# ten minutes whatever happens to the test.
#
#   postgres.sh start FOLDER          makes the cluster the first time; prints the server's URL
#   postgres.sh run FOLDER SQL        as its superuser
#   postgres.sh stop FOLDER [MODE]    fast, or immediate: as a crash would end it
set -e
verb=$1 folder=$2
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || { echo "PostgreSQL is missing; hint: apt-get install postgresql" >&2; exit 1; }
as=() user=$(id -un)
if [ "$(id -u)" = 0 ]; then # the server refuses to be root
	user=postgres as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd /
case $verb in
start)
	if [ ! -d "$folder/data" ]; then
		mkdir -p "$folder"
		for ((up = 1; up < 4; up++)); do # the way there is open to the server's user
			parent=$(dirname "${parent:-$folder}")
			[ "$parent" = / ] || [ ! -O "$parent" ] || chmod a+x "$parent"
		done
		[ "$(id -u)" != 0 ] || chown "$user" "$folder"
		"${as[@]}" "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C -N >"$folder.initdb" 2>&1 ||
			{ cat "$folder.initdb" >&2; exit 1; }
	fi
	timeout -s QUIT 600 "${as[@]}" "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= \
		-c fsync=off -c full_page_writes=off >>"$folder.log" 2>&1 </dev/null &
	for ((i = 0; i < 100; i++)); do
		"$bin/pg_isready" -q -h "$folder" && { echo "postgresql://postgres@/postgres?host=$folder"; exit 0; }
		sleep 0.1
	done
	tail "$folder.log" >&2
	exit 1
	;;
run)
	"$bin/psql" -q -v ON_ERROR_STOP=1 -h "$folder" -U postgres -d postgres -c "$3" >/dev/null
	;;
stop)
	"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m "${3:-fast}" -w stop >/dev/null
	;;
*)
	echo "usage: postgres.sh start|stop FOLDER" >&2
	exit 2
	;;
esac
