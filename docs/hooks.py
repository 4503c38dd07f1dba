"""Hook of MkDocs: makes the pages of the reference from the code, in memory, whenever the site is built.

It also gives each picture its dark version, which Material shows to readers of the dark scheme.
Nothing on a page depends on the day, the machine, the width of a terminal or the version: the same code gives the same
pages.
"""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reference_maker.data_pages import make_columns, make_policies, make_settings, make_tables
from reference_maker.interface_pages import make_commands, make_http_api, make_webhooks

PAGES = {
    "reference/settings.md": make_settings,
    "reference/commands.md": make_commands,
    "reference/columns.md": make_columns,
    "reference/http-api.md": make_http_api,
    "reference/webhooks.md": make_webhooks,
    "reference/tables.md": make_tables,
    "reference/policies.md": make_policies,
}
PICTURE = re.compile(r"(!\[[^\]]*\]\()(\S*pictures/[\w-]+)\.webp\)")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages of the reference to those that MkDocs found in `docs/`."""
    for path, make_page in PAGES.items():
        files.append(File.generated(config, path, content=make_page()))


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the dark version of each picture beside the light one."""
    return PICTURE.sub(r"\1\2.webp#only-light)\1\2-dark.webp#only-dark)", markdown)
