#!/usr/bin/env python3
"""Manual pages from what the argument parser says of itself: one for fgn-dist, and one for each subcommand.

  fgn-dist --experimental-dump-help | manual.py FOLDER VERSION

The parser's own plugin would build the program a second time, with the tests' options.
"""

import datetime
import json
import os
import pathlib
import sys

PROGRAM = "fgn-dist"


def escaped(text: str) -> str:
    """Text as roff takes it literally: no escapes in it, and no line that is a request."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    text = text.replace("^", r"\(ha").replace("~", r"\(ti")
    return "\n".join(r"\&" + line if line.startswith(".") else line for line in text.splitlines())


def paragraphs(text: str) -> str:
    return "\n.PP\n".join(escaped(part) for part in text.split("\n\n"))


def names(argument: dict) -> list[str]:
    dashes = {"short": "-", "long": "--", "longWithSingleDash": "-"}
    return [dashes[name["kind"]] + name["name"] for name in argument.get("names", [])]


def bold(text: str) -> str:
    return rf"\fB{escaped(text)}\fR"


def italic(text: str) -> str:
    return rf"\fI{escaped(text)}\fR"


def usage(command: list[str], arguments: list[dict]) -> str:
    words = [bold(" ".join(command))]
    for argument in arguments:
        if argument["kind"] != "positional":
            continue
        word = italic(argument["valueName"]) + (" ..." if argument["isRepeating"] else "")
        words.append(f"[{word}]" if argument["isOptional"] else word)
    required = [a for a in arguments if a["kind"] == "option" and not a["isOptional"]]
    words += [f"{bold(names(a)[0])} {italic(a['valueName'])}" for a in required]
    return " ".join([*words, rf"[{italic('options')}]"])


def entry(argument: dict) -> str:
    value = "" if argument["kind"] != "option" else " " + italic(argument["valueName"])
    heads = [bold(name) + value for name in names(argument)] or [italic(argument["valueName"])]
    text = argument.get("abstract", "")
    default = argument.get("defaultValue")
    if default is not None and "(default" not in text:
        text += f" (default: {default})"
    return "\n".join([".TP", ", ".join(heads), escaped(text)])


def page(command: list[str], told: dict, version: str, date: str) -> str:
    name = "-".join(command)
    arguments = [a for a in told.get("arguments", []) if a["shouldDisplay"]]
    subcommands = [s for s in told.get("subcommands", []) if s["commandName"] != "help" and s["shouldDisplay"]]
    abstract = told["abstract"].rstrip(".")
    lines = [
        f'.TH "{escaped(name.upper())}" 1 "{date}" "{PROGRAM} {version}" "User Commands"',
        # Words are as long as file names and keys: neither broken nor stretched.
        ".nh",
        ".ad l",
        ".SH NAME",
        rf"{escaped(name)} \- {escaped(abstract[0].lower() + abstract[1:])}",
        ".SH SYNOPSIS",
    ]
    if subcommands:
        lines += [rf"{bold(PROGRAM)} {italic('subcommand')} [{italic('options')}]", ".br"]
        lines += [rf"\fBmpirun\fR \fB\-np\fR \fIN\fR {bold(PROGRAM)} {italic('subcommand')} [{italic('options')}]"]
    else:
        lines += [usage(command, arguments)]
    if told.get("discussion"):
        lines += [".SH DESCRIPTION", paragraphs(told["discussion"])]
    for title, kinds in (("ARGUMENTS", ("positional",)), ("OPTIONS", ("option", "flag"))):
        chosen = [entry(a) for a in arguments if a["kind"] in kinds]
        if chosen:
            lines += [f".SH {title}", *chosen]
    if subcommands:
        lines.append(".SH SUBCOMMANDS")
        for subcommand in subcommands:
            page_name = f"{name}-{subcommand['commandName']}"
            lines += [".TP", bold(subcommand["commandName"])]
            lines += [f"{escaped(subcommand['abstract'])} See {bold(page_name)}(1)."]
    others = [] if subcommands else [PROGRAM]
    lines += [".SH SEE ALSO"]
    lines += [", ".join([f"{bold(other)}(1)" for other in [*others, "mpirun"]]) + "."]
    lines += [f"The keys of configurations and the rest of the documentation are in the folder {italic('share/doc/fgn-dist')}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or datetime.datetime.now().timestamp()
    date = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d")
    told = json.load(sys.stdin)["command"]
    folder.mkdir(parents=True, exist_ok=True)
    for command in [told, *told["subcommands"]]:
        if command["commandName"] == "help" or not command["shouldDisplay"]:
            continue
        words = [PROGRAM] if command is told else [PROGRAM, command["commandName"]]
        (folder / f"{'-'.join(words)}.1").write_text(page(words, command, version, date), encoding="utf-8")


main()
