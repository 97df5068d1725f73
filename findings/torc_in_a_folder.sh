# Sourced by the findings about Torc. `start_torc` builds Torc 1.0.0 from its crate in a temporary folder,
# which takes minutes (CARGO_TARGET_DIR keeps what was built for the next script), and runs its server there
# with an empty database. `torc` is then in PATH and uses this server, which ends with the shell. Needs
# cargo, python3 and the tools that compile C.
# shellcheck shell=sh

start_torc() {
    folder=$(mktemp -d)
    trap end_torc EXIT
    trap 'exit 130' INT TERM
    cd "$folder" || exit # where jobs write their output
    build_torc || exit
    export PATH="$folder/bin:$PATH"
    torc-server run --host 127.0.0.1 --port 0 --database "$folder/torc.db" --log-level error >server.log 2>&1 &
    server=$!
    until port=$(sed -n 's/^TORC_SERVER_PORT=//p' server.log) && [ -n "$port" ]; do
        kill -0 "$server" || exit
        sleep 0.1
    done
    export TORC_API_URL="http://127.0.0.1:$port/torc-service/v1"
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
    kill "${server:-}" 2>/dev/null || true
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
