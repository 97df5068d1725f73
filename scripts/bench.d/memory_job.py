"""A job of `scripts/bench cluster-recovery`: takes NEED MiB and SECONDS, both as its arguments.

Its memory grows during the first 60 % of its time; so one that is killed for it has lost as much of
its time as its request was too small for.
"""

import sys
import time

_INTERPRETER = 9  # MiB that Python takes itself
_GROWTH = 0.6  # of its time
_STEPS_PER_SECOND = 4


def main() -> None:
    need, seconds = int(sys.argv[1]), float(sys.argv[2])
    growing = seconds * _GROWTH
    steps = max(1, round(growing * _STEPS_PER_SECOND))
    chunk = max(0, need - _INTERPRETER) * 2**20 // steps
    taken = []
    for _ in range(steps):
        taken.append(b"x" * chunk)  # which touches each of its pages
        time.sleep(growing / steps)
    time.sleep(seconds - growing)


if __name__ == "__main__":
    main()
