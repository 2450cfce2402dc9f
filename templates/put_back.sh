# Puts a backup back: containers of the installation go, each part takes its place again, and what was there is
# kept beside it as PATH.replaced. It runs on the host as one program; a run that was killed is run again.
#
#   put_back.sh BACKUP PROJECT COMPOSE_FOLDER [FILE SHA256 MEMBER PATH]...
#
# MEMBER is what the packed folder or file is called in FILE, PATH where it belongs.
set -euo pipefail
trap '' HUP PIPE

backup=$1 project=$2 folder=$3
shift 3
parts=("$@")

say() { echo "$*" || true; }

exec 9>"${backup%/*}/.lock"
flock 9

# What was unpacked and has not come to its place would only fill the disk that Dify needs.
at_the_end() {
    local status=$? i
    [ "$status" = 0 ] || for ((i = 3; i < ${#parts[@]}; i += 4)); do rm -rf "${parts[i]}.restored"; done
    exit "$status"
}
trap at_the_end EXIT

check() {
    while [ $# -gt 0 ]; do
        say "checking $1"
        if [ "$(sha256sum <"$backup/$1" | cut -d' ' -f1)" != "$2" ]; then
            echo "$backup/$1 is damaged: its SHA-256 is not the manifest's" >&2
            exit 1
        fi
        shift 4
    done
}

unpack() {
    while [ $# -gt 0 ]; do
        say "unpacking $4, $(du -sm -- "$backup/$1" | cut -f1) MB packed"
        rm -rf "$4.restored"
        mkdir -p "$(dirname -- "$4")"
        mkdir -m 700 "$4.restored"
        tar --extract --gzip --numeric-owner --same-permissions --directory "$4.restored" --file "$backup/$1"
        shift 4
    done
}

# Other folders may have a project of the same name, which compose takes from a folder's own.
own_containers() {
    local id at
    docker ps --all --filter "label=com.docker.compose.project=$project" \
        --format '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}' |
        while read -r id at; do
            if [ "$at" = "$folder" ] || [ "$at" -ef "$folder" ]; then echo "$id"; fi
        done
}

# The networks stay: others may have joined them, and compose takes them again.
remove_containers() {
    local containers
    containers=$(own_containers)
    [ -z "$containers" ] || docker stop --time 30 $containers >/dev/null
    [ -z "$containers" ] || docker rm --force $containers >/dev/null
}

exchange() {
    while [ $# -gt 0 ]; do
        # With a .replaced there, what is in its place is from a run of this that was killed.
        if [ -e "$4.replaced" ]; then
            rm -rf "$4"
        elif [ -e "$4" ]; then
            mv -T "$4" "$4.replaced"
        fi
        mv -T "$4.restored/$3" "$4"
        rmdir "$4.restored"
        shift 4
    done
}

check "$@"
unpack "$@" # before anything stops
say "stopping Dify and removing its containers"
remove_containers
exchange "$@"
sync
