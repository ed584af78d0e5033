"""Many jobs, each in a process of its own: on this machine, through SLURM, on a Ray cluster; and who may do which."""

from litseg.jobs.job import Job, Launcher, Outcome
from litseg.jobs.lease import Lease

__all__ = ["Job", "Launcher", "Lease", "Outcome"]
