"""The command line from outside: what it says, how fast, with which exit status, and what it leaves behind."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from command import COMMAND, gesturelab, untraced

from gesturelab.cli.main import COMMANDS

LIGHT = [("--help",), ("--version",), ("train", "--help"), ("train", "--cfg", "job"), ("compare", "--help")]
HEAVY = {"torch", "lightning", "torchmetrics", "pandas", "matplotlib", "numpy", "rich"}


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_command_imports_nothing_heavy(arguments, tmp_path):
    watched = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gesturelab", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {
        line.rsplit("|", 1)[1].strip() for line in watched.stderr.splitlines() if line.startswith("import time:")
    }
    assert "gesturelab.cli.main" in imported, "importtime was understood"
    assert not HEAVY & imported


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_command_answers_in_under_a_second(arguments, tmp_path):
    """On a machine on which an empty application of Hydra's takes 0.35 s; a busy or slow one takes longer for both."""
    (tmp_path / "plain.py").write_text(PLAIN)
    pairs = [
        (
            cpu_seconds([*COMMAND, *arguments], tmp_path),
            cpu_seconds([sys.executable, "plain.py", "--cfg", "job"], tmp_path),
        )
        for _ in range(3)
    ]
    ours, plain = map(min, zip(*pairs, strict=True))
    assert ours < max(1, plain / 0.35)


PLAIN = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(config): ...

main()
"""


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Processor time of a command, which depends less on what else a machine does than the time that it takes."""
    started = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=untraced())
    _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_module_and_script_are_the_same_command(tmp_path):
    script = Path(sysconfig.get_path("scripts")) / "gesturelab"
    for arguments in (("--help",), ("train", "--cfg", "job"), ("nonsense",)):
        by_script = subprocess.run([script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        by_module = gesturelab(*arguments, folder=tmp_path)
        assert (by_script.returncode, by_script.stdout, by_script.stderr) == (
            by_module.returncode,
            by_module.stdout,
            by_module.stderr,
        )


def test_help_names_every_verb_and_every_verb_has_help(tmp_path):
    said = gesturelab("--help", folder=tmp_path).stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", said, re.MULTILINE)
        answer = gesturelab(command, "--help", folder=tmp_path)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert f"gesturelab {command}" in answer.stdout


def test_unknown_verb_is_a_wrong_call_and_lists_the_verbs(tmp_path):
    answer = gesturelab("trian", folder=tmp_path)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "'trian'" in answer.stderr
    assert ", ".join(COMMANDS) in answer.stderr


MISTAKES = {
    "unknown model": (["model=huge"], ["model/huge", "tiny", "small", "medium", "large", "xlarge", "xxlarge"]),
    "unknown data set": (["data=kinect"], ["data/kinect", "irds", "synthetic"]),
    "misspelt key": (["trainer.max_epoch=2"], ["trainer.max_epoch"]),
    "misspelt group": (["modle=tiny"], ["modle"]),
    "key added to a schema": (["+model.width=3"], ["model.width", "hidden"]),
    "key added to the root": (["+epoch=3"], ["epoch", "seed"]),
    "key of Lightning's": (["+epochs=3"], ["epochs", "trainer.max_epochs"]),
    "word for a number": (["trainer.max_epochs=two"], ["trainer.max_epochs", "two"]),
    "unknown choice": (["model.pooling=sum"], ["model.pooling", "last", "attention"]),
    "number against a rule": (["trainer.max_epochs=0"], ["trainer.max_epochs=0", "at least 1"]),
    "fold beyond the last": (["split=subject_kfold", "split.fold=5"], ["split.fold=5", "0 to 4"]),
    "not an override": (["tiny"], ["tiny"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named_and_leaves_no_folder(mistake, tmp_path):
    overrides, told = MISTAKES[mistake]
    answer = gesturelab("train", *overrides, folder=tmp_path)
    assert answer.returncode != 0
    for words in told:
        assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_misspelt_key_in_a_file_of_ones_own_is_refused(tmp_path):
    own = tmp_path / "own" / "model" / "wide.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("defaults: [tiny, _self_]\nname: wide\nhiden: 500\n", encoding="utf-8")
    answer = gesturelab("train", "--config-dir", "own", "model=wide", "--cfg", "job", folder=tmp_path)
    assert answer.returncode != 0
    assert "hiden" in answer.stderr
    own.write_text("defaults: [tiny, _self_]\nname: wide\nhidden: 500\n", encoding="utf-8")
    answer = gesturelab("train", "--config-dir", "own", "model=wide", "--cfg", "job", folder=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "hidden: 500" in answer.stdout


def test_help_lists_options_of_ones_own(tmp_path):
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "wide.yaml").touch()
    lines = gesturelab("train", "--help", folder=tmp_path).stdout.splitlines()
    models = "gru, inception, large, medium, minirocket, multirocket_hydra, small, stgcn, tiny, transformer"
    assert f"model: {models}, xlarge, xxlarge" in lines
    assert any(line.startswith("experiment: ") and "original_large, original_medium" in line for line in lines)
    for given in (["--config-dir", "own"], ["--config-dir=own"], ["-cd", "own"]):
        lines = gesturelab("train", *given, "--help", folder=tmp_path).stdout.splitlines()
        assert f"model: {models}, wide, xlarge, xxlarge" in lines


def completed(line: str, folder: Path) -> list[str]:
    """What the query behind shell completion answers."""
    answer = gesturelab("-sc", "query=bash", folder=folder, COMP_LINE=line, COMP_POINT=str(len(line)))
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout.split()


def test_completion_knows_verbs_groups_options_and_keys(tmp_path):
    assert completed("gesturelab tr", tmp_path) == ["train"]
    assert completed("gesturelab ", tmp_path) == list(COMMANDS)
    assert "model=" in completed("gesturelab train mod", tmp_path)
    assert completed("gesturelab train model=x", tmp_path) == ["model=xlarge", "model=xxlarge"]
    assert completed("gesturelab train model=tiny trainer.max_e", tmp_path) == ["trainer.max_epochs="]
    assert completed("gesturelab models mod", tmp_path) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_completion_in_a_real_bash(tmp_path):
    program = tmp_path / "bin" / "gesturelab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gesturelab "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    asked = r"""
        eval "$(gesturelab -sc install=bash)"
        registered=$(complete -p gesturelab) || exit 1
        function=${registered##*-F }; function=${function%% *}
        COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDS=($1); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        $function && printf '%s\n' "${COMPREPLY[@]}"
        complete -p train 2>/dev/null && echo 'another command was taken as well'
        true
    """
    for line, expected in (("gesturelab mod", "models"), ("gesturelab train model=xx", "model=xxlarge")):
        answer = subprocess.run(
            ["bash", "--norc", "-c", asked, "bash", line],
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (answer.stdout, answer.stderr, answer.returncode) == (f"{expected}\n", "", 0)
