"""Guesses, in words only, where labels without a class come from; nothing is ever mapped by a guess."""

from collections.abc import Mapping

from litseg.data.source import Source


def likely_cause(counts: Mapping[int, int], source: Source) -> str:
    """The commonest cause of such labels; empty where none is known, or where the error offers the remedy anyway.

    Args:
        counts: raw label without a class -> its pixels in a split.
        source: the data set.
    """
    labels, names = sorted(counts), len(source.class_names)
    last = 1 if source.task == "multilabel" else names - 1
    if min(labels) < 0:
        return "a signed void label; the mask must be written anew, with 255 for void"
    if len(labels) > 12:
        return (
            "grey values between the labels: a mask that was resized with interpolation, drawn with smooth edges, went "
            "through JPEG, or is a photograph; write masks anew, resized by nearest"
        )
    if labels == [255]:
        return "masks of 0 and 255" if last == 1 else "255 for void, as many tools write it"
    if labels == [last + 1]:
        return (
            f"labels that count from 1 (data.label_map={{1: 0, ..., {last + 1}: {last}}}), a void label "
            f"(data.void={last + 1}), or a name missing in data.class_names"
        )
    if len(labels) == 1 and last == 1:
        return f"{labels[0]} for the foreground ('data.label_map={{0: 0, {labels[0]}: 1}}') or for void"
    if len(labels) == last and all(
        abs(label * last - labels[-1] * (place + 1)) <= last for place, label in enumerate(labels)
    ):
        mapped = ", ".join(f"{label}: {place + 1}" for place, label in enumerate(labels))
        return f"labels stretched over the grey values to be visible ('data.label_map={{0: 0, {mapped}}}')"
    return ""
