"""All profiles: those that are built in, the site's and the user's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from torc_watch.core.errors import InvalidInput
from torc_watch.hpc.profile import Detection, HpcProfile
from torc_watch.hpc.profile_file import parse_profile

_BUILT_IN = Path(__file__).parent / "profiles"
_ORIGINS = ("user", "site", "built-in")  # the strongest first


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A file of a profile. ``profile`` is None where it is not valid; ``problem`` says why.

    ``origin`` is "user", "site" or "built-in". ``overrides`` are weaker files of the same name.
    """

    name: str
    path: Path
    origin: str
    profile: HpcProfile | None = None
    problem: str = ""
    overrides: tuple["CatalogEntry", ...] = ()


@dataclass(frozen=True, slots=True)
class DetectedProfile:
    """``evidence`` shows that this login node belongs to the cluster."""

    entry: CatalogEntry
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """``entries`` are the strongest of each name, by name; ``bad_folders`` say what is wrong."""

    entries: tuple[CatalogEntry, ...]
    bad_folders: tuple[str, ...] = ()

    def entry(self, name: str) -> CatalogEntry:
        """Raises InvalidInput where there is none, with the names that there are."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = [entry.name for entry in self.entries]
        near = get_close_matches(name.lower(), names, n=1)
        meant = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
        raise InvalidInput(f"There is no HPC profile {name!r}. {meant}")

    def profile(self, name: str) -> HpcProfile:
        """Raises InvalidInput where there is none, or its file is not valid."""
        entry = self.entry(name)
        if entry.profile is None:
            raise InvalidInput(entry.problem)
        return entry.profile

    def detect(self, environment: Mapping[str, str], hostname: str) -> list[DetectedProfile]:
        """The profiles of the cluster that this login node belongs to, the user's own first.

        One that is not valid is recognized as those are that it overrides.
        """
        strongest = sorted(self.entries, key=lambda entry: _ORIGINS.index(entry.origin))
        found = ((entry, _evidence(entry, environment, hostname)) for entry in strongest)
        return [DetectedProfile(entry, evidence) for entry, evidence in found if evidence]

    @property
    def problems(self) -> list[str]:
        """Each of one or several lines."""
        return [*(entry.problem for entry in self.entries if entry.problem), *self.bad_folders]


def read_catalog(user: Path, site: Sequence[Path]) -> Catalog:
    """The profiles in these folders, and those built in. Nothing is raised for a bad file."""
    folders = [(user, "user"), *((folder, "site") for folder in site), (_BUILT_IN, "built-in")]
    entries: dict[str, CatalogEntry] = {}
    bad_folders: list[str] = []
    for folder, origin in reversed(folders):
        try:
            found = [_read(path, origin) for path in _files(folder)]
        except OSError as error:
            bad_folders.append(f"{folder} cannot be read: {error.strerror}.")
            continue
        entries |= {entry.name: _over(entry, entries.get(entry.name)) for entry in found}
    return Catalog(
        entries=tuple(entries[name] for name in sorted(entries)), bad_folders=tuple(bad_folders)
    )


def _over(entry: CatalogEntry, weaker: CatalogEntry | None) -> CatalogEntry:
    return replace(entry, overrides=(weaker, *weaker.overrides)) if weaker else entry


def _files(folder: Path) -> Iterator[Path]:
    """Raises OSError for a folder that is there, but cannot be read."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    yield from (path for path in paths if path.suffix == ".toml" and path.name[0] != ".")


def _read(path: Path, origin: str) -> CatalogEntry:
    entry = CatalogEntry(name=path.stem, path=path, origin=origin)
    if not path.is_file():  # reading a pipe would never end
        return replace(entry, problem=f"{path} is not a file.")
    try:
        return replace(entry, profile=parse_profile(path.read_text(encoding="utf-8"), path.stem))
    except InvalidInput as error:
        problem = str(error)
    except UnicodeDecodeError:
        problem = "is not a text in UTF-8."
    except OSError as error:
        problem = f"cannot be read: {error.strerror}."
    return replace(entry, problem=f"{path} {problem}")


def _evidence(entry: CatalogEntry, environment: Mapping[str, str], hostname: str) -> str:
    if entry.profile is None:
        found = (_evidence(weaker, environment, hostname) for weaker in entry.overrides)
        return next(filter(None, found), "")
    return _shown_by(entry.profile.detection, environment, hostname)


def _shown_by(detection: Detection, environment: Mapping[str, str], hostname: str) -> str:
    for variable, value in detection.environment:
        if environment.get(variable) == value:
            return f"{variable}={value} in the environment"
    names = (hostname.lower(), hostname.lower().partition(".")[0])
    for pattern in detection.hostnames:
        if any(fnmatchcase(name, pattern.lower()) for name in names):
            return f"this host, {hostname}, matches {pattern}"
    return ""
