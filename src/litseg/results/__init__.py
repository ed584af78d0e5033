"""The run record: folder, provenance, tables."""

from litseg.results.class_table import class_table
from litseg.results.provenance import code_state, versions
from litseg.results.run_folder import config_hash, create_run_folder, write_json, write_status

__all__ = ["class_table", "code_state", "config_hash", "create_run_folder", "versions", "write_json", "write_status"]
