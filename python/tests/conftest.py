"""What tests share: small sets, and a look at what is left behind."""

import glob
import os

import numpy
import pytest


@pytest.fixture
def blobs():
    """X (300 × 5) and y of three classes that overlap."""
    generator = numpy.random.default_rng(0)
    centers = generator.normal(size=(3, 5)) * 1.5
    y = generator.integers(3, size=300)
    return centers[y] + generator.normal(size=(300, 5)), y


@pytest.fixture(autouse=True)
def nothing_left():
    """No test leaves a folder of its hand-over behind."""
    yield
    assert not glob.glob(f"/dev/shm/fgn-dist-{os.getpid()}-*")
