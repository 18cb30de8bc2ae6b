"""The examples of the documentation run, and the notebook too."""

import pathlib
import re
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[1]
PAGES = [FOLDER / "README.md", *sorted((FOLDER / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples(page, tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for name in set(re.findall(r"^(?:import|from) (torch|sklearn|pyarrow|pandas)\b", "\n".join(blocks), re.MULTILINE)):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    scope: dict = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, str(page), "exec"), scope)


def test_notebook(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("matplotlib")
    notebook = nbformat.read(FOLDER / "docs" / "tour.ipynb", as_version=4)
    # The kernel of this interpreter, whatever is installed elsewhere.
    from jupyter_client import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    nbclient.NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = str(notebook)
    assert "accuracy" in text and "image/png" in text


def test_every_parameter_is_described():
    from fgn_dist import FGNClassifier, FGNClassifierCV

    for kind in (FGNClassifier, FGNClassifierCV):
        described = FGNClassifier.__doc__ + kind.__doc__
        for name in kind().get_params():
            assert re.search(rf"(?:^    |, ){name}(?:$|,)", described, re.MULTILINE), f"{kind.__name__}: {name}"
