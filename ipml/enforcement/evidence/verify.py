"""Verifier: checks a package of evidence or a referral, with Python 3.9 or later and nothing else.

python verify.py FOLDER [--key HEX] [--anchor COUNT:HASH] [--name CODE=LOGIN]

It names every file, and if possible every line, that differs from the package as made; the exit code is 1 then. Take
it from elsewhere than the package, because a forged package may contain a forged program. Notes state the limits of
the check. All code is in this file, so that a recipient can read it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import stat
import sys
from pathlib import Path
from typing import Any, NamedTuple

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
AUDIT, EXPORT, ANCHOR, STAMP = "data/audit.jsonl", "data/export.json", "data/anchor.json", "timestamp.tsr"
STAMPED = "tagmanifest-sha256.txt"
ROW = ("sequence", "at", "actor", "action", "subject", "payload", "previous", "hash")
_MANIFEST_LINE = re.compile(r"([0-9a-f]{64,128})  ([A-Za-z0-9][A-Za-z0-9._/-]*)")
_LARGEST_TEXT = 64 * 2**20


class Finding(NamedTuple):
    """A problem, with its file and, if known, its line (from 1)."""

    file: str
    line: int | None
    what: str

    def __str__(self) -> str:
        return _plain(f"{self.file}{f', line {self.line}' if self.line else ''}: {self.what}")


class Report(NamedTuple):
    """All problems, none for an intact package, and notes on the limits of the check."""

    findings: list[Finding]
    notes: list[str]


def check_package(
    folder: Path, key: str | None = None, anchors: tuple[str, ...] = (), names: dict[str, str] | None = None
) -> Report:
    """Check a package in a folder.

    `key` is the public key, in hexadecimal, that must have signed the anchor; `anchors` are anchors kept elsewhere, as
    COUNT:HASH; `names` maps codes of withheld people to login names.
    """
    return _Package(folder).check(key, anchors, names or {})


class _Package:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.files = self._list_files()

    def check(self, key: str | None, anchors: tuple[str, ...], names: dict[str, str]) -> Report:
        self._check_form()
        tags = [name for name in self.files if not name.startswith("data/")]
        self._check_manifests("manifest-", [name for name in self.files if name.startswith("data/")])
        self._check_manifests("tagmanifest-", [name for name in tags if not name.startswith("tagmanifest-")])
        rows, export = self._read_rows(names), self._read_export()
        if export is not None:
            self._check_export(rows, export)
        self._check_evidence(rows)
        self._check_anchor(export, key, anchors)
        self._check_stamp()
        return Report(sorted(set(self.findings), key=lambda finding: (finding.file, finding.line or 0)), self.notes)

    # Files and manifests

    def _list_files(self) -> list[str]:
        files = []
        for path in self.folder.rglob("*"):
            name, mode = path.relative_to(self.folder).as_posix(), path.lstat().st_mode
            if stat.S_ISREG(mode):
                files.append(name)
            elif not stat.S_ISDIR(mode):
                self._find(name, "was added; it is no plain file")
        return sorted(files)

    def _check_form(self) -> None:
        if "bagit.txt" in self.files and self._read("bagit.txt") != BAGIT:
            lines, expected = self._read("bagit.txt").split(b"\n"), BAGIT.split(b"\n")
            at = [number for number, line in enumerate(expected, 1) if lines[number - 1 : number] != [line]]
            self._find("bagit.txt", "was changed", at[0] if at else len(expected))
        is_stamped = STAMP in self.files or "tagmanifest-sha384.txt" in self.files
        stamped = (STAMP, "tagmanifest-sha384.txt") if is_stamped else ()
        needed = {
            "bagit.txt",
            "manifest-sha256.txt",
            "manifest-sha512.txt",
            STAMPED,
            "tagmanifest-sha512.txt",
            *stamped,
        }
        for name in needed - set(self.files):
            self._find(name, "is missing")
        for name in self.files:
            if name.startswith(("manifest-", "tagmanifest-")) and name not in needed:
                self._find(name, "was added; no package has it")

    def _check_manifests(self, kind: str, names: list[str]) -> None:
        """Compare files with the manifests of a kind; a file that all contradict was changed, else they were."""
        algorithms = [
            algorithm for algorithm in ("sha256", "sha384", "sha512") if f"{kind}{algorithm}.txt" in self.files
        ]
        manifests = {algorithm: self._read_manifest(f"{kind}{algorithm}.txt", algorithm) for algorithm in algorithms}
        for name in sorted({*names, *(name for manifest in manifests.values() for name in manifest)}):
            able = [algorithm for algorithm in algorithms if (name, f"{kind}{algorithm}.txt") != (STAMP, STAMPED)]
            naming = [algorithm for algorithm in able if name in manifests[algorithm]]
            digests = self._digests(name, naming) if name in names else {}
            wrong = [algorithm for algorithm in naming if digests.get(algorithm) != manifests[algorithm][name][0]]
            if name in names and not naming:
                self._find(name, "was added; no manifest names it")
            elif name in names:
                self._blame(kind, name, {algorithm: manifests[algorithm][name][1] for algorithm in wrong}, len(naming))
                for algorithm in able:
                    if algorithm not in naming:
                        self._find(f"{kind}{algorithm}.txt", f"does not name {name}")
            elif 2 * len(naming) > len(able):
                self._find(name, "is missing")
            else:
                for algorithm in naming:
                    self._find(
                        f"{kind}{algorithm}.txt", "was changed: there is no such file", manifests[algorithm][name][1]
                    )

    def _blame(self, kind: str, name: str, wrong: dict[str, int], n_naming: int) -> None:
        if wrong and len(wrong) == n_naming:
            self._find(name, "was changed")
        else:
            for algorithm, line in wrong.items():
                self._find(f"{kind}{algorithm}.txt", "was changed", line)

    def _read_manifest(self, manifest: str, algorithm: str) -> dict[str, tuple[str, int]]:
        entries: dict[str, tuple[str, int]] = {}
        lines, before = self._read(manifest).decode("latin-1").split("\n"), ""
        if lines.pop() != "":
            self._find(manifest, "was changed: its last line does not end", len(lines) + 1)
        for number, line in enumerate(lines, 1):
            parsed = _MANIFEST_LINE.fullmatch(line)
            if parsed is None or len(parsed[1]) != hashlib.new(algorithm).digest_size * 2:
                self._find(manifest, "was changed: no digest and name", number)
                continue
            if parsed[2] <= before:
                self._find(manifest, "was changed: the names are not in order", number)
            entries[parsed[2]] = parsed[1], number
            before = max(before, parsed[2])
        return entries

    def _digests(self, name: str, algorithms: list[str]) -> dict[str, str]:
        hashes = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
        with (self.folder / name).open("rb") as stream:
            while block := stream.read(2**20):
                for each in hashes.values():
                    each.update(block)
        return {algorithm: each.hexdigest() for algorithm, each in hashes.items()}

    # Content of the files

    def _read_rows(self, names: dict[str, str]) -> list[dict[str, Any]]:
        """Return the rows of the audit trail after checking each row and their sequence."""
        if AUDIT not in self.files:
            return []
        lines, rows = self._read(AUDIT).split(b"\n"), []
        before: dict[str, Any] | None = None
        if lines.pop() != b"":
            self._find(AUDIT, "was changed: its last line does not end", len(lines) + 1)
        for number, line in enumerate(lines, 1):
            content = _parse(line)
            is_spelt = _canonical(content) == line
            row: dict[str, Any] = {name: content.get(name) for name in ROW}
            if content.pop("check", None) != _sha256(_canonical(content)) or not (is_spelt and _is_row(row)):
                self._find(AUDIT, "was changed", number)
                before = None
                continue
            self._check_row(row, bool(content.get("withheld")), names, number)
            after: int = before["sequence"] if before else 0
            if before and row["sequence"] <= after:
                self._find(AUDIT, f"is out of order: row {row['sequence']} after row {after}", number)
            elif content.get("after") != after and (before or number == 1):
                self._find(AUDIT, f"does not follow the line before it: row {content.get('after')} is missing", number)
            elif before and row["sequence"] == after + 1 and row["previous"] != before["hash"]:
                self._find(AUDIT, "does not follow the row before it", number)
            before = row
            rows.append(row)
        return rows

    def _check_row(self, row: dict[str, Any], is_withheld: bool, names: dict[str, str], number: int) -> None:
        """Recompute the hash of a row, unless it contains an unknown withheld name."""
        actor = names.get(row["actor"]) if is_withheld else row["actor"]
        if actor is None:
            self._note("rows by persons hold a name that is withheld; if you know it, check them with --name")
        elif _hash_row({**row, "actor": actor}) != row["hash"]:
            self._find(AUDIT, "was changed" if actor == row["actor"] else "is not by the person named", number)

    def _read_export(self) -> dict[str, Any] | None:
        if EXPORT not in self.files:
            return None
        row = _parse(self._read(EXPORT)[:-1])
        payload = _parse(str(row.get("payload")))
        spelt = _canonical(row) + b"\n" == self._read(EXPORT)
        if not (spelt and tuple(sorted(row)) == tuple(sorted(ROW)) and _is_row(row) and _hash_row(row) == row["hash"]):
            self._find(EXPORT, "was changed", 1)
            return None
        return {**row, "payload": payload}

    def _check_export(self, rows: list[dict[str, Any]], export: dict[str, Any]) -> None:
        """Compare the payload with its digest in the audit row."""
        recorded, last = export["payload"], rows[-1]["sequence"] if rows else 0
        has_bad_line = any(finding.file == AUDIT and finding.line for finding in self.findings)
        if not has_bad_line and recorded.get("last") != last:
            self._find(AUDIT, f"ends with row {last}; row {recorded.get('last')} is missing")
        elif not has_bad_line and recorded.get("rows") != len(rows):
            self._find(AUDIT, f"has {len(rows)} lines; expected {recorded.get('rows')}")
        elif not any(finding.file.startswith("data/") for finding in self.findings):
            payload = [name for name in self.files if name.startswith("data/") and name not in (EXPORT, ANCHOR)]
            lines = [f"{self._digests(name, ['sha256'])['sha256']}  {name}\n" for name in sorted(payload)]
            if _sha256("".join(lines).encode("utf-8", "surrogatepass")) != recorded.get("content"):
                self._find(EXPORT, "the payload is not the one that the audit trail says was exported")

    def _check_evidence(self, rows: list[dict[str, Any]]) -> None:
        kept = {row["subject"]: _parse(row["payload"]) for row in rows if row["action"] == "evidence kept"}
        decided = [_parse(row["payload"]) for row in rows if row["action"] == "decided"]
        for name in [name for name in self.files if name.startswith("data/evidence-") and not self._is_blamed(name)]:
            text = self._read(name)
            content = _parse(text)
            row = kept.pop(f"evidence:{int(re.sub('[^0-9]', '', name) or 0)}", None)
            if _canonical(content) != text:
                self._find(name, "is not in its only spelling", 1)
            elif self._is_blamed(AUDIT):
                continue
            elif row is None:
                self._find(name, "was added: the audit trail has no row of it")
            elif row.get("digest") != _sha256(text):
                self._find(name, "is not what the audit trail says was kept")
            elif not any(_fits(content, decision) for decision in decided):
                self._find(AUDIT, f"no row records the decision in {name}")
        erased = {row["subject"] for row in rows if row["action"] == "erased"}
        for subject, recorded in {} if self._is_blamed(AUDIT) else kept.items():
            is_erased = f"case:{recorded.get('case')}" in erased
            why = "cannot be read any more: its seller was erased" if is_erased else "is not in this package"
            self._note(f"the text of {subject} {why}; the digest is left")

    # Anchor, signature and time stamp

    def _check_anchor(self, export: dict[str, Any] | None, key: str | None, anchors: tuple[str, ...]) -> None:
        if ANCHOR not in self.files or self._is_blamed(ANCHOR):
            return
        anchor = _parse(self._read(ANCHOR))
        place = f"{anchor.get('count')}:{anchor.get('head')}"
        if export and not self._is_blamed(EXPORT) and place != f"{export['sequence']}:{export['hash']}":
            self._find(ANCHOR, "is not of the row in export.json", 1)
        self._check_signature(anchor, key)
        outside = [published for published in anchors if published.split(":")[0] == place.split(":")[0]]
        for published in outside:
            if published != place:
                self._find(ANCHOR, f"is not the anchor that was kept outside ({published})", 1)
        if outside:
            self._note("the anchor is the one that was kept outside: nothing was changed since")
        elif anchors:
            self._note("the anchors given are of other rows; the holder of the audit trail can check them against it")
        elif not key:
            self._note(
                "against one who wrote the whole package anew, this holds only with the public key of the platform "
                f"(--key), a time stamp, or the anchor as published when the package was made: is it {place}?"
            )

    def _check_signature(self, anchor: dict[str, Any], key: str | None) -> None:
        enclosed, signature = str(anchor.get("key") or ""), str(anchor.get("signature") or "")
        fields = (anchor.get("format"), anchor.get("count"), anchor.get("head"), anchor.get("first"), anchor.get("at"))
        message = "".join(f"{field}\n" for field in fields).encode("utf-8", "surrogatepass")
        if not signature:
            self._find(ANCHOR, "is not signed", 1) if key else self._note("the anchor is not signed")
        elif key and enclosed.lower() != key.lower():
            self._find(ANCHOR, "is signed with another key than the one given", 1)
        elif not is_signed(enclosed, signature, message):
            self._find(ANCHOR, "its signature does not fit", 1)
        else:
            whose = "the key given" if key else f"the key enclosed, {enclosed}: compare it with the platform's"
            self._note(f"the anchor is signed with {whose}")

    def _check_stamp(self) -> None:
        if STAMP not in self.files or self._is_blamed(STAMP) or self._is_blamed(STAMPED):
            return
        if hashlib.sha256(self._read(STAMPED)).digest() not in self._read(STAMP):
            self._find(STAMP, f"does not stamp {STAMPED}")
        else:
            self._note(
                f"{STAMP} is of this package; whose it is, and the time in it: "
                f"openssl ts -verify -data {STAMPED} -in {STAMP} -CAfile ROOTS.pem"
            )

    def _read(self, name: str) -> bytes:
        with (self.folder / name).open("rb") as stream:
            content = stream.read(_LARGEST_TEXT + 1)
        if len(content) > _LARGEST_TEXT:
            self._find(name, "was changed: it is too large")
            return b""
        return content

    def _find(self, file: str, what: str, line: int | None = None) -> None:
        self.findings.append(Finding(file, line, what))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _is_blamed(self, name: str) -> bool:
        return any(finding.file == name for finding in self.findings)


def _plain(text: str) -> str:
    """Return a text without characters that control a terminal."""
    return "".join(letter if " " <= letter <= "~" else ascii(letter)[1:-1] for letter in text)


def _parse(text: bytes | str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode("ascii")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_row(row: dict[str, Any]) -> bool:
    numbers = all(type(row.get(name)) is int for name in ROW[:2])
    return numbers and all(isinstance(row.get(name), str) for name in ROW[2:])


def _hash_row(row: dict[str, Any]) -> str:
    return _sha256(json.dumps([row[name] for name in ROW[:-1]], separators=(",", ":")).encode("ascii"))


def _fits(content: dict[str, Any], decided: dict[str, Any]) -> bool:
    try:
        decision, case = content["decision"], content["case"]
        expected = (decision["decision_id"], decision["verdict"], decision["ground"], case["snapshot"])
        notes = _sha256(decision["note"].encode("utf-8", "surrogatepass")), decision["note_digest"]
    except (KeyError, TypeError, AttributeError):
        return False
    recorded = (decided.get("decision"), decided.get("verdict"), decided.get("ground"), decided.get("snapshot"))
    return recorded == expected and set(notes) == {decided.get("note")}


# Ed25519 as in RFC 8032, section 6, to check signatures only: slow and plain.

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_Point = tuple[int, int, int, int]


def _add(point: _Point, other: _Point) -> _Point:
    a, b = (point[1] - point[0]) * (other[1] - other[0]) % _P, (point[1] + point[0]) * (other[1] + other[0]) % _P
    c, d = 2 * point[3] * other[3] * _D % _P, 2 * point[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: _Point) -> _Point:
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _add(total, point)
        point, number = _add(point, point), number >> 1
    return total


def _find_point(encoded: bytes) -> _Point | None:
    y, sign = int.from_bytes(encoded, "little") & ~(1 << 255), encoded[31] >> 7
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def is_signed(key: str, signature: str, message: bytes) -> bool:
    """Return whether a message was signed (Ed25519) with the secret key of a public key; both given in hexadecimal."""
    try:
        public, signed = bytes.fromhex(key), bytes.fromhex(signature)
    except ValueError:
        return False
    if (len(public), len(signed)) != (32, 64):
        return False
    holder, r, s = _find_point(public), _find_point(signed[:32]), int.from_bytes(signed[32:], "little")
    base = _find_point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
    if holder is None or r is None or base is None or s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(signed[:32] + public + message).digest(), "little") % _L
    left, right = _times(s, base), _add(r, _times(h, holder))
    return not ((left[0] * right[2] - right[0] * left[2]) % _P or (left[1] * right[2] - right[1] * left[2]) % _P)


def main(arguments: list[str] | None = None) -> int:
    """Check the package named on the command line, and print the result."""
    parser = argparse.ArgumentParser(description="Check a package of evidence.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", help="public key that the anchor must be signed with, in hexadecimal")
    parser.add_argument("--anchor", action="append", default=[], help="an anchor kept outside, as COUNT:HASH")
    parser.add_argument("--name", action="append", default=[], help="PERSON=LOGIN, for names that are withheld")
    given = parser.parse_args(arguments)
    names = dict(pair.split("=", 1) for pair in given.name if "=" in pair)
    try:
        report = check_package(given.folder, given.key, tuple(given.anchor), names)
    except OSError as error:
        print(_plain(f"cannot be read: {error}"))
        return 2
    for finding in report.findings:
        print(f"problem  {finding}")
    for note in report.notes:
        print(f"note     {_plain(note)}")
    print("The package is NOT as it was made." if report.findings else "The package is whole.")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
