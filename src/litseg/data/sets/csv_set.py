"""Your own data, listed in a CSV file."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from litseg.data.source import SPLITS, Pair, Source
from litseg.labels import Task


class Csv(Source):
    """A row for each sample: columns `image` and `mask`, and if wanted `split` (train, val or test) and `group`.

    Paths are relative to the CSV file. In multilabel a column `mask/NAME` for each class takes the place of `mask`.
    Several `inputs` are columns in the place of `image`; the files of a row are stacked into one input. Without the
    column split the samples are divided by seeded shares; with it, a missing val takes its share of train and a missing
    test is not tested. Samples of one group (patient, video, ...) stay together in shares and folds. A sample is named
    by its first image file, with its folder where the file's name alone is not unique.

    Args:
        root: the CSV file, comma-separated UTF-8 whose first line names the columns.
        class_names: names by label; see `Source`.
        task: `multiclass`, `binary` or `multilabel`.
        inputs: the columns of image files; `channels` then says how many each has.
        val_share: share of the samples that becomes the validation split where none is given.
        test_share: share of the samples that becomes the test split where there is no column split.
        **source: void, label_map, channels, mean, std and so on; see `Source`.

    Raises:
        ValueError: no such file, columns that are missing or unknown, or a row with an empty field, a missing file or
            another split, naming its line.
    """

    def __init__(
        self,
        root: str,
        *,
        class_names: Sequence[str],
        task: Task = "multiclass",
        inputs: Sequence[str] = ("image",),
        val_share: float = 0.15,
        test_share: float = 0.15,
        **source: Any,
    ) -> None:
        self.root, self.inputs = Path(root), tuple(inputs)
        self.masks = tuple(f"mask/{name}" for name in class_names) if task == "multilabel" else ("mask",)
        rows = self._rows()
        self.given = "split" in rows[0][1]
        super().__init__(class_names, task, val_share=val_share, test_share=0.0 if self.given else test_share, **source)
        if len(self.channels) != len(self.inputs):
            raise ValueError(
                f"data.channels: expected one number for each of data.inputs={list(self.inputs)}, "
                f"got {list(self.channels)}"
            )
        self.samples = self._pairs(rows)
        self.groups = {
            pair.id: row["group"] for pair, (_, row) in zip(self.samples, rows, strict=True) if "group" in row
        }
        self.splits = [row.get("split", "train") for _, row in rows]

    def official(self, split: str) -> list[Pair]:
        """The rows of a split in the file's order; without the column split all rows are in train."""
        return [pair for pair, own in zip(self.samples, self.splits, strict=True) if own == split]

    def group_of(self, pair: Pair) -> str:
        """The column group, else as `Source`."""
        return self.groups[pair.id] if self.groups else super().group_of(pair)

    def _rows(self) -> list[tuple[int, dict[str, str]]]:
        """Line number and fields of every row, checked."""
        if not self.root.is_file():
            raise ValueError(f"no file {self.root}: expected a CSV file that lists the samples; check data.root")
        with self.root.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a byte order mark
            reader = csv.DictReader(file, restkey="", strict=True)
            try:
                columns = list(reader.fieldnames or [])
                rows = [(reader.line_num, row) for row in reader]
            except (csv.Error, UnicodeDecodeError) as error:
                raise ValueError(f"{self.root}: line {reader.line_num + 1}: {error}; save it as UTF-8 CSV") from error
        required, optional = (*self.inputs, *self.masks), ("split", "group")
        if sorted({*required, *columns}) != sorted(columns) or not {*columns} <= {*required, *optional}:
            raise ValueError(
                f"{self.root}: line 1: expected the columns {', '.join(required)} and if wanted {', '.join(optional)}, "
                f"got {', '.join(columns)}; data.inputs names the image columns"
            )
        if not rows:
            raise ValueError(f"{self.root}: expected a row for each sample, found none below the first line")
        for line, row in rows:
            self._check(line, row, len(columns))
        return rows

    def _check(self, line: int, row: Mapping[str, str | None], columns: int) -> None:
        where = f"{self.root}: line {line}"
        if len(row) != columns or not all(row.values()):
            raise ValueError(f"{where}: expected {columns} fields, none of them empty; got {list(row.values())}")
        if row.get("split", "train") not in SPLITS:
            raise ValueError(f"{where}: expected split train, val or test, got {row['split']!r}")
        for column in (*self.inputs, *self.masks):
            if not (self.root.parent / str(row[column])).is_file():
                raise ValueError(f"{where}: no file {self.root.parent / str(row[column])} ({column}); correct the path")

    def _pairs(self, rows: Sequence[tuple[int, Mapping[str, str]]]) -> list[Pair]:
        paths = [Path(row[self.inputs[0]]) for _, row in rows]
        names = [path.stem for path in paths]
        if len(set(names)) < len(names):
            names = ["_".join(part.strip("/") for part in path.with_suffix("").parts) for path in paths]
        first: dict[str, int] = {}
        for name, (line, _) in zip(names, rows, strict=True):
            if first.setdefault(name, line) != line:
                raise ValueError(
                    f"{self.root}: line {line}: the sample {name} is in line {first[name]} too; remove one"
                )
        folder = self.root.parent
        files = [
            [tuple(folder / row[column] for column in part) for part in (self.inputs, self.masks)] for _, row in rows
        ]
        return [Pair(name, images, masks) for name, (images, masks) in zip(names, files, strict=True)]
