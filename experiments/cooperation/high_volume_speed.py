"""How long it takes to find high-volume sellers among millions of sales, and how much memory.

    python -m experiments.cooperation.high_volume_speed --sales 5000000

Writes random sales of two years into a Parquet file, then reads them and searches in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.benchmark.timing.processes import peak_memory
from ipml.cooperation.policy import InformRules
from ipml.cooperation.reports.high_volume import find_high_volume, read_sales


def write_sales(path: Path, n: int) -> None:
    """Write sales of fifty thousand sellers, some of whom sell very much more than others."""
    draw = np.random.default_rng(1)
    seller = (draw.pareto(0.8, n) * 100 % 50_000).astype(int)
    sold_at = pd.Timestamp("2024-06-01", tz="UTC") + pd.to_timedelta(draw.integers(0, 730 * 86_400, n), unit="s")
    value, currency = np.round(draw.lognormal(3.3, 0.6, n), 2), draw.choice(["USD", "EUR"], n)
    sales = {"seller_id": [f"s{number}" for number in seller], "sold_at": sold_at, "value": value, "currency": currency}
    pd.DataFrame(sales).to_parquet(path)


def search(folder: Path) -> None:
    """Read the sales of a folder and search them; print what it took."""
    began = time.process_time()
    sales = read_sales(folder / "sales.parquet", folder / "rates.csv")
    read = time.process_time()
    found = find_high_volume(sales, InformRules(), date(2026, 5, 30))
    searched = time.process_time()
    print(f"{len(found):,} of {len(sales.seller_ids):,} sellers; {len(sales.day):,} days with sales")
    print(f"{read - began:.1f} s CPU to read, {searched - read:.2f} s to search, peak {peak_memory() / 1e6:.0f} MB")


def main() -> None:
    """Write sales, and search them in another process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sales", type=int, default=5_000_000)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        search(options.search)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_sales(Path(folder) / "sales.parquet", options.sales)
        (Path(folder) / "rates.csv").write_text("currency,usd\nEUR,1.1\n")
        command = [sys.executable, "-m", "experiments.cooperation.high_volume_speed", "--search", folder]
        subprocess.run(command, check=True)  # noqa: S603 - this very file


if __name__ == "__main__":
    main()
