"""Compares the curves of this tree with those of another commit on this machine, bit for bit.

python -m tests.golden.compare [COMMIT]

The commit, by default the parent of HEAD, is checked out beside this tree for as long as it takes; each tree computes
its curves with its own code and configs. Exits 1 where an experiment that both have differs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
Curves = dict[str, list[float]]


def git(*words: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def curves_of(tree: Path, file: Path) -> Curves:
    """All curves, computed by the code of `tree` with this Python."""
    if not (tree / "tests" / "golden" / "curves.py").is_file():
        sys.exit("that commit has no tests/golden/curves.py: choose a later one, make golden BASE=...")
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    command = [sys.executable, "-m", "tests.golden.curves", str(file)]
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=sys.stderr)
    curves: Curves = json.loads(file.read_text())
    return curves


def rows(here: Curves, there: Curves) -> list[tuple[str, str, str]]:
    """For each experiment: its name, `equal` or what is not, and the largest relative difference."""
    found = []
    for name in sorted(here | there):
        if name not in here or name not in there:
            found.append((name, "new" if name in here else "gone", ""))
            continue
        pairs = list(zip(here[name], there[name], strict=True))
        differing = [step for step, (new, old) in enumerate(pairs, start=1) if new != old]
        largest = max(abs(new - old) / max(abs(old), 1e-30) for new, old in pairs)
        what = f"differs from step {differing[0]} on" if differing else "equal"
        found.append((name, what, f"{largest:.1e}" if differing else "0"))
    return found


def main() -> int:
    """Prints the table; 1 where curves differ."""
    base = git("rev-parse", "--short", sys.argv[1] if len(sys.argv) > 1 else "HEAD^")
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "base"
        git("worktree", "add", "--detach", str(other), base)
        try:
            there = curves_of(other, Path(folder) / "base.json")
        finally:
            git("worktree", "remove", "--force", str(other))
        here = curves_of(ROOT, Path(folder) / "here.json")
    table = Table("experiment", "losses", "largest relative difference", title=f"this tree against {base}")
    found = rows(here, there)
    for row in found:
        table.add_row(*row)
    Console(width=100).print(table)
    return int(any(what.startswith("differs") for _, what, _ in found))


if __name__ == "__main__":
    sys.exit(main())
