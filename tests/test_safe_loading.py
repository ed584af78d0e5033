"""Nothing in the source can run code that came with a file: read from the syntax tree of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "litseg"
MODULES = [*sorted(SOURCE.rglob("*.py")), SOURCE.parents[1] / "train.py"]
CALLS = {
    "eval", "exec", "compile", "__import__", "torch.hub", "torch.jit.load", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "pickle.load", "pickle.loads", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve",
    "runpy", "os.system", "os.popen", "load_from_checkpoint", "pandas.read_pickle", "pickle.Unpickler", "yaml.Loader",
    "yaml.UnsafeLoader", "yaml.FullLoader", "torch.serialization.add_safe_globals",
}  # fmt: skip
VALUES = {"weights_only": {True}, "allow_pickle": {False}, "trust_remote_code": {False}, "shell": {False}}
"""Keywords that may have these values only, written out."""
ASKED = {"torch.load": "weights_only", "np.load": "allow_pickle", "numpy.load": "allow_pickle"}
"""Calls that must say so, whatever their default is."""


def _findings(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            yield from (f"{origin}{alias.name}" for alias in node.names if _forbidden(f"{origin}{alias.name}"))
        elif isinstance(node, ast.Attribute | ast.Name) and _forbidden(ast.unparse(node)):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            name = ast.unparse(node.func)
            if ASKED.get(name) not in {None, *keywords}:
                yield f"{name} without {ASKED[name]}"
            for key in VALUES.keys() & keywords.keys():
                value = keywords[key]
                if key == "weights_only" and name.endswith("save_checkpoint"):  # Lightning's: what is written
                    continue
                if not (isinstance(value, ast.Constant) and value.value in VALUES[key]):
                    yield f"{key}={ast.unparse(value)}"


def _forbidden(name: str) -> bool:
    """Whether it is one of those, lies below one, or is a method of that name."""
    parts = name.split(".")
    starts = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return bool(starts & CALLS) or parts[-1] in {"load_from_checkpoint", "unsafe_load", "add_safe_globals"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_can_run_what_a_file_brings(path: Path) -> None:
    assert not list(_findings(path.read_text()))


@pytest.mark.parametrize(
    "code",
    ["torch.load(f)", "torch.load(f, weights_only=False)", "torch.load(f, weights_only=safe)", "np.load(f)",
     "np.load(f, allow_pickle=True)", "import pickle; pickle.load(f)", "from pickle import load", "eval('1')",
     "exec(code)", "yaml.load(text, Loader=x)", "yaml.unsafe_load(text)", "torch.hub.load('a', 'b')",
     "f(trust_remote_code=True)", "subprocess.run(x, shell=True)", "Module.load_from_checkpoint(p)",
     "trainer.fit(module, weights_only=False)", "import cloudpickle", "from torch import hub", "os.system('x')",
     "torch.serialization.add_safe_globals([x])", "from yaml import unsafe_load"],
)  # fmt: skip
def test_what_is_forbidden_is_found(code: str) -> None:
    assert list(_findings(code))


def test_what_is_safe_is_not_found() -> None:
    safe = (
        "torch.load(f, weights_only=True); np.load(f, allow_pickle=False); model.eval(); re.compile('x'); json.load(f)"
    )
    assert not list(_findings(safe))
