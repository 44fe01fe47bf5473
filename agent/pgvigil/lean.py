"""The agent's process: what `pgvigil agent` becomes once its options are read.

The command line's modules cost 10 MB that would stay for as long as the agent runs, on every host. So the process
executes itself anew, with the same pid, and takes the settings along in a file without a name: no argument, no
variable and no disk ever sees the connection string.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from pgvigil import config
from pgvigil.errors import PgvigilError
from pgvigil.systemd import SIGNALS, stop_on_signal

if TYPE_CHECKING:
    from pgvigil.collect import CollectOptions
    from pgvigil.config import AgentSettings


def become_agent(settings: AgentSettings, options: CollectOptions, log_level: str) -> NoReturn:
    """Replace this process by one that runs the agent and nothing else."""
    settings_file = os.memfd_create("pgvigil-settings", 0)  # 0: it outlives execv()
    os.write(settings_file, pickle.dumps((settings, options, log_level)))
    os.lseek(settings_file, 0, os.SEEK_SET)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until there is somebody who handles them
    # -P: what lies in the current directory is none of our modules
    command = [sys.executable, "-P", "-m", "pgvigil.lean", str(settings_file)]
    os.execve(sys.executable, command, config.lean_environment())  # noqa: S606


class _Absent(ModuleType):
    """Stands for a module that is imported and not used: every name is there, and nothing behind it."""

    def __getattr__(self, name: str) -> type:
        """Return something that can be inherited from, subscripted, caught and called."""
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {"__class_getitem__": classmethod(lambda cls, _: cls)})


def leave_out_what_is_not_used() -> None:
    """Save 4 MB: the driver's half for asyncio, Python's TLS (libpq has its own), how the driver finds its version."""
    sys.modules.update({name: _Absent(name) for name in ("asyncio", "ssl", "importlib.metadata")})


def main() -> None:
    """Run the agent with the settings of a file descriptor; an error of ours is one line and its own exit status."""
    leave_out_what_is_not_used()
    from pgvigil.collect import Collector
    from pgvigil.logs import log_to_stderr
    from pgvigil.problems import Problems
    from pgvigil.sampling import run_agent

    with suppress(AttributeError):  # another libc than GNU's
        ctypes.CDLL(None).malloc_trim(0)  # what the imports have left behind
    os.umask(0o027)
    problems = Problems()
    stop = stop_on_signal()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        settings, options, log_level = pickle.load(file)  # noqa: S301 - we wrote it ourselves
    log_to_stderr(log_level)
    try:
        run_agent(settings, Collector(options, problems), problems, stop)
    except PgvigilError as error:
        print(f"pgvigil: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
