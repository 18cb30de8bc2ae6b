"""One line that says how a run goes."""

from __future__ import annotations

import json
import pathlib
import sys
import time


class Progress:
    """Follows the metrics of a run while they are written: a bar of tqdm where that is installed, else plain lines."""

    def __init__(self, file: pathlib.Path, total: int | None):
        self.file, self.total = file, total
        self._offset, self._rest = 0, b""
        self._shown = time.monotonic()
        self._latest: dict = {}
        self._scores = ""
        self._bar = None
        try:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit="step", dynamic_ncols=True)
        except Exception:  # without tqdm, or without anything to write to
            pass

    def __call__(self) -> None:
        try:
            with open(self.file, "rb") as file:
                file.seek(self._offset)
                text = self._rest + file.read()
                self._offset = file.tell()
        except FileNotFoundError:
            return
        *lines, self._rest = text.split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if lines:
            self._try(self._show)

    def _try(self, body) -> None:
        """A line that cannot be shown is no reason for a fit to fail."""
        try:
            body()
        except Exception:
            self._latest = {}

    def _take(self, event: dict) -> None:
        if event["event"] in ("step", "full_step"):
            self._latest = event
        elif event["event"] == "evaluation":
            self._scores = f"{event['split']} loss {event['loss']:.4g}, accuracy {100 * event['accuracy']:.2f} %"

    def _show(self) -> None:
        if not self._latest:
            return
        step, loss = self._latest["step"], self._latest["loss"]
        text = f"loss {loss:.4g}" + (f"; {self._scores}" if self._scores else "")
        if self._bar is not None:
            self._bar.total = max(step, self._bar.total or 0) or None
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix_str(text)
        elif time.monotonic() - self._shown > 5:
            self._shown = time.monotonic()
            print(f"fgn-dist: step {step}" + (f"/{self.total}" if self.total else "") + f"  {text}", file=sys.stderr)

    def close(self) -> None:
        """Ends the line."""
        if self._bar is not None:
            self._try(self._bar.close)
        elif self._latest:
            self._shown = 0
            self._try(self._show)
