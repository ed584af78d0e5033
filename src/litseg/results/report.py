"""`report.html`: a run, or several side by side, as one file that needs nothing else and asks no network."""

import base64
import hashlib
import logging
import os
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from litseg.results.comparison import compare, scalar_names
from litseg.results.learning_curves import learning_curves
from litseg.results.recorded_run import Evaluation, RecordedRun, number, read_run
from litseg.results.redaction import redact_words
from litseg.results.report_pictures import prediction_pictures
from litseg.results.report_sections import BROKEN, NAMES, EvaluationSection, evaluation_section, tolerant

DASH = "\N{EN DASH}"
TEMPLATES = Path(__file__).parent / "templates"
log = logging.getLogger(__name__)


def write_report(folder: Path) -> Path | None:
    """Writes `report.html` into a run folder. Never raises: a run that has ended well does not fail by its report.

    Returns:
        Its path; None where it could not be written, which the log says.
    """
    try:
        return make_report([folder])
    except Exception as error:  # whatever it is, the run's results are there
        log.warning("no report.html (%s: %s)", type(error).__name__, error)
        return None


def make_report(folders: Sequence[Path], output: Path | None = None) -> Path:
    """Writes the report of a run, or the comparison of several.

    Args:
        folders: run folders.
        output: the file; None: `report.html`, of several runs `comparison.html`, in the first folder.

    Returns:
        Its path.

    Raises:
        ValueError: a folder is no run folder, or the file cannot be written.
    """
    runs = [read_run(folder) for folder in folders]
    path = output or folders[0] / ("report.html" if len(runs) == 1 else "comparison.html")
    page = run_page(runs[0]) if len(runs) == 1 else comparison_page(runs)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ValueError(f"cannot write the report ({error}); set output to a file that can be written") from error
    finally:
        if temporary.exists():
            temporary.unlink()
    return path


def run_page(run: RecordedRun) -> str:
    """The HTML of one run."""
    problems = list(run.problems)
    sections = [
        section
        for each in run.evaluations
        for section in tolerant(problems, f"evaluation of {each.split}", partial(_section, each, problems))
    ]
    pictured = any(section.samples for section in sections)
    content = {
        "run": run,
        "title": run.name,
        "splits": run.evaluations,
        "figures": _figures(run.result),
        "scalars": scalar_names(run.evaluations),
        "curves": tolerant(problems, "metrics.csv", lambda: learning_curves(run)),
        "sections": sections,
        "pictures": [] if pictured else tolerant(problems, "predictions", lambda: prediction_pictures(run.folder)),
        "provenance": tolerant(problems, "result.json", lambda: _provenance(run)),
        "groups": _groups(run.settings),
        "problems": problems,
    }
    return _rendered("report.html.j2", missing=_missing(run, content), **content)


def _section(evaluation: Evaluation, problems: list[str]) -> list[EvaluationSection]:
    return [evaluation_section(evaluation, problems)]


def comparison_page(runs: Sequence[RecordedRun]) -> str:
    """The HTML of several runs.

    Raises:
        ValueError: a file of theirs is not as litseg writes it.
    """
    try:
        found = compare(runs)
    except BROKEN as error:
        raise ValueError(f"these runs cannot be compared: {error}") from error
    problems = [f"{run.name}: {problem}" for run in runs for problem in run.problems]
    return _rendered("comparison.html.j2", title=f"{len(runs)} runs", comparison=found, runs=runs, problems=problems)


def _rendered(template: str, **content: Any) -> str:
    """Names come from strangers: everything is escaped, and the page's policy runs no script but its own."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "figure": _figure, "metric": _metric_name}
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        script=script, digest=digest, style=style, number=number, **content
    )


def _percent(value: Any, digits: int = 1) -> str:
    found = number(value)
    return DASH if found is None else f"{100 * found:.{digits}f}"


def _figure(value: Any) -> str:
    """Any number with four digits that mean something."""
    found = number(value)
    return DASH if found is None else f"{found:,.0f}" if abs(found) >= 1000 or found == int(found) else f"{found:.4g}"


def _figures(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What training took."""
    seconds, parameters = number(result.get("seconds")), number(result.get("parameters"))
    entries = [
        ("epochs", _figure(result.get("epochs"))),
        ("parameters", DASH if parameters is None else f"{parameters / 1e6:.2f} M"),
        ("time", DASH if seconds is None else _duration(seconds)),
        ("images/s in training", _figure(result.get("images_per_second"))),
    ]
    return [(name, value) for name, value in entries if value != DASH]


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds) // 60, round(seconds) // 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if hours < 2 else f"{hours} h {minutes % 60} min"


def _metric_name(name: str) -> str:
    return NAMES.get(name, name.replace("_", " "))


def _provenance(run: RecordedRun) -> list[tuple[str, str]]:
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
        (
            "Processes and threads",
            f"{result.get('world_size')}, {result.get('threads')}" if result.get("threads") else None,
        ),
        ("Resumed", f"{result['resumes']} times" if result.get("resumes") else None),
        ("Skipped steps", result.get("skipped_steps") or None),
        ("Versions", versions),
    ]
    return [(name, str(value)) for name, value in entries if value not in (None, "")]


def _groups(settings: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Settings by their first word; those that have no group first."""
    groups: dict[str, list[tuple[str, str]]] = {"run": []}
    for key, value in settings.items():
        group, dot, rest = key.partition(".")
        groups.setdefault(group if dot else "run", []).append(
            (rest if dot else key, "null" if value is None else str(value))
        )
    return [(name, entries) for name, entries in groups.items() if entries]


def _missing(run: RecordedRun, content: dict[str, Any]) -> list[tuple[str, str]]:
    """What the page would show of a run that has it, and the command that makes it."""
    folder = shlex.quote(f"run={run.folder}")
    evaluate, resume = f"litseg evaluate {folder}", f"python train.py {shlex.quote(f'resume={run.folder}')}"
    evaluated = [section for section in content["sections"] if section.evaluated]
    absent = [
        (not content["curves"], "learning curves", resume),
        (not run.result, "scores and provenance: training has not ended", resume),
        (not evaluated, "intervals, confusion matrix, best and worst images, thresholds, calibration", evaluate),
        (bool(evaluated) and not any(each.samples for each in evaluated), "best, median and worst images", evaluate),
        (bool(evaluated) and not any(each.class_curves for each in evaluated), "threshold curves", evaluate),
    ]
    return [(what, command) for lacks, what, command in absent if lacks]
