"""What vlab raises. A message is one line: what was wrong, where, what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class VlabError(Exception):
    """Base of every error that vlab raises on purpose."""


class ImageError(VlabError):
    """A guest image cannot be loaded: not an ELF for this machine, truncated, too large."""


class DiskError(VlabError):
    """A disk image cannot be used: missing, read-only, not a multiple of 512 bytes."""


class WorkloadError(VlabError):
    """There is no workload of that name."""


class ParameterError(VlabError):
    """A workload or an experiment does not have that parameter, or not with that value."""


class ModeError(VlabError):
    """There is no mode of that name, or it cannot do what was asked."""


class MachineError(VlabError):
    """The machine cannot be built with these options."""


class CostError(VlabError):
    """A cost table is unknown or incomplete."""


class BuildError(VlabError):
    """The guest could not be built."""


class OutputError(VlabError):
    """A result cannot be written where it was asked for."""


class SnapshotError(VlabError):
    """A saved state cannot be restored: damaged, or of another machine."""


class GuestCrash(VlabError):
    """The guest did something from which it cannot continue; the machine stays inspectable."""


class HypercallError(VlabError):
    """A paravirtual guest asked for something that it may not have."""


def unknown(kind: str, name: object, choices: Iterable[str]) -> str:
    """Return the message for a name that does not exist, with the nearest one that does.

    Parameters
    ----------
    kind
        What the name should have named: ``"workload"``, ``"mode"``, …
    """
    names = list(choices)
    close = get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names)}"
    return f"unknown {kind} {name!r}: {hint}"
