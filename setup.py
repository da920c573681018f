"""What pyproject.toml cannot say: the guest's sources are installed beside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithGuestSources(build_py):
    """Copies ``guests/`` to ``vlab/guest_sources``, except into an editable installation."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "vlab" / "guest_sources"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree("guests", target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": WithGuestSources})
