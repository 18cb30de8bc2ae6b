"""From PyTorch and back."""

import numpy
import pytest

from fgn_dist import FGNClassifier

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

LAYERS = [
    [],
    [{"linear": 8}, "tanh", {"residual": ["layer_norm", {"linear": 8}, "gelu"]}, "silu"],
]


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("normalize", ["none", "scale", "standardize"])
def test_logits_are_the_same(blobs, layers, normalize):
    X, y = blobs
    X = X.astype("float32")
    model = FGNClassifier(layers, normalize=normalize, epochs=3, random_state=0).fit(X, y)
    network = model.to_torch()
    logits = network(torch.tensor(X)).detach().numpy()
    expected = torch.tensor(model.predict_log_proba(X))
    numpy.testing.assert_allclose(torch.tensor(logits).log_softmax(1), expected, atol=1e-5)


def test_images():
    generator = numpy.random.default_rng(0)
    X = generator.normal(size=(60, 1, 8, 8)).astype("float32")
    y = (X.mean(axis=(1, 2, 3)) > 0).astype(int)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2))
    model = FGNClassifier.from_torch(network, epochs=5, random_state=0).fit(X, y)
    assert model.layers[0] == {"convolution": {"channels": 4, "kernel": 3, "stride": 1, "padding": 1}}
    logits = model.to_torch()(torch.tensor(X)).detach().numpy()
    numpy.testing.assert_allclose(logits[:, 1] - logits[:, 0], model.decision_function(X), atol=1e-5)


def test_training_begins_with_the_weights(blobs):
    X, y = blobs
    network = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    start = network(torch.tensor(X)).detach().numpy()
    model = FGNClassifier.from_torch(
        network, epochs=1, learning_rate=1e-12, precision="float64", random_state=0, C=numpy.inf
    ).fit(X, y)
    numpy.testing.assert_allclose(model.decision_function(X), start, atol=1e-7)


@pytest.mark.parametrize(
    "part", [nn.Dropout(0.5), nn.Linear(5, 5, bias=False), nn.Conv2d(1, 1, (3, 5)), nn.GELU("tanh"), nn.BatchNorm1d(5)]
)
def test_what_the_program_does_not_have_is_refused(part):
    with pytest.raises(ValueError, match="module 0"):
        FGNClassifier.from_torch(nn.Sequential(part, nn.Linear(5, 3)))


def test_heads_alone_and_heads_without_biases(blobs):
    X, y = blobs
    for head in (nn.Linear(5, 3), nn.Sequential(nn.Linear(5, 3, bias=False)), nn.Linear(5, 3).bfloat16()):
        model = FGNClassifier.from_torch(head, epochs=1, random_state=0).fit(X, y)
        assert model.score(X, y) > 0.5
