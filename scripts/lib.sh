# shellcheck shell=bash
# lib.sh: what the scripts share: messages, --help, and processes that are started, watched and ended by whoever started them.
#
# A started process is known by its id and its start time, so that a recycled id is never taken for it.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SEGUE_BIN=${SEGUE_BIN:-$ROOT/build/segue}

say() { printf '%s\n' "$*"; }
note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    note "$@"
    exit 1
}

# The comment that opens a script is its --help.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }

# misused WHAT: a command line that cannot be understood.
misused() {
    note "$*; see ${0##*/} --help"
    exit 2
}

# number NAME VALUE MIN: refuses what is not a plain number.
number() {
    if ! [[ $2 =~ ^[0-9]{1,9}$ ]] || ((10#$2 < $3)); then
        misused "$1 wants a number from $3, not '$2'"
    fi
}

# listening HOST PORT: does anybody accept connections there?
listening() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# free_port: a port that nobody listens on, below the range that the kernel gives to outgoing connections. Another process may
# take it first: whoever starts a server on it must be ready to try again.
free_port() {
    local port
    while :; do
        port=$((20000 + SRANDOM % 12000))
        listening 127.0.0.1 "$port" || break
    done
    say "$port"
}

# ready HOST:PORT: does the process there answer /readyz with 200?
ready() {
    local status
    status=$(
        exec 2>/dev/null 3<>"/dev/tcp/${1%:*}/${1##*:}" || exit 0
        printf 'GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" >&3
        read -r -t 2 line <&3 && printf '%s' "$line"
    ) || return 1
    [[ $status == 'HTTP/1.1 200 '* ]]
}

# started_at PID: the kernel's start time of a process, which with the id names it for good.
started_at() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    read -ra stat <<<"${stat##*) }" # what follows the name, which may hold anything
    [[ ${stat[0]} != Z ]] && say "${stat[19]}"
}

# record FILE PID: notes a process; alive FILE: does the noted process still run?; signal FILE NAME: sends it a signal.
record() { printf '%s %s\n' "$2" "$(started_at "$2")" >"$1"; }
alive() {
    local pid start
    [[ -f $1 ]] && read -r pid start <"$1" && [[ -n $start && $(started_at "$pid") == "$start" ]]
}
signal() {
    local pid
    alive "$1" && read -r pid _ <"$1" && kill -s "$2" "$pid" 2>/dev/null
}

# await SECONDS COMMAND...: repeats the command until it succeeds or the time is over.
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# logged FILE EVENT: the address in the line by which a gateway says where it listens, in either log format.
logged() {
    sed -nE "s/.*(info $2 address=|\"event\":\"$2\",\"address\":\")([0-9.:a-fA-F]*|\[[0-9a-fA-F:.]*\]:[0-9]+).*/\2/p" "$1" 2>/dev/null |
        tail -n 1 | grep .
}

# detached LOG COMMAND...: starts a process away from our terminal, so that Ctrl-C reaches only us; its id is in $started. With
# LEASH set it also ends when this script is killed.
detached() {
    local log=$1
    shift
    if [[ -n ${LEASH:-} ]]; then
        setsid setpriv --pdeathsig TERM "$@" </dev/null >>"$log" 2>&1 &
    else
        setsid "$@" </dev/null >>"$log" 2>&1 &
    fi
    # shellcheck disable=SC2034  # the caller's
    started=$!
}

# random_secret: 256 bits as text.
random_secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
