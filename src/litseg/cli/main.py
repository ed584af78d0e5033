"""The console script `litseg`: verbs beside `python train.py`."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

HELP = """\
usage: litseg VERB [key=value ...]

  litseg data check data=camvid data.root=...     reads every file: what training would refuse, leaks, oddities
  litseg data stats data=camvid data.root=...     pixels and images of each class, class weights, mean and std
  litseg data show  data=camvid data.root=...     a picture of augmented training samples and their labels
  litseg evaluate run=FOLDER                      scores of a run's checkpoint on any split or another data set
  litseg predict  run=FOLDER input=... output=FOLDER   labels of a file, a folder or a glob of images
  litseg export   run=FOLDER format=onnx          the network as ONNX, torch.export or safetensors file, and verified
  litseg bench    run=FOLDER                      parameters, MACs, latency, throughput and memory of a network
  litseg report   run=FOLDER                      report.html of a run; runs=[A,B] compares
  litseg table    table=NAME                      a table of a paper: ours beside the published
  litseg sweep    sweep=unet_learning_rate        many trainings in search of the best config, with Optuna

`litseg VERB --help` lists the options of each. A run folder is what python train.py leaves behind. Other words are
those of train.py: groups (data=, experiment=, augmentation=) and values (data.root=, seed=). Training itself:
python train.py --help
"""
VERBS = {
    "data": "litseg.cli.data.verbs",
    "evaluate": "litseg.cli.evaluation.evaluate",
    "predict": "litseg.cli.prediction.predict",
    "export": "litseg.cli.export",
    "bench": "litseg.cli.bench",
    "report": "litseg.cli.report",
    "table": "litseg.cli.table.verb",
    "sweep": "litseg.cli.sweep",
}
"""Verb -> the module whose `run(words)` does it."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs a verb. Nothing heavy is imported before it is known to be one.

    Args:
        words: the command line without the program's name; None takes it from the process.

    Returns:
        The exit code: 0, 2 for a user's mistake or what a check found, 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if words is None else words)
    if not given or given[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0
    verb, rest = given[0], given[1:]
    if verb not in VERBS:
        close = get_close_matches(verb, VERBS, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(VERBS)}"
        print(f"error: litseg has no verb {verb!r}; {hint}\n\n{HELP}", file=sys.stderr)
        return 2
    return _guarded(verb, rest)


def _guarded(verb: str, rest: list[str]) -> int:
    from litseg.cli.errors import UserError
    from litseg.cli.exit_codes import OUT_OF_MEMORY, is_out_of_memory

    try:
        code: int = import_module(VERBS[verb]).run(rest)
        return code
    except UserError as error:
        if os.environ.get("LITSEG_DEBUG") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            f"error: out of memory ({str(error).splitlines()[0]}); lower loader.batch_size or, in predict, window",
            file=sys.stderr,
        )
        return OUT_OF_MEMORY
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
