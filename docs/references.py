"""`make references`: writes docs/settings.md from .env.example and docs/commands.md from what each command says of itself."""

import argparse
import re
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {"integrations": "integrations/management/commands", "kartra_mirror": "kartra_mirror/management/commands"}
LINE = re.compile(r"^#?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")


def settings_page() -> str:
    """Every setting of .env.example with the value that stands there and what is said of it."""
    rows, said = [], []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if found := LINE.match(line):
            value = f"`{found['value']}`" if found["value"] else ""
            rows.append(f"| `{found['name']}` | {value} | {_cell(' '.join(said))} |")
            said = []
        elif line.startswith("#"):
            said.append(line.removeprefix("#").strip())
        else:
            said = []
    return "\n".join(
        [
            "# Settings",
            "",
            "From the environment, or from `.env`. Written by `make references` from [.env.example](../.env.example); a line",
            "that says nothing of itself belongs to the one above.",
            "",
            "| setting | example or default | what it is |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def commands_page() -> str:
    """What `--help` of each command of ours says, but for what all of Django's have."""
    parts = [
        "# Commands",
        "",
        "`.venv/bin/python manage.py NAME`. Each ends with 0, with 1 when it failed, and with 2 when it was used wrongly. Written by",
        "`make references` from what the commands say of themselves.",
    ]
    for app, folder in COMMANDS.items():
        for path in sorted((ROOT / folder).glob("[a-z]*.py")):
            command = import_module(f"{app}.management.commands.{path.stem}").Command()
            parts += ["", f"## {path.stem}", "", _cell(command.help), "", "```", *_usage(command, path.stem), "```"]
    return "\n".join([*parts, ""])


def _usage(command: object, name: str) -> list[str]:
    parser = command.create_parser("manage.py", name)  # type: ignore[attr-defined]
    stock = {"--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color"}
    stock |= {"--skip-checks", "--help", "-h"}
    lines = []
    for action in parser._actions:
        if stock & set(action.option_strings) or action.help == argparse.SUPPRESS:
            continue
        what = ", ".join(action.option_strings) or action.metavar or action.dest
        if action.option_strings and action.nargs != 0:
            what += f" {action.metavar or action.dest.upper()}"
        lines.append(f"{what}{'  ' if action.help else ''}{_cell(str(action.help or '') % _places(action))}".rstrip())
    return lines or ["(nothing to choose)"]


def _places(action: argparse.Action) -> dict[str, object]:
    return {"default": action.default, "prog": "", "choices": ", ".join(map(str, action.choices or []))}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"settings.md": settings_page, "commands.md": commands_page}


def main(arguments: list[str]) -> int:
    """With `--check` nothing is written: 1 where a page is not what it would be now."""
    sys.path.insert(0, str(ROOT))
    import_module("django").setup()
    old = []
    for name, page in PAGES.items():
        path = ROOT / "docs" / name
        if "--check" not in arguments:
            path.write_text(page())
        elif not path.exists() or path.read_text() != page():
            old.append(name)
    if old:
        print(f"docs/{', docs/'.join(old)}: not what settings and commands say now. Run `make references`.")
    return 1 if old else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
