"""Files are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vlab.errors import OutputError


def check_writable(path: str | Path) -> None:
    """Raise `OutputError` if a file cannot be written there; cheap, and before the work."""
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: it is a directory")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write {str(path)!r}: its directory is read-only")


def write_atomically(path: str | Path, content: Callable[[], bytes]) -> None:
    """Write what `content` returns; the file appears complete, or is left as it was."""
    path = Path(path)
    check_writable(path)
    data = content()
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
