"""The examples in the docstrings are run."""

import doctest
import importlib
import pkgutil

import pytest

import litseg.losses

MODULES = [f"litseg.losses.{module.name}" for module in pkgutil.iter_modules(litseg.losses.__path__)]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0
