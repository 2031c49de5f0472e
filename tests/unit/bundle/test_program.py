"""The network as a program of torch.export."""

import json

import numpy as np
import pytest
import torch

import gesturelab
from gesturelab.bundle import program
from gesturelab.cli.main import main


def once(export):
    """Exporting takes seconds: the second time gives what the first time gave."""
    kept = []

    def same(*given, **named):
        kept[:] = kept or [export(*given, **named)]
        return kept[0]

    return same


def test_the_program_gives_the_answers_of_the_model_and_says_what_it_is(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.export, "export", once(torch.export.export))
    path = tmp_path / "model.pt2"
    assert main(["export", str(trained_run.path), "--format", "torch", "-o", str(path)]) == 0
    assert "checked on the windows of" in capsys.readouterr().out
    model = gesturelab.load(trained_run.path)
    extra = {"bundle.json": ""}
    loaded = torch.export.load(path, extra_files=extra).module()
    windows = torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, (5, 32, 25, 3)).astype(np.float32))
    assert loaded(windows).detach().numpy() == pytest.approx(model.probabilities(windows), abs=1e-6)
    assert json.loads(extra["bundle.json"]) == model.contents.to_plain()
    monkeypatch.setattr(program, "WITHIN", -1.0)
    assert main(["export", str(trained_run.path), "--format", "torch", "-o", str(tmp_path / "other.pt2")]) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "other.pt2").exists()
