"""A dataset from outside: what its runs say of it, and what is wrong with recordings. See also test_guests.py."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from command import gesturelab

EXAMPLE = Path(__file__).parents[2] / "examples" / "extending" / "dataset"
UNMEASURED = True
QUICK = ("trainer=cpu", "trainer.max_epochs=3", "model.hidden=8", "augment=none", "callbacks=none")

FUNCTION = """
import numpy as np
from gesturelab.datasets.recording import Recording

def dataset(kind="good"):
    rng = np.random.default_rng(0)
    for person in range(4):
        for gesture in ("nod", "bow"):
            positions = rng.normal(0, 0.2, (30, 25, 3)) + 1
            name = f"{person}-{gesture}"
            last = person == 3 and gesture == "bow"
            if last and kind == "flat":
                positions = positions.reshape(30, 75)
            if last and kind == "lost":
                positions[7] = np.nan
            if last and kind == "millimetres":
                positions *= 1000
            if last and kind == "joints":
                positions = positions[:, :20]
            if last and kind == "twice":
                name = "3-nod"
            if last and kind == "lonely":
                gesture = "jump"
            if last and kind == "breaks":
                raise OSError("the disk is gone")
            subject = "only one" if kind == "one" else f"p{person}"
            yield {"a": 1} if last and kind == "other" else Recording(name, positions, 30.0, subject, gesture)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's class and options, and 24 recordings."""
    folder = tmp_path_factory.mktemp("guest")
    shutil.copytree(EXAMPLE, folder / "conf")
    sys.path.append(str(EXAMPLE))
    from test_npz_folder import write_files

    write_files(folder / "npz")
    return folder


def test_a_run_names_its_class_and_no_path_of_this_machine_and_its_audit_notices_other_data(place: Path) -> None:
    overrides = ("data=npz_folder", "data.root=npz", f"data.cache_dir={place / 'cache'}", *QUICK)
    trained = gesturelab("train", "--config-dir", "conf", *overrides, "hydra.run.dir=moving", folder=place)
    assert trained.returncode == 0, trained.stderr
    info = json.loads((place / "moving" / "info_tiny.json").read_text())
    known = info["classes"]["data"]
    assert (known["class"], len(known["sha256"])) == ("npz_folder.NpzFolder", 64)
    assert str(place) not in json.dumps(info["data"])
    shutil.copytree(place / "npz", place / "elsewhere")
    moved = gesturelab("audit", "moving", "--data-root", str(place / "elsewhere"), folder=place)
    assert moved.returncode == 0, moved.stdout
    with np.load(place / "elsewhere" / "p0_bow_0.npz") as file:
        values = dict(file)
    values["positions"][0, 0, 0] += 0.001
    np.savez(place / "elsewhere" / "p0_bow_0.npz", **values)
    changed = gesturelab("audit", "moving", "--data-root", str(place / "elsewhere"), folder=place)
    assert changed.returncode == 1
    assert "data fingerprint" in changed.stdout


def test_data_check_names_what_is_wrong(place: Path) -> None:
    checked = gesturelab("data", "check", "--config-dir", "conf", "data=npz_folder", "data.root=npz", folder=place)
    assert checked.returncode == 0, checked.stderr
    assert "24 recordings" in checked.stdout


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "flat",
            "own.dataset: recording '3-bow': its positions are float64 of the shape (30, 75); they must be numbers",
        ),
        ("lost", "own.dataset: recording '3-bow': frame 8 holds a value that is not finite"),
        ("millimetres", "own.dataset: recording '3-bow': frame 1 has a joint"),
        ("joints", "own.dataset: recording '3-bow' has 20 joints, but its skeleton kinect_v2 has 25"),
        ("twice", "two recordings are called '3-nod'; names must be unique"),
        ("lonely", "gesture jump is done by p3 only"),
        ("one", "there is one subject only, only one"),
        ("breaks", "own.dataset breaks off after recording '3-nod': OSError: the disk is gone"),
        ("other", "own.dataset gives dict, not a gesturelab Recording"),
    ],
)
def test_wrong_recordings_meet_one_clear_error(place: Path, kind: str, said: str) -> None:
    (place / "conf" / "own.py").write_text(FUNCTION)
    (place / "conf" / "data" / "own.yaml").write_text(
        "defaults:\n  - /schema/dataset@_here_\n  - _self_\n_target_: own.dataset\nkind: good\n"
    )
    refused = gesturelab(
        *("train", "--config-dir", "conf", "data=own", f"data.kind={kind}", *QUICK, "hydra.run.dir=refused"),
        folder=place,
    )
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
