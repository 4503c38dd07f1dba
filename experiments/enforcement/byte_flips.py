"""Is every changed byte of a package of evidence named, with its file, and with its line where a file has lines?

    python -m experiments.enforcement.byte_flips --flips 1000

The package is signed, stamped by an authority of its own (`openssl ts`, where there is one) and holds a capture. One
byte after another is changed to another value, half of them drawn evenly over all bytes, half evenly over the files, in
all files: payload, manifests, tag manifests, README.txt, verify.py, stamp. Named means: that file is found at fault and
no other. Then the same, with all manifests made to fit again, as a forger would who cannot sign: found means that
anything is, by the package alone.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from experiments.databases import own_database
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.evidence.bag import check_stamp, close_bag, make_request
from ipml.enforcement.evidence.package import PackageOutput, PackageParts, Stamper, export_package
from ipml.enforcement.evidence.verify import STAMP, check_package
from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail.anchors import make_key
from ipml.storage.database import writing

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # they have an authority
from support.authority import Authority

BAR = 1.0


def main() -> None:
    """Make a package, tamper with it, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with own_database() as (engine, place):
        folder = make_package(engine, place)
        n_files = sum(path.is_file() for path in folder.rglob("*"))
        print(f"{n_files} files, stamped: {(folder / STAMP).exists()}; seed {options.seed}")
        named, in_line, with_lines = flip_bytes(folder, options.flips, rng)
        print(f"named with their file and no other: {named} of {options.flips}   bar: all")
        print(f"named with their line, in files of lines: {in_line} of {with_lines}")
        found = forge(folder, options.flips // 5, rng)
        print(f"payload changed and all manifests made to fit: found {found} of {options.flips // 5}   bar: all")
    sys.exit(0 if named == options.flips and found == options.flips // 5 else 1)


def make_package(engine: Engine, place: Path) -> Path:
    """Return the folder of a package with all that a package may have."""
    listing = Listing("A7", "s1", "Gu\u0441\u0441i bag, mirror quality", price=40.0, currency="EUR", seller_sales=3.0)
    reasons = (Reason("words.replica", "Says it is a replica", 2.5),)
    enqueue(engine, [ScoredListing(listing, 0.97, 3.4, reasons, (), None, "m/1", model_digest="ab" * 32)])
    for note in ("as the photo shows", "seen again"):
        context = ReviewContext(actions=Enforcement(load_enforcement_policy()))
        with writing(engine) as connection:
            decision = decide(
                connection,
                DecisionRequest(claim(connection, "ana"), Verdict.COUNTERFEIT, "declared_replica", note),
                context=context,
            )
        if decision.decision_id == 1:
            with writing(engine) as connection:
                undo(connection, 1, UndoRequest("ana"), context=context)
    make_key(place / "anchor.pem")
    capture = place / "page.warc"
    head = "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:uuid:0>\r\nWARC-Target-URI: urn:x\r\n"
    head += "WARC-Date: 2026-05-01T12:00:00Z\r\nContent-Type: text/html\r\nContent-Length: 2000\r\n\r\n"
    capture.write_bytes(head.encode() + b"x" * 2000 + b"\r\n\r\n")
    output = PackageOutput(place / "package", "lea", place / "anchor.pem")
    return export_package(engine, 1, output, PackageParts(capture, stamper=make_stamper(place))).path


def make_stamper(place: Path) -> Stamper | None:
    """Return what stamps packages, where openssl is there to do it."""
    if shutil.which("openssl") is None:
        return None
    (place / "authority").mkdir()
    authority = Authority(place / "authority")
    return lambda content: check_stamp(authority.answer(make_request(content)), content, "here", authority.roots)


def flip_bytes(folder: Path, n_flips: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Change one byte at a time; return how many were named, how many of those in files of lines with their line."""
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    names, sizes = list(contents), np.array([len(content) for content in contents.values()])
    named = in_line = with_lines = 0
    missed: Counter[str] = Counter()
    for number in range(n_flips):
        name = str(rng.choice(names, p=sizes / sizes.sum())) if number % 2 else names[number // 2 % len(names)]
        content = bytearray(contents[name])
        place = int(rng.integers(len(content)))
        content[place] ^= int(rng.integers(1, 256))
        (folder / name).write_bytes(content)
        findings = check_package(folder).findings
        (folder / name).write_bytes(contents[name])
        if {finding.file for finding in findings} == {name}:
            named += 1
        else:
            missed[name] += 1
        if name == "data/audit.jsonl" or "manifest-" in name:
            with_lines += 1
            in_line += contents[name][:place].count(b"\n") + 1 in {finding.line for finding in findings}
    for name, number in missed.items():
        print(f"not named: {number} in {name}")
    return named, in_line, with_lines


def forge(folder: Path, n_times: int, rng: np.random.Generator) -> int:
    """Change a byte of the payload and make all manifests fit; return how often it was found all the same."""
    found = 0
    for _ in range(n_times):
        copy = Path(shutil.copytree(folder, folder.with_name("forged")))
        payload = sorted((copy / "data").iterdir())
        path = payload[int(rng.integers(len(payload)))]
        content = bytearray(path.read_bytes())
        content[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        for old in [*copy.glob("*manifest-*.txt"), copy / STAMP]:
            old.unlink(missing_ok=True)
        close_bag(copy, "case:1", datetime.now(UTC))
        found += bool(check_package(copy).findings)
        shutil.rmtree(copy)
    return found


if __name__ == "__main__":
    main()
