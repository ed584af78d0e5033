"""`litseg predict run=<folder> input=<images> output=<folder>`: labels of images that nobody has labelled."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from litseg.cli.errors import CONF, UserError, user_mistakes, writing
from litseg.cli.load_run import LoadedRun, load_named_run
from litseg.cli.logs import start_logging
from litseg.cli.prediction.image import ImagePredictor
from litseg.cli.prediction.images import Job, find_jobs
from litseg.cli.prediction.options import Options, needed, read_options
from litseg.cli.wiring.forward import Forward, build_forward
from litseg.cli.words import divide_words, put_values, refuse_others
from litseg.inference import SCALE, averaged_over_views, predictor
from litseg.results import code_state, versions, write_json

HELP = """\
usage: litseg predict run=FOLDER input=IMAGES output=FOLDER [option=value ...]

  run=FOLDER             a run folder; nothing else is needed
  input=IMAGES           a file, a folder (with its folders), or a glob in quotes: input='photos/*.jpg'
  output=FOLDER          one label PNG per image: its pixels are labels, its palette their colours. A TIFF (tiled,
                         deflate) where the image is a GeoTIFF, whose tags are kept, has more than 4096 x 4096
                         pixels, or the task is multilabel (a band of 0 and 1 per class)
  probabilities=true     NAME_probabilities.tif too: a band per channel, 16 bits, 65535 is 1
  overlays=true          NAME_overlay.png too: the image with its labels in colour, at most 2048 pixels a side
  window=auto            a side in pixels, or whole; auto: images of more than 2048 x 2048 pixels in windows of 512
  overlap=0.25           of neighbouring windows, a share of their side
  blending=gaussian      or uniform
  tta=[hflip,0.75]       averages with changed views: hflip, vflip, rot180, or scales
  batch=1                windows that go through the network at once
  continue=true          images whose files are there are skipped; false predicts all anew
  checkpoint=best        best or last
  trainer.accelerator=cpu trainer.precision=32-true   instead of the run's own
  trust=[my_package]     what the run's config may name, see docs/security.md

An image that cannot be read, or is of another kind than those of the training, is reported and skipped; the exit code
is then 2, and 0 when all were predicted. Files are whole or absent.
"""
OWN = {
    "run": None, "input": None, "output": None, "probabilities": "false", "overlays": "false", "window": "auto",
    "overlap": "0.25", "blending": "gaussian", "tta": "[]", "batch": "1", "continue": "true", "checkpoint": "best",
    "trust": None,
}  # fmt: skip
OF_CONFIG = ("trainer.accelerator", "trainer.precision")


def run(words: Sequence[str]) -> int:
    """Runs `litseg predict <words>`.

    Returns:
        The exit code: 0, or 2 where images were refused.

    Raises:
        UserError: expected, got, what to do.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        print(HELP)
        return 0
    given, others = divide_words("predict", words, OWN)
    refuse_others("predict", [word for word in others if word.partition("=")[0] not in OF_CONFIG], (*OWN, *OF_CONFIG))
    start_logging(None)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds odd in a file, the refusal says
    options, output = read_options(given), Path(needed(given, "output")).expanduser()
    jobs = find_jobs(needed(given, "input"), output)
    with user_mistakes():
        loaded = load_named_run("predict", given)
        put_values(loaded.config, others)
        forward = build_forward(loaded, loaded.config)
        predict = averaged_over_views(predictor(forward, loaded.facts.task, forward.device), options.views)
        classes = {"class_names": list(loaded.facts.class_names), "palette": list(loaded.facts.palette)}
        with writing(output, "set output to a folder that can be written"):
            _open_output(output, _record(loaded, forward, options), classes, options.anew)
    waiting = [job for job in jobs if options.anew or not job.is_done(options.probabilities, options.overlays)]
    refused = _predict_all(waiting, ImagePredictor(loaded, predict, options))
    parts = [f"{len(waiting) - refused} predicted", f"{len(jobs) - len(waiting)} there already", f"{refused} refused"]
    print(f"{', '.join(parts)}: {output}")
    return 2 if refused else 0


def _record(loaded: LoadedRun, forward: Forward, options: Options) -> dict[str, Any]:
    """What the predictions depend on, in words."""
    kept = {key: asdict(options)[key] for key in ("window", "overlap", "blending", "views")}
    checkpoint = {"file": loaded.checkpoint.name, "step": loaded.step, "epoch": loaded.epoch}
    how = {"device": forward.device.type, "precision": str(forward.precision.precision)}
    return {"run": loaded.folder.name, "checkpoint": checkpoint, **how, **kept}


def _open_output(output: Path, record: dict[str, Any], classes: dict[str, Any], anew: bool) -> None:
    """Makes the folder, and refuses one with predictions of another run or in another way.

    Raises:
        ValueError: such predictions, or a file that is not ours.
        OSError: it cannot be written.
    """
    path = output / "predictions.json"
    if output.exists() and not output.is_dir():
        raise ValueError(f"output: expected a folder, got the file {output}")
    try:
        before = json.loads(path.read_text()) if path.is_file() and not anew else {}
        other = {key: before[key] for key in record if before and before[key] != record[key]}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: expected what litseg predict writes ({error}); choose another output") from error
    if other:
        changes = ", ".join(f"{key} {before[key]}, now {record[key]}" for key in other)
        raise ValueError(f"output: {output} has predictions of {changes}; choose another, or continue=false")
    output.mkdir(parents=True, exist_ok=True)
    write_json(path, record | classes | {"probability_of_1": SCALE, "versions": versions(), **code_state(CONF.parent)})


def _predict_all(jobs: Sequence[Job], predict: ImagePredictor) -> int:
    """How many were refused."""
    refused = 0
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        every = progress.add_task("images", total=len(jobs))
        for job in jobs:
            one = progress.add_task(job.image.name, total=None)
            try:
                predict(job, partial(_advance, progress, one))
            except ValueError as error:
                refused += 1
                print(f"refused: {error}", file=sys.stderr)
            except OSError as error:
                raise UserError(f"cannot write {job.stem}: {error}") from error
            progress.remove_task(one)
            progress.advance(every)
    return refused


def _advance(progress: Progress, task: TaskID, pixels: int, done: int) -> None:
    progress.update(task, total=pixels, advance=done)
