"""A table as Markdown, LaTeX, CSV and HTML."""

import csv
import math
from collections.abc import Callable, Collection, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from litseg.results.tables.layout import Layout, Place, Summaries, layout, notes_of, titled
from litseg.results.tables.table import Table
from litseg.results.tables.verdicts import Verdict

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": "$<$", ">": "$>$",
         "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\to$", "×": r"$\times$", "α": r"$\alpha$",  # noqa: RUF001
         "β": r"$\beta$", "γ": r"$\gamma$", "λ": r"$\lambda$"}  # fmt: skip  # noqa: RUF001


def markdown(table: Table, found: Summaries, verdicts: Sequence[Verdict], record: Sequence[str] = ()) -> str:
    """The table, its legend, notes and verdicts; `record` says where its numbers come from."""
    laid = layout(table, found)
    parts = [f"# {table.title}", _described(table), _grid(laid, _in_markdown)]
    parts += ["\n".join(f"({place}) {note}  " for place, note in enumerate(laid.notes, 1))]
    parts += [". ".join(laid.legend).strip() + "." if laid.legend else "", _scaled(table)]
    if verdicts:
        rows = [f"| {each.what} | {each.text} | {each.kind} |" for each in verdicts]
        parts.append("\n".join(["| verdict | | |", "|---|---|---|", *rows]))
    parts.append("\n".join(f"- {line}" for line in record))
    return "\n\n".join(part for part in parts if part) + "\n"


def _described(table: Table) -> str:
    lines = [f"Convention: {table.convention}."] if table.convention else []
    lines += [f"Published: {table.source}."] if table.source else []
    return "  \n".join(lines)


def _scaled(table: Table) -> str:
    """What a scaled-down table changes; a setting that all rows change alike is said once."""
    if table.scale == "full" and not table.changes:
        return ""
    everywhere = [set(changes.items()) for changes in table.changes.values()]
    shared = set.intersection(*everywhere) if everywhere else set()
    lines = [f"- {key}: {change}" for key, change in sorted(shared)]
    for name, changes in table.changes.items():
        lines += [
            f"- {table.row(name).title}: {key}: {change}" for key, change in sorted(set(changes.items()) - shared)
        ]
    whose = "the source" if table.scale != "full" else "the table's file"
    return "\n".join([f"Scale `{table.variant}`, with other settings than {whose}:\n", *lines])


def _grid(laid: Layout, cell: Callable[[Place], str]) -> str:
    seeds = any(line.seeds for line in laid.lines)
    heads = [*laid.heads, "seeds"] if seeds else list(laid.heads)
    rows = [[titled(line), *map(cell, line.places), *([line.seeds] if seeds else [])] for line in laid.lines]
    lines = [["", *heads], ["---", *["---:"] * len(heads)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(place: Place) -> str:
    """Mean and spread."""
    return f"{place.value} ± {place.spread}" if place.spread else place.value


def _in_markdown(place: Place) -> str:
    text = _text(place)
    text = f"**{text}**" if place.best else text
    text = f"<u>{text}</u>" if place.beats else text
    return " ".join(each for each in (text, place.interval, f"({place.published})" if place.published else "") if each)


def latex(table: Table, found: Summaries) -> str:
    """A `tabular` for the package booktabs, with caption and notes; intervals are left to the other formats."""
    laid = layout(table, found, intervals=False)
    counts = {line.seeds for line in laid.lines} - {""}
    own = len(counts) > 1  # a column of its own
    heads = [*laid.heads, *(["seeds"] if own else [])]
    rows = [
        [escaped(titled(line)), *map(_in_latex, line.places), *([line.seeds] if own else [])] for line in laid.lines
    ]
    return "\n".join([
        r"\begin{table}", r"  \centering", rf"  \caption{{{escaped(_caption(table, laid, counts))}}}",
        rf"  \label{{tab:{table.name}}}", rf"  \begin{{tabular}}{{l{'r' * len(heads)}}}", r"    \toprule",
        "    " + " & ".join(["", *map(escaped, heads)]) + r" \\", r"    \midrule",
        *(f"    {' & '.join(row)}" + r" \\" for row in rows), r"    \bottomrule", r"  \end{tabular}",
        *(rf"  \par\footnotesize ({place}) {escaped(note)}" for place, note in enumerate(laid.notes, 1)),
        r"\end{table}", "",
    ])  # fmt: skip


def _caption(table: Table, laid: Layout, counts: Collection[str]) -> str:
    scale = [f"Scale: {table.variant}"] if table.variant != "full" else []
    seeds = [f"Seeds: {next(iter(counts))}"] if len(counts) == 1 else []
    source = [f"Published: {table.source}"] if table.source else []
    convention = [table.convention] if table.convention else []
    return ". ".join([table.title, *convention, *scale, *seeds, *laid.legend, *source]) + "."


def _in_latex(place: Place) -> str:
    text = escaped(_text(place))
    text = rf"\textbf{{{text}}}" if place.best else text
    text = rf"\underline{{{text}}}" if place.beats else text
    return text + (f" ({escaped(place.published)})" if place.published else "")


def escaped(text: str) -> str:
    """Text whose characters mean nothing to LaTeX."""
    return "".join(LATEX.get(character, character) for character in text)


def comma_separated(table: Table, found: Summaries) -> str:
    """One line a value, with all digits: for programs, and for `check=true` later."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", "column", "mean", "std", "seeds", "low", "high", "p", "best", "beats_reference",
                     "published", "unit", "notes"])  # fmt: skip
    for row in table.rows:
        for column in table.columns:
            each = found[row.name, column.name]
            low, high = each.interval or (math.nan, math.nan)
            unit = "percent" if column.factor == 100 else ""
            numbers = [each.mean, each.std, each.seeds, low, high, each.p]
            published = row.published.get(column.name)
            writer.writerow([row.name, column.name, *map(_number, numbers), each.best, each.beats, _number(published),
                             unit, "; ".join(notes_of(row))])  # fmt: skip
    return file.getvalue()


def _number(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def read_committed(text: str) -> dict[str, dict[str, tuple[float, float]]]:
    """By row and column, mean and standard deviation of a table that `comma_separated` wrote."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for line in csv.DictReader(StringIO(text)):
        mean, std = (float(line[key]) if line[key] else math.nan for key in ("mean", "std"))
        found.setdefault(line["row"], {})[line["column"]] = mean, std
    return found


def html(table: Table, found: Summaries, verdicts: Sequence[Verdict], record: Sequence[str], picture: str) -> str:
    """One file that needs nothing else; `picture` is a PNG in base 64."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    laid = layout(table, found)
    return environment.get_template("table.html.j2").render(
        table=table, laid=laid, verdicts=verdicts, record=record, picture=picture, text=_text, titled=titled,
        changes=_scaled(table),
    )  # fmt: skip
