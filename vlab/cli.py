"""The command line. Bad input ends in one line and exit status 2, and nothing is written."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from vlab import __version__
from vlab.errors import ParameterError, VlabError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(VlabError):
    """The command line does not parse."""


class Parser(argparse.ArgumentParser):
    """Reports errors in one line instead of with the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (try: {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start threads for nothing
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except VlabError as error:
        print(f"vlab: error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("vlab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def parser() -> Parser:
    """Return the parser of the whole command line."""
    top = Parser(prog="vlab", description="One guest operating system, run in every mode.")
    top.add_argument("--version", action="version", version=f"vlab {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[Any], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        return sub

    command("list", list_workloads, "list workloads and their parameters")

    run = command("run", run_workload, "run one workload in one mode")
    run.add_argument("workload", metavar="WORKLOAD", help="a name from `vlab list`")
    _add_mode(run)
    run.add_argument(
        "--param", action="append", default=[], metavar="K=V", help="of the workload; repeatable"
    )
    run.add_argument("--of", metavar="M", help="the mode that `--mode simulate` predicts")
    _add_technique(run)
    _add_machine(run)
    _add_seed(run)
    _add_json(run)

    compare = command("compare", compare_modes, "run workloads in every mode, side by side")
    compare.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="all unless told")
    compare.add_argument("--modes", metavar="M,M", help="all five unless told")
    compare.add_argument("--figure", metavar="FILE", help="an .svg, .pdf or .png file")
    _add_technique(compare)
    _add_machine(compare)
    _add_seed(compare)
    _add_json(compare)

    boot = command("boot", boot_kernel, "boot a kernel image of your own")
    boot.add_argument("image", metavar="ELF-OR-IMAGE", help="the kernel, for RV64")
    _add_mode(boot)
    _add_technique(boot)
    boot.add_argument("--disk", metavar="FILE", help="a disk image; changes are written back")
    boot.add_argument("--initrd", metavar="FILE", help="an initial RAM disk")
    boot.add_argument("--firmware", metavar="FILE", help="runs in M-mode first, as OpenSBI does")
    boot.add_argument("--append", default="", metavar="STR", help="the kernel's command line")
    boot.add_argument("--memory", metavar="SIZE", default="128M", help="with K, M or G")
    boot.add_argument("--input", metavar="FILE", help="text to type on the console (- for stdin)")
    boot.add_argument("--interactive", action="store_true", help="connect your terminal")
    _add_machine(boot)
    _add_json(boot)

    shell = command("shell", run_shell, "use the guest's shell on your terminal")
    _add_mode(shell)
    _add_machine(shell, limit=False)

    guests = command("guests", build_guests, "build the guest, or show what porting it changed")
    guests.add_argument("action", choices=("build", "diff"), help="`build` needs the compiler")

    figures = command("figures", make_figures, "make the standard figures, or tell a file's origin")
    figures.add_argument("names", nargs="*", metavar="NAME", help="of a standard figure")
    figures.add_argument("--all", metavar="DIR", help="make all of them in this directory")
    figures.add_argument("--dir", default=".", metavar="DIR", help="where those named go")
    sizes = "screen, slide, paper or poster"
    figures.add_argument("--size", default="slide", metavar="SIZE", help=sizes)
    figures.add_argument("--theme", default="light", metavar="THEME", help="light or dark")
    figures.add_argument("--format", default="svg", metavar="FORMAT", help="svg, pdf or png")
    figures.add_argument("--origin", metavar="FILE", help="print what a figure was made from")

    grade = command("grade", grade_class, "grade submissions of a lab")
    grade.add_argument("submissions", nargs="+", metavar="SUBMISSIONS", help="files or folders")
    grade.add_argument("--lab", required=True, metavar="N", help="its number or name")
    grade.add_argument("--out", required=True, metavar="FILE", help="a .csv file")
    grade.add_argument("--jobs", type=int, metavar="N", help="how many at a time")
    grade.add_argument("--course", default="course", metavar="DIR", help="where the labs are")
    grade.add_argument(
        "--unconfined", action="store_true", help="even where system calls cannot be filtered"
    )

    lab = command("lab", work_on_lab, "make, test, release or export labs")
    lab.add_argument("action", choices=("new", "test", "release", "export"), help="what to do")
    lab.add_argument("name", metavar="NAME", help="of the lab")
    lab.add_argument("--out", metavar="DIR", help="where release and export write")
    lab.add_argument("--course", default="course", metavar="DIR", help="where the labs are")

    bench = command("bench", run_benchmarks, "race vlab against other simulators (in a checkout)")
    bench.add_argument("--only", metavar="NAME,..", help="programs, workloads, exits, cold, memory")
    bench.add_argument("--pairs", type=int, default=3, metavar="N", help="alternating runs of each")
    bench.add_argument("--scale", default="4", metavar="N", help="work of a program: 4 or 1/100")
    bench.add_argument(
        "--against", action="append", default=[], metavar="NAME=CMD", help="{elf}: the program"
    )
    bench.add_argument("--coremark", metavar="FILE", help="an ELF file for the virt board")
    bench.add_argument("--figure", metavar="FILE", help="an .svg, .pdf or .png file")
    _add_json(bench)

    command("warmup", warm_up, "compile now what later runs need, and keep it")
    command("info", show_info, "show versions and where things are kept")
    return top


def _add_mode(sub: argparse.ArgumentParser) -> None:
    modes = "native, emulate, fullvirt, paravirt or simulate"
    sub.add_argument("--mode", default="native", metavar="M", help=modes)


def _add_technique(sub: argparse.ArgumentParser) -> None:
    how = "how `emulate` does it: interpreter (unless told) or dbt, dynamic binary translation"
    sub.add_argument("--technique", metavar="T", help=how)


def _add_seed(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="for programs that use one")


def _add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", metavar="FILE|-", help="write everything counted as JSON")


def _add_machine(sub: argparse.ArgumentParser, limit: bool = True) -> None:
    add = sub.add_argument
    add("--engine", default="translator", metavar="E", help="translator, interpreter or python")
    add("--clock", default="cycles", metavar="C", help="what guest time is: cycles or retired")
    add("--costs", default="teaching", metavar="PRESET", help="teaching or xeon-2006")
    add("--set", action="append", default=[], metavar="K=V", help="of the machine; repeatable")
    if limit:
        add("--max-instructions", type=int, metavar="N", help="ends a guest that goes on and on")


def list_workloads(options: argparse.Namespace) -> int:
    """``vlab list``"""
    from vlab.experiments import MODES, workloads

    for workload in workloads().values():
        print(f"{workload.name:12} {workload.summary}")
        for p in workload.params.values():
            print(f"{'':12}   {p.name}={p.default}  {p.help} ({p.min} to {p.max})")
    print(f"\nmodes: {', '.join(MODES)}")
    return OK


def run_workload(options: argparse.Namespace) -> int:
    """``vlab run``"""
    from vlab import progress
    from vlab.experiments import run

    params = _pairs(options.param, "--param")
    reserved = set(params) & set(run.__kwdefaults__ or ()) | set(params) & {"workload", "mode"}
    if reserved:
        raise ParameterError(f"--param {reserved.pop()}: is an option, not a parameter")
    _check_outputs(options.json)
    _say_loading()
    with progress.instructions(f"{options.workload} · {options.mode}") as callback:
        result = run(
            options.workload,
            options.mode,
            of=options.of,
            technique=options.technique,
            seed=options.seed,
            progress=callback,
            **_machine(options),
            **params,
        )
    return _report(result, options.json)


def compare_modes(options: argparse.Namespace) -> int:
    """``vlab compare``"""
    from vlab import progress
    from vlab.experiments import compare

    _check_outputs(options.json, options.figure)
    if options.figure:
        from vlab.figures import check_format

        check_format(options.figure)
    modes = [mode for mode in (options.modes or "").split(",") if mode] or None
    _say_loading()
    with progress.runs() as on_run:
        comparison = compare(
            options.workloads,
            modes,
            technique=options.technique,
            on_run=on_run,
            seed=options.seed,
            **_machine(options),
        )
    if options.figure:
        comparison.save(options.figure)
    if options.json:
        _write_json(options.json, comparison.to_json())
    if options.json != "-":
        print(comparison.to_text())
        if options.figure:
            print(f"\nfigure: {options.figure}")
    return OK if all(_succeeded(run) for run in comparison.runs) else FAILED


def boot_kernel(options: argparse.Namespace) -> int:
    """``vlab boot``"""
    from vlab.experiments.booting import boot, boot_interactively, existing
    from vlab.experiments.consoles import Script

    _check_outputs(options.json)
    names = ("disk", "initrd", "firmware", "append", "memory", "technique")
    chosen = {name: getattr(options, name) for name in names} | _machine(options)
    if options.interactive:
        result = boot_interactively(options.image, options.mode, **chosen)
    else:
        typed = ""
        if options.input:
            source = options.input
            if source == "-":
                typed = sys.stdin.read()
            else:
                typed = existing(source, UsageError).read_text("utf-8")
        show = None if options.json == "-" else sys.stdout.buffer
        result = boot(options.image, options.mode, console=Script(typed, show), **chosen)
    status = _report(result, options.json, console=False)
    return OK if result.outcome == "limit" else status


def run_shell(options: argparse.Namespace) -> int:
    """``vlab shell``"""
    from vlab.experiments import shell

    shell(options.mode, **_machine(options))
    return OK


def build_guests(options: argparse.Namespace) -> int:
    """``vlab guests``"""
    from vlab import guests

    if options.action == "diff":
        print(guests.diff())
    else:
        for path in guests.build().values():
            print(path)
    return OK


def make_figures(options: argparse.Namespace) -> int:
    """``vlab figures``"""
    import json

    from vlab.experiments.figure_set import figures, makers, origin

    if options.origin:
        print(json.dumps(origin(options.origin), indent=1))
        return OK
    if not options.all and not options.names:
        print("\n".join(makers()))
        return OK
    _say_loading()
    look = {"size": options.size, "theme": options.theme, "form": options.format}
    for path in figures(options.names, options.all or options.dir, **look):
        print(path)
    return OK


def grade_class(options: argparse.Namespace) -> int:
    """``vlab grade``"""
    from vlab.grading.commands import grade

    jobs = options.jobs if options.jobs is not None else os.cpu_count() or 1
    course, free = options.course, options.unconfined
    grade(options.submissions, options.lab, options.out, jobs, course, free)
    return OK


def work_on_lab(options: argparse.Namespace) -> int:
    """``vlab lab``"""
    from vlab.grading import commands

    actions = {"new": commands.new, "test": commands.test, "release": commands.release,
               "export": commands.export}  # fmt: skip
    return actions[options.action](options.name, options.course, options.out)


def run_benchmarks(options: argparse.Namespace) -> int:
    """``vlab bench``"""
    import json

    from vlab.experiments.bench import bench, speed_frame

    _check_outputs(options.json, options.figure)
    if options.figure:
        from vlab.figures import check_format

        check_format(options.figure)
    to_screen = options.json != "-"
    measured = bench(
        [name for name in (options.only or "").split(",") if name],
        pairs=options.pairs,
        scale=options.scale,
        against=options.against,
        coremark=options.coremark,
        say=(lambda line: print(line, flush=True)) if to_screen else (lambda line: None),
    )
    if options.json:
        _write_json(options.json, json.dumps(measured, indent=1, ensure_ascii=False))
    frame = speed_frame(measured)
    if options.figure and len(frame):
        from vlab.figures import speeds

        origin = {"versions": measured["versions"], "pairs": measured["pairs"]}
        speeds(frame, origin=origin).save(options.figure)
    if options.figure and to_screen:
        print(f"\nfigure: {options.figure}" if len(frame) else "\nno figure: nothing was compared")
    return OK


def warm_up(options: argparse.Namespace) -> int:
    """``vlab warmup``"""
    from vlab.engines import object_cache
    from vlab.experiments.warmup import warmup

    for name, made in warmup():
        print(f"{name:18} {'made' if made else 'ready'}")
    print(f"{'kept in':18} {object_cache.directory()}")
    return OK


def show_info(options: argparse.Namespace) -> int:
    """``vlab info``"""
    from vlab.engines import object_cache
    from vlab.experiments import ENGINES
    from vlab.experiments.catalogue import IMAGES
    from vlab.experiments.result import versions

    for name, value in versions().items():
        print(f"{name:12} {value}")
    from vlab.engines.tiered import unavailable

    missing = unavailable()
    print(f"{'engines':12} {', '.join(ENGINES)}")
    print(f"{'translator':12} {'in use' if missing is None else f'not in use: {missing}'}")
    print(f"{'images':12} {IMAGES}")
    print(f"{'cache':12} {object_cache.directory()}")
    return OK


def _pairs(given: list[str], option: str) -> dict[str, Any]:
    """Return ``["K=V", …]`` as a dictionary."""
    pairs: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} {text!r}: write it as NAME=VALUE")
        pairs[name] = value
    return pairs


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    given = _pairs(options.set, "--set")
    chosen: dict[str, Any] = {"set": {name: _number(value) for name, value in given.items()}}
    for name in ("engine", "clock", "costs"):
        chosen[name] = getattr(options, name)
    if getattr(options, "max_instructions", None) is not None:
        chosen["max_instructions"] = options.max_instructions
    return chosen


def _number(text: str) -> int | str:
    try:
        return int(text, 0)
    except ValueError:
        return text


def _check_outputs(*paths: str | None) -> None:
    from vlab.output import check_writable

    for path in paths:
        if path and path != "-":
            check_writable(path)


def _write_json(path: str, text: str) -> None:
    from vlab.output import write_atomically

    if path == "-":
        print(text)
    else:
        write_atomically(Path(path), lambda: f"{text}\n".encode())


def _report(result: Any, json: str | None, console: bool = True) -> int:
    """Show a result, and return the exit status that it means."""
    if json:
        _write_json(json, result.to_json())
    if result.outcome == "interrupted":
        raise KeyboardInterrupt
    if json != "-":
        if console:
            print(result.console, end="" if result.console.endswith("\n") else "\n")
        print(result.summary(), file=sys.stderr)
    return OK if _succeeded(result) else FAILED


def _succeeded(result: Any) -> bool:
    return result.outcome == "finished" and not result.exit_code


def _say_loading() -> None:
    """Show that something happens while libraries load, which takes long the first time."""
    from vlab.progress import on_terminal

    if on_terminal():
        print("loading…", end="\r", file=sys.stderr, flush=True)
