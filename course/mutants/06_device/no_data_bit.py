"""LSR does not say that a byte has come.

check: receiving
where: Uart.read
"""


class Uart:
    """An ns16550."""

    def __init__(self):
        self.ier = self.fcr = self.lcr = self.mcr = self.scratch = 0
        self.divisor = 1
        self.fifo = []
        self.emptied = False

    def cause(self):
        """Return IIR's value, without bits 6 and 7."""
        if self.ier & 1 and self.fifo:
            return 4
        if self.ier & 2 and self.emptied:
            return 2
        return 1

    def interrupt(self):
        """Return the level of the wire."""
        return self.cause() != 1

    def receive(self, byte):
        """Take a byte from the line; return whether there was room."""
        if len(self.fifo) == 16:
            return False
        self.fifo.append(byte)
        return True

    def read(self, offset):
        """Return the value of a register."""
        if self.lcr & 0x80 and offset < 2:
            return self.divisor >> 8 * offset & 0xFF
        if offset == 0:
            return self.fifo.pop(0) if self.fifo else 0
        if offset == 2:
            cause = self.cause()
            if cause == 2:
                self.emptied = False
            return cause | (0xC0 if self.fcr & 1 else 0)
        if offset == 5:
            self.emptied = False
            return 0x60
        return {1: self.ier, 3: self.lcr, 4: self.mcr, 6: 0xB0, 7: self.scratch}[offset]

    def write(self, offset, value):
        """Write a register; return the byte that is sent, or None."""
        if self.lcr & 0x80 and offset < 2:
            kept = self.divisor & (0xFF00 if offset == 0 else 0x00FF)
            self.divisor = kept | value << 8 * offset
        elif offset == 0:
            self.emptied = True
            return value
        elif offset == 1:
            if value & ~self.ier & 2:
                self.emptied = True
            self.ier = value & 0x0F
        elif offset == 2:
            if value & 2 or (value ^ self.fcr) & 1:
                self.fifo.clear()
            self.fcr = value
        elif offset == 3:
            self.lcr = value
        elif offset == 4:
            self.mcr = value & 0x1F
        elif offset == 7:
            self.scratch = value
        return None
