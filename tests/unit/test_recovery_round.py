from torc_watch.core.recovery_round import Step, next_step


def test_steps_come_in_order_and_a_round_ends() -> None:
    finished: set[Step] = set()
    taken = []
    while (step := next_step(finished)) is not Step.DONE:
        taken.append(step)
        finished.add(step)
    assert taken == [
        Step.ORPHANS,
        Step.DIAGNOSE,
        Step.PLAN,
        Step.HOOK,
        Step.ADJUST,
        Step.RESET,
        Step.REINITIALIZE,
        Step.ALLOCATE,
    ]
    assert next_step({*finished, Step.DONE}) is Step.DONE


def test_round_continues_with_the_first_unfinished_step() -> None:
    assert next_step({Step.ORPHANS, Step.DIAGNOSE, Step.PLAN, Step.HOOK}) is Step.ADJUST
