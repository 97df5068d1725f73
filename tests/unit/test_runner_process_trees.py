import subprocess

from torc_watch.sandbox.runner.process_trees import ProcessTrees


def test_process_belongs_to_its_job_until_the_job_is_removed() -> None:
    trees = ProcessTrees()
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as one,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as other,
    ):
        trees.add(one.pid, b"TORC_WATCH_TEST=one")
        trees.add(other.pid, b"TORC_WATCH_TEST=other")
        found = {shell: [p.pid for p in tree] for shell, tree in trees.members().items()}
        assert found == {one.pid: [one.pid], other.pid: [other.pid]}
        trees.remove(one.pid)
        assert list(trees.members()) == [other.pid]
