from pathlib import Path

import pytest

from litseg.jobs.job import Job, exit_code


@pytest.mark.parametrize(("name", "target"), [("a/b", "m:f"), ("", "m:f"), ("a", "m"), ("a", "m:"), ("a", ":f")])
def test_a_job_that_cannot_be_is_refused(name: str, target: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Job(name, target, (), Path("x"))


def test_a_signal_becomes_128_and_its_number() -> None:
    assert exit_code(0) == (0, "")
    assert exit_code(3) == (3, "")
    assert exit_code(-11) == (139, "killed by SIGSEGV")
    assert exit_code(-9) == (137, "killed by SIGKILL, as the system does where memory runs out")
    assert exit_code(-35) == (163, "killed by signal 35")  # a real-time signal: it has no name
