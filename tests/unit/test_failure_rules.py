"""The rules that come with this program, and files of rules."""

from dataclasses import replace
from pathlib import Path

import pytest
from failure_rules import _page

from torc_watch.app.rule_cost import slow_rules
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight, leading
from torc_watch.core.errors import InvalidInput
from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule
from torc_watch.failures.rule_file import own_rules, parse_rules

RULES = own_rules()
SEARCH = OutputSearch(RULES)


def counting(text: str) -> Clue | None:
    return leading(SEARCH.clues([OutputText(file="job.e", text=text)]))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_finds_its_example_among_other_lines(rule: Rule) -> None:
    clue = counting(f"step 1 of 9\n{rule.example}\nbye\n")
    assert clue is not None
    assert (clue.rule, clue.cause) == (rule.name, rule.cause)
    assert rule.example.endswith(clue.line)


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        pytest.param(
            Cause.OOM,
            "Traceback (most recent call last):\n"
            '  File "train.py", line 7, in <module>\n'
            "MemoryError\n",
            id="a bare MemoryError",
        ),
        pytest.param(
            Cause.INPUT,
            "FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\nValueError: no data\n",
            id="the first of two chained errors",
        ),
        pytest.param(
            Cause.ENVIRONMENT,
            "ModuleNotFoundError: No module named 'pandas'\n"
            "srun: error: n1: task 0: Exited with exit code 1\n"
            "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-01-30T16:10:57 ***\n",
            id="an error and its echoes",
        ),
        pytest.param(
            Cause.OOM,
            "ValueError: bad shape\nslurmstepd: error: Detected 1 oom_kill event in StepId=7.0.\n",
            id="Slurm's word against an earlier error",
        ),
        pytest.param(
            Cause.NETWORK,
            "download failed: error: Connection refused\ngiving up\n",
            id="a failed connection at the end",
        ),
        pytest.param(
            Cause.CODE,
            "retrying after error: Connection refused\nKeyError: 'x'\n",
            id="a connection that was survived",
        ),
        pytest.param(
            Cause.CODE, "\x1b[31mZeroDivisionError\x1b[0m: division by zero\n", id="with colors"
        ),
        pytest.param(
            Cause.CODE, "50%|###\r100%|######\rKeyError: 'x'\n", id="after a progress bar"
        ),
        pytest.param(Cause.CODE, "[rank3]: ValueError: bad shape\n", id="after a rank"),
        pytest.param(
            Cause.OOM, "KeyError: 'a'\n\nDuring handling of it:\n\nMemoryError\n", id="memory"
        ),
        pytest.param(
            Cause.OOM,
            "Error in matrix(0, n, n) : \n  cannot allocate vector of size 3.7 Gb\n",
            id="R, on two lines",
        ),
        pytest.param(Cause.OOM, "[1,0]<stderr>:MemoryError\n", id="after Open MPI's tag"),
        pytest.param(Cause.OOM, "fatal error: runtime: out of memory\n", id="Go"),
        pytest.param(Cause.OOM, "main: mmap failed: Cannot allocate memory\n", id="mmap"),
        pytest.param(
            Cause.ENVIRONMENT,
            "/var/spool/slurmd/job7/slurm_script: line 4: gmx: command not found\n",
            id="a command of an allocation's script",
        ),
        pytest.param(
            Cause.CODE, "[n1:7] Signal: Segmentation fault (11)\n", id="a crash, by Open MPI"
        ),
        pytest.param(
            Cause.CODE,
            "forrtl: severe (174): SIGSEGV, segmentation fault occurred\n",
            id="a crash of Fortran",
        ),
        pytest.param(
            Cause.OOM,
            "slurmstepd: error: couldn't chdir to `/x': No such file or directory: going to /tmp\n"
            "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.\n",
            id="Slurm's warning before its word",
        ),
        pytest.param(
            Cause.CODE,
            "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n"
            + "step\n" * 50
            + "TypeError: bad\n",
            id="a warning of a machine without GPUs",
        ),
        pytest.param(Cause.CODE, "\x1b]0;title\nKeyError: 'x'\n", id="after an open escape"),
        pytest.param(
            Cause.CODE, "2026-01-30 16:10:57,123 TypeError: bad\n", id="after a time stamp"
        ),
        pytest.param(
            Cause.CODE,
            "ERROR:root:4096 rows do not fit, retrying with 1024\n"
            "Traceback (most recent call last):\n"
            '  File "fit.py", line 7, in fit\n'
            "MemoryError\n" + "INFO:root:part done\n" * 20 + "KeyError: 'total'\n",
            id="lack of memory that was retried",
        ),
        pytest.param(
            Cause.CODE,
            "MemoryError\n" + "part done\n" * 60 + "KeyError: 'total'\n",
            id="lack of memory long before another error",
        ),
        pytest.param(
            Cause.OOM,
            "MemoryError\n" + "[rank1]: ConnectionResetError: [Errno 104] reset\n" * 60,
            id="lack of memory and sixty lost connections",
        ),
        pytest.param(
            Cause.CODE,
            "ImportError: libcuda.so.1: cannot open shared object file\n"
            "falling back to the CPU\nKeyError: 'x'\n",
            id="a missing library that was replaced",
        ),
        pytest.param(
            Cause.CODE,
            "2026-01-30 16:10:57,123 - model - ERROR - ValueError: no data\n",
            id="a logged error",
        ),
        pytest.param(
            Cause.CODE,
            "2026-01-30 16:10:57 | ERROR | model:run:7 - KeyError: 'x'\n",
            id="an error as loguru has it",
        ),
        pytest.param(
            Cause.CODE,
            "2026-01-30 16:10:57 ERROR model: FileNotFoundError: a.csv\nKeyError: 'x'\n",
            id="a logged error before the last one",
        ),
        pytest.param(
            Cause.CODE,
            '{"level": "error", "exc": "Traceback (most recent call last):\\n  x\\nKeyError: 7"}\n',
            id="a log in JSON",
        ),
        pytest.param(
            Cause.NETWORK,
            "  + Exception Group Traceback (most recent call last):\n"
            "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
            "  +-+---------------- 1 ----------------\n"
            "    | Traceback (most recent call last):\n"
            '    |   File "a.py", line 4, in fetch\n'
            "    | ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 9)\n"
            "    +------------------------------------\n",
            id="a group of exceptions",
        ),
        pytest.param(
            Cause.NETWORK,
            "multiprocessing.pool.RemoteTraceback: \n"
            '"""\nTraceback (most recent call last):\n'
            "ConnectionRefusedError: [Errno 111] Connection refused\n"
            '"""\n\nThe above exception was the direct cause of the following exception:\n',
            id="an exception of another process",
        ),
        pytest.param(
            Cause.CODE,
            'Traceback (most recent call last):\n  File "a.py", line 4\n    solve()\n'
            "grid.Infeasible: hour 17\n",
            id="an exception of the program's own",
        ),
        pytest.param(
            Cause.ENVIRONMENT,
            '  File "/usr/lib/python3.12/subprocess.py", line 1955, in _execute_child\n'
            "    raise child_exception_type(errno_num, err_msg, err_filename)\n"
            "FileNotFoundError: [Errno 2] No such file or directory: 'gmx_mpi'\n",
            id="a program that Python does not find",
        ),
        pytest.param(
            Cause.NETWORK,
            "curl: (7) Failed to connect to a.example.org port 443\n"
            "subprocess.CalledProcessError: Command '['curl']' returned non-zero exit status 7.\n",
            id="an error of a program that Python started",
        ),
        pytest.param(
            Cause.GPU_OOM,
            "RuntimeError: CUDA error: out of memory\n",
            id="memory of a GPU by another name",
        ),
    ],
)
def test_line_that_counts(cause: Cause, text: str) -> None:
    clue = counting(text)
    assert clue is not None
    assert clue.cause is cause


@pytest.mark.parametrize(
    "text",
    [
        "There is plenty of room, and the timeout is 30 s.\n",
        "If the job is slow it may be out of memory; see MemoryError in the manual.\n",
        "INFO: handling ValueError: gracefully\n",
        "note: slurmstepd: error: Detected 1 oom_kill event was seen last week\n",
        "LAST_ERROR=ModuleNotFoundError: No module named 'pandas'\n",
        "export MESSAGE=Segmentation fault\n",
        "Killed\n",
        "oom\n",
        "TimeoutErrors are counted: 0\n",
        "error: Connection refused, trying again\n" + "line\n" * 50,
        "MemoryError\n" + "done\n" * 300,  # survived
        "INFO: 0 files with quota exceeded\n",
        "# hint: No space left on device may be the reason\n",
        "  * a full file system: No space left on device\n",
        "> MemoryError\n| srun: error: n1: task 0: Out Of Memory\n",
        "2026-01-30 16:10:57 WARNING model: ValueError: skipped\n",
        '{"level": "info", "note": "MemoryError"}\n',
        '{"level": "error", "note": \n',
        "MemoryError: retrying with less\n" + "done\n" * 20,
        "If it fails, the error may be caused by: out of memory; request more\n",
        "  MemoryError: 0\n",
        "",
    ],
)
def test_lines_that_prove_nothing(text: str) -> None:
    assert counting(text) is None


def test_all_rules_are_found_in_one_text() -> None:
    """RE2 gives up, and finds nothing, where a set of patterns needs more memory than it has."""
    examples = [f"{rule.example}\n" for rule in RULES]
    found = SEARCH.clues([OutputText(file="job.e", text="".join(examples * 4))])
    assert len(found) > len(RULES) / 2


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_begins_on_a_line_before(rule: Rule) -> None:
    (lead, *_) = SEARCH.clues([OutputText(file="e", text=f"it ended:\n\n \n{rule.example}\n")])
    assert lead.line
    assert lead.line in rule.example


def test_line_belongs_to_the_first_rule() -> None:
    mine = Rule(name="mine", cause=Cause.INPUT, pattern="KeyError: 'year'", says="")
    theirs = Rule(name="theirs", cause=Cause.CODE, pattern="KeyError: ", says="")
    output = OutputText(file="job.e", text="KeyError: 'year'\nKeyError: 'x'\n")
    found = [
        [(clue.rule, clue.line) for clue in OutputSearch(rules).clues([output])]
        for rules in ([mine, theirs], [theirs, mine])
    ]
    assert found == [
        [("mine", "KeyError: 'year'"), ("theirs", "KeyError: 'x'")],
        [("theirs", "KeyError: 'year'")],
    ]


def test_line_of_a_rule_for_several_lines_is_quoted() -> None:
    rule = Rule(name="r", cause=Cause.CODE, pattern=r"step \d+\n(?P<line>failed: .*)", says="")
    output = OutputText(file="o", text="step 7\nfailed: NaN\nbye\n")
    assert [clue.line for clue in OutputSearch([rule]).clues([output])] == ["failed: NaN"]


def test_error_that_only_a_few_can_survive_is_looked_for_in_all_of_the_end() -> None:
    """However often the same was survived before."""
    text = "KeyError: 'x'\nretrying\n" * 90 + "done\n" * 5 + "KeyError: 'y'\n"
    (clue,) = SEARCH.clues([OutputText(file="job.e", text=text)])
    assert (clue.line, clue.weight) == ("KeyError: 'y'", Weight.FATAL)


def test_earlier_file_outranks_a_later_one() -> None:
    clues = SEARCH.clues(
        [
            OutputText(file="job.e", text="x\ny\nKeyError: 'a'\n"),
            OutputText(file="job.o", text="ModuleNotFoundError: No module named 'b'\n"),
        ]
    )
    found = leading(clues)
    assert found is not None
    assert found.file == "job.e"


def test_failures_are_alike_when_they_differ_in_names_paths_and_numbers_only() -> None:
    def of(line: str) -> str:
        clue = counting(line)
        assert clue is not None
        return clue.fingerprint

    first = of("FileNotFoundError: [Errno 2] No such file or directory: '/data/run_1/a.csv'")
    assert first == of("FileNotFoundError: [Errno 2] No such file or directory: '/x/run_22/b.csv'")
    assert of("KeyError: 'a'") != of("ValueError: 'a'")
    assert of("KeyError: 'a'") != of("KeyError: 'b'")
    assert of("ValueError: bad shape") != of("ValueError: bad value")


def test_no_rule_means_no_clue() -> None:
    assert OutputSearch([]).clues([OutputText(file="job.e", text="KeyError: 'x'\n")]) == ()


def test_page_of_the_rules_is_that_of_these_rules() -> None:
    page = Path(__file__).parents[2] / "docs" / "failures.md"
    assert "".join(_page()) == page.read_text(), "write it again: scripts/failure-rules"


VALID = """
[[rule]]
name = "diverged"
cause = "code"
pattern = '''solver: step \\d+ diverged'''
says = "the solver diverged"
example = "solver: step 12 diverged"
weight = "hint"
remedy = "hand_over"
"""


def test_rules_of_a_user() -> None:
    (rule,) = parse_rules(VALID)
    assert (rule.name, rule.cause, rule.weight) == ("diverged", Cause.CODE, Weight.HINT)
    (clue,) = OutputSearch([rule]).clues([OutputText(file="o", text="solver: step 7 diverged\n")])
    assert clue.remedy == "hand_over"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('"code"', '"cod"', "rule diverged: cod is no cause: oom, "),
        ('"hint"', '"huge"', "rule diverged: huge is no weight: echo, hint, fatal, scheduler."),
        ('"hand_over"', '"raise_memory"', "rule diverged: raise_memory is no remedy: retry, "),
        ("solver: step \\d+", "solver (", "rule diverged: its pattern cannot be read"),
        ("solver: step \\d+ diverged", ".*", "rule diverged: its pattern matches every line."),
        ("step 12", "stop 12", "rule diverged: its pattern does not match its example."),
        ('says = "the solver diverged"', "", "rule diverged: says is missing."),
        ('says = "the solver diverged"', "says = 7", "rule diverged: says is no text."),
        ("solver: step \\d+ diverged", " ", "rule diverged: pattern is empty."),
        ("step \\d+", ".{9,900}", "rule diverged: its pattern is too large: use fewer or shorter"),
        ("weight", "wait", "rule diverged: wait is no key of a rule: name, cause, "),
        ('name = "diverged"', "", "rule number 1: name is missing."),
        ("[[rule]]", "[[rules]]", "rules is no key here; rules are [[rule]]."),
        ("[[rule]]", "[rule]", "begin each with [[rule]]."),
        ("[[rule]]", "[[rule]", "This is no TOML: "),
        ("", VALID, "rule diverged is there twice."),
        ("", "x = " + "[" * 5000, "This is no TOML: "),
        ("", "[y]\nx = " + "9" * 10_000, "This is no TOML: a number has too many digits."),
    ],
)
def test_rules_that_cannot_be_used_are_named(before: str, after: str, problem: str) -> None:
    text = VALID.replace(before, after) if before else VALID + after
    with pytest.raises(InvalidInput) as caught:
        parse_rules(text)
    assert problem in str(caught.value)


def test_rules_that_are_too_large_together_are_searched_one_by_one(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """RE2 makes no set of them, and then finds nothing."""
    large = [
        replace(RULES[0], name=f"large-{number}", pattern=f"e{number}(?:[^\n]?){{400}}r")
        for number in range(60)
    ]
    search = OutputSearch([*large, *RULES])
    found = search.clues([OutputText(file="e", text="e7 or\nMemoryError\n")])
    assert [clue.rule for clue in found] == ["large-7", "python-memory-error"]
    assert capfd.readouterr().err == ""


def test_search_that_fails_is_none_without_a_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """RE2 tells both alike: its memory may be too small for the text."""
    search = OutputSearch(RULES)
    monkeypatch.setattr(search, "_set", _WithoutMemory())
    (clue,) = search.clues([OutputText(file="e", text="MemoryError\n")])
    assert clue.rule == "python-memory-error"


class _WithoutMemory:
    def Match(self, text: str) -> None:  # noqa: N802 - RE2's name
        pass


@pytest.mark.parametrize(
    ("pattern", "is_slow"),
    [(r".*[ab].{220}c", True), (r".*\w+.{200}zz", True), (r".*ERROR.*step \d+", False)],
)
def test_slow_rules_are_named(pattern: str, *, is_slow: bool) -> None:
    slow = slow_rules([replace(RULES[0], pattern=pattern)])
    assert [each.name for each in slow] == [RULES[0].name] * is_slow


def test_no_rule_of_ours_is_slow() -> None:
    assert slow_rules(RULES) == ()
