"""What the labs of `course/` stand on: working machines with one part left to the student.

Each module takes the student's functions and puts them where the stock ones are; the
student's code then boots the kernel. A function gets plain data (numbers, bytes, lists,
dictionaries) and returns plain data, so that it may run in another process than the machine,
and what it does to its arguments changes nothing.

Beside the student's function the reference runs, and the first difference ends the run with
`WrongAnswer`: what was expected, what was seen, and where to look.
"""

from vlab.labs.answers import WrongAnswer

__all__ = ["WrongAnswer"]
