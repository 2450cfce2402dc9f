# Stops Dify, packs what belongs to a backup, starts Dify again. It runs on the host as one program, so that
# a lost connection leaves nothing stopped and nothing half done.
#
#   backup.sh STAGED COMPOSE_FOLDER start|leave NAME PATH [NAME PATH]...
#
# STAGED receives NAME.tar.gz for each PATH, then "packed": lines of NAME, SHA-256 and bytes, and "downtime
# SECONDS". With "leave" Dify stays stopped, unless something fails.
set -euo pipefail
umask 077
trap '' HUP PIPE

staged=$1 folder=$2 afterwards=$3
shift 3

say() { echo "$*" || true; }
compose() { (cd "$folder" && docker compose --progress quiet "$@"); }

mkdir -p "${staged%/*}"
exec 9>"${staged%/*}/.lock"
flock 9 # a backup that a killed run began goes on; this one waits for its end

# What is stopped by a backup is noted until it runs again: after a power cut the next one starts it.
note=$staged.stopped
rm -rf "$staged"
mkdir "$staged"
downtime=0

start_again() {
    [ -e "$note" ] || return 0
    say "starting Dify"
    # Not "start", which starts nothing when one service has no container.
    compose up --detach --no-recreate || return 1
    downtime=$(($(date +%s) - $(cat "$note")))
    rm "$note"
    say "Dify was stopped for $downtime s"
}
telling=
at_the_end() {
    local status=$?
    trap - EXIT
    [ -z "$telling" ] || kill "$telling" 2>/dev/null || true
    if [ "$status" != 0 ]; then
        rm -rf "$staged" # on a full disk Dify could not write
        start_again ||
            echo "Dify is stopped, and could not be started: cd $folder && docker compose up --detach" >&2
    fi
    exit "$status"
}
trap at_the_end EXIT

running=$(compose ps --quiet --status running --status restarting)
if [ -n "$running" ]; then
    say "stopping Dify"
    date +%s >"$note"
    compose stop --timeout 30
fi

while [ $# -gt 0 ]; do
    say "packing $2"
    # Fast rather than small: Dify is stopped meanwhile.
    tar --create --numeric-owner --sparse --directory "$(dirname -- "$2")" -- "$(basename -- "$2")" |
        gzip --fast >"$staged/$1.tar.gz" &
    packing=$!
    while sleep 5 >/dev/null 2>&1 9>&- && kill -0 "$packing" 2>/dev/null; do
        say "packed so far: $(du -sm -- "$staged/$1.tar.gz" | cut -f1) MB"
    done &
    telling=$!
    wait "$packing"
    kill "$telling" 2>/dev/null || true
    telling=
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
    echo "${file%.tar.gz} $(sha256sum <"$file" | cut -d' ' -f1) $(stat -c %s "$file")"
done >packed.new
echo "downtime $downtime" >>packed.new
sync
mv packed.new packed
