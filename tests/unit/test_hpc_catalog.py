"""Which profiles there are, which of them override others, and which one a login node is of."""

import os
from pathlib import Path

import pytest

from torc_watch.core.errors import InvalidInput
from torc_watch.core.units import MIB
from torc_watch.hpc.catalog import Catalog, read_catalog
from torc_watch.planner.cluster_description import UNKNOWN_COUNT

RIDGE = """
[detection]
environment = { SITE = "ridge" }
hostnames = ["ridge-login?", "*.ridge.example.org"]
[[partitions]]
name = "batch"
cpus = 64
memory = "251G"
"""


@pytest.fixture
def user(tmp_path: Path) -> Path:
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def catalog(user: Path, *site: Path) -> Catalog:
    return read_catalog(user, site)


def names(catalog: Catalog, variables: dict[str, str], hostname: str = "here") -> list[str]:
    return [each.entry.name for each in catalog.detect(variables, hostname)]


def test_built_in_profiles_where_there_are_no_folders(tmp_path: Path) -> None:
    found = catalog(tmp_path / "user", tmp_path / "site")

    assert [(entry.name, entry.origin) for entry in found.entries] == [
        ("dane", "built-in"),
        ("kestrel", "built-in"),
    ]
    assert not found.problems


def test_user_overrides_the_site_which_overrides_what_is_built_in(user: Path, site: Path) -> None:
    for folder in (user, site):
        (folder / "kestrel.toml").write_text(f'description = "{folder.name}"\n{RIDGE}')
    (site / "ridge.toml").write_text(RIDGE)
    found = catalog(user, site)

    assert found.profile("kestrel").description == "user"
    overridden = found.entry("kestrel").overrides
    assert [entry.origin for entry in overridden] == ["site", "built-in"]
    assert found.entry("ridge").origin == "site"


def test_first_of_several_site_folders_overrides(user: Path, site: Path, tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    for folder in (site, tmp_path / "vendor"):
        (folder / "ridge.toml").write_text(f'description = "{folder.name}"\n{RIDGE}')

    assert catalog(user, site, tmp_path / "vendor").profile("ridge").description == "site"


def test_bad_files_hide_no_other_profile(user: Path) -> None:
    (user / "ridge.toml").write_text(RIDGE)
    (user / "typo.toml").write_text(RIDGE.replace("cpus", "cpu"))
    (user / "latin.toml").write_bytes(b'name = "\xe9"')
    (user / "folder.toml").mkdir()
    (user / "gone.toml").symlink_to(user / "nowhere")
    os.mkfifo(user / "pipe.toml")
    for ignored in (".#ridge.toml", "ridge.toml~", "notes.txt"):
        (user / ignored).write_text("[")
    found = catalog(user)

    assert found.profile("ridge").partitions
    assert {entry.name: entry.problem for entry in found.entries if not entry.profile} == {
        "typo": f"{user}/typo.toml is not a valid profile:\n"
        "  partitions[0] (batch).cpus: is missing.\n"
        "  partitions[0] (batch).cpu: there is no such key. Did you mean 'cpus'?",
        "latin": f"{user}/latin.toml is not a text in UTF-8.",
        "folder": f"{user}/folder.toml is not a file.",
        "gone": f"{user}/gone.toml is not a file.",
        "pipe": f"{user}/pipe.toml is not a file.",
    }


def test_folder_that_cannot_be_read_hides_no_other_profile(user: Path, site: Path) -> None:
    (user / "ridge.toml").write_text(RIDGE)
    (site / "file").write_text("")
    found = catalog(user, site / "file")

    assert found.profile("ridge").partitions
    assert found.problems == [f"{site}/file cannot be read: Not a directory."]


def test_profile_that_is_not_valid_is_never_replaced_by_the_one_it_overrides(user: Path) -> None:
    (user / "kestrel.toml").write_text("[")
    found = catalog(user)

    assert names(found, {"NLR_CLUSTER": "kestrel"}) == ["kestrel"]
    with pytest.raises(InvalidInput, match=r"kestrel\.toml is not valid TOML"):
        found.profile("kestrel")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kestral", "Did you mean 'kestrel'"),
        ("Dane", "Did you mean 'dane'"),
        ("x", "dane, kestrel"),
    ],
)
def test_unknown_name_is_refused_with_the_known_ones(user: Path, name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        catalog(user).profile(name)


@pytest.mark.parametrize(
    ("variables", "hostname", "expected"),
    [
        ({}, "here", []),
        ({"NLR_CLUSTER": "kestrel"}, "here", ["kestrel"]),
        ({"NREL_CLUSTER": "kestrel"}, "here", ["kestrel"]),
        ({"NREL_CLUSTER": "Kestrel"}, "here", []),
        ({"NLR_CLUSTER": ""}, "here", []),
        ({"CLUSTER": "dane"}, "here", ["dane"]),
        ({"CLUSTER": "ruby"}, "here", []),
        ({"SITE": "ridge"}, "here", ["ridge"]),
        ({}, "ridge-login1", ["ridge"]),
        ({}, "RIDGE-login1.example.org", ["ridge"]),
        ({}, "ridge-login10", []),
        ({}, "n1.ridge.example.org", ["ridge"]),
        ({"CLUSTER": "dane"}, "ridge-login1", ["ridge", "dane"]),
    ],
)
def test_detection(
    user: Path, variables: dict[str, str], hostname: str, expected: list[str]
) -> None:
    (user / "ridge.toml").write_text(RIDGE)
    assert names(catalog(user), variables, hostname) == expected


def test_evidence_says_what_was_seen(user: Path) -> None:
    (user / "ridge.toml").write_text(RIDGE)
    found = catalog(user)

    assert [each.evidence for each in found.detect({"CLUSTER": "dane"}, "ridge-login1")] == [
        "this host, ridge-login1, matches ridge-login?",
        "CLUSTER=dane in the environment",
    ]


# Name, CPUs, MiB, hours, nodes, per user, least nodes, GPUs, exclusive, on request, charge.
KESTREL = """
debug      104  246064    1    2    2 1 2 no  yes  10
short      104  246064    4 2240    - 1 0 yes no   10
standard   104  246064   48 2240 1050 1 0 yes no   10
long       104  246064  240  430  215 1 0 yes no   10
medmem     104  984256  240   64   32 1 0 yes no   10
bigmem     104 2000000   48   10    4 1 0 yes no   10
bigmeml    104 2000000  240    4    2 1 0 yes no   10
hbw        104  246064   48  512  256 2 0 yes yes  10
hbwl       104  246064  240  128   64 2 0 yes yes  10
nvme       104  246064   48  256  128 1 0 yes yes  10
shared     104  246064   48  128   64 1 0 no  yes  10
sharedl    104  246064  240   32   16 1 0 no  yes  10
gpu-h100s  128  360000    4  156    - 1 4 no  no  100
gpu-h100   128  360000   48  156    - 1 4 no  no  100
gpu-h100l  128  360000  240   39    - 1 4 no  no  100
"""
DANE = """
pdebug     112  257054    1    -    - 1 0 yes yes   1
pbatch     112  257054   24    -    - 1 0 yes no    1
pci        112  257054   24    -    - 1 0 yes yes   1
pserial    112  257054  168    -    - 1 0 yes yes   1
pjupyter   112  257054   24    -    - 1 0 no  yes   1
pall       112  257054 8760    -    - 1 0 yes yes   1
"""


@pytest.mark.parametrize(("name", "table"), [("kestrel", KESTREL), ("dane", DANE)])
def test_numbers_of_built_in_profiles(user: Path, name: str, table: str) -> None:
    assert [
        [
            each.name,
            str(each.kinds[0].num_cpus),
            str(each.kinds[0].memory // MIB),
            str((each.max_runtime or 0) // 3600),
            "-" if each.kinds[0].count == UNKNOWN_COUNT else str(each.kinds[0].count),
            str(each.max_nodes_per_user or "-"),
            str(each.min_nodes),
            str(each.kinds[0].num_gpus),
            "yes" if each.is_exclusive else "no",
            "yes" if each.is_on_request else "no",
            f"{each.charge:g}",
        ]
        for each in catalog(user).profile(name).cluster().partitions
    ] == [line.split() for line in table.strip().splitlines()]
