#!/bin/sh
# Runs the daemon in the foreground, and restarts it a minute after a failure unless the configuration
# is invalid. For tmux, screen or nohup:
#   tmux new-session -d -s torc-watchd ./foreground.sh
#   nohup ./foreground.sh >/dev/null 2>&1 &
# If your home needs a Kerberos ticket: krenew -K 60 -- ./foreground.sh
set -u
TORC_WATCHD="${TORC_WATCHD:-torc-watchd}"
pause="${TORC_WATCHD_PAUSE:-60}"
pid=

stop() {
    trap '' INT TERM HUP
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
    wait
    exit 0
}
trap stop INT TERM
trap '[ -z "$pid" ] || kill -HUP "$pid" 2>/dev/null' HUP # reload the configuration

while :; do
    "$TORC_WATCHD" run &
    pid=$!
    wait "$pid"
    status=$?
    while kill -0 "$pid" 2>/dev/null; do # a signal interrupted the wait
        wait "$pid"
        status=$?
    done
    case "$status" in 0 | 2) exit "$status" ;; esac
    echo "torc-watchd ended with status $status; restarting in $pause s" >&2
    sleep "$pause" &
    pid=$!
    wait "$pid"
done
