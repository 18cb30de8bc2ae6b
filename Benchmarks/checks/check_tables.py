#!/usr/bin/env python3
"""Whether fgn-dist reads tables as Python's csv and pandas read them.

Random small tables, with names that are words, numbers, quoted, doubled or missing, columns in any order, any separator and line
end, are converted by `fgn-dist convert`; what it writes must have the same values, labels and column names as csv and pandas
find in the file, or it must have refused the file with an error that names the line. A table in which no person could tell names
from an example is read with --header yes or no.

    pip install numpy pandas
    swift build -c release
    python Benchmarks/checks/check_tables.py [--files 500] [--seed 0] [--program PATH]
"""

import argparse
import collections
import csv
import io
import pathlib
import random
import subprocess
import tempfile

import numpy as np
import pandas

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".build/release/fgn-dist"
WORDS = ["x", "sepal length", "a,b", 'the "petal"', "ä", "7th", "0x1", "1_0", "ab;c", "-", "k\tv", "label", "Y", "N/A value"]
FAULTS = ["nan label", "empty label", "text", "short row", "long row", "comment", "newline in quotes", "lone return", "index"]


def numbers(kind, draw):
    """The text of a feature."""
    if kind == "integers":
        return str(draw.randrange(-3, 17))
    if kind == "floats":
        return repr(draw.gauss(0, 3))
    return draw.choice(["1e-5", "+2.5", "-0", "1E3", ".5", "7.", "0.1000000000000000055", "123456789012345678", "2e-308"])


def table(draw):
    """Names (None without), rows as text, the column of the labels, and whether anybody can tell which line has names."""
    d = draw.randint(1, 9)
    label = draw.choice([d, d, d, 0, draw.randint(0, d)])
    naming = draw.choice(["words", "count", "count from 1", "all count", "numbers", "twice", "none", "none"])
    names = {
        "words": lambda: draw.sample(WORDS, d),
        "count": lambda: [str(i) for i in range(d)],
        "count from 1": lambda: [str(i) for i in range(1, d + 1)],
        "all count": lambda: [str(i) for i in range(d)],
        "numbers": lambda: [str(draw.randrange(40)) for _ in range(d)],
        "twice": lambda: [draw.choice("uv") for _ in range(d)],
        "none": lambda: None,
    }[naming]()
    if naming == "all count":
        names = [str(i) for i in range(d + 1)]
    elif names is not None:
        names.insert(label, draw.choice(["target", "Class", "kind"]))
    classes = draw.choice([["0", "1", "2"], ["-1", "1"], ["red", "blue, dark", 'a "b"'], ["9007199254740993", "9007199254740992"],
                           ["0.5", "1.5"], ["x1", "7"], ["NA", "ok"]])
    kinds = [draw.choice(["integers", "floats", "odd"]) for _ in range(d + 1)]
    if draw.random() < 0.3:
        kinds = ["integers"] * (d + 1)
    rows = [[draw.choice(classes) if i == label else numbers(kinds[i], draw) for i in range(d + 1)]
            for _ in range(draw.randint(1, 12))]
    return names, rows, label, naming != "numbers"


def render(draw, names, rows, separator, end):
    """The file as some program would write it."""
    quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    for line in ([names] if names else []) + rows:
        writer.writerow(line)
        if draw.random() < 0.05:
            text.write(end)
    result = text.getvalue()
    if draw.random() < 0.3 and result.endswith(end):
        result = result[: -len(end)]
    return ("\ufeff" if draw.random() < 0.1 else "") + result


def spoil(draw, fault, names, rows, label):
    """Makes the table wrong, and tells what the error must say."""
    line = rows[-1]
    feature = draw.choice([i for i in range(len(line)) if i != label])
    if fault == "nan label":
        line[label] = draw.choice(["nan", "inf", "-inf", "NaN"])
    elif fault == "empty label":
        line[label] = ""
    elif fault == "text":
        line[feature] = draw.choice(["three", "1.2.3", "nan", "", "1 2"])
    elif fault == "short row":
        line.pop()
    elif fault == "long row":
        line.append("1")
    elif fault == "comment":
        line[0] = "# " + line[0]
    elif fault == "newline in quotes":
        line[feature] = "1\n2"
    elif fault == "lone return":
        line[label] = "a\rb"
    elif fault == "index":
        names.insert(0, "")
        for number, row in enumerate(rows):
            row.insert(0, str(number))


def read_back(path, has_names, has_quotes):
    """The output of convert: names, values, labels."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    names = lines.pop(0) if has_names else None
    return names, [[float(x) for x in line[:-1]] for line in lines], [line[-1] for line in lines]


def expected(path, separator, has_names, label):
    """What csv finds in the file, and pandas too: names, values and labels, the labels last."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = [line for line in csv.reader(file, delimiter=separator) if line]
    frame = pandas.read_csv(path, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert frame.values.tolist() == lines, "csv and pandas differ"

    def last(line):
        return line[:label] + line[label + 1:] + [line[label]]

    names = last(lines.pop(0)) if has_names else None
    lines = [last(line) for line in lines]
    return names, [[float(x) for x in line[:-1]] for line in lines], [line[-1] for line in lines]


def same_labels(found, wanted):
    """Whether labels are the same ones: of numbers, those that are one number have one name."""
    names = collections.defaultdict(set)
    for a, b in zip(found, wanted, strict=True):
        names[b].add(a)
    return all(len(group) == 1 for group in names.values()) and len(set(found)) == len(set(wanted)) and all(
        a == b for a, b in zip(found, wanted))


def check(draw, folder, program):
    """One table; the result is what happened, and an error is raised for what must not."""
    names, rows, label, can_tell = table(draw)
    separator, end = draw.choice(",,;\t"), draw.choice(["\n", "\n", "\r\n", "\r"])
    fault = draw.choice(FAULTS) if draw.random() < 0.2 else None
    if fault in ("short row", "long row", "comment") and len(rows) < 2 or fault == "index" and not names:
        fault = None
    if fault == "comment" and label == 0 or fault == "lone return" and (end == "\r" or not names):
        fault = None
    # csv writes a newline without quotes where lines end otherwise, so that it ends one.
    if fault == "newline in quotes" and end == "\r":
        fault = None
    if fault:
        spoil(draw, fault, names, rows, label)
    path, output = folder / "t.csv", folder / "o.csv"
    path.write_bytes(render(draw, names, rows, separator, end).encode())
    header = "auto" if can_tell and draw.random() < 0.8 else "yes" if names else "no"
    if fault == "index":
        label += 1
    position = "last" if label == len((names or rows[0])) - 1 else str(label + 1)
    command = [program, "convert", path, "--output", output, "--dtype", "float64", "--label-column", position,
               "--header", header]
    output.unlink(missing_ok=True)
    run = subprocess.run(command, capture_output=True, text=True)
    message = run.stderr.strip()
    if run.returncode:
        assert run.returncode == 65 and message.count("\n") == 0 and "line " in message, f"{run.returncode}: {message}"
        assert not output.exists(), "a refused table has an output"
        if fault:
            return f"refused: {fault}"
        assert header == "auto" and "--header" in message, message
        return "refused: names or an example"
    assert not fault, f"{fault} was read"
    wanted = expected(path, separator, names is not None, label)
    found = read_back(output, names is not None, True)
    assert found[0] == wanted[0], f"names {found[0]}, and not {wanted[0]}"
    assert np.array_equal(np.array(found[1]), np.array(wanted[1])), f"values {found[1]}, and not {wanted[1]}"
    assert same_labels(found[2], wanted[2]), f"labels {found[2]}, and not {wanted[2]}"
    assert f"table:     {'header: names' if names else 'no header'}" in run.stdout, run.stdout
    return f"read, {header}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    arguments = parser.parse_args()
    counts, wrong = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number in range(arguments.files):
            draw = random.Random(arguments.seed * 1_000_003 + number)
            try:
                counts[check(draw, folder, arguments.program)] += 1
            except AssertionError as error:
                wrong += 1
                print(f"file {number}: {error}\n  {(folder / 't.csv').read_bytes()!r}")
                if wrong == 20:
                    break
    for outcome, count in sorted(counts.items()):
        print(f"{count:6}  {outcome}")
    print(f"{wrong:6}  wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
