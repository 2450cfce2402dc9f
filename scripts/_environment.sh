# Sourced by the scripts beside it: sets up this machine for them, as root.
# Debian or Ubuntu; needs Python 3.11 or newer, and root or sudo. Idempotent, and quick when all is there.

set -euo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$ROOT"
# Containers, mount namespaces and package installation are root's.
if [ "$(id -u)" -ne 0 ]; then
    exec sudo --preserve-env -- "$(command -v bash)" "$ROOT/scripts/$(basename -- "$(readlink -f -- "$0")")" "$@"
fi
exec </dev/null
# dockerd and iptables live in sbin, which is not on everybody's PATH.
export PATH="$ROOT/.venv/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
LOGS="$ROOT/.lab/logs"
begun_at=$EPOCHREALTIME

# since MOMENT: the seconds that have passed, in the form that `python -m lab` prints.
since() {
    local tenths=$(((${EPOCHREALTIME/./} - ${1/./}) / 100000))
    printf '[%4d.%d s]' $((tenths / 10)) $((tenths % 10))
}

# step NAME COMMAND…: run a command, then say how long it took. Keeps the command's exit status.
step() {
    local name=$1 from=$EPOCHREALTIME status=0
    shift
    "$@" || status=$?
    printf '%s %s%s\n' "$(since "$from")" "$name" "$([ "$status" -eq 0 ] || echo " (FAILED, exit $status)")"
    return "$status"
}

# quietly LOG COMMAND…: run a command into a log, which is shown only when it fails.
quietly() {
    local log="$LOGS/$1"
    shift
    mkdir -p "$LOGS"
    "$@" >"$log" 2>&1 || { local status=$? && tail -n 40 "$log" >&2 && return "$status"; }
}

total() {
    printf '%s %s\n' "$(since "$begun_at")" "$1 in total"
}

# missing_packages [browser]: what has to be installed; a browser only for those who open pages.
missing_packages() {
    command -v mmdebstrap >/dev/null || echo mmdebstrap
    command -v zstd >/dev/null || echo zstd
    command -v git >/dev/null || echo git
    command -v ssh-keygen >/dev/null || echo openssh-client
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    if [ "${1:-}" = browser ] && ! command -v chromium-headless-shell chromium google-chrome >/dev/null; then
        # Ubuntu has it as a snap, by another name.
        command -v chromium-browser >/dev/null || apt-cache search --names-only '^chromium-browser$' |
            grep -o '^chromium-browser' || echo chromium-headless-shell
    fi
    if ! docker info >/dev/null 2>&1; then
        command -v iptables >/dev/null || echo iptables
        command -v ip >/dev/null || echo iproute2
        command -v dockerd >/dev/null || echo docker.io
        # Debian 13 has the client in a package of its own.
        command -v docker >/dev/null || apt-cache search --names-only '^docker-cli$' | cut -d' ' -f1
    fi
}

install_packages() {
    [ -n "$(missing_packages "$@")" ] || return 0
    quietly apt-update.log apt-get update || return
    # Asked again: what there is to install is known only after the update.
    # shellcheck disable=SC2046
    quietly apt-install.log apt-get install -y --no-install-recommends $(missing_packages "$@") || return
}

python_of_choice() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed, and none is on PATH." >&2
    return 1
}

install_python_packages() {
    local stamp
    stamp=".venv/installed-$(cat requirements/dev.txt pyproject.toml | sha256sum | cut -c1-16)"
    [ -e "$stamp" ] && return 0
    if [ ! -x .venv/bin/python ]; then
        "$(python_of_choice)" -m venv .venv || return
    fi
    quietly pip.log .venv/bin/python -m pip install --require-hashes -r requirements/dev.txt || return
    quietly pip-project.log .venv/bin/python -m pip install --no-deps --no-build-isolation -e . || return
    rm -f .venv/installed-*
    touch "$stamp"
}

# set_up_machine [browser]: see missing_packages.
set_up_machine() {
    step "system packages" install_packages "$@"
    step "Python packages" install_python_packages
}

# The lab's own engine, where the machine runs none; for whoever calls docker from here on.
use_lab_engine() {
    if ! docker info >/dev/null 2>&1; then
        export DOCKER_HOST="unix://$ROOT/.lab/docker/docker.sock"
    fi
}
