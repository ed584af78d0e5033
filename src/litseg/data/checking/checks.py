"""Everything that is wrong or odd in a data set, over all its splits; what training would refuse, and more."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from litseg.data.checking.findings import Contents, Finding, counted, some
from litseg.data.checking.label_causes import likely_cause
from litseg.data.checking.lookalikes import lookalikes
from litseg.data.checking.odd_pixels import odd_pixels
from litseg.data.sample_scan import BrokenSampleError, Sample
from litseg.data.scan import divided, mixed_types, read_samples, split_scan, unusable
from litseg.data.source import SPLITS, Pair, Source


def check(source: Source) -> tuple[list[Finding], list[Contents]]:
    """Reads every file of every split.

    Returns:
        All findings, errors first, and the sound samples of every split that has any.
    """
    listed, findings = _listed(source)
    contents = []
    for split, pairs in listed.items():
        read = list(zip(pairs, read_samples(source, pairs, f"checking {split}"), strict=True))
        findings += _broken(source, split, [sample for _, sample in read if isinstance(sample, BrokenSampleError)])
        sound = [(pair, sample) for pair, sample in read if isinstance(sample, Sample)]
        if sound:
            contents.append(Contents(split, [pair for pair, _ in sound], [sample for _, sample in sound]))
    for content in contents:
        findings += [*_labels(source, content), *odd_pixels(source, content)]
    findings += [*_divided_groups(source, listed), *_sizes(contents), *lookalikes(contents)]
    return sorted(findings, key=lambda finding: finding.level), contents


def _listed(source: Source) -> tuple[dict[str, list[Pair]], list[Finding]]:
    """The samples of every split; where one split cannot be listed, the others as their owner gives them."""
    listed: dict[str, list[Pair]] = {}
    findings = []
    try:
        listed = {split: source.pairs(split) for split in SPLITS}
    except (ValueError, OSError) as error:
        for split in SPLITS:
            try:
                listed[split] = source.official(split)
            except (ValueError, OSError) as own:
                findings.append(Finding("error", "missing files", split, (), str(own)))
        if not findings:  # the owner's splits are whole, their division into shares or folds fails
            findings.append(Finding("error", "no division", "all", (), str(error)))
    if not findings and not listed["train"]:
        message = "data: the train split is empty; check data.root and the split's files"
        findings.append(Finding("error", "empty split", "train", (), message))
    elif not findings and not listed["val"] and not listed["test"]:
        message = "data: there is neither a val nor a test split; set data.val_share, or data.folds"
        findings.append(Finding("error", "empty split", "val, test", (), message))
    return {split: pairs for split, pairs in listed.items() if pairs}, _once(findings)


def _divided_groups(source: Source, listed: dict[str, list[Pair]]) -> list[Finding]:
    findings = []
    for (first, here), (second, there) in combinations(listed.items(), 2):
        if groups := source.divided_groups(here, there):
            where = f"{first} and {second}"
            findings.append(Finding("error", "divided group", where, tuple(groups), divided(first, second, groups)))
    return findings


def _sizes(contents: list[Contents]) -> list[Finding]:
    """Of training images, which a batch wants alike."""
    sizes = {sample.size for content in contents if content.split == "train" for sample in content.samples}
    if len(sizes) < 2:
        return []
    message = (
        f"train has images of {len(sizes)} sizes, which do not fit one batch; train with data.resize=[height,width], "
        "augmentation=crop, or loader.batch_size=1"
    )
    return [Finding("warning", "several sizes", "train", (), message)]


def _once(findings: list[Finding]) -> list[Finding]:
    """A missing root is the same message for every split."""
    by_message: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_message[finding.message].append(finding)
    return [
        Finding("error", equal[0].kind, ", ".join(one.where for one in equal), (), message)
        for message, equal in by_message.items()
    ]


def _broken(source: Source, split: str, broken: list[BrokenSampleError]) -> list[Finding]:
    by_kind: dict[str, list[BrokenSampleError]] = defaultdict(list)
    for error in broken:
        by_kind[error.kind].append(error)
    findings = []
    for kind, errors in by_kind.items():
        files = tuple(str(error.path) for error in errors)
        message = str(errors[0]) + (f" (the first of {len(errors)} files)" if len(errors) > 1 else "")
        if kind == "unseen label":
            message = _unseen_message(source, split, files, errors)
        findings.append(Finding("error", kind, split, files, message))
    return findings


def _unseen_message(source: Source, split: str, files: Sequence[str], errors: list[BrokenSampleError]) -> str:
    counts: dict[int, int] = defaultdict(int)
    for error in errors:
        for label, pixels in error.labels.items():
            counts[label] += pixels
    most = sorted(counts, key=lambda label: -counts[label])[:3]
    described = ", ".join(f"{counts[label]:,} pixels of {label}" for label in most)
    where = f"{split}: {counted(len(files), 'mask')} ({some(files)}), {described}"
    cause = likely_cause(counts, source)
    return source.unseen_message(np.array(sorted(counts)), where) + (f"; likely cause: {cause}" if cause else "")


def _labels(source: Source, content: Contents) -> list[Finding]:
    """A split, or single samples, without what training or a score needs."""
    split, scan = content.split, split_scan(content.samples)
    if problem := unusable(scan, source, split):
        return [Finding("error", "no valid pixel", split, (), problem)]
    findings = []
    if problem := mixed_types(content.samples, split):
        findings.append(Finding("error", "mixed types", split, (), problem))
    entries = scan.sizes.prod(axis=1) * (len(source.class_names) if source.task == "multilabel" else 1)
    empty = np.flatnonzero(scan.pixels[:, -1] == entries)
    void = [content.names[place] for place in empty.tolist()]
    if void:
        samples = counted(len(void), f"{split} sample")
        message = f"{samples} void everywhere ({some(void)}), from which nothing is learnt; leave out such samples"
        findings.append(Finding("warning", "all void", split, tuple(void), message))
    absent = [source.class_names[place] for place in np.flatnonzero(scan.pixels[:, :-1].sum(axis=0) == 0).tolist()]
    if absent:
        effect = "cannot be learnt" if split == "train" else "leaves the mean scores of this split"
        message = f"{split} has no pixel of {', '.join(absent)}; what no sample shows {effect}; check data.label_map"
        findings.append(Finding("warning", "empty class", split, (), message))
    return findings
