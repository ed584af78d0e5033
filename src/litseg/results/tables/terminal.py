"""A table on the terminal: all its values, and of the verdicts their number and those that failed."""

import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from litseg.results.tables.layout import Line, Place, Summaries, layout, titled
from litseg.results.tables.table import Table
from litseg.results.tables.verdicts import Verdict

MOST_VERDICTS = 12
COLOURS = {"within": "green", "holds": "green", "outside": "red", "fails": "red", "missing": "red", "scaled": "yellow",
           "unjudged": "yellow"}  # fmt: skip


def print_table(table: Table, found: Summaries, verdicts: Sequence[Verdict], record: Sequence[str]) -> None:
    """Prints it; `record` says where the numbers come from."""
    laid = layout(table, found)
    seeds = any(line.seeds for line in laid.lines)
    title = Text(f"{table.title} ({table.variant})")  # a Text, or [brackets] would be taken for rich's own
    grid = RichTable("", title=title, title_justify="left", show_lines=_tall(laid.lines))
    for head in (*laid.heads, *(["seeds"] if seeds else [])):
        grid.add_column(Text(head), justify="right")
    for line in laid.lines:
        grid.add_row(Text(titled(line)), *map(_text, line.places), *([line.seeds] if seeds else []))
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(grid)
    for place, note in enumerate(laid.notes, 1):
        console.print(f"({place}) {note}", highlight=False, markup=False)
    if laid.legend:
        console.print(". ".join(laid.legend) + ".", highlight=False, markup=False)
    _print_verdicts(console, verdicts)
    for each in record:
        console.print(each, highlight=False, markup=False, style="dim")


def _tall(lines: Sequence[Line]) -> bool:
    return any(place.interval for line in lines for place in line.places)


def _text(place: Place) -> Text:
    value = f"{place.value} ± {place.spread}" if place.spread else place.value
    style = " ".join(name for name, on in (("bold", place.best), ("underline", place.beats)) if on)
    text = Text(value, style=style or "default")
    if place.published:
        text.append(f" ({place.published})", style="not bold not underline dim")
    if place.interval:
        text.append(f"\n{place.interval}", style="not bold not underline dim")
    return text


def _print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """All where there are few, else those that failed; and how many of each kind."""
    shown = [each for each in verdicts if len(verdicts) <= MOST_VERDICTS or each.failed]
    for each in shown:
        console.print(Text.assemble((f"{each.kind:<9}", COLOURS[each.kind]), f"{each.what}: {each.text}"))
    if verdicts:
        counts = ", ".join(f"{count} {kind}" for kind, count in Counter(each.kind for each in verdicts).items())
        console.print(f"verdicts: {counts}", highlight=False)
