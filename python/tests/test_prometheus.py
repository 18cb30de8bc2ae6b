"""The text file for Prometheus, by the parser of its client library."""

import os
import subprocess

from prometheus_client.parser import text_string_to_metric_families

from fgn_dist._job import program as _program


def test_prometheus_reads_the_state_of_a_run(tmp_path):
    (tmp_path / "run.yaml").write_text("training: {steps: 30, evaluate_every: 0}\ncheckpoint: {every: 10}\n")
    settings = ["--set", "logging.prometheus=run.prom", "--run-directory", 'run "a"']
    subprocess.run(
        [_program.program(), "train", "run.yaml", *settings],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "FGN_RESTARTS": "4"},
    )
    families = list(text_string_to_metric_families((tmp_path / "run.prom").read_text()))
    values = {family.name: family.samples[0].value for family in families}
    assert all(family.samples[0].labels == {"run": 'run "a"'} for family in families)
    assert values["fgn_dist_step"] == values["fgn_dist_checkpoint_step"] == 30
    assert values["fgn_dist_restarts"] == 4
    assert 0 < values["fgn_dist_loss"] < 3 and values["fgn_dist_step_seconds"] > 0
    # The times of files come from a clock that is some milliseconds behind.
    age = (tmp_path / "run.prom").stat().st_mtime - values["fgn_dist_checkpoint_timestamp_seconds"]
    assert -1 < age < 60
