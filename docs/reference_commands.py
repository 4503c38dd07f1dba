"""The page on commands, from what Typer knows of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from reference_text import (
    as_code,
    as_sentence,
    escape_html,
    link,
    name_type,
    show_default,
    write_code,
    write_page,
    write_table,
)
from typer.main import get_command

from ipml.cli import app as commands


def walk_commands() -> Iterator[tuple[str, Any]]:
    """Give every group and command with its whole name, such as "ipml admin user add", a group before its commands."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for part, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from walk(f"{name} {part}", inner)

    return walk("ipml", get_command(commands))


def make_commands() -> str:
    """Return the page of commands."""
    every = list(walk_commands())[1:]
    groups = [(name, command) for name, command in every if hasattr(command, "commands")]
    single = [(name, command) for name, command in every if name.count(" ") == 1 and (name, command) not in groups]
    rows = [(link(name), _summarise(command)) for name, command in single]
    parts = [
        "`ipml COMMAND --help` shows the same in the terminal. Exit codes: 0 done, 1 a check found something, 2 a "
        "mistake in what was given or a lack of the machine, told in one line on standard error.",
        write_table(("Command", "What it does"), rows),
        write_table(("Group", "What it is for"), [(link(name), _summarise(command)) for name, command in groups]),
    ]
    for name, command in [*single, *(one for one in every if one not in single)]:
        level = "##" if hasattr(command, "commands") or name.count(" ") == 1 else "###"
        parts += [f"{level} {name}", *_describe_command(name, command)]
    about = "Every command of `ipml`: usage, arguments, options with their defaults, and an example."
    return write_page("Commands", about, parts)


def _summarise(command: Any) -> str:
    return escape_html((inspect.cleandoc(command.help or "")).split("\n\n")[0])


def _describe_command(name: str, command: Any) -> Iterator[str]:
    told, _, example = inspect.cleandoc(command.help or "").partition("Example:")
    yield _unwrap(told)
    if hasattr(command, "commands"):
        inner = [(f"{name} {part}", one) for part, one in command.commands.items() if not one.hidden]
        yield write_table(("Command", "What it does"), [(link(part), _summarise(one)) for part, one in inner])
        return
    hints = get_type_hints(inspect.unwrap(command.callback)) if command.callback else {}
    shown = [one for one in command.params if not one.hidden]
    arguments = [one for one in shown if not one.opts[0].startswith("-")]
    options = [one for one in shown if one not in arguments and one.name != "help"]
    yield write_code(" ".join([name, *map(_show_argument, arguments), *(["[OPTIONS]"] if options else [])]))
    told_arguments = [(as_code(_name_value(one)), name_type(hints.get(one.name, str)), _tell(one)) for one in arguments]
    yield write_table(("Argument", "Type", "Meaning"), told_arguments)
    told_options = [_describe_option(one, hints.get(one.name, str)) for one in options]
    yield write_table(("Option", "Type", "Default", "Meaning"), told_options)
    shown_example = re.sub(r",? or (?=ipml )", "\n", inspect.cleandoc(example))
    yield f"Example:\n\n{write_code(shown_example, 'console')}" if example else ""


def _unwrap(text: str) -> str:
    """Return a help text with each paragraph on one line, and code as it is."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    paragraphs = [[part] if part.startswith("```") else part.split("\n\n") for part in parts]
    return "\n\n".join(
        part if part.startswith("```") else escape_html(" ".join(part.split()))
        for part in (part.strip() for some in paragraphs for part in some)
        if part
    )


def _name_value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).strip("[]").removesuffix("...")


def _show_argument(parameter: Any) -> str:
    shown = _name_value(parameter) + ("..." if parameter.nargs != 1 else "")
    return shown if parameter.required else f"[{shown}]"


def _tell(parameter: Any) -> str:
    bounds = [f"at least {parameter.min}"] if getattr(parameter, "min", None) is not None else []
    bounds += [f"at most {parameter.max}"] if getattr(parameter, "max", None) is not None else []
    told = as_sentence(parameter.help or "")
    return f"{told} {as_sentence(' and '.join(bounds))}".strip()


def _describe_option(parameter: Any, hint: Any) -> tuple[str, ...]:
    is_flag = hint is bool
    value = f" {parameter.metavar}" if parameter.metavar and not is_flag else ""
    names = ", ".join(as_code(f"{name}{value}") for name in (*parameter.opts, *parameter.secondary_opts))
    told = _tell(parameter)
    if parameter.required:
        told = f"Required. {told}"
    elif parameter.multiple and "several times" not in told and "repeated" not in told:
        told = f"{told} May be given several times."
    default = (
        "" if parameter.required or (is_flag and not parameter.secondary_opts) else show_default(parameter.default)
    )
    return names, "flag" if is_flag else name_type(hint), default, told
