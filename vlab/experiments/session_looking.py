"""What can be looked at in a session that stands still; nothing of it changes the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlab.costs import Cycles, price
from vlab.counters import Counters
from vlab.errors import MachineError, unknown
from vlab.experiments.result import Result
from vlab.experiments.running import from_outcome
from vlab.experiments.session_regions import Region, regions
from vlab.experiments.session_rows import Line, TlbEntry
from vlab.experiments.session_views import PRIVILEGES
from vlab.experiments.session_walks import Walk, access_of, flags_of
from vlab.isa.fields import PTE_D, PTE_G, STORE, Cause
from vlab.isa.mmu import NONE, effective_privilege, leaf_address, permitted, tlb_find
from vlab.isa.names import ABI
from vlab.machine import Outcome
from vlab.memory import PAGE, MemoryRangeError

if TYPE_CHECKING:
    from vlab.experiments.session_loop import Loop
    from vlab.experiments.session_symbols import Symbols
    from vlab.experiments.session_views import View
    from vlab.machine import Machine
    from vlab.modes.compose import Guest
    from vlab.modes.setup import Setup


class Looking:
    """The part of a session that only looks."""

    view: View
    symbols: Symbols
    machine: Machine
    guest: Guest
    loop: Loop
    setup: Setup
    label: dict[str, Any]
    wall_s: float

    @property
    def pc(self) -> int:
        """Virtual address of the next instruction."""
        return self.view.pc

    @property
    def privilege(self) -> str:
        """``U``, ``S`` or ``M``: the privilege that the guest believes to have."""
        return PRIVILEGES[self.view.privilege]

    @property
    def hardware_privilege(self) -> str:
        """The privilege in which the hardware really runs it."""
        return PRIVILEGES[self.machine.hart.priv]

    @property
    def registers(self) -> dict[str, int]:
        """The integer registers by their ABI names."""
        return dict(zip(ABI, self.view.record.x, strict=False))

    @property
    def csrs(self) -> dict[str, int]:
        """The guest's CSRs: in ``fullvirt`` the virtual CPU's.

        A paravirtual guest has none; what it has instead is the words of the shared page.
        """
        return self.view.csrs()

    def memory(self, address: int, n: int = 64, space: str = "guest-virtual") -> bytes:
        """Return ``n`` bytes.

        Parameters
        ----------
        space
            ``guest-virtual``, whatever the permissions; ``guest-physical``; ``host-physical``.
        """
        return self.view.read(address, n, space)

    def symbol(self, address: int | None = None) -> str:
        """Return the kernel symbol an address (the ``pc``) belongs to, with the offset in it."""
        return self.symbols.name(self.pc if address is None else address)

    def address(self, text: str) -> int:
        """Return the address that a text means: a number, a register or CSR, or a symbol."""
        text = text.strip()
        names = {"pc": self.pc, **self.registers, **self.csrs, **self.symbols.addresses}
        try:
            value = names[text] if text in names else int(text, 0)
        except ValueError:
            raise MachineError(
                f"{text!r}: not an address; write a number such as 0x80200000, "
                "a register such as sp, or a symbol of the kernel"
            ) from None
        if not 0 <= value < 1 << 64:
            raise MachineError(f"{text}: not an address of 64 bits")
        return value

    def instruction(self, address: int | None = None) -> int:
        """Return the bits of the instruction at an address (the ``pc``), 0 if it is unmapped."""
        address = self.pc if address is None else address
        tables = self.view.page_tables()["guest"]
        bits = 0
        for n in (0, 2):
            host = tables.host_address(address + n & (1 << 64) - 1)
            if host is None:
                return 0
            try:
                bits |= self.view.physical.load(host, 2) << 8 * n
            except MemoryRangeError:
                return 0
            if bits & 3 != 3:
                break
        return bits

    def disassemble(
        self, address: int | None = None, before: int = 4, after: int = 8
    ) -> list[Line]:
        """Return the instructions around an address (the ``pc``)."""
        center = self.pc if address is None else address
        at = self._start(center, before)
        lines: list[Line] = []
        while len([line for line in lines if line.address >= center]) <= after:
            bits = self.instruction(at)
            if bits == 0:
                break
            text = instruction_text(bits, at)
            lines.append(Line(at, bits, text, self.symbol(at), at == self.pc))
            at += 4 if bits & 3 == 3 else 2
        earlier = [line for line in lines if line.address < center]
        return earlier[len(earlier) - min(before, len(earlier)) :] + lines[len(earlier) :]

    def _start(self, center: int, before: int) -> int:
        """Return where to begin so that a boundary between instructions falls on ``center``."""
        symbol = self.symbols.start(center)
        lowest = max(center - 4 * before, symbol if symbol is not None else 0, 0)
        for start in range(lowest, center, 2):
            at = start
            while at < center:
                bits = self.instruction(at)
                if bits == 0:
                    break
                at += 4 if bits & 3 == 3 else 2
            if at == center:
                return start
        return center

    def walk(self, va: int, access: str = "load") -> Walk:
        """Return every memory reference that translating an address would make now.

        Parameters
        ----------
        access
            ``load``, ``store`` or ``fetch``.

        Returns
        -------
        Walk
            In ``fullvirt`` the walk of the guest's own tables and that of the shadow side by side;
            in ``paravirt`` the one walk, with machine and guest-physical addresses.
        """
        kind = access_of(access)
        if not 0 <= va < 1 << 64:
            raise MachineError(f"va={va!r}: must be an address of 64 bits")
        tables = self.view.page_tables()
        walks = {name: table.walk(va, kind) for name, table in tables.items()}
        held = self._in_tlb(va, kind)
        privilege = tables["guest"].privilege(kind)
        return Walk(va, access, privilege, walks["guest"], walks.get("shadow"), held)

    def _in_tlb(self, va: int, access: int) -> bool:
        """Return whether the TLB has an entry that serves an access, so that no walk is made."""
        hart = self.machine.hart
        entry = tlb_find(hart, va)
        if entry == NONE:
            return False
        pte, priv = hart.tlb_pte[entry], effective_privilege(hart, access)
        clean = access == STORE and not pte & PTE_D
        return bool(permitted(hart, pte, access, priv)) and not clean

    def regions(self, tables: str = "guest") -> list[Region]:
        """Return what a set of page tables maps now: none while translation is off.

        Parameters
        ----------
        tables
            ``guest``, or in ``fullvirt`` ``shadow``.
        """
        known = self.view.page_tables()
        if tables not in ("guest", "shadow"):
            raise MachineError(unknown("page tables", tables, ("guest", "shadow")))
        return regions(known[tables]) if tables in known else []

    def tlb(self) -> list[TlbEntry]:
        """Return the valid entries of the hardware's TLB, by set and way."""
        hart, entries = self.machine.hart, []
        for n in range(hart.tlb_sets * hart.tlb_ways):
            tag = hart.tlb_tag[n]
            if tag:
                level, pte = tag >> 1 & 3, hart.tlb_pte[n]
                va = tag & ~(PAGE - 1)
                host = leaf_address(pte, level, 0)
                entries.append(
                    TlbEntry(
                        set=n // hart.tlb_ways,
                        way=n % hart.tlb_ways,
                        va=va,
                        level=level,
                        asid=hart.tlb_asid[n],
                        pte=pte,
                        host_physical=host,
                        guest_physical=self.view.to_guest(host),
                        flags=flags_of(pte),
                        is_global=bool(pte & PTE_G),
                    )
                )
        return entries

    def device(self, name: str) -> Any:
        """Return a device of the board by its name, for example ``uart``."""
        devices = {device.name: device for device in self.machine.board.bus.devices}
        if name not in devices:
            raise MachineError(unknown("device", name, devices))
        return devices[name]

    # -- results ------------------------------------------------------------------

    @property
    def instructions(self) -> int:
        """Guest instructions retired so far."""
        return int(self.machine.guest_instructions)

    @property
    def steps(self) -> int:
        """Steps so far: instructions, and traps and firmware calls taken in place of one."""
        return self.loop.steps

    @property
    def counters(self) -> Counters:
        """Everything counted so far, boot included."""
        counted: Counters = self.guest.mode.counters()
        return counted

    @property
    def cycles(self) -> Cycles:
        """Modelled cycles so far, by category."""
        return price(self.counters, self.setup.costs, self.setup.priced_as)

    @property
    def console(self) -> str:
        """What the guest has printed so far."""
        return self.guest.output.decode("utf-8", "replace")

    def result(self) -> Result:
        """Return what `vlab.run` would: of the whole run if it is over, else so far."""
        ended = self.guest.ended(self.loop.outcome or Outcome("interrupted"))
        label = self.label
        return from_outcome(
            ended,
            label["workload"],
            self.setup.mode,
            None,
            label["params"],
            label["settings"],
            self.wall_s,
        )


def instruction_text(bits: int, address: int) -> str:
    """Return an instruction in assembly language."""
    from vlab.isa.disassembler import disassemble

    return disassemble(bits, address)


def cause_name(cause: int) -> str:
    """Return the name of a trap's cause."""
    if cause >> 63:
        return {1: "software", 5: "timer", 9: "external"}.get(cause & 63, "") + " interrupt"
    return Cause(cause).name.lower()
