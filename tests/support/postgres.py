"""A PostgreSQL of the tests' own: started when a test first needs it, gone with the run.

The server listens on a Unix socket in a folder of its own and nowhere else. All processes of a run share it, each with
databases of its own. It sorts texts as people do, not by code point: that is what most servers do, and a query that
relies on the order of SQLite shows.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER = "ipml"
PORT = 5432  # only names the socket: nothing listens on a port

# Data that ends with the run need not reach a disk. Tests of crashes say otherwise.
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}
LASTING = {"fsync": "on", "synchronous_commit": "on"}


def find_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, Debian's or those on the path; None without any."""
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if installed:
        return max(installed, key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


@dataclass(frozen=True, slots=True)
class Server:
    """A cluster in a folder, whose path must be short: a socket's is at most 107 bytes."""

    folder: Path
    programs: Path

    def url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}&port={PORT}"

    def create(self) -> None:
        """Make the cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        order = ("--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "--encoding=UTF8")
        self._run("initdb", "--auth=trust", f"--username={USER}", "--no-sync", *order)

    def start(self, settings: Mapping[str, str]) -> None:
        """Start the server, and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "port": str(PORT),
            "max_connections": "200",
            "shared_buffers": "32MB",
            **settings,
        }
        options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
        self._run("pg_ctl", "-w", f"--log={self.folder}/log", f"--options={options}", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; mode "immediate" is a crash."""
        self._run("pg_ctl", "-w", f"--mode={mode}", "stop")

    def stop_after(self, process: int) -> None:
        """Stop the server and remove its folder when a process has ended, in whatever way."""
        stop = shlex.join(self._command("pg_ctl", "--mode=immediate", "stop"))
        remains = shlex.join(map(str, (self.folder, _lock_of(self.folder))))
        wait = f"(while kill -0 {process}; do sleep 0.5; done; {stop}; rm -rf {remains}) &"
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["sh", "-c", wait], start_new_session=True, check=True, cwd="/", **quiet)

    def _run(self, program: str, *options: str) -> None:
        log = self.folder / "programs.log"
        with log.open("a") as output:  # a pipe would stay open as long as the server runs
            code = subprocess.call(self._command(program, *options), stdout=output, stderr=output, cwd="/")
        if code:
            raise RuntimeError(f"{program} failed: {log.read_text()}")

    def _command(self, program: str, *options: str) -> list[str]:
        # PostgreSQL refuses to run as root.
        as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return [*as_owner, str(self.programs / program), f"--pgdata={self.folder / 'data'}", *options]


def choose_folder() -> Path:
    """Return a path for the server of a run, which the first that needs it makes."""
    return Path(tempfile.gettempdir()) / f"ipml-postgres-{os.getpid()}"


def shared_server(folder: Path, run: int) -> Server | None:
    """Return the server that all processes share until one ends, started if it is not; None without PostgreSQL."""
    programs = find_programs()
    if programs is None:
        return None
    server = Server(folder, programs)
    with _alone(_lock_of(folder)):
        if not (folder / "data" / "postmaster.pid").exists():
            shutil.rmtree(folder, ignore_errors=True)
            server.create()
            server.stop_after(run)
            server.start(FORGETFUL)
    return server


@contextmanager
def own_server(settings: Mapping[str, str]) -> Iterator[Server | None]:
    """Give a server of one's own, for what would disturb others; None where there is no PostgreSQL."""
    programs = find_programs()
    if programs is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ipml-own") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "server", programs)
        server.create()
        server.start(settings)
        try:
            yield server
        finally:
            server.stop("immediate")


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
