"""Prints docs/failures.md from the rules and the remedies."""

from collections.abc import Iterator

from torc_watch.core.cause import REMEDIES, Cause, Remedy
from torc_watch.core.clue import Weight
from torc_watch.failures.rule import Rule
from torc_watch.failures.rule_file import own_rules
from torc_watch.render.cause_text import cause_text

_REMEDIES = {
    Remedy.RAISE_MEMORY: "requests more memory",
    Remedy.RAISE_RUNTIME: "requests more time",
    Remedy.RETRY: "runs again, in every round that is allowed",
    Remedy.RETRY_LATER: "runs again after a pause, three times at most",
    Remedy.AWAIT_ROOM: "runs again when files can be written, three times at most",
    Remedy.RETRY_TWICE: "runs again, twice at most",
    Remedy.RETRY_ONCE: "runs again once",
    Remedy.HAND_OVER: "does not run again: a user has to act",
    Remedy.LEAVE_ALONE: "does not run again: a user ended it",
}
_WEIGHTS = {
    Weight.SCHEDULER: "Slurm itself says it: it outranks all that programs write",
    Weight.FATAL: "the line by which a program ends; before the last 200 lines it is a hint",
    Weight.HINT: "an error that programs may survive: it counts only among the last 40 lines",
    Weight.ECHO: "follows from the failure of something else: it is never the cause",
}
_HEAD = """\
# Why jobs fail

`scripts/failure-rules >docs/failures.md` writes this page from the rules: change it there.

`torc-watchd why 42` says why jobs of a workflow failed, with the evidence. It is weighed in this
order:

1. the end of the job's step, where Torc runs jobs as steps, and of its allocation, as Slurm has
   them: lack of memory, a failed node, a preemption, a cancellation;
2. what Slurm has written into the job's output, or of its step into that of the allocation;
3. what the kernel killed for its memory, if that was surely a process of this job: Torc keeps the
   kernel's log of a node after failures;
4. what Torc's worker killed the job for: a measured peak above its request, the end of its time;
5. a kill (137), which means lack of memory unless Slurm saw none;
6. what the program wrote before it ended: the first error counts, since later ones follow from it,
   but lack of memory comes before others;
7. the peak of its memory;
8. where nothing else tells, what is not there: room for its output, if its output files are empty
   and no file of 1 MiB can be written beside them now; or, after return code 1, an output file that
   it declares, if Slurm saw its step succeed, or its file for errors has no word;
9. its return code;
10. jobs alike, with the same requirements and the same name up to its trailing numbers: if all that
    failed in the same way did so on one node, where none succeeded, and others succeeded elsewhere,
    the node is to blame. An error of the program, of its input, or an unknown one, takes two
    failures there and three successes elsewhere.

A cause is *proven* by Slurm, the kernel, or two that say the same; *likely* by the line by which
the program ended, or by measurements; a *guess* is a return code of 137 alone, or an error that
programs may survive. If something as weighty speaks for another cause, it is less sure by a step.

Of a long output the first 32 KiB and the last 64 KiB are read, for at most 20 seconds in all; the
transcript says of how many jobs nothing was read in that time. Dumps of environment variables are
skipped. A return code of 137 of a job on Slurm is no lack of memory if its measured peak is below
its request and Slurm saw none: so is a `kill -9` by hand.

While accounting is down, or the cluster has none, less is known of steps.

## What is done

| cause | | a job that failed so |
|---|---|---|
"""
_AFTER_CAUSES = """
A failure from before the watch runs again once whatever its cause: you knew of it when you asked
for the watch. `torc-watchd recover 42` and a recovery hook count as a repair: all causes are
retried. With `--no-retry-unknown` only lack of memory and time is mended, and what was interrupted
goes on.

`plan` shows what `recover` would do, and so do `why` and `status`, unless the daemon watches the
workflow and recovers it: then they show the next round of that watch.

A job that says how much memory it lacked (NumPy's `Unable to allocate 45.0 GiB`, R's `cannot
allocate vector of size 3.7 Gb`), or for how much Slurm stopped it, is known to need that much, and
requests [more than that](../README.md#how-much-more-jobs-request), at most what a node has. Where
no node has so much, the job is handed over at once.

What may pass by itself gets time to do so. The first retry comes 2 minutes after the last failure
for the cause, the second 8, all others 30; for a license 10, 30 and 60 minutes. That also holds for
Slurm that did not answer. While a file system is full, or a quota used up, the watch waits for room
in the output folder, into which it writes a file of 1 MiB to see, and in the folder in which the
workflow was created; after 24 hours it hands the workflow over. Meanwhile `status` shows until when
it waits, and for what. A daemon that is restarted goes on waiting: the times are those of the
failures.

A round that has other jobs to start waits for those that may run again within 2 minutes, and goes
without those that have to wait longer: they follow when the workflow has come to rest again. What a
user asks for waits for nothing: `recover`, a watch that begins after the failure, and a recovery
hook. `torc-watchd resume 42` ends the wait of a workflow that the daemon watches; after a `pause`
it goes on waiting, and a second `resume` ends the wait.

A round in which jobs run again only because of a file system, the network, a license or a GPU uses
up none of `--max-retries`: what bounds it is the budget of each job, which is never larger than
`--max-retries` there. So these jobs still have their retries when other failures, which run again
in every round, have used up all rounds; those others do not run again then.

Errors of the program, the environment and the input share one retry of a job.

If three jobs or more fail in the same way, one of them goes first. The others follow when it has
succeeded; if it fails in the same way again, the workflow is handed over.
"""
_SUSPECTS = """
## While others run

In a workflow with Slurm, jobs that lacked memory or time, or whose allocation ended, do not wait
until the workflow is at rest. Within two seconds of the failure, or at the next poll where the
server has no event stream, they get their request and are ready again; failures within a second are
one batch. Jobs of the kind that have not started request more first. If none of the allocations
takes a retried job, another one is submitted some seconds later, as far as `--auto-schedule` and
the limits allow.

Such retries start no run and use up none of `--max-retries`, but a job has no more than that many
of them. After that it is not retried in a round either.

Everything else waits for the round of the workflow at rest, as if there were no retries while
others run:

- other causes than lack of memory or time; and interruptions as long as the allocation is there, or
  if a user canceled it;
- a job that lacked memory in a workflow that does not limit the memory of its jobs
  (`limit_resources: false`): it took that of its allocation, and needs a larger one;
- a job without a result of its last attempt, whose worker may still run it, and a job with a
  failure handler of Torc, which counts its attempts;
- a job for whose end an action of the workflow waits (`on_jobs_complete`), and one with a dependent
  that its failure did not hold back (`cancel_on_blocking_job_failure: false`);
- a job of which processes may be left (below);
- all jobs where nothing else runs or is ready;
- all jobs of a workflow with `use_pending_failed`, of a watch whose plans wait for approval, and on
  servers that torc-watch was not tested with; the log and `status` say so.

Jobs that are held until one of their kind has shown what that needs follow when it has ended, or
runs for more than twice as long as any of them did. If a user cancels or deletes it, another one
goes first.

Torc cancels the jobs that depend on a failed one. Those that were canceled for that alone wait
again for the job that is retried; those behind another failure stay canceled. A job that you reset
or retry yourself meanwhile is yours: torc-watchd passes it over.

**What a failed attempt has left running ends before its job runs again.** Torc 1.0 kills only the
shell of a job that takes more memory than it requested, unless its jobs are steps of Slurm: the
programs that the job has started run on, and would write into the same files as the next attempt.
So one `srun` for each allocation looks on all of its nodes for processes of yours that have the
numbers of the allocation, the workflow, the run, the job and the attempt in their environment,
kills them, and looks again until there are none. The step is called `torc-watch`. It needs `sh`,
`grep` and `tr` on the nodes, and `srun --overlap` (Slurm 20.11) on the login node. A process is not
found whose program has cleared or changed its environment: what a nested `torc run`, or `apptainer
--cleanenv`, has started, for example. If `srun` is refused or does not answer, if a process does
not end, if the allocation's node failed, or if the job ran outside of Slurm on another machine, the
job waits until the workflow is at rest. The log says why.

`--no-in-place` lets all failed jobs wait until the workflow is at rest, as `--policy fixed` does by
itself. `--in-place` also retries jobs in local allocations while others run.

## Suspect successes

A completed job is suspect, and named, if one of these is so:

| kind | what is observed |
|---|---|
| `oom_kill` | Slurm says that its step ran out of memory; or that its allocation did, no failed \
job accounts for that, and it wrote so itself or was alone there |
| `oom_nearby` | the same of an allocation in which two to five jobs completed: any of them may \
have lost a process. None of them runs again for that |
| `output_missing` | an output file that it declared is gone, its folder is there, and no job \
that reads the file has completed |
| `output_empty` | such a file is empty, while those of at least two jobs like it are not and at \
most a fifth are empty; or a job that reads it failed for what may be its input |
| `output_truncated` | it has less than a hundredth of the usual size: that of at least five jobs \
like it, half of which differ by no more than a factor of two, from 4 KiB on; at most a tenth are \
so short |
| `stopped` | it completed within 95 seconds of the end of its allocation's time, or when that \
was canceled or preempted: it may have been told to end and have saved only a part |

Jobs are alike if their names differ in numbers only and they have the same resource requirements.
Files are looked at on the machine of the watch: those in folders of a node, such as `/tmp`, only if
the job ran on it, those with relative paths only if the server knows where the workflow was
submitted. Workflows with more than 20,000 completed jobs are not checked, and of files no more than
50,000, for 20 seconds; the transcript says so.

With `--rerun-suspects` such a job runs again, once in a watch, with all that depends on it: also in
a workflow that succeeded otherwise. One whose process ran out of memory requests more, one that had
its whole run time requests more of that. A job that failed with `input`, `code` or `unknown` and
depends on it starts over with it, as it is. Without the option, or if it was in vain, such a
failure of `input` or `code` is handed over, and the reason names the suspect.
"""
_HEAD_OF_RULES = """
## Rules

Of several rules that match a line the first counts. What a program logs as an error, or says that
it retries, is a hint at most. Lack of memory that it retried is none, and neither is one long
before an error of its own by which it ended.

| weight | |
|---|---|
"""
_OWN_RULES = """
Your own rules are in `rules.toml` beside your configuration file, those of your site beside its
(`torc-watchd rules list` names both). A rule of yours with the name of another takes its place.

```toml
[[rule]]
name = "solver-diverged"
cause = "code"                      # one of the causes above, except suspect
pattern = '''solver: step \\d+ diverged'''   # RE2's syntax, from the beginning of a line
says = "the solver diverged"
example = "solver: step 12 diverged"   # optional; the pattern has to match it
weight = "fatal"                    # optional; one of the weights above
remedy = "hand_over"                # optional: retry, retry_later, retry_twice,
                                    # retry_once, await_room, hand_over, leave_alone
```

A pattern may span lines; its group `(?P<line>...)` is then the one that is quoted. Your rules come
before those of your site, and these before the ones below.

`torc-watchd rules test rules.toml OUTPUT` checks such a file and tries it on an output.
It names rules whose search is slow. What takes too long is not read: `why` and `plan` then say so.

| rule | cause | weight | example |
|---|---|---|---|
"""


def main() -> None:
    print("".join(_page()), end="")


def _page() -> Iterator[str]:
    yield _HEAD
    yield from (
        f"| `{cause}` | {_meaning(cause)} | {_REMEDIES[REMEDIES[cause]]} |\n" for cause in Cause
    )
    yield _AFTER_CAUSES
    yield _SUSPECTS
    yield _HEAD_OF_RULES
    yield from (f"| `{weight.name.lower()}` | {text} |\n" for weight, text in _WEIGHTS.items())
    yield _OWN_RULES
    yield from map(_row, own_rules())


def _meaning(cause: Cause) -> str:
    text = cause_text(cause)
    return "" if text == cause else text


def _row(rule: Rule) -> str:
    example = rule.example.rpartition("\n")[2].strip().replace("|", "\\|")
    return f"| {rule.name} | `{rule.cause}` | {rule.weight.name.lower()} | `` {example} `` |\n"


if __name__ == "__main__":
    main()
