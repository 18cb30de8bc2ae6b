"""The numbers of a run as they come."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from .._run import Run


def scalars(run: Run, *, wait: bool = False, seconds: float = 1.0) -> Iterator[tuple[int, dict[str, float]]]:
    """The step and the numbers of each event: `step/loss`, `validation/accuracy` and so on.

    With `wait` it goes on until the run has ended.
    """
    done = 0
    while True:
        events = run.events()
        for event in events[done:]:
            kind = event.get("split", event["event"])
            numbers = {
                f"{kind}/{key}": float(value)
                for key, value in event.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool) and key not in ("step", "epoch")
            }
            finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
            if finite:
                yield event["step"], finite
        done = len(events)
        if not wait or (events and events[-1]["event"] == "end"):
            return
        time.sleep(seconds)


def parameters(run: Run) -> dict[str, str]:
    """The configuration with a key for each value, such as `optimizer.method`."""
    found: dict[str, str] = {}

    def walk(section, name: str) -> None:
        for key, value in section.items():
            path = f"{name}.{key}" if name else key
            if isinstance(value, dict):
                walk(value, path)
            elif value is not None:
                found[path] = str(value)

    walk(run.configuration, "")
    return found
