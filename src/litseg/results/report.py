"""`report.html`: a run, or several side by side, as one file that needs nothing else and asks no network."""

import base64
import hashlib
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from litseg.results.comparison import compare, scalar_names
from litseg.results.learning_curves import learning_curves
from litseg.results.recorded_run import Evaluation, RecordedRun, number, read_run
from litseg.results.report_facts import figure, figures, groups, metric_name, missing, percent, provenance
from litseg.results.report_pictures import prediction_pictures
from litseg.results.report_sections import BROKEN, EvaluationSection, evaluation_section, tolerant

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
        temporary.write_bytes(page.encode(errors="replace"))  # half a surrogate pair is no text
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
    content: dict[str, Any] = {
        "run": run,
        "title": run.name,
        "splits": run.evaluations,
        "figures": figures(run.result),
        "scalars": scalar_names(run.evaluations),
        "curves": tolerant(problems, "metrics.csv", lambda: learning_curves(run)),
        "sections": sections,
        "pictures": [] if pictured else tolerant(problems, "predictions", lambda: prediction_pictures(run.folder)),
        "provenance": tolerant(problems, "result.json", lambda: provenance(run)),
        "groups": groups(run.settings),
        "problems": problems,
    }
    return _rendered("report.html.j2", missing=missing(run, content["curves"], content["sections"]), **content)


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
    environment.filters |= {"percent": percent, "figure": figure, "metric": metric_name}
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        script=script, digest=digest, style=style, number=number, **content
    )
