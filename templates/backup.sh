# Stops Dify, packs what belongs to a backup, starts Dify again. It runs on the host as one program, so that
# a lost connection leaves nothing stopped and nothing half done.
#
#   backup.sh STAGED COMPOSE_FOLDER start|leave NAME PATH [NAME PATH]...
#
# STAGED receives NAME.tar.gz for each PATH that exists, then "packed": lines of NAME, SHA-256, its bytes and
# those it was packed from, and "downtime SECONDS". With "leave" Dify stays stopped, unless something fails.
set -euo pipefail
umask 077
trap '' HUP PIPE

staged=$1 folder=$2 afterwards=$3
shift 3

say() { echo "$*" || true; }
megabytes() { du -sm -- "$1" | cut -f1; }
compose() { (cd "$folder" && docker compose --progress quiet "$@"); }

mkdir -p "${staged%/*}"
exec 9>"${staged%/*}/.lock"
flock 9 # a backup that a killed run began goes on; this one waits for its end

# What is stopped by a backup is noted until it runs again: after a power cut the next one starts it.
note=$staged.stopped
rm -rf "$staged"
mkdir "$staged"
downtime=0
declare -A bytes

start_again() {
    [ -e "$note" ] || return 0
    say "starting Dify"
    compose start
    downtime=$(($(date +%s) - $(cat "$note")))
    rm "$note"
    say "Dify was stopped for $downtime s"
}
telling=
at_the_end() {
    local status=$?
    trap - EXIT
    [ -z "$telling" ] || kill "$telling" 2>/dev/null || true
    [ "$status" = 0 ] || start_again || true
    exit "$status"
}
trap at_the_end EXIT

if [ -n "$(compose ps --quiet --status running)" ]; then
    say "stopping Dify"
    date +%s >"$note"
    compose stop --timeout 30
fi

while [ $# -gt 0 ]; do
    if [ -e "$2" ]; then
        say "packing $2, $(megabytes "$2") MB"
        bytes[$1]=$(du -sB1 -- "$2" | cut -f1)
        # Fast rather than small: Dify is stopped meanwhile.
        tar --create --numeric-owner --sparse --directory "$(dirname -- "$2")" -- "$(basename -- "$2")" |
            gzip --fast >"$staged/$1.tar.gz" &
        packing=$!
        while sleep 5 >/dev/null 2>&1 9>&- && kill -0 "$packing" 2>/dev/null; do
            say "packed so far: $(megabytes "$staged/$1.tar.gz") MB"
        done &
        telling=$!
        wait "$packing"
        kill "$telling" 2>/dev/null || true
        telling=
    fi
    shift 2
done

if [ "$afterwards" = start ]; then
    start_again
else
    rm -f "$note"
fi

say "adding up what was packed"
cd "$staged"
for file in *.tar.gz; do
    name=${file%.tar.gz}
    echo "$name $(sha256sum <"$file" | cut -d' ' -f1) $(stat -c %s "$file") ${bytes[$name]}"
done >packed.new
echo "downtime $downtime" >>packed.new
sync
mv packed.new packed
