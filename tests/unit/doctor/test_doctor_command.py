"""``gesturelab doctor`` on this machine, which has a CPU."""

import json
import os
import subprocess
import sys

import pytest
import torch

from gesturelab.cli.doctor import run
from gesturelab.errors import ConfigError

QUICK = ["trainer.batch_size=4", "window.length_frames=4"]


def test_this_machine_as_json(tmp_path, tmp_path_factory, monkeypatch, capsys):
    """With a size of the user's own, and a device that this torch cannot use, which is a failure.

    tests/integration/test_readme.py runs the same without failure, for people.
    """
    if torch.version.hip is not None:
        pytest.skip("this torch can use AMD GPUs")
    monkeypatch.chdir(tmp_path)
    trap = tmp_path_factory.mktemp("trap")
    (trap / "lightning.py").write_text("import pathlib\npathlib.Path(__file__).with_name('imported').touch()")
    monkeypatch.setenv("PYTHONPATH", f"{trap}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "slim.yaml").write_text("defaults: [tiny, _self_]\nname: slim\nhidden: 8\n")
    assert run(["trainer=rocm", *QUICK, "--config-dir", "mine", "model=slim", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "failure"
    names = {finding["name"]: finding["verdict"] for finding in told["findings"]}
    assert (names["torch"], names["devices"], names["MIOpen limits"]) == ("failure", "failure", "ok")
    assert names["not computed"] == "warning", "the configured size was not tried"
    assert told["facts"]["asked"]["model"] == "slim"
    parameters = {shape["size"]: shape["parameters"] for shape in told["facts"]["shapes"]}
    assert list(parameters)[:2] == ["slim", "tiny"]
    assert list(parameters.values()) == sorted(parameters.values())
    assert told["facts"]["torch"]["version"].startswith("2.")
    assert "lightning" in {package["name"] for package in told["facts"]["packages"]}
    assert not (trap / "imported").exists(), "an installed Lightning may be a malicious one"
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"], "doctor leaves nothing behind"


def test_a_wrong_key_is_the_users_error():
    with pytest.raises(ConfigError, match="batchsize"):
        run(["trainer.batchsize=3"])


def test_help_imports_nothing_slow():
    script = (
        "import sys\nfrom gesturelab.cli.main import main\n"
        "try:\n    main(['doctor', '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'pandas', 'hydra', 'rich'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert "usage: gesturelab doctor" in done.stdout


def test_an_installation_without_hydra_is_told_instead_of_a_traceback(tmp_path):
    (tmp_path / "hydra.py").write_text("raise ImportError('No module named hydra.core')")
    script = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from gesturelab.cli.main import main\nsys.exit(main(['doctor', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert "No module named hydra.core" in finding["found"]
    assert "make install" in finding["do"]
