"""Write the pages of `docs/reference/`, and the examples of messages, from the code.

`python docs/make_reference.py` writes; with `--check` it only compares.

Nothing on a page depends on the day, the machine, the width of a terminal or the version, so that the same code gives
the same pages: `tests/test_reference.py` holds it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reference_maker.data_pages import make_columns, make_policies, make_settings, make_tables
from reference_maker.interface_pages import make_commands, make_http_api, make_webhooks
from reference_maker.messages import write_examples

from ipml.storage.message_kinds import EXAMPLES_FILE

FOLDER = Path(__file__).with_name("reference")

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": make_settings,
    "commands.md": make_commands,
    "columns.md": make_columns,
    "http-api.md": make_http_api,
    "webhooks.md": make_webhooks,
    "tables.md": make_tables,
    "policies.md": make_policies,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every page, or with --check name those that are outdated; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is outdated")
    is_check = parser.parse_args(arguments).check
    outdated = []
    pages = {FOLDER / name: make for name, make in PAGES.items()}
    for path, make in ({EXAMPLES_FILE: write_examples} | pages).items():  # the pages show the examples
        page = make()
        if path.exists() and path.read_text("utf-8") == page:
            continue
        outdated.append(path)
        if not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(page, "utf-8")
    for path in outdated:
        print(f"{path.relative_to(FOLDER.parents[1])}: {'outdated' if is_check else 'written'}")
    return 1 if is_check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
