"""The label contract that data, losses and metrics share."""

from typing import Final, Literal

IGNORE_INDEX: Final = 255
"""The void label: such a pixel belongs to no class and counts in no loss and no metric."""

Task = Literal["multiclass", "binary", "multilabel"]
"""multiclass: one of C classes a pixel (softmax). binary: foreground or not, one channel (sigmoid).
multilabel: any number of C classes a pixel, each decided on its own (sigmoid)."""
