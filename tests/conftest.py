"""Fixtures that several tests share."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fakes import FAKE_WORKLOADS, fake_run_guest
from jupyter_browser import browser, lab, notebook  # noqa: F401  (fixtures)


@pytest.fixture
def fake_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Replace the machine by one that invents counts; gives the module that stands for it."""
    from vlab.experiments import catalogue

    (tmp_path / "workloads.json").write_text(json.dumps(FAKE_WORKLOADS))
    monkeypatch.setattr(catalogue, "IMAGES", tmp_path)
    catalogue.workloads.cache_clear()
    stand_in = ModuleType("vlab.modes")
    stand_in.run_guest = fake_run_guest  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vlab.modes", stand_in)
    yield stand_in
    catalogue.workloads.cache_clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that use the browser together: one server and one browser for all of them."""
    for item in items:
        if "notebook" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture
def in_python(monkeypatch):
    """Run with every exit handled by the Python methods."""

    import vlab
    from vlab.vmm.compiled_exits import CompiledExits

    def run(**arguments):
        with monkeypatch.context() as patch:
            patch.setattr(CompiledExits, "served", lambda *_: 0)
            return vlab.run(**arguments)

    return run
