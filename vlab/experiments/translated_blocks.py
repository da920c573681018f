"""The code cache of an emulator that translates, looked at after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlab.engines.block_tables import (
    BLOCK_WORDS,
    BLOCKS,
    CODE,
    EXECUTIONS,
    GUEST_BYTES,
    KEY,
    get,
)
from vlab.errors import MachineError
from vlab.experiments.result import Result
from vlab.isa.disassembler import disassemble
from vlab.state import Hart

if TYPE_CHECKING:
    from pandas import DataFrame

SIZE = 8 * BLOCK_WORDS


def translated_blocks(result: Result) -> DataFrame:
    """Return the blocks in the code cache at the end of a run by ``dbt``, most executed first.

    Columns: ``address`` (physical, of the first instruction), ``privilege``, ``instructions``
    of the guest, ``host_instructions`` emitted for them, ``executions``. What was dropped
    is left out.
    """
    from pandas import DataFrame

    hart, places = _hart(result), _places(_hart(result))
    rows = []
    for place, end in places:
        key, begin = get(hart, place + KEY), get(hart, place + CODE)
        if key:
            rows.append(
                {
                    "address": key >> 2,
                    "privilege": "USHM"[key & 3],
                    "instructions": len(_guest(hart, place)),
                    "host_instructions": (end - begin) // 4,
                    "executions": get(hart, place + EXECUTIONS),
                }
            )
    frame = DataFrame(rows)
    return frame.sort_values("executions", ascending=False, ignore_index=True)


def block_listing(result: Result, address: int) -> str:
    """Return a translated block: the guest's instructions, and the host's made from them.

    Parameters
    ----------
    address
        Of its first instruction, physical, as `translated_blocks` has it.
    """
    hart = _hart(result)
    for place, end in _places(hart):
        if get(hart, place + KEY) >> 2 == address:
            begin = get(hart, place + CODE)
            guest = [f"{at:#x}  {disassemble(bits, at)}" for at, bits in _guest(hart, place)]
            host = []
            for at in range(begin, end, 4):
                bits = int.from_bytes(hart.tables[at : at + 4], "little")
                offset = at - hart.block_code
                host.append(f"{offset:#8x}  {disassemble(bits, offset)}")
            return "\n".join(["guest:", *guest, "", "host:", *host])
    raise MachineError(f"{address:#x}: no block in the code cache begins there")


def _hart(result: Result) -> Hart:
    if result.emulation != "dbt" or result.machine is None:
        raise MachineError("only a run of 'emulate' with technique='dbt' has a code cache")
    hart: Hart = result.machine.machine.hart
    return hart


def _places(hart: Hart) -> list[tuple[int, int]]:
    """Return each block's record, and where its code ends: they lie one behind the other."""
    count = min(hart.block_count, BLOCKS)
    places = [hart.block_list + n * SIZE for n in range(count)]
    begins = [get(hart, place + CODE) for place in places]
    return list(zip(places, [*begins[1:], hart.block_used], strict=True))


def _guest(hart: Hart, place: int) -> list[tuple[int, int]]:
    """Return the address and bits of a block's instructions, as they are in memory now."""
    at = get(hart, place + KEY) >> 2
    end, found = at + get(hart, place + GUEST_BYTES), []
    while at < end:
        low = hart.memory.load(at, 2)
        length = 4 if low & 3 == 3 else 2
        found.append((at, hart.memory.load(at, length)))
        at += length
    return found
