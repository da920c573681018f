"""``python -m vlab`` is ``vlab``."""

from vlab.cli import main

raise SystemExit(main())
