"""What a session shows of a guest, in every mode: registers, CSRs, privilege, memory.

Looking changes nothing: no counter, no TLB entry, no accessed bit. What would write scratch
words of a record is done on a copy of it.
"""

from __future__ import annotations

from typing import Any

from vlab.clock import CYCLES_PER_TICK
from vlab.errors import MachineError, unknown
from vlab.experiments.session_walks import PageTables
from vlab.isa.counting import settle
from vlab.isa.csr import csr_read
from vlab.isa.fields import Csr, S, U
from vlab.isa.names import ABI
from vlab.memory import PAGE, GuestMemory, MemoryRangeError, PhysicalMemory
from vlab.state import LAYOUT, Hart
from vlab.vmm.direct import LEVEL
from vlab.vmm.regimes import key_of

S_CSRS = (
    "sstatus", "sie", "stvec", "scounteren", "senvcfg", "sscratch", "sepc", "scause", "stval",
    "sip", "stimecmp", "satp",
)  # fmt: skip
M_CSRS = (
    "mstatus", "misa", "medeleg", "mideleg", "mie", "mtvec", "mcounteren", "menvcfg", "mscratch",
    "mepc", "mcause", "mtval", "mip", "mhartid", "pmpcfg0", "pmpaddr0",
)  # fmt: skip
CPU_WORDS = tuple(
    name if count == 1 else f"{name}{n}"
    for name, (word, count) in LAYOUT.items()
    if LAYOUT["pc"][0] <= word < LAYOUT["cycle_offset"][0]
    for n in range(count)
)
"""The words of a record that are a CPU's state, apart from the integer registers."""
FIRST, BEHIND = LAYOUT["pc"][0], LAYOUT["cycle_offset"][0]
COUNTERS = ("cycle", "time", "instret")
PRIVILEGES = {0: "U", 1: "S", 3: "M"}
SPACES = ("guest-virtual", "guest-physical", "host-physical")
SHARED = (
    "pending", "masked", "trap_cause", "trap_epc", "trap_tval", "trap_user", "trap_masked",
    "trap_a7",
)  # fmt: skip
"""Words of the shared page that a ported kernel has in place of CSRs."""


class View:
    """A guest on hardware of its own (``native``, ``emulate``).

    Parameters
    ----------
    mode
        The mode's object.

    Attributes
    ----------
    record : Hart
        The CPU that the guest sees.
    physical : PhysicalMemory
        Host-physical memory.
    memory : Memory
        Guest-physical memory.
    counted : Hart
        The record that counts the guest's traps and returns.
    word_names : tuple of str
        Names of what `words` returns.
    """

    word_names: tuple[str, ...] = (*ABI, *CPU_WORDS)

    def __init__(self, mode: Any) -> None:
        self.mode, self.machine, self.hart = mode, mode.machine, mode.hart
        self.record: Hart = self.hart
        self.counted: Hart = self.hart
        self.physical: PhysicalMemory = self.hart.memory
        self.memory: Any = self.physical
        self._copy = Hart()

    def synchronize(self, running: bool) -> None:
        """Attribute what has retired, as the end of the run would; ``running``: within a slice."""
        settle(self.hart)

    @property
    def pc(self) -> int:
        """Where the guest is."""
        return int(self.record.pc)

    @property
    def privilege(self) -> int:
        """The privilege that the guest believes to have."""
        return int(self.record.priv)

    def csrs(self) -> dict[str, int]:
        """Return the guest's CSRs by name."""
        copy = self._copy
        copy.words[:] = self.record.words
        copy.time = self.machine.now() // CYCLES_PER_TICK
        names = (*S_CSRS, *M_CSRS, *COUNTERS)
        return {name: csr_read(copy, Csr[name.upper()]) for name in names}

    def words(self) -> list[int]:
        """Return the state of the guest's CPU, word by word."""
        record = self.record
        return [*record.x[:32], *record.words[FIRST:BEHIND]]

    def describe(self, host: int) -> tuple[str, int]:
        """Return whose memory a host-physical address is, and its address there."""
        guest = self.to_guest(host)
        if guest is None:
            return "monitor memory", host
        return ("guest page table" if self.is_table(guest) else "guest memory"), guest

    def is_table(self, guest: int) -> bool:
        """Return whether the monitor knows a guest-physical address as one in a page table."""
        return False

    def to_host(self, address: int) -> int | None:
        """Return the host-physical address of a guest-physical one in RAM."""
        return address if self.memory.contains(address) else None

    def to_guest(self, address: int) -> int | None:
        """Return the guest-physical address of a host-physical one of the guest's."""
        return address if self.memory.contains(address) else None

    def page_tables(self) -> dict[str, PageTables]:
        """Return the page tables in use by whose they are: ``guest``, ``shadow``."""
        return {"guest": PageTables("guest", self.record, self.record.satp, self.memory, self)}

    def read(self, address: int, count: int, space: str) -> bytes:
        """Return bytes of one of the address spaces, or raise `MachineError`."""
        if space not in SPACES:
            raise MachineError(unknown("address space", space, SPACES))
        if count < 0:
            raise MachineError(f"memory: {count} bytes: must be 0 or more")
        try:
            if space == "host-physical":
                return self.physical.read(address, count)
            if space == "guest-physical":
                return bytes(self.memory.read(address, count))
            return self._read_virtual(address, count)
        except (MemoryRangeError, OverflowError):
            raise MachineError(
                f"memory: {count} bytes at {space} {address:#x}: not all of them are RAM"
            ) from None

    def _read_virtual(self, address: int, count: int) -> bytes:
        parts = []
        tables = self.page_tables()["guest"]
        while count:
            size = min(count, PAGE - address % PAGE)
            host = tables.host_address(address)
            if host is None:
                raise MemoryRangeError(f"{address:#x}")
            parts.append(self.physical.read(host, size))
            address, count = address + size & (1 << 64) - 1, count - size
        return b"".join(parts)


class VirtualCpuView(View):
    """A guest on a virtual CPU with shadow page tables (``fullvirt``)."""

    def __init__(self, mode: Any) -> None:
        super().__init__(mode)
        self.record = self.counted = mode.vcpu
        self.memory = mode.vcpu.memory
        self._inverse = inverse(self.memory)

    def synchronize(self, running: bool) -> None:
        """Attribute what has retired to the virtual CPU."""
        settle(self.hart)
        if running:
            self.mode.attribute()
        settle(self.record)

    def to_host(self, address: int) -> int | None:
        """Return the host-physical address of a guest-physical one in RAM."""
        return self.memory.host_address(address) if self.memory.contains(address) else None

    def to_guest(self, address: int) -> int | None:
        """Return the guest-physical address of a host-physical one of the guest's."""
        page = self._inverse.get(address // PAGE)
        return None if page is None else page * PAGE + address % PAGE

    def is_table(self, guest: int) -> bool:
        """Return whether the page is write-protected as a page table."""
        return bool(self.mode.shadow.is_table(guest))

    def page_tables(self) -> dict[str, PageTables]:
        """Return the guest's tables, and the shadow of them that serves the present regime."""
        found = super().page_tables()
        shadow = self.mode.shadow
        space = shadow.spaces.get(key_of(self.record))
        if space is not None:
            satp = shadow.satp(space)
            found["shadow"] = PageTables("shadow", self.hart, satp, self.physical, self, user=True)
        return found


class ParaVirtView(VirtualCpuView):
    """A ported guest on direct paging (``paravirt``): its tables hold machine frames."""

    word_names = (*ABI, "pc", "priv", "satp", *SHARED)

    def __init__(self, mode: Any) -> None:
        View.__init__(self, mode)
        self.counted = mode.vcpu.record
        self.memory = mode.domain.memory
        self._inverse = inverse(self.memory)

    def synchronize(self, running: bool) -> None:
        """Attribute what has retired to kernel or user."""
        if running:
            self.mode.vcpu.attribute()

    @property
    def privilege(self) -> int:
        """S for the kernel, U for user programs: the hardware is in U-mode for both."""
        return S if self.mode.vcpu.in_kernel else U

    def words(self) -> list[int]:
        """Return registers, virtual privilege, root table, and the words of the shared page."""
        hart, shared = self.hart, self.mode.shared
        words = [getattr(shared, name) for name in SHARED]
        return [*hart.x[:32], hart.pc, self.privilege, hart.satp, *words]

    def is_table(self, guest: int) -> bool:
        """Return whether the frame's type is that of a page table."""
        paging = self.mode.paging
        return paging.use[paging.frame(guest - guest % PAGE) - paging.first] in LEVEL

    def csrs(self) -> dict[str, int]:
        """Return what the kernel has in place of CSRs: the words of the shared page, and satp."""
        vcpu, shared = self.mode.vcpu, self.mode.shared
        words = {name: getattr(shared, name) for name in SHARED}
        time = self.machine.now() // CYCLES_PER_TICK
        return {"satp": self.hart.satp, "entry": vcpu.entry or 0, **words, "time": time}

    def page_tables(self) -> dict[str, PageTables]:
        """Return the guest's own tables, which the hardware walks."""
        return {
            "guest": PageTables("guest", self.hart, self.hart.satp, self.physical, self, user=True)
        }


def inverse(memory: GuestMemory) -> dict[int, int]:
    """Return guest-physical frame by machine frame."""
    first = memory.base // PAGE
    return {int(frame): first + n for n, frame in enumerate(memory.p2m)}


def view_of(mode: Any) -> View:
    """Return the view that fits a mode's mechanisms."""
    if hasattr(mode, "domain"):
        return ParaVirtView(mode)
    return VirtualCpuView(mode) if hasattr(mode, "shadow") else View(mode)
