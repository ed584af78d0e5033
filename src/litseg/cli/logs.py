"""Where a run's words go: the terminal, and `log.txt` in the run folder."""

import logging
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from litseg.results.redaction import redact_text, secret_values

# Each is true, known and of no use to a reader of the log
QUIET_WARNINGS = (
    r".*does not have many workers.*",  # litseg chooses the number of workers itself
    r".*The number of training batches .* is smaller than the logging interval.*",
    r".*It is recommended to use `self.log\(.*sync_dist=True\)`.*",  # metrics are reduced before they are logged
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",  # inside Lightning
)


class Redaction(logging.Filter):
    """Takes secrets out of a record, its traceback included, see `litseg.results.redaction`.

    Args:
        values: secrets that are looked for as they are, beside those of the environment.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        super().__init__()
        self.values = frozenset(values) | secret_values(None)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; every one passes."""
        record.msg, record.args = redact_text(record.getMessage(), self.values), None
        if record.exc_info:
            text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_text = redact_text(text, self.values)
        return True


class LogFile(logging.FileHandler):
    """`log.txt`; what a full disk does not take is left out of it, which is said once."""

    refused = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the base class's name
        """Instead of a traceback for every record."""
        if not self.refused:
            self.refused = True
            print(f"cannot write {self.baseFilename} ({sys.exc_info()[1]}); its lines are here only", file=sys.stderr)

    def close(self) -> None:
        """What is still waiting may not find room either."""
        with suppress(OSError):
            super().close()


def start_logging(folder: Path | None, secrets: Iterable[str] = ()) -> None:
    """Sends log records and warnings to the terminal and, with a folder, to its `log.txt`.

    Args:
        folder: the run folder; None on ranks above 0, which then only warn.
        secrets: values that no record may show.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)]
    handlers[0].addFilter(lambda record: record.levelno < logging.ERROR)
    handlers[1].setLevel(logging.ERROR)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
    if folder is not None:
        handlers.append(LogFile(folder / "log.txt"))
        handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    redaction = Redaction(secrets)
    for handler in handlers:
        handler.addFilter(redaction)
    logging.basicConfig(level=logging.WARNING if folder is None else logging.INFO, handlers=handlers, force=True)
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(True)
    for message in QUIET_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def stop_logging() -> None:
    """Closes the files, so that the next run of a sweep does not write into this one's."""
    logging.captureWarnings(False)
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)
        handler.close()
