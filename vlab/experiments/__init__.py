"""Experiments: run a workload in a mode, compare modes, boot a kernel of your own."""

from vlab.experiments.booting import boot, shell
from vlab.experiments.catalogue import Workload, workloads
from vlab.experiments.comparing import compare
from vlab.experiments.comparison import Comparison
from vlab.experiments.result import Result
from vlab.experiments.running import ENGINES, MODES, TECHNIQUES, run

__all__ = [
    "ENGINES",
    "MODES",
    "TECHNIQUES",
    "Comparison",
    "Result",
    "Workload",
    "boot",
    "compare",
    "run",
    "shell",
    "workloads",
]
