"""The run record: folder, provenance, tables."""

from litseg.results.class_table import class_table
from litseg.results.provenance import code_state, versions
from litseg.results.run_folder import (
    NOT_THE_EXPERIMENT,
    config_hash,
    create_run_folder,
    is_held,
    lock,
    read_status,
    runs_inside,
    unfinished_runs,
    write_json,
    write_status,
    write_text,
)

__all__ = [
    "NOT_THE_EXPERIMENT", "class_table", "code_state", "config_hash", "create_run_folder", "is_held", "lock",
    "read_status", "runs_inside", "unfinished_runs", "versions", "write_json", "write_status",
    "write_text",
]  # fmt: skip
