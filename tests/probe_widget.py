"""A widget that does nothing useful, by which the base of all widgets is tested."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from vlab.errors import MachineError
from vlab.widgets import base

SCRIPT = """
function build(ui) {
  const out = h("output", { class: "out" });
  ui.body.append(
    button("count", "Count", () => ui.ask("count")),
    button("long", "Long", () => ui.ask("long")),
    button("fail", "Fail", () => ui.ask("fail")),
    out,
  );
  return (view) => { out.textContent = view.count; };
}
"""


class Probe(base.Widget):
    """Counts, works for a long time, fails."""

    title = "Probe"
    _esm = base.BASE_SCRIPT + SCRIPT
    _css = base.BASE_STYLE

    def __init__(self) -> None:
        self.count = 0
        super().__init__(lambda: self.show(count=0))

    def on_count(self) -> None:
        self.count += 1
        assert threading.current_thread() is not threading.main_thread()
        self.show(count=self.count)

    def on_long(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and not self.stopping:
            self.progress((time.monotonic() - end + 30) / 30, "going on")
            time.sleep(0.01)
        self.show(count=-1)

    def on_fail(self, what: str = "rule") -> None:
        raise MachineError("tlb_ways=3: must be a power of two") if what == "rule" else KeyError(3)

    def describe(self) -> list[str]:
        return [f"counted to {self.count}"]


def path() -> str:
    """Return the directory to import this from."""
    return str(Path(__file__).parent)


def ask_all(widget: Any, *requests: str) -> None:
    """Ask as the page does, and wait."""
    for request in requests:
        widget.ask(request)
    assert widget.wait(20)
