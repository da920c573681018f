"""The assembler: source text to bytes, from the instruction table.

The source is walked again and again until no label moves any more, as the length of ``li``
depends on its value; the last walk encodes. Sections are put one after the other: code,
read-only data, data, the rest. Nothing is compressed unless it is written as ``c.``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vlab.isa import directives
from vlab.isa.bits import MASK64
from vlab.isa.encoding import encode_instruction
from vlab.isa.expressions import AssemblyError, evaluate, no_such
from vlab.isa.names import REGISTERS
from vlab.isa.pseudo import EXPANSIONS, SYMBOL_ACCESS, Real, load_constant
from vlab.isa.scope import Names
from vlab.isa.source import Statement, statements

SECTION_ALIGNMENT = 16
WALKS = 20


@dataclass(frozen=True)
class Assembly:
    """What `assemble` returns.

    Attributes
    ----------
    code : bytes
        All sections, to be loaded at ``origin``.
    origin : int
    labels : dict
        Address of each label.
    lines : dict
        The source line that each instruction or datum comes from, by address.
    line_numbers : dict
        The same as line numbers, from 1.
    """

    code: bytes
    origin: int
    labels: dict[str, int]
    lines: dict[int, str]
    line_numbers: dict[int, int]

    def read(self, address: int, count: int) -> bytes:
        """Return assembled bytes, as a memory would."""
        start = address - self.origin
        return self.code[start : start + count]


def assemble(
    source: str, origin: int = 0x8000_0000, symbols: dict[str, int] | None = None
) -> Assembly:
    """Assemble a source text.

    Parameters
    ----------
    source
        RISC-V assembly language as GNU's and LLVM's assemblers read it.
    origin
        Address of the first byte of code.
    symbols
        Values of names that the source does not define.

    Raises
    ------
    AssemblyError
        With the line, its text, what is wrong and what would be right.
    """
    assembler = _Assembler(statements(source), origin, symbols or {})
    for _ in range(WALKS):
        before = assembler.layout()
        assembler.walk(final=False)
        if assembler.layout() == before:
            break
    before = assembler.layout()
    assembler.walk(final=True)
    if assembler.layout() != before:
        raise AssemblyError("the labels do not settle: some li depends on its own length")
    return assembler.result()


@dataclass
class _Section:
    """The bytes of a section in the current walk."""

    name: str
    base: int
    code: bytearray = field(default_factory=bytearray)


class _Assembler:
    """The state of the walks: sections and names as the walk before left them, and its own."""

    def __init__(self, source: list[Statement], origin: int, symbols: dict[str, int]) -> None:
        self.source, self.origin = source, origin
        self.names = Names(symbols, lambda: self.here)
        self.sections: dict[str, _Section] = {".text": _Section(".text", origin)}

    def layout(self) -> tuple[object, ...]:
        """Return everything that a walk depends on."""
        bases = [(name, section.base) for name, section in self.sections.items()]
        return self.names.known(), bases

    def walk(self, final: bool) -> None:
        """Go through the source once; only in the ``final`` walk are errors errors."""
        self.final = final
        self.places: dict[int, Statement] = {}
        self.labels: dict[str, Statement] = {}
        self.constants: set[str] = set()
        for section in self.sections.values():
            section.code = bytearray()
        self.section = self.sections[".text"]
        self.names.start(final)
        for position, statement in enumerate(self.source):
            self.names.position = position
            self.current = statement
            try:
                self.statement(statement)
            except AssemblyError as error:
                if final:
                    where = f"line {statement.line}: {statement.text!r}: "
                    raise AssemblyError(where + str(error)) from None
        self.names.finish()
        self.place_sections()

    def place_sections(self) -> None:
        address = self.origin
        for name in self.order():
            section = self.sections[name]
            if name != ".text" and section.code:
                address += -address % SECTION_ALIGNMENT
            section.base = address
            address += len(section.code)

    def order(self) -> list[str]:
        def rank(name: str) -> int:
            known = directives.SECTIONS
            return known.index(_kind(name)) if _kind(name) in known else len(known)

        return sorted(self.sections, key=rank)

    def result(self) -> Assembly:
        code = bytearray()
        for name in self.order():
            section = self.sections[name]
            if section.code:
                code += bytes(section.base - self.origin - len(code)) + section.code
        lines = {at: statement.text for at, statement in sorted(self.places.items())}
        numbers = {at: statement.line for at, statement in sorted(self.places.items())}
        labels = {name: self.names.symbols[name] & MASK64 for name in self.labels}
        return Assembly(bytes(code), self.origin, labels, lines, numbers)

    @property
    def here(self) -> int:
        """Address of the next byte."""
        return self.section.base + len(self.section.code)

    def number(self, text: str) -> int:
        """Return an expression's value."""
        return evaluate(text, self.names)

    def statement(self, statement: Statement) -> None:
        if statement.label:
            self.label(statement.label)
        elif statement.name.startswith("."):
            self.directive(statement.name, statement.operands)
        else:
            for real in self.expand(statement):
                self.instruction(real)

    def label(self, name: str) -> None:
        if name.isdigit():
            self.names.add_numeric(name)
            return
        if name in self.labels:
            line = self.labels[name].line
            raise AssemblyError(f"label {name!r} exists already, in line {line}")
        if name in self.constants:
            raise AssemblyError(f"label {name!r} is the name of a constant already")
        self.labels[name] = self.current
        self.names.symbols[name] = self.here

    def emit(self, code: bytes) -> None:
        if not code:
            return
        self.places[self.here] = self.current
        self.section.code += code
        if len(self.section.code) > directives.LIMIT:
            raise AssemblyError(f"more than {directives.LIMIT} bytes")

    def expand(self, statement: Statement) -> list[Real]:
        """Return the instructions that an instruction or pseudo-instruction stands for."""
        name, operands = statement.name, statement.operands
        if name == "li" and len(operands) == 2:
            return load_constant(operands[0], self.number(operands[1]))
        accessing = name in SYMBOL_ACCESS and len(operands) > 1 and "(" not in operands[1]
        if accessing and len(operands) == (3 if name[0] == "s" else 2):
            return SYMBOL_ACCESS[name](*operands)
        if (name, len(operands)) in EXPANSIONS:
            return EXPANSIONS[name, len(operands)](*operands)
        return [(name, tuple(operands))]

    def instruction(self, real: Real) -> None:
        name, operands = real
        if not self.final:
            if name == "auipc" and len(operands) == 2:
                self.number(operands[1])
            self.emit(bytes(2 if name.startswith("c.") else 4))
            return
        if self.here & 1:
            raise AssemblyError(f"no instruction can be at {self.here:#x}: put .balign 2 before it")
        try:
            bits, length = encode_instruction(name, list(operands), self.here, self.names)
        except AssemblyError as error:
            if self.current.after_semicolon and str(error).startswith("unknown instruction"):
                raise AssemblyError(f"{error} (';' separates: comments begin with #)") from None
            raise
        self.emit(bits.to_bytes(length, "little"))

    def directive(self, name: str, operands: list[str]) -> None:
        name = directives.ALIASES.get(name, name)
        code = b""
        if name in directives.WIDTHS:
            for operand in operands:
                unknown = bytes(directives.WIDTHS[name])
                self.emit(directives.datum(name, operand, self.names) if self.final else unknown)
        elif name in (".ascii", ".asciz"):
            code = directives.text(operands, b"" if name == ".ascii" else b"\0")
        elif name in (".p2align", ".balign"):
            in_code = _kind(self.section.name) == ".text"
            code = directives.padding(name, operands, self.here, in_code, self.number)
        elif name == ".space":
            code = directives.space(name, operands, self.number)
        elif name == ".org":
            code = directives.advance(operands, self.here, self.number)
        elif name == ".equ":
            self.define(operands)
        elif name == ".section" or name in directives.SECTIONS:
            self.enter(operands[0] if name == ".section" and operands else name)
        elif name not in directives.IGNORED:
            raise no_such("directive", name, directives.ALL, "see vlab.isa.directives")
        self.emit(code)

    def define(self, operands: list[str]) -> None:
        if len(operands) != 2:
            raise AssemblyError("write .equ name, value")
        name, text = operands
        if not re.fullmatch(r"[A-Za-z_$][\w.$]*", name) or name in REGISTERS:
            raise AssemblyError(f"{name!r} cannot be the name of a constant")
        if name in self.labels:
            raise AssemblyError(f"constant {name!r} is the name of a label already")
        self.constants.add(name)
        self.names.symbols[name] = self.number(text)

    def enter(self, name: str) -> None:
        """Go on in another section."""
        self.section = self.sections.setdefault(name, _Section(name, self.origin))


def _kind(section: str) -> str:
    """Return the section that linkers put this one into: ``.text.init`` is ``.text``."""
    return "." + section.split(".")[1] if section.startswith(".") else section
