#!/usr/bin/env python3
"""Two small data sets: the UCI letters as a table, and Fashion-MNIST on 14 x 14 pixels.

Fetches Debian's `r-cran-mlbench` (the letters; GPL-2) and `dataset-fashion-mnist` (MIT) with apt-get,
and installs neither.

    pip install numpy pandas pyreadr
    python Benchmarks/preparation/prepare_small.py data

Writes letters/{train,test}.csv (16000 + 4000 rows of 16 features from 0 to 15, with the letter in the
first column) and fashion14/{train,test}-{features,labels}.npy (200 + 50 images a class, each pixel the mean of
four, 0 to 255).
"""

import argparse
import gzip
import pathlib
import subprocess
import tempfile

import numpy as np
import pyreadr


def unpack(package, folder):
    """The unpacked files of a Debian package, which need no root."""
    # apt-get drops its privileges for downloads, and then could not write here.
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", package]
    subprocess.run(command, cwd=folder, check=True)
    (archive,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / package], check=True)
    return folder / package


def write_letters(package, folder):
    path = package / "usr/lib/R/site-library/mlbench/data/LetterRecognition.rda"
    (table,) = pyreadr.read_r(path).values()
    numbers = table.columns[1:]
    table[numbers] = table[numbers].astype(int)
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in ("train", table[:16000]), ("test", table[16000:]):
        rows.to_csv(folder / f"{part}.csv", index=False)
        print(f"letters {part}: {len(rows)} rows of {len(numbers)} features")


def write_fashion(package, folder):
    source = package / "usr/share/datasets/fashion-mnist"
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, prefix, each in ("train", "train", 200), ("test", "t10k", 50):
        with gzip.open(source / f"{prefix}-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 14, 2, 14, 2)
        with gzip.open(source / f"{prefix}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read(), np.uint8, offset=8)
        rows = np.concatenate([np.flatnonzero(labels == label)[:each] for label in range(10)])
        rows = generator.permutation(rows)
        images = np.rint(pixels[rows].mean((2, 4))).astype(np.uint8)
        np.save(folder / f"{part}-features.npy", images)
        np.save(folder / f"{part}-labels.npy", labels[rows])
        print(f"fashion14 {part}: {len(rows)} images of 14 x 14 pixels")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="where the folders of the sets go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_letters(unpack("r-cran-mlbench", folder), arguments.folder / "letters")
        write_fashion(unpack("dataset-fashion-mnist", folder), arguments.folder / "fashion14")


if __name__ == "__main__":
    main()
