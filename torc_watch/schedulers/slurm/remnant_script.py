"""What runs on a node of an allocation to end what is left of attempts there. Pure.

Nodes may lack Python: it is for any shell. Its arguments are numbers alone: the allocation's, the
workflow's and the run's, then ``JOB.ATTEMPT`` of each attempt. It kills the processes of this user
that have them in the environment that they were started with, and looks again until it has found
none twice: a process that has forked, or is about to start another program, may be seen by neither
name. Zombies have no environment. It prints one line: how many it killed, or that some are left.
"""

import re

from torc_watch.core.errors import SchedulerError

_MARK = "torc-watch:"
_ENDED = "ended"
_ENDED_SO_MANY = re.compile(rf"{_ENDED} ([0-9]{{1,9}})")

# The first `grep` only finds what may be meant. Then whole entries count: each is made a line, and
# newlines in values another character. 0.12 does not say which run it is.
REMNANT_SCRIPT = f"""\
allocation=$1 workflow=$2 run=$3
shift 3
attempts=" $* "
names=
for attempt; do names="$names
TORC_JOB_ID=${{attempt%.*}}"; done
names=${{names#?}}

say() {{ echo "{_MARK} $*"; exit 0; }}
for program in grep tr sleep; do
    command -v $program >/dev/null || say lacks $program
done

whole=
printf 'a\\000b\\000' | grep -qzxF b 2>/dev/null && whole=-zx

own() {{
    for pid in [0-9]*; do [ -O $pid ] && [ -r $pid/environ ] && echo $pid/environ; done
}}

is_meant() {{
    w= r=$run j= a= s=
    for entry in $(tr '\\000\\012' '\\012\\001' 2>/dev/null <$1/environ |
        grep -xE '(TORC_(WORKFLOW|RUN|JOB|ATTEMPT)|SLURM_JOB)_ID=[0-9]+'); do
        case $entry in
            TORC_WORKFLOW_ID=*) w=${{entry#*=}} ;;
            TORC_RUN_ID=*) r=${{entry#*=}} ;;
            TORC_JOB_ID=*) j=${{entry#*=}} ;;
            TORC_ATTEMPT_ID=*) a=${{entry#*=}} ;;
            SLURM_JOB_ID=*) s=${{entry#*=}} ;;
        esac
    done
    [ "$s.$w.$r" = "$allocation.$workflow.$run" ] || return 1
    case $attempts in *" $j.$a "*) return 0 ;; esac
    return 1
}}

candidates() {{
    files=$(own)
    [ -n "$files" ] || return 1  # this shell is one of them
    grep -lsF $whole -e "$names" -- $files
    [ $? -le 2 ]  # 2: a process has ended meanwhile
}}

cd /proc || say cannot look
killed=" " number=0 looks=0 clean=0
while [ $clean -lt 2 ]; do
    found=$(candidates) || say cannot look
    left=
    for file in $found; do
        pid=${{file%/*}}
        is_meant $pid || continue
        left=yes
        kill -KILL $pid 2>/dev/null
        case $killed in *" $pid "*) ;; *) killed="$killed$pid " number=$((number + 1)) ;; esac
    done
    if [ -z "$left" ]; then clean=$((clean + 1)); continue; fi
    clean=0 looks=$((looks + 1))
    [ $looks -lt 40 ] || say left
    sleep 0.1 2>/dev/null || sleep 1
done
say {_ENDED} $number
"""


def parse_ended(text: str, *, nodes: int) -> int:
    """How many processes were killed on so many nodes, in all.

    Raises SchedulerError unless each of them says that nothing is left.
    """
    said = [
        line.removeprefix(_MARK).strip() for line in text.splitlines() if line.startswith(_MARK)
    ]
    numbers = [_ENDED_SO_MANY.fullmatch(each) for each in said]
    if len(said) != nodes or not all(numbers):
        others = {each for each, number in zip(said, numbers, strict=True) if not number}
        detail = f", one with: {min(others)!r}" if others else ""
        raise SchedulerError(f"{len(said)} of {nodes} nodes answered{detail}.")
    return sum(int(number[1]) for number in numbers if number)
