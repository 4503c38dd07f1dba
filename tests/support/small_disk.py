"""A disk that is soon full."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

NO_MOUNT = "mounting a small disk needs root on Linux"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a folder on a disk of 14 MB, which a server can get to."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip(NO_MOUNT)
    folder = Path(mkdtemp())
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14m,mode=755", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(NO_MOUNT)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()
