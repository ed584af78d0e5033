"""What a check found, in words that say what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litseg.data.sample_scan import Sample
from litseg.data.source import Pair


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one place.

    Attributes:
        level: an `error` keeps the set from being trained on, or makes its scores worthless.
        kind: two words, such as `unseen label`.
        where: the split or splits.
        files: all files, or samples, that it concerns.
        message: expected, got, what to do.
    """

    level: Literal["error", "warning"]
    kind: str
    where: str
    files: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Contents:
    """The sound samples of a split, beside the files they came from."""

    split: str
    pairs: list[Pair]
    samples: list[Sample]

    @property
    def names(self) -> list[str]:
        """The names of the image files."""
        return [str(pair.images[0]) for pair in self.pairs]

    def chosen(self, where: Callable[[Sample], bool]) -> list[str]:
        """The names of the images whose samples are so."""
        return [name for name, sample in zip(self.names, self.samples, strict=True) if where(sample)]


def counted(number: int, noun: str) -> str:
    """`1 image`, `2 images`, `0 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(names: Sequence[str]) -> str:
    """The last parts of up to three file names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(Path(name).name for name in names[:3]) + more
