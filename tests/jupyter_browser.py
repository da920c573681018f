"""A real JupyterLab and a headless Chromium, for tests of what a student sees and clicks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}
DIRECTORIES = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}
HARMLESS = ("favicon", "ResizeObserver loop")
CONTROLS = """root => [...root.querySelectorAll("button, input, select, textarea, [tabindex]")]
  .filter((e) => e.tabIndex > 0 || (e.tabIndex < 0 && !e.disabled) || !(e.ariaLabel
    || e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 80))"""
RUN_ALL = """seconds => Promise.race([
  window.jupyterapp.commands.execute("notebook:run-all-cells"),
  new Promise((_, no) => setTimeout(() => no("the cells did not end"), 1000 * seconds)),
])"""
FOCUS_FIRST = """root => [...root.querySelectorAll("button, input, select, textarea, summary")]
  .find((e) => !e.disabled && e.offsetParent).focus()"""
MOST_TABS = 200
START_S = 90
RUN_S = 120
SETTLE_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """A JupyterLab server of its own, with the notebooks of the tests in its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "notebooks"
        self.directory.mkdir()
        environment = os.environ | {name: str(directory / d) for name, d in DIRECTORIES.items()}
        environment["PYTHONPATH"] = str(ROOT)
        for name, values in SETTINGS.items():
            file = directory / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = (directory / "server.log").open("w+")
        self.server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"),
                *(f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
                *("--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True"),
                f"--ServerApp.root_dir={self.directory}",
            ],
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )
        until(lambda: self.server.poll() is not None or self.answers(), START_S, "JupyterLab")
        if self.server.poll() is not None:
            self.log.seek(0)
            pytest.fail("JupyterLab ended at once:\n" + self.log.read()[-2000:])

    def answers(self) -> bool:
        try:
            return bool(self.get("/api/status"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def kernels_ready(self) -> bool:
        try:
            kernels = self.get("/api/kernels")
        except OSError:  # the server errs while a kernel is starting
            return False
        return bool(kernels) and all(
            kernel["connections"] > 0 and kernel["execution_state"] == "idle" for kernel in kernels
        )

    def close(self) -> None:
        self.server.send_signal(signal.SIGTERM)
        try:
            self.server.wait(15)
        except subprocess.TimeoutExpired:
            self.server.kill()
        self.log.close()


class OnPage:
    """A widget as the page shows it."""

    def __init__(self, page: Any, name: str, nth: int = 0) -> None:
        self.page, self.root = page, page.locator(f"section.vlab-{name}").nth(nth)

    @property
    def generation(self) -> int:
        return int(self.root.get_attribute("data-generation") or 0)

    def settled(self, after: int = 0) -> OnPage:
        """Wait until the page has drawn a state later than that, and no work is under way."""
        until(
            lambda: self.generation > after and self.root.get_attribute("data-busy") == "false",
            SETTLE_S,
            "the widget",
        )
        return self

    @contextmanager
    def change(self) -> Iterator[OnPage]:
        """Wait, after what is done inside, until the page shows the outcome."""
        before = self.generation
        yield self
        self.settled(before)

    @property
    def error(self) -> str:
        return str(self.root.locator(".vlab-error").inner_text())

    def check_reachable(self) -> None:
        """Fail unless every control has a name, and the keyboard comes to it in its order."""
        faults = self.root.evaluate(CONTROLS)
        assert not faults, f"without a name, or out of the keyboard's order: {faults}"

    def by_keyboard(self, control: Any, *keys: str) -> None:
        """Come to a control from the widget's first one with Tab alone, and press keys there."""
        self.root.evaluate(FOCUS_FIRST)
        for _ in range(MOST_TABS):
            if control.evaluate("e => e === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        else:
            pytest.fail(f"Tab does not come to {control}")
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return str(self.root.locator(selector).first.inner_text())

    def texts(self, selector: str) -> list[str]:
        return [str(t) for t in self.root.locator(selector).all_inner_texts()]


class OpenNotebook:
    """A notebook open in the browser, with a kernel."""

    def __init__(self, lab: Lab, page: Any, pictures: Path) -> None:
        self.lab, self.page, self.pictures = lab, page, pictures
        self.errors: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(word in message.text for word in HARMLESS):
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self, *cells: str) -> OpenNotebook:
        """Write a notebook of these cells, open it, and wait for its kernel."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        name = f"test-{time.time_ns()}.ipynb"
        nbformat.write(notebook, self.lab.directory / name)
        self.page.goto(f"{self.lab.url}/lab/tree/{name}?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_S * 1000)
        until(self.lab.kernels_ready, START_S, "the kernel")
        return self

    def run(self) -> OpenNotebook:
        """Run all cells; fail if one fails."""
        self.page.evaluate(RUN_ALL, RUN_S)
        self.check()
        return self

    def rerun(self, nth: int) -> OpenNotebook:
        """Run one cell again, by the keyboard."""
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(nth)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        time.sleep(0.3)
        until(self.lab.kernels_ready, SETTLE_S, "the kernel")
        self.check()
        return self

    def widget(self, name: str, nth: int = 0) -> OnPage:
        """Return a widget by the name of its class, when it has come to rest."""
        widget = OnPage(self.page, name, nth)
        widget.root.wait_for(timeout=SETTLE_S * 1000)
        return widget.settled()

    def check(self) -> None:
        """Fail on a failed cell, or on an error in the browser's console."""
        failed = self.page.locator('[data-mime-type="application/vnd.jupyter.error"]')
        stderr = self.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')
        texts = failed.all_inner_texts() + stderr.all_inner_texts()
        assert not texts, "a cell failed:\n" + "\n".join(texts)
        assert not self.errors, "the browser reported:\n" + "\n".join(self.errors)

    def screenshot(self, name: str, widget: OnPage | None = None) -> Path:
        """Save a picture of the page, or of one widget."""
        path = self.pictures / f"{name}.png"
        (widget.root if widget else self.page).screenshot(path=path)
        return path


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something is true, or fail."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"{what} was not ready after {seconds} s")
        time.sleep(0.05)


def chromium(playwright: Any) -> str:
    """Return the path of a browser, or skip the test."""
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    own = str(playwright.chromium.executable_path)
    if not Path(own).exists():
        pytest.skip("no Chromium here: install it, or run 'playwright install chromium'")
    return own


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab for all tests."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    server = Lab(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.close()


@pytest.fixture
def notebook(lab: Lab, browser: Any, tmp_path: Path) -> Iterator[OpenNotebook]:
    """An empty page on which to open a notebook; its kernel ends with the test."""
    kept = os.environ.get("VLAB_SCREENSHOTS")
    pictures = Path(kept) if kept else tmp_path
    pictures.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1500, "height": 1500})
    opened = OpenNotebook(lab, page, pictures)
    yield opened
    if page.url.startswith(lab.url):
        page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    page.close()
