"""What can go wrong in the program, by its exit codes, as Python's own kinds of errors."""

from __future__ import annotations

import re


class FGNError(Exception):
    """An error that fgn-dist reports in one line, which is the message."""

    exit_code: int | None = None


class ConfigurationError(FGNError, ValueError):
    """A setting that is unknown or impossible."""

    exit_code = 64


class DataError(FGNError, ValueError):
    """Features, labels or a model that cannot be used."""

    exit_code = 65


class MissingInputError(FGNError, FileNotFoundError):
    """A file that is not there, or cannot be read."""

    exit_code = 66


class DivergedError(FGNError, ArithmeticError):
    """A run whose numbers are no longer finite, or an internal error."""

    exit_code = 70


class OutputError(FGNError, OSError):
    """A file that could not be written or read."""

    exit_code = 74


class StoppedError(FGNError, RuntimeError):
    """A run that a signal stopped; it goes on with `resume`."""

    exit_code = 75


class PeerLostError(FGNError, ConnectionError):
    """A rank, or its host, that was lost; the run goes on from its last checkpoint with `resume`."""

    exit_code = 76


class LaunchError(FGNError, RuntimeError):
    """The program, or the launcher of MPI, that does not start or was killed."""


_BY_CODE = {
    kind.exit_code: kind
    for kind in (
        ConfigurationError, DataError, MissingInputError, DivergedError, OutputError, StoppedError, PeerLostError,
    )
}  # fmt: skip

_LINE = re.compile(r"fgn-dist: error: (?:rank \d+ on \S+: )?(.*)")

# The file of settings that nobody but this package sees.
_SETTINGS = re.compile(r"/\S*/fgn-dist-\S+?/[^/ ]+\.json: ")


def error_of(code: int, errors: str) -> FGNError:
    """The error for an exit code and what the program, or its launcher, wrote to standard error."""
    found = _LINE.findall(errors)
    if found:
        # mpirun has a code of its own where a rank fails by itself.
        return _BY_CODE.get(code, LaunchError if code < 0 else FGNError)(_SETTINGS.sub("", found[0]))
    if code == StoppedError.exit_code:
        return StoppedError("the run was stopped by a signal, and has saved a checkpoint")
    lines = [line.strip("- \t") for line in errors.splitlines()]
    text = " ".join(line for line in lines if line)
    if code in _BY_CODE:
        return _BY_CODE[code](text or f"fgn-dist ended with {code}")
    reason = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    return LaunchError(f"fgn-dist {reason}" + (f": {text[:600]}" if text else ""))
