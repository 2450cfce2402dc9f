"""Git as root runs it on a host, in folders of whoever made them."""

from __future__ import annotations

import shlex

# Git refuses folders of other users, and up to 2.37 believes neither its command line nor the environment
# that one is safe: only files for a system or a user count (git-config(1), safe.directory). One for a user
# is put before root's own ~/.gitconfig, which still counts (proxies), and names the other that it hides.
# A connection on which nothing comes is given up after a minute; nobody is there to be asked for a password.
_PROGRAM = r"""
new=$(mktemp -d) || exit
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$new/git"
old=${GIT_CONFIG_GLOBAL:-${XDG_CONFIG_HOME:-$HOME/.config}/git/config}
printf '[%s]\n%s\n' safe 'directory = *' http 'lowSpeedLimit = 1000' http 'lowSpeedTime = 60' \
    include "path = \"$old\"" >"$new/git/config"
env -u GIT_CONFIG_GLOBAL XDG_CONFIG_HOME="$new" GIT_TERMINAL_PROMPT=0 git "$@"
"""

GIT = f"sh -c {shlex.quote(_PROGRAM.strip())} git"
"""In place of the word ``git`` in a shell's command; arguments follow."""
