"""What emulating an instruction costs: counted in the interpreter's own code.

Method: the interpreter is compiled for the modelled machine itself (RV64IMAC) instead of the
host. The instructions on the fast path of a row's handler, from its first to its jump to the
next handler, are what emulating that row costs; for a row that has no fast path, those of its
slow handler and executor. Weighted by how often each row was executed in the course's
workloads (counted by the reference engine), this gives one figure for all instructions.

``python -m vlab.experiments.emulation_cost`` repeats the count and records it in
``vlab/data/calibration.json``, from which the cost tables take it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from vlab.engines.python import PythonEngine
from vlab.isa.decode import decode
from vlab.isa.table import standard_rows
from vlab.state import Hart

RECORD = Path(__file__).parent.parent / "data" / "calibration.json"
INSTRUCTION_LIMIT = 400_000
TRIPLE = "riscv64-unknown-elf"


class CountingEngine(PythonEngine):
    """The reference engine, with a tally of the rows that it executed."""

    def __init__(self) -> None:
        self.executed: Counter[str] = Counter()

    def step(self, hart: Hart) -> int:
        """Execute one instruction and count its row."""
        status = super().step(hart)
        decoded = decode(hart.bits)
        if decoded is not None:
            self.executed[decoded.row.name] += 1
        return status


def assembly() -> str:
    """Return the interpreter compiled for RV64IMAC, as assembly text."""
    from vlab.engines.interpreter import generate

    machine = target()
    return machine.emit_assembly(optimized(generate(), machine))


def target() -> Any:
    """Return LLVM's target machine for RV64IMAC."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu="generic-rv64", features="+m,+a,+c", opt=2, reloc="static", codemodel="medium"
    )


def optimized(text: str, machine: Any) -> Any:
    """Return IR text as a module for RV64, optimized."""
    from vlab.engines.object_cache import optimize

    return optimize(text, machine, TRIPLE)


def guest_of(workload: Any, technique: str, engine: str) -> Any:
    """Return a machine that is about to run a workload at its default size."""
    from vlab.costs import preset
    from vlab.modes import IMAGES
    from vlab.modes.compose import Guest
    from vlab.modes.setup import Setup

    return Guest(
        Setup(
            mode="emulate" if technique == "dbt" else "native",
            image=IMAGES / "native.elf",
            disk=(IMAGES / "fs.img").read_bytes(),
            bootargs=workload.bootargs(workload.bind({})),
            memory=64 << 20,
            engine=engine,
            clock="cycles",
            costs=preset(),
            options={},
            technique=technique,
        )
    )


def functions(text: str) -> dict[str, list[str]]:
    """Return the instructions of each function of an assembly text."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        label = re.match(r'"?([\w.]+)"?:', line)
        if label and not label[1].startswith(".L"):
            current = found.setdefault(label[1], [])
        elif line.startswith("\t") and not line.startswith("\t.") and current is not None:
            current.append(line.strip())
    return found


def path_length(instructions: list[str]) -> int:
    """Return the instructions up to the jump to the next handler, no branch taken."""
    for number, instruction in enumerate(instructions):
        if instruction.startswith("jr\t"):
            return number + 1
    return len(instructions)


def lengths() -> dict[str, int]:
    """Return the host instructions that emulate one instruction, by row."""
    code = functions(assembly())
    result = {}
    for row in standard_rows():
        fast = code.get(f"near.{row.index}") or code.get(f"op.{row.index}")
        if fast is not None:
            result[row.name] = path_length(fast)
        else:
            body = code[f"slow.{row.index}"]
            called = re.findall(r"call\t\"?([\w.]+)", "\n".join(body))
            result[row.name] = len(body) + sum(len(code.get(name, ())) for name in called)
    return result


def executed() -> Counter[str]:
    """Return how often each row is executed in the workloads, at most so many in each."""
    from vlab.experiments.catalogue import workloads

    total: Counter[str] = Counter()
    for workload in workloads().values():
        guest = guest_of(workload, "interpreter", "python")
        engine = CountingEngine()
        engine.attach(guest.machine.hart)
        guest.machine.engine = engine
        guest.run(INSTRUCTION_LIMIT)
        total += engine.executed
    return total


def measure() -> dict[str, Any]:
    """Count, and return the figure with how it came about."""
    length, weight = lengths(), executed()
    mean = sum(length[name] * n for name, n in weight.items()) / weight.total()
    return {
        "cycles": round(mean) - 1,
        "source": f"{mean:.1f} RV64IMAC instructions of the interpreter per guest instruction, "
        f"over {weight.total():,} of the workloads (vlab.experiments.emulation_cost)",
    }


def record() -> None:
    """Count and record."""
    stored = json.loads(RECORD.read_text("utf-8")) if RECORD.is_file() else {}
    stored.setdefault("costs", {})["emulated_instruction"] = measure()
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    record()
    print(json.loads(RECORD.read_text("utf-8"))["costs"])
