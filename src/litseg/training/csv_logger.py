"""`metrics.csv` in the run folder: every row on disk as soon as it is logged, and none lost or doubled by a resume."""

import csv
import logging
import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor

log = logging.getLogger(__name__)
Row = dict[str, Any]


class CsvLogger(Logger):
    """Appends each row to `metrics.csv` and goes on with a file that is there (Lightning's CSVLogger deletes it).

    Columns are what was ever logged, sorted, `epoch` and `step` among them; a new one rewrites the file. Rows that a
    full or read-only disk refuses are said once, kept, and written when it takes them again. Hyper-parameters are not
    written: `config.yaml` lies beside the file.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self._columns: set[str] | None = None  # of the file; None: to be read first
        self._waiting: list[Row] = []
        self._before: set[tuple[int | None, frozenset[str]]] = set()  # step and columns of rows that are there
        self._warned = False

    @property
    def name(self) -> str:
        """Lightning's name for a folder inside `save_dir`: none."""
        return ""

    @property
    def version(self) -> str:
        """Lightning's name for a folder inside that: none."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are in `config.yaml`."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Tensor | float], step: int | None = None) -> None:
        """Writes a row.

        Args:
            metrics: numbers by column.
            step: the batch's, counted in optimizer steps from 0; rows after an epoch have that of its last batch.
        """
        row: Row = {key: value.item() if isinstance(value, Tensor) else value for key, value in metrics.items()}
        row["step"] = step
        if (kind := (step, frozenset(row))) in self._before:
            self._before.remove(kind)
            return
        self._waiting.append(row)
        self._guard(self._write)

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Drops the rows that a training resumed after `step` optimizer steps will log again.

        Rows of the step before stay, and are not written twice: resumed from a checkpoint of a validation, Lightning
        ends the epoch again, with what is left of its sums.

        Args:
            step: the checkpoint's `global_step`; rows of this step and later ones go.
        """
        self._guard(lambda: self._cut(step))

    def _cut(self, step: int) -> None:
        self._rewrite(lambda row: _step(row) < step)
        self._before = {(step - 1, frozenset(row)) for row in self._read()[1] if _step(row) == step - 1}

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, csv.Error) as error:
            self._columns = None
            if not self._warned:
                log.warning("cannot write %s (%s); training goes on, rows wait until it can", self.path, error)
            self._warned = True

    def _write(self) -> None:
        if self._columns is None or not {column for row in self._waiting for column in row} <= self._columns:
            return self._rewrite()
        size = self.path.stat().st_size
        try:
            with self.path.open("a", newline="") as file:
                _write_rows(file, self._columns, self._waiting)
        except OSError:
            os.truncate(self.path, size)  # no line that is cut off, nor one that is written again later
            raise
        self._waiting = []
        return None

    def _rewrite(self, keep: Callable[[Row], bool] = bool) -> None:
        """Reads the file and puts it in place anew, with the rows that wait, whole or not at all."""
        columns, rows = self._read()
        rows = [row for row in rows + self._waiting if keep(row)]
        columns.update(column for row in rows for column in row)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with temporary.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(sorted(columns))
                _write_rows(file, columns, rows)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        self._columns, self._waiting = columns, []

    def _read(self) -> tuple[set[str], list[Row]]:
        """Columns and rows of the file; a last line that was cut off (power loss) is left out."""
        if not self.path.exists():
            return set(), []
        with self.path.open(newline="", errors="replace") as file:
            text = file.read()
        reader = csv.DictReader(StringIO(text[: text.rfind("\n") + 1], newline=""))
        rows = [{key: value for key, value in row.items() if key and value} for row in reader]
        return set(reader.fieldnames or ()), rows


def _write_rows(file: Any, columns: Iterable[str], rows: list[Row]) -> None:
    csv.DictWriter(file, sorted(columns), lineterminator="\n").writerows(rows)


def _step(row: Row) -> int:
    """A row without a step is kept by every rewind."""
    return int(row["step"]) if str(row.get("step")).isdigit() else -1
