"""Images that are there twice, or nearly: within a split waste, between splits a leak."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from litseg.data.checking.findings import Contents, Finding, counted
from litseg.data.checking.near_duplicates import Twins, near_duplicates, neighbouring_frames
from litseg.data.source import SPLITS


def lookalikes(contents: list[Contents]) -> list[Finding]:
    """Images that more than one sample has."""
    equal: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for content in contents:
        for name, sample in zip(content.names, content.samples, strict=True):
            equal[sample.image_digest].append((content.split, name))
    groups: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for group in equal.values():
        if len(group) > 1:
            splits = tuple(dict.fromkeys(split for split, _ in group))
            groups[splits].append([name for _, name in group])
    findings = [_identical(splits, found) for splits, found in groups.items()]
    if len(contents) < 2:
        return findings
    thumbnails = {content.split: np.stack([sample.thumbnail for sample in content.samples]) for content in contents}
    by_split = {content.split: content for content in contents}
    near = [twins for twins in near_duplicates(thumbnails) if not _same_bytes(twins, by_split)]
    seen = {(twins.splits, twins.places) for twins in near}
    names = {content.split: [pair.id for pair in content.pairs] for content in contents}
    frames = [twins for twins in neighbouring_frames(thumbnails, names) if not _same_bytes(twins, by_split)]
    frames = [twins for twins in frames if not seen & {(twins.splits, twins.places), _swapped(twins)}]
    what = "look nearly the same; a score on one is a score on what was trained: put both into one split"
    findings += _twins_findings("near duplicate", near, by_split, what)
    what = (
        "are neighbouring frames; scores may flatter: divide videos as a whole (data.group_pattern for seeded shares)"
    )
    return findings + _twins_findings("neighbouring frames", frames, by_split, what)


def _identical(splits: tuple[str, ...], groups: list[list[str]]) -> Finding:
    files = tuple(name for group in groups for name in group)
    if len(splits) == 1:
        message = f"{splits[0]}: {counted(len(groups), 'image')} more than once, such as {' = '.join(groups[0][:3])}; "
        return Finding("warning", "identical images", splits[0], files, message + "keep one of each")
    where = " and ".join(splits)
    message = (
        f"{counted(len(groups), 'image')} both in {where}, byte for byte, such as {' = '.join(groups[0][:3])}; a score "
        "on what was trained says nothing: keep each in one split"
    )
    return Finding("error", "leak", where, files, message)


def _twins_findings(kind: str, found: list[Twins], by_split: Mapping[str, Contents], what: str) -> list[Finding]:
    groups: dict[tuple[str, ...], list[Twins]] = defaultdict(list)
    for twins in found:
        groups[tuple(sorted(twins.splits, key=SPLITS.index))].append(twins)
    findings = []
    for splits, group in groups.items():
        best = max(group, key=lambda twins: twins.correlation)
        files = [
            by_split[split].names[place]
            for twins in sorted(group, key=lambda twins: -twins.correlation)
            for split, place in zip(twins.splits, twins.places, strict=True)
        ]
        where = " and ".join(splits)
        message = f"{counted(len(group), 'pair')} of {where}, such as {files[0]} and {files[1]} (correlation "
        message += f"{best.correlation:.3f}), {what}"
        findings.append(Finding("warning", kind, where, tuple(dict.fromkeys(files)), message))
    return findings


def _same_bytes(twins: Twins, by_split: Mapping[str, Contents]) -> bool:
    first, second = (by_split[split].samples[place] for split, place in zip(twins.splits, twins.places, strict=True))
    return first.image_digest == second.image_digest


def _swapped(twins: Twins) -> tuple[tuple[str, str], tuple[int, int]]:
    return (twins.splits[1], twins.splits[0]), (twins.places[1], twins.places[0])
