"""What users are told where an extra, a set of packages that only some install, is missing."""


def missing_extra(name: str) -> str:
    command = f"pip install 'torc-watch[{name}]'"
    return f"torc-watchd is installed without the extra {name}. Install it with: {command}"
