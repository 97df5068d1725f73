# Sourced by the findings about Torc. `start_torc` builds Torc 1.0.0 from its crate in a temporary folder,
# which takes minutes (CARGO_TARGET_DIR keeps what was built for the next script), and runs its server there
# with an empty database. `torc` is then in PATH and uses this server, which ends with the shell. The server
# looks every second, instead of every minute, whether jobs have ended that others depend on. Needs cargo,
# python3 and the tools that compile C.
# shellcheck shell=sh

start_torc() {
    folder=$(mktemp -d)
    trap end_torc EXIT
    trap 'exit 130' INT TERM
    cd "$folder" || exit # where jobs write their output
    build_torc || exit
    export PATH="$folder/bin:$PATH"
    torc --version
    serve 0
}

serve() { # port; 0 is a free one
    : >server.log
    torc-server run --host 127.0.0.1 --port "$1" --database "$folder/torc.db" --log-level error \
        --completion-check-interval-secs 1 >>server.log 2>&1 &
    server=$!
    until port=$(sed -n 's/^TORC_SERVER_PORT=//p' server.log) && [ -n "$port" ]; do
        kill -0 "$server" || exit
        sleep 0.1
    done
    export TORC_API_URL="http://127.0.0.1:$port/torc-service/v1"
}

restart_torc() {
    kill "$server"
    wait "$server" 2>/dev/null || true
    serve "$port"
}

# Starts `torc run` in the background; `$runner` is its process. It looks for work at least every second.
run_in_background() { # workflow
    torc run "$1" --poll-interval 0.5 --claim-backoff-max-secs 1 >run.log 2>&1 &
    runner=$!
}

# The build of a plotting crate finds a stub in place of a browser, which it would else download. Queries
# are not checked against a database.
build_torc() {
    mkdir -p config/kaleido/bin
    printf '#!/bin/sh\n' >config/kaleido/bin/kaleido
    chmod +x config/kaleido/bin/kaleido
    SQLX_OFFLINE=true XDG_CONFIG_HOME="$folder/config" CARGO_PROFILE_DEV_DEBUG=0 cargo install torc \
        --version =1.0.0 --locked --debug --root "$folder" --features server-bin >build.log 2>&1 || {
        tail -n 20 build.log >&2
        return 1
    }
}

end_torc() {
    # A runner that is asked to end would wait for the server.
    kill -9 "${runner:-}" 2>/dev/null || true
    kill "${server:-}" 2>/dev/null || true
    wait
    rm -rf "$folder"
}

# Prints what was seen; ends the script if it is something else than expected.
still() { # subject expected seen
    echo "$1: $3"
    [ "$2" = "$3" ] || {
        echo "The behavior has changed: $2 was expected." >&2
        exit 1
    }
}

# A value of the only row that a list in JSON has.
only() { # field; the list is on standard input
    python3 -c 'import json, sys
(row,) = json.load(sys.stdin)["items"]
print(row[sys.argv[1]])' "$1"
}

wait_for() { # seconds command...
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || {
            echo "The behavior has changed, or the machine is slow. Waited in vain: $*" >&2
            exit 1
        }
        sleep 0.2
    done
}

job_is() { # workflow job status
    [ "$(job_status "$1" "$2")" = "$3" ]
}

job_status() { # workflow job
    torc -f json jobs list "$1" | python3 -c 'import json, sys
(job,) = [job for job in json.load(sys.stdin)["items"] if job["name"] == sys.argv[1]]
print(job["status"])' "$2"
}

# Prints the status of the answer of the API.
ask() { # method path [JSON]
    python3 -c 'import http.client, os, sys, urllib.parse
url = urllib.parse.urlsplit(os.environ["TORC_API_URL"])
server = http.client.HTTPConnection(url.netloc)
server.request(sys.argv[1], url.path + sys.argv[2], sys.argv[3], {"Content-Type": "application/json"})
print(server.getresponse().status)' "$1" "$2" "${3-}"
}
