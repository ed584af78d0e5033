"""What a report says in words and single numbers: what training took, provenance, settings, what is missing."""

import shlex
from collections.abc import Sequence
from typing import Any

from litseg.results.line_chart import Chart
from litseg.results.recorded_run import RecordedRun, number
from litseg.results.redaction import redact_words
from litseg.results.report_sections import NAMES, EvaluationSection

DASH = "\N{EN DASH}"


def percent(value: Any, digits: int = 1) -> str:
    """A share as a number of percent, without its sign; a dash for what is no number."""
    found = number(value)
    return DASH if found is None else f"{100 * found:.{digits}f}"


def figure(value: Any) -> str:
    """Any number with four digits that mean something."""
    found = number(value)
    return DASH if found is None else f"{found:,.0f}" if abs(found) >= 1000 or found == int(found) else f"{found:.4g}"


def metric_name(name: str) -> str:
    """As people write it."""
    return NAMES.get(name, name.replace("_", " "))


def figures(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What training took."""
    seconds, parameters = number(result.get("seconds")), number(result.get("parameters"))
    entries = [
        ("epochs", figure(result.get("epochs"))),
        ("parameters", DASH if parameters is None else f"{parameters / 1e6:.2f} M"),
        ("time", DASH if seconds is None else _duration(seconds)),
        ("images/s in training", figure(result.get("images_per_second"))),
    ]
    return [(name, value) for name, value in entries if value != DASH]


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds) // 60, round(seconds) // 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if hours < 2 else f"{hours} h {minutes % 60} min"


def provenance(run: RecordedRun) -> list[tuple[str, str]]:
    """What one must know to get the numbers again, in the order in which one asks."""
    result, data = run.result, run.result.get("data") or {}
    commit = f"{result.get('commit')}{', with uncommitted changes' if result.get('dirty') else ''}"
    samples = ", ".join(f"{count} {split}" for split, count in dict(data.get("samples") or {}).items())
    versions = ", ".join(f"{name} {version}" for name, version in dict(result.get("versions") or {}).items())
    words = redact_words([str(word) for word in result.get("command") or []])
    entries = [
        ("Command", shlex.join(["python", *words]) if words else None),
        ("Commit", commit if result.get("commit") else None),
        ("Seed", run.settings.get("seed")),
        ("Data", samples),
        ("Data fingerprint", data.get("fingerprint")),
        ("Device", f"{result.get('device')}, {result.get('precision')}" if result.get("device") else None),
        ("Processes", result.get("world_size")),
        ("Threads", result.get("threads")),
        ("Resumed", f"{result['resumes']} times" if result.get("resumes") else None),
        ("Skipped steps", result.get("skipped_steps") or None),
        ("Versions", versions),
    ]
    return [(name, str(value)) for name, value in entries if value not in (None, "")]


def groups(settings: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Settings by their first word; those that have no group first."""
    found: dict[str, list[tuple[str, str]]] = {"run": []}
    for key, value in settings.items():
        group, _, rest = key.partition(".") if "." in key else ("run", "", key)
        found.setdefault(group, []).append((rest, "null" if value is None else str(value)))
    return [(name, entries) for name, entries in found.items() if entries]


def missing(run: RecordedRun, curves: Sequence[Chart], sections: Sequence[EvaluationSection]) -> list[tuple[str, str]]:
    """What the page would show of a run that has it, and the command that makes it."""
    folder = shlex.quote(f"run={run.folder}")
    evaluate, resume = f"litseg evaluate {folder}", f"python train.py {shlex.quote(f'resume={run.folder}')}"
    evaluated = [section for section in sections if section.evaluated]
    absent = [
        (not curves, "learning curves", resume),
        (not run.result, "scores and provenance: training has not ended", resume),
        (not evaluated, "intervals, confusion matrix, best and worst images, thresholds, calibration", evaluate),
        (bool(evaluated) and not any(each.samples for each in evaluated), "best, median and worst images", evaluate),
        (bool(evaluated) and not any(each.class_curves for each in evaluated), "threshold curves", evaluate),
    ]
    return [(what, command) for lacks, what, command in absent if lacks]
