"""How fast the drawn widgets answer, in a real JupyterLab and a headless Chromium.

``python benchmarks/widgets.py`` prints medians and worst cases; after names (``sliders``, ``race``,
``microscope``, ``machine``) only those. Latencies are measured in the page, from the event to the
picture drawn; updates are counted by the page; the kernel's longest pause is that of a ticking
task in its main thread while the widget's own thread works.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from jupyter_browser import FLAGS, Lab, OnPage, OpenNotebook, chromium, until  # noqa: E402

TICKER = """
import asyncio, time, vlab.widgets
gaps = []
async def tick():
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
ticker = asyncio.get_running_loop().create_task(tick())
"""
LONGEST = "print(f'{max(gaps, default=0):.3f}'); gaps.clear()"

MOVE = """async ([root, selector, count]) => {
  const slider = root.querySelector(selector), took = [];
  for (let n = 0; n < count; n++) {
    slider.value = 300 + 5 * n;
    const begin = performance.now(), drawn = root.dataset.drawn;
    slider.dispatchEvent(new Event("input"));
    while (root.dataset.drawn === drawn) await new Promise(requestAnimationFrame);
    took.push(performance.now() - begin);
  }
  return took;
}"""

PRESS = """async ([root, keys]) => {
  const lanes = root.querySelector("canvas.lanes"), took = [];
  for (const key of keys) {
    const begin = performance.now(), drawn = root.dataset.drawn;
    lanes.dispatchEvent(new KeyboardEvent("keydown", { key }));
    while (root.dataset.drawn === drawn) await new Promise(requestAnimationFrame);
    took.push(performance.now() - begin);
  }
  return took;
}"""

CHOOSE = """async ([root, count]) => {
  const lanes = root.querySelector("canvas.lanes"), took = [];
  for (let n = 0; n < count; n++) {
    const begin = performance.now();
    lanes.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    while (root.dataset.detailed !== root.dataset.selected)
      await new Promise(requestAnimationFrame);
    took.push(performance.now() - begin);
  }
  return took;
}"""

WATCH = """(root) => {
  window.updates = [];
  new MutationObserver(() => window.updates.push(performance.now()))
    .observe(root, { attributes: true, attributeFilter: ["data-time"] });
}"""


PRESS_BUTTON = """async ([root, selector, count]) => {
  const took = [];
  for (let n = 0; n < count; n++) {
    const before = Number(root.dataset.generation);
    const begin = performance.now();
    root.querySelector(selector).click();
    while (Number(root.dataset.generation) === before || root.dataset.busy === "true")
      await new Promise(requestAnimationFrame);
    took.push(performance.now() - begin);
  }
  return took;
}"""

TYPE = """async ([root, count]) => {
  const terminal = root.querySelector(".co-terminal"), took = [];
  const screen = root.querySelector(".co-screen");
  for (let n = 0; n < count; n++) {
    const before = screen.textContent, begin = performance.now();
    terminal.dispatchEvent(new KeyboardEvent("keydown", { key: "x" }));
    while (screen.textContent === before) await new Promise(requestAnimationFrame);
    took.push(performance.now() - begin);
  }
  return took;
}"""


def report(what: str, times: list[float]) -> None:
    """Print the median and the worst of times in milliseconds."""
    median, worst = statistics.median(times), max(times)
    print(f"{what:58} {median:8.1f} ms median {worst:8.1f} ms worst")


def longest(notebook: OpenNotebook, cell: int) -> None:
    """Print how long the kernel's main thread was not free."""
    notebook.rerun(cell)
    output = notebook.page.locator(".jp-Notebook .jp-Cell").nth(cell)
    seconds = float(output.locator(".jp-OutputArea-output").first.inner_text())
    print(f"{'  longest pause of the kernel meanwhile':58} {1000 * seconds:8.1f} ms")


def drawn(widget: OnPage) -> OnPage:
    """Wait for the first picture."""
    until(lambda: bool(widget.root.get_attribute("data-drawn")), 60, "the picture")
    return widget


def sliders(open_notebook: Any) -> None:
    """Report what moving a slider takes with every workload on the page."""
    code = "import vlab\nsliders = vlab.widgets.CostSliders(list(vlab.workloads()))\nsliders"
    notebook = open_notebook(TICKER, code, LONGEST)
    widget = drawn(notebook.widget("CostSliders"))
    notebook.rerun(2)
    root = widget.root.element_handle()
    for cost in ("exit", "instruction"):
        times = notebook.page.evaluate(MOVE, [root, f"[data-cost='{cost}']", 60])
        report(f"cost sliders, 13 workloads, 4 modes: move {cost}", times)
    longest(notebook, 2)


def race(open_notebook: Any) -> None:
    """Report updates a second while the race is played."""
    for workload in ("mixed", "diskpio"):
        code = f"race = vlab.widgets.ModeRace({workload!r}, seconds=6)\nrace"
        notebook = open_notebook(TICKER, code, LONGEST)
        widget = notebook.widget("ModeRace")
        notebook.rerun(2)
        widget.root.evaluate(WATCH)
        with widget.change():
            widget.root.locator(".play").click()
            time.sleep(1)
        stamps = notebook.page.evaluate("window.updates")
        gaps = [b - a for a, b in pairwise(stamps)]
        rate = 1000 * len(gaps) / (stamps[-1] - stamps[0])
        what = f"mode race, {workload}: {rate:.1f} updates a second; between two"
        report(what, gaps)
        longest(notebook, 2)


def microscope(open_notebook: Any) -> None:
    """Report zooming, panning and choosing among a hundred thousand exits."""
    code = "microscope = vlab.widgets.TrapMicroscope('syscall', n=8000)\nmicroscope"
    begin = time.perf_counter()
    notebook = open_notebook(TICKER, code, LONGEST)
    notebook.rerun(2)
    widget = drawn(notebook.widget("TrapMicroscope"))
    print(f"{'trap microscope: 100,000 exits recorded and drawn':58} "
          f"{time.perf_counter() - begin:8.1f} s")  # fmt: skip
    longest(notebook, 2)
    root = widget.root.element_handle()
    report("  the whole run", notebook.page.evaluate(PRESS, [root, list("0000000000")]))
    report("  zooming in and out", notebook.page.evaluate(PRESS, [root, list("+++++++-------")]))
    report("  choosing an exit, until all about it is shown",
           notebook.page.evaluate(CHOOSE, [root, 40]))  # fmt: skip
    longest(notebook, 2)


def machine(open_notebook: Any) -> None:
    """Report walking, running again, stepping and typing."""
    presses = (
        ("PageWalkExplorer('memwalk')", "page-walk explorer: a walk", "[data-key=walk]", 20),
        ("PageWalkExplorer('memwalk')", "  the workload again", "[data-key=measure]", 5),
        ("MachineView('mixed', mode='fullvirt')", "machine view: a step", "[data-key=step]", 20),
        ("MachineView('mixed', mode='fullvirt')", "  a step back", "[data-key=back]", 5),
    )
    for code, what, selector, times in presses:
        notebook = open_notebook(TICKER, f"vlab.widgets.{code}", LONGEST)
        widget = notebook.widget(code.split("(")[0])
        root = widget.root.element_handle()
        if "step" in what:
            notebook.page.evaluate(PRESS_BUTTON, [root, "[data-key=mark]", 1])
        notebook.rerun(2)
        report(what, notebook.page.evaluate(PRESS_BUTTON, [root, selector, times]))
        longest(notebook, 2)
    for mode in ("native", "fullvirt"):
        notebook = open_notebook(TICKER, f"vlab.widgets.Console(mode={mode!r})", LONGEST)
        widget = notebook.widget("Console")
        notebook.rerun(2)
        root = widget.root.element_handle()
        report(f"console, {mode}: a key, until it is echoed",
               notebook.page.evaluate(TYPE, [root, 30]))  # fmt: skip
        longest(notebook, 2)


def main() -> None:
    """Open one page a widget and report."""
    from playwright.sync_api import sync_playwright

    directory = Path(tempfile.mkdtemp())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS)
        lab = Lab(directory)
        try:

            def open_notebook(*cells: str) -> OpenNotebook:
                for page in (page for context in browser.contexts for page in context.pages):
                    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
                    page.close()
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                return OpenNotebook(lab, page, directory).open(*cells).run()

            for part in (sliders, race, microscope, machine):
                if part.__name__ in sys.argv[1:] or not sys.argv[1:]:
                    part(open_notebook)
        finally:
            lab.close()
            browser.close()


if __name__ == "__main__":
    main()
