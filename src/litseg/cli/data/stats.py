"""`litseg data stats`: tables on the terminal, numbers as JSON, panels as PNG."""

import json
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from litseg.cli.data.stats_plot import plot
from litseg.cli.data.verbs import Options, console_width
from litseg.data.machine import cache_folder
from litseg.data.source import Source
from litseg.data.statistics import statistics


def print_statistics(source: Source, _cfg: DictConfig, options: Options) -> int:
    """Prints the tables and writes `<data set>-<fingerprint>.json` and `.png`.

    Raises:
        ValueError: as `statistics`.
        OSError: the files cannot be written.
    """
    found = statistics(source)
    console = Console(width=console_width())
    for table in (_splits(found), _classes(found), _weights(found)):
        console.print(table)
    folder = cache_folder() / "stats" if options.output is None else options.output
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found['data']}-{found['fingerprint'][:12]}.json"
    path.write_text(json.dumps(found, indent=1))
    print(_paste(found))
    print(f"numbers: {path}\npicture: {plot(found, path.with_suffix('.png'))}")
    return 0


def _splits(found: dict[str, Any]) -> Table:
    columns = ("split", "samples", "height x width", "types", "values", "mean", "std")
    table = Table(*columns, title=f"{found['data']}, {found['task']}", title_justify="left")
    for split, values in found["splits"].items():
        sizes = list(values["sizes"])
        shown = sizes[0] if len(sizes) == 1 else f"{sizes[0]} most often, {len(sizes)} sizes"
        spread = f"{values['low']:g} to {values['high']:g}"
        types = ", ".join(values["types"])
        table.add_row(
            split, str(values["samples"]), shown, types, spread, _numbers(values["mean"]), _numbers(values["std"])
        )
    return table


def _classes(found: dict[str, Any]) -> Table:
    """Share of the labelled pixels and number of images, in each split."""
    table = Table("class", title="percent of pixels (images)", title_justify="left")
    for split in found["splits"]:
        table.add_column(split, justify="right")
    for name in found["class_names"]:
        cells = []
        for values in found["splits"].values():
            total = max(1, sum(values["pixels"].values()))
            cells.append(f"{100 * values['pixels'][name] / total:.3g} ({values['images'][name]})")
        table.add_row(Text(name), *cells)
    table.add_section()
    what = "void entries" if found["task"] == "multilabel" else "void pixels"
    table.add_row(what, *(f"{values['void']:,}" for values in found["splits"].values()))
    return table


def _weights(found: dict[str, Any]) -> Table:
    table = Table("class", title="class weights of the training split, loss.class_weights=METHOD", title_justify="left")
    for method in found["class_weights"]:
        table.add_column(method, justify="right")
    for place, name in enumerate(found["class_names"]):
        table.add_row(Text(name), *(f"{weights[place]:.6g}" for weights in found["class_weights"].values()))
    return table


def _paste(found: dict[str, Any]) -> str:
    train = found["splits"]["train"]
    return f"for the data set's YAML:\nmean: [{_numbers(train['mean'])}]\nstd: [{_numbers(train['std'])}]"


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
