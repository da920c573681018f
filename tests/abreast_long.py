"""As many randomly generated instructions as told, on all engines side by side.

``python -m tests.abreast_long --seed 1 --instructions 10000000`` (from the repository). What the
programs contain is in `random_programs.py`, what is compared in `engines_abreast.py`; a failure
names the seed of its program, and ``--seed`` with that number runs it first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engines_abreast import HOST_ONLY, Abreast, EnginesDisagree, shared

from vlab.engines.traced import TracedInterpreter, TracedPython

TRACED = shared({*HOST_ONLY, "block_tables"})
LENGTH = 20_000
"""Instructions of a program: mostly warm code, with time for the caches to fill and begin anew."""


def run(seed: int, instructions: int, traced: bool = False) -> Counter[str]:
    """Run programs from a seed on until that many instructions have retired on each engine.

    ``traced``: on the engines under an emulated translator, whose tables must be equal, too.
    """
    seen: Counter[str] = Counter()
    begun = told = time.monotonic()
    while seen["retired"] < instructions:
        abreast = Abreast(
            seed, *(((TracedPython(), TracedInterpreter()), TRACED) if traced else ())
        )
        abreast.run(min(LENGTH, instructions))
        if traced and len({bytes(hart.tables) for hart in abreast.harts}) > 1:
            raise EnginesDisagree(f"seed {seed}: the blocks differ")
        seen.update(abreast.seen)
        seed += 1
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{seen['retired']:,} instructions agree, {told - begun:.0f} s", flush=True)
    return seen


def main() -> None:
    """Run, and print what happened how often."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first program")
    parser.add_argument("--instructions", type=int, default=10_000_000)
    parser.add_argument("--traced", action="store_true", help="emulation by translation")
    options = parser.parse_args()
    seen = run(options.seed, options.instructions, options.traced)
    print(", ".join(f"{name} {count:,}" for name, count in sorted(seen.items()) if count))


if __name__ == "__main__":
    main()
