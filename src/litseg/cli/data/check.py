"""`litseg data check`: a table of what was found, and an exit code."""

import sys

from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from litseg.cli.data.verbs import Options, console_width
from litseg.data.checking.checks import check
from litseg.data.checking.findings import Contents, Finding, counted, some
from litseg.data.source import Source


def check_data(source: Source, _cfg: DictConfig, options: Options) -> int:
    """Prints what each split holds and every finding.

    Returns:
        2 where there is an error, or with `strict` a warning; else 0.
    """
    findings, contents = check(source)
    console = Console(width=console_width())
    if contents:
        console.print(_overview(contents))
    if findings:
        console.print(_table(findings))
    for finding in findings:
        print(f"{finding.level}: {finding.message}", file=sys.stderr if finding.level == "error" else sys.stdout)
    errors = sum(finding.level == "error" for finding in findings)
    warnings = len(findings) - errors
    print(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}")
    if warnings and not errors and options.strict:
        print("error: strict=true, and there are warnings", file=sys.stderr)
    return 2 if errors or (warnings and options.strict) else 0


def _overview(contents: list[Contents]) -> Table:
    table = Table("split", "sound samples", "height x width", "pixels", "values", title="read", title_justify="left")
    for content in contents:
        samples = content.samples
        sizes = sorted({sample.size for sample in samples})
        shown = f"{sizes[0][0]} x {sizes[0][1]}"
        if len(sizes) > 1:
            shown += f" to {sizes[-1][0]} x {sizes[-1][1]}, {len(sizes)} sizes"
        low, high = min(sample.low for sample in samples), max(sample.high for sample in samples)
        types = ", ".join(sorted({sample.dtype for sample in samples}))
        table.add_row(content.split, str(len(samples)), shown, types, f"{low:g} to {high:g}")
    return table


def _table(findings: list[Finding]) -> Table:
    table = Table("level", "problem", "split", "files", "which", title="findings", title_justify="left")
    for finding in findings:
        style = "red" if finding.level == "error" else "yellow"
        count, which = (str(len(finding.files)), escape(some(finding.files))) if finding.files else ("-", "see below")
        table.add_row(f"[{style}]{finding.level}[/]", finding.kind, finding.where, count, which)
    return table
