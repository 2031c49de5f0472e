"""README.md and the manual tell the truth: their commands run (in a fast form); links, targets and numbers exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command import gesturelab, untraced

import gesturelab as package
from conftest import SLOW
from gesturelab.config.composing import compose
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.definition import read_definition

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
AROUND = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "slurm/README.md")]
PAGES = {page: page.read_text(encoding="utf-8") for page in (*AROUND, *sorted(DOCS.rglob("*.md")))}
README, RESULTS = PAGES[PROJECT / "README.md"], PAGES[DOCS / "results.md"]

BLOCKS = [
    block for text in PAGES.values() for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]
COMMANDS = list(dict.fromkeys(line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines()))
NOT_RUN = {
    "source .venv/bin/activate": "would change the shell",
    "python3 -m venv .venv": "Python's own",
    "gesturelab models --json": "test_table_of_sizes_is_what_the_command_says runs it",
    'eval "$(gesturelab -sc install=bash)"': "test_command_line.py tries it in a real bash",
    "gesturelab data fetch irds --to data/irds": "no network in tests; the tests of fetch have a server of their own",
    "gesturelab train -m experiment=irds_loso model=tiny,small seed=0,1 data.root=data/irds": "see test_sweeps.py",
    "gesturelab compare multirun/irds_loso --figures figures --joined joined.csv": "needs those; see test_joined.py",
    "python3 -m venv .venv-peers": "Python's own",
    ".venv-peers/bin/python -m pip install -e '.[peers]'": "no network in tests",
    ".venv-peers/bin/python benchmarks/peers.py multirun/irds_best "
    "--methods majority,nearest,minirocket,multirocket_hydra": "see test_peers.py",
    "gesturelab compare multirun/irds_best multirun/irds_best-peers": "needs those; see test_peers.py",
    "gesturelab train -m experiment=benchmark": "see test_sweeps.py",
    "gesturelab train -m experiment=learning_curve data=irds data.root=data/irds model=minirocket": "see "
    "test_sweeps.py",
    "gesturelab compare multirun/learning_curve --figures figures": "needs those; see test_curves.py",
    "gesturelab train -m experiment=learning_curve data=irds data.root=data/irds model=tiny "
    "split.training_people=4,8,16 split.draw=0 name=curve_tiny": "see test_sweeps.py",
    "gesturelab compare multirun/learning_curve multirun/curve_tiny multirun/irds_5fold --full --figures figures": ""
    "needs those; see test_curves.py",
    "gesturelab compare multirun/benchmark": "needs those; see test_sweeps.py",
    "gesturelab audit multirun/irds_loso": "needs those; see test_audit_command.py",
    "gesturelab train -m experiment=irds_leakage model=tiny data.root=data/irds": "see test_sweeps.py",
    "gesturelab train -m experiment=msr_action3d model=minirocket,multirocket_hydra,tiny": "see test_recipe.py",
    "gesturelab train -m experiment=irds_5fold model=transformer,tiny,minirocket data.root=data/irds": "see "
    "test_recipe.py",
    "gesturelab compare multirun/msr_action3d multirun/utkinect --full --figures figures": "see test_datasets.py",
    "gesturelab train -m experiment=utkinect model=minirocket,multirocket_hydra,tiny": "see test_recipe.py",
    "gesturelab train -m experiment=irds_5fold model=minirocket,multirocket_hydra,tiny data.root=data/irds": "see "
    "test_recipe.py",
    "gesturelab compare multirun/irds_5fold --full": "needs those; see test_joined.py",
    "gesturelab compare multirun/irds_5fold --figures figures": "needs those; see test_joined.py",
    "gesturelab train -m experiment=select data=msr_action3d 'data.subjects=[s01,s03,s05,s07,s09]' "
    "augment=none,light,default": "see test_recipe.py",
    "gesturelab compare multirun/select": "needs those; see test_joined.py",
    "gesturelab train -m experiment=irds_correctness model=tiny data.root=data/irds": "see test_correctness.py",
    "gesturelab compare multirun/irds_correctness --figures figures": "needs those; see test_correctness.py",
    "gesturelab compare multirun/irds_leakage --leakage leakage.png": "needs those; see test_leakage.py",
    "gesturelab reproduce utkinect --data-root data/utkinect": "minutes; see test_reproduce.py",
    "gesturelab reproduce quick": "see test_reproduce.py",
    "gesturelab export multirun/gestures --best --format onnx -o model.onnx": "see test_onnx.py",
    "gesturelab export anna.zip --format onnx -o anna.onnx": "see test_adapt.py",
    "gesturelab predict anna.zip recordings": "see test_adapt.py",
    "gesturelab report multirun/irds_loso --explain -o report.html": "see test_explanation.py",
    "gesturelab train experiment=utkinect_untrimmed model=tiny": "see test_recipe.py",
    "gesturelab train experiment=utkinect model=minirocket": "see test_recipe.py",
    "gesturelab compare outputs --segments": "needs those; see test_learned_segments.py",
    "gesturelab compare multirun/irds_5fold --adapt 0,1,2,3": "needs those; see test_adaptation.py",
    "gesturelab compare multirun/irds_5fold --adapt 0,1,2,3,5": "needs those; see test_adaptation.py",
    "gesturelab compare multirun/msr_action3d --adapt 0,1,2": "needs those; see test_adaptation.py",
    "gesturelab audit multirun/irds_5fold": "needs those; see test_adaptation.py",
}
NOT_RUN |= {line: "see test_recipe.py" for line in COMMANDS if "model=transformer,gru,inception,stgcn" in line}
NOT_RUN |= {
    line: "see test_unknown_gesture.py" for line in COMMANDS if "unknown_gesture" in line or "none_of_these" in line
}
NOT_RUN |= {
    "sensor | gesturelab stream model.zip --smooth 0.3 --view": "there is no sensor; see test_stream.py",
    "gesturelab stream model.zip --tcp 9000 --every 0.1": "it waits for a sender; see test_session.py",
    "gesturelab serve model.zip --port 8000": "runs until Ctrl-C; see test_serve.py",
    "curl http://127.0.0.1:8000/model": "asks that server; see test_serve.py",
}
NOT_RUN |= {
    line: "the tests of examples/extending train such packages"
    for line in COMMANDS
    if "--config-dir my" in line and "narrow" not in line
}
NOT_RUN |= {line: "test_files_of_other_programs.py runs it" for line in COMMANDS if "converted" in line}
SLURM = [
    line
    for line in COMMANDS
    if "launcher=slurm" in line or line.startswith(("gesturelab cancel", "gesturelab status m"))
]
NOT_RUN |= dict.fromkeys(SLURM, "tests/slurm runs such commands on a real Slurm")
NOT_RUN |= {
    "gesturelab data view my_recordings": "see test_view_page.py",
    "gesturelab data describe my_recordings --version 1.0.0": "see test_croissant.py",
}
TUTORIAL = [
    line for line in COMMANDS if line.endswith((" my_recordings", " multirun/mine")) or "=my_recordings" in line
]
TUTORIAL = [line for line in TUTORIAL if line not in NOT_RUN]
NOT_RUN |= dict.fromkeys(TUTORIAL, "test_tutorial_on_ones_own_recordings runs them one after the other")
TRAININGS = [line for line in COMMANDS if line.startswith("gesturelab train ") and line not in NOT_RUN]
QUICK = (
    "trainer.device=cpu",
    "trainer.precision=float32",
    "trainer.max_epochs=1",
    "trainer.batches_per_epoch=2",
    "trainer.refit=false",
)
FEW_PEOPLE = ("data.people=10", "data.repetitions=1")
FEW_FILES = ("data.max_files=216",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two runs in it, and the files of the reader's own: blocks of YAML that begin with their path."""
    path = tmp_path_factory.mktemp("reader")
    for text in PAGES.values():
        for name, content in re.findall(r"^```yaml\n# (my/\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(content, encoding="utf-8")
    done = gesturelab("train", "-m", "model=tiny,small", "model.hidden=16", *QUICK, *FEW_PEOPLE, folder=path)
    assert done.returncode == 0, done.stderr
    return path


def sweep(experiment, folder):
    """A ready sweep over real people, in a fast form over six made-up ones; done once for all that read it."""
    if (folder / "multirun" / experiment).exists():
        return
    quick = (*QUICK, "data.people=6", "data.repetitions=1", "model.hidden=16")
    varied = ("model=tiny,small", "seed=0") if experiment == "irds_loso" else ("model=tiny", "split.seed=0,1")
    done = gesturelab("train", "-m", f"experiment={experiment}", "data=synthetic", *varied, *quick, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((folder / "multirun" / experiment).rglob("info_*.json"))) == {"irds_loso": 12}.get(experiment, 6)


def recordings(folder):
    """What the reader asks a model about, and the model."""
    (folder / "recordings").mkdir(exist_ok=True)
    still = ",".join(["0.5"] * 75) + "\n"
    (folder / "recordings" / "101_18_0_1_1_stand.txt").write_text(still * 40, encoding="utf-8")
    (folder / "anna").mkdir(exist_ok=True)
    (folder / "anna" / "bend.csv").write_text(still * 40, encoding="utf-8")
    (folder / "anna" / "labels.csv").write_text("file,subject,gesture\nbend.csv,anna,elbow_flexion_left\n")
    if not (folder / "model.zip").exists():
        done = gesturelab("export", "multirun/gestures/model=tiny", "-o", "model.zip", folder=folder)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", TRAININGS)
def test_training_runs_in_a_fast_form(command, folder, request):
    arguments = shlex.split(command)[1:]
    ready = re.search(r"irds_(loso|leakage)", command)
    if ready:
        sweep(ready[0], folder)
        return
    if {"data=irds", "experiment=irds_best"} & set(arguments):
        root = request.getfixturevalue("irds_root")
        quick = (*QUICK, *FEW_FILES, "model.hidden=16", f"data.root={root}", "data.cache_dir=cache")
    elif {"--cfg", "--help"} & set(arguments):
        quick = ()
    else:
        quick = (
            *QUICK,
            *FEW_PEOPLE,
            *([] if "model=minirocket" in arguments else ["model.hidden=16"]),
            *(["hydra.sweeper.n_trials=2"] if "hydra/sweeper=optuna" in arguments else []),
            *(["seed=0", "name=sweep"] if "seed=0,1,2" in arguments else []),
        )
    kept = [given for given in arguments if given.split("=")[0] not in {each.split("=")[0] for each in quick}]
    done = gesturelab(*kept, *quick, folder=folder)
    assert done.returncode == 0, done.stderr
    if "hydra/sweeper=optuna" in arguments:
        assert "2 trials: 2 completed" in done.stdout
    elif "hydra/launcher=shared_process" in arguments:
        assert re.search(r"^4 jobs: 4 done$", done.stdout, re.MULTILINE)
    elif quick:
        assert re.search(r"\binfo_\w+\.json\b", done.stdout), "the files of the run are named"
    if "experiment=original_tiny" in arguments:
        assert "LEAKY" in done.stdout


@pytest.mark.parametrize("command", [line for line in COMMANDS if line not in (*TRAININGS, *NOT_RUN)])
def test_command_runs(command, folder, request):
    program, *arguments = shlex.split(command)
    if program == "make":
        rules = (PROJECT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", rules, re.MULTILINE) for target in arguments if "=" not in target)
        return
    assert program == "gesturelab", f"{command} is neither run nor listed in NOT_RUN"
    if arguments[:2] == ["data", "check"]:
        arguments[2] = str(request.getfixturevalue("irds_root"))
    ready = re.search(r"irds_(loso|leakage)", command)
    if ready:
        sweep(ready[0], folder)
    if arguments[0] == "stream":
        arguments[1] = str(folder / "multirun" / "gestures" / "model=tiny")
        line = ",".join(f"{number / 100:g}" for number in range(1, 76)) + "\n"
        (folder / "recording.csv").write_text(40 * line)
    if arguments[0] == "doctor":
        arguments += ["trainer=cpu", "trainer.batch_size=4", "window.length_frames=4"]
    if arguments[0] in ("predict", "adapt"):
        recordings(folder)
    if arguments[0] == "resume":
        run = folder / "multirun" / "gestures" / "model=tiny"
        (run / "info_tiny.json").unlink()  # as if it had been stopped
        arguments[1] = str(run)
    done = gesturelab(*arguments, folder=folder, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "no player" not in done.stdout, "the report found the data of its runs"
    for name in (each for each in arguments if re.fullmatch(r"\w+\.(md|csv|png|html|zip|jsonl)", each)):
        assert (folder / name).stat().st_size > 0


def test_the_skeleton_of_ones_own_is_one(tmp_path):
    shown = re.search(r"```yaml\n(joints:.*?)```", PAGES[DOCS / "guide" / "own-recordings.md"], re.DOTALL)
    assert shown is not None
    (tmp_path / "hand.yaml").write_text(shown[1], encoding="utf-8")
    hand = read_definition(tmp_path / "hand.yaml")
    assert (hand.joints, hand.scale_bone) == (("Wrist", "Palm", "IndexTip", "ThumbTip"), (1, 0))
    Features(compose().features, hand)  # with the features that are taken when nothing is asked for


def test_tutorial_on_ones_own_recordings(tmp_path):
    assert [line.split()[1] for line in TUTORIAL] == ["data", "data", "train", "compare"]
    said = []
    for command in TUTORIAL:
        quick = (*QUICK, "model.hidden=16", "data.cache_dir=cache") if " train " in command else ()
        arguments = [given.replace("range(5)", "0,1") for given in shlex.split(command)[1:]]  # two folds of the five
        done = gesturelab(*arguments, *quick, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert "95 made-up recordings" in said[0]
    assert "MADE UP" in said[1]
    assert "Cannot be read" not in said[1]
    assert "elbow_flexion_left <-> elbow_flexion_right" in said[1]
    assert "2 jobs: 2 done" in said[2]
    assert re.search(r"^tiny .* %", said[3], re.MULTILINE)
    assert "SYNTHETIC" in said[3], "made up, and it says so"


def test_every_block_of_commands_was_found():
    lines = [line for text in PAGES.values() for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE)]
    assert set(COMMANDS) == set(lines)
    assert all(text.count("```") % 2 == 0 for text in PAGES.values())
    assert set(NOT_RUN) <= set(COMMANDS), "NOT_RUN lists what no page says any more"


def test_table_of_sizes_is_what_the_command_says(tmp_path):
    sizes = json.loads(gesturelab("models", "--json", folder=tmp_path).stdout)
    rows = []
    for size in sizes:
        if size["hidden"] is None or size["name"] == "gru":  # the table is of the LSTM's sizes
            continue
        numbers = (f"{size['parameters']:,}", size["hidden"], size["layers"], size["head_layers"], size["dropout"])
        rows.append(f"| `{size['name']}` | {' | '.join(map(str, numbers))} | {size['use_case']} |\n")
    assert len(rows) == 6
    assert "".join(rows) in README


def test_the_readme_is_the_front_door_and_its_results_are_those_of_the_manual():
    assert len(README.encode()) <= 15_000
    section = README.split("\n## Results\n")[1].split("\n## ")[0]
    numbers = set(re.findall(r"\d+\.\d", section))
    assert len(numbers) > 15
    assert numbers <= set(re.findall(r"\d+\.\d", RESULTS))


@pytest.mark.parametrize("page", AROUND, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page):
    """Links of the manual's own pages are checked when it is built."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, target


def test_the_manual_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = untraced() | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=PROJECT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {
        page.relative_to(tmp_path).as_posix(): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")
    }
    assert {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md")} <= set(pages)
    for text in pages.values():
        assert not re.search(r"<(script|img|iframe)\b[^>]*\bsrc=.?(https?:)?//", text)
        assert not re.search(r"<link\b[^>]*stylesheet[^>]*\bhref=.?(https?:)?//", text)
    assert all(
        f'id="gesturelab.{name}"' in pages["reference/api.html"] for name in getattr(package, "__all__", ["load"])
    )


def test_make_says_every_target():
    said = subprocess.run(["make"], cwd=PROJECT, capture_output=True, text=True, check=True, env=plain()).stdout
    for target in ("install", "train", "check", "test", "bench", "reference", "docs", "clean"):
        assert re.search(rf"^  {target} ", said, re.MULTILINE)


def test_what_make_check_leaves_out_is_there():
    unit = PROJECT / "tests" / "unit"
    files = {(path.parent.name, path.stem.removeprefix("test_")) for path in unit.rglob("test_*.py")}
    assert {(folder, name) for folder, names in SLOW.items() for name in names} <= files


def test_make_refuses_an_old_python(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 1;; esac\necho Python 3.10.13\n', encoding="utf-8")
    old.chmod(0o755)
    asked = ["make", "install", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    answer = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=False, env=plain())
    assert answer.returncode != 0
    assert "needs Python 3.11 or newer" in answer.stdout
    assert "Python 3.10.13" in answer.stdout
    assert not (tmp_path / "venv").exists()


def test_make_clean_leaves_runs_alone():
    answer = ["make", "--dry-run", "clean", f"PYTHON={sys.executable}"]
    recipe = subprocess.run(answer, cwd=PROJECT, capture_output=True, text=True, check=True, env=plain()).stdout
    assert "rm -rf .venv" in recipe
    assert not re.search(r"outputs|multirun|data\b", recipe)


def plain() -> dict[str, str]:
    """The environment as before `make test`, so that make says what it says to a user."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "VENV", "ARGS")}
