# Puts a backup back, in two steps: each part is unpacked beside its place, which takes its time while Dify may
# run; then containers go, each part takes its place, and what was there is kept beside it as PATH.replaced.
# Each step runs on the host as one program; a run that was killed is run again from the first.
#
#   put_back.sh unpack BACKUP "" [FILE MEMBER PATH]...
#   put_back.sh exchange BACKUP CONTAINERS [FILE MEMBER PATH]...
#
# CONTAINERS are ids, with spaces between them. FILE has been compared with the manifest's SHA-256. MEMBER is
# what the packed folder or file is called in it, PATH where it belongs.
set -euo pipefail
trap '' HUP PIPE

step=$1 backup=$2 containers=$3
shift 3
parts=("$@")

say() { echo "$*" || true; }

exec 9>"${backup%/*}/.lock"
flock 9

# What was unpacked and has not come to its place would only fill the disk that Dify needs.
at_the_end() {
    local status=$? i
    [ "$status" = 0 ] || for ((i = 2; i < ${#parts[@]}; i += 3)); do rm -rf "${parts[i]}.restored"; done
    exit "$status"
}
trap at_the_end EXIT

unpack() {
    while [ $# -gt 0 ]; do
        say "unpacking $3, $(du -sm -- "$backup/$1" | cut -f1) MB packed"
        rm -rf "$3.restored"
        mkdir -p "$(dirname -- "$3")"
        mkdir -m 700 "$3.restored"
        tar --extract --gzip --numeric-owner --same-permissions --directory "$3.restored" --file "$backup/$1"
        shift 3
    done
}

# The networks stay: others may have joined them, and compose takes them again.
remove_containers() {
    local left id
    [ -n "$containers" ] || return 0
    # One of them may be gone by now; what counts is that none is there in the end.
    docker stop --time 30 $containers >/dev/null || true
    docker rm --force $containers >/dev/null || true
    left=$(docker ps --all --quiet --no-trunc)
    for id in $containers; do
        case $left in *"$id"*)
            echo "container $id cannot be removed" >&2
            return 1
            ;;
        esac
    done
}

exchange() {
    while [ $# -gt 0 ]; do
        # With a .replaced there, what is in its place is from a run of this that was killed.
        if [ -e "$3.replaced" ]; then
            rm -rf "$3"
        elif [ -e "$3" ]; then
            mv -T "$3" "$3.replaced"
        fi
        mv -T "$3.restored/$2" "$3"
        rmdir "$3.restored"
        shift 3
    done
}

if [ "$step" = unpack ]; then
    unpack "$@"
else
    say "stopping Dify and removing its containers"
    remove_containers
    exchange "$@"
    sync
fi
