"""Grading: named checks of a lab, and running them in a notebook."""

from vlab.grading.checks import Check, check, load_checks
from vlab.grading.lab import Lab

__all__ = ["Check", "Lab", "check", "load_checks"]
