"""What doctor says of laptops, CUDA and ROCm machines, and of broken ones: described by hand, nothing is installed."""

from dataclasses import replace

import pytest
from made_facts import AMD, H100, LAPTOP, MI250, NVIDIA, asking, with_torch

from gesturelab.doctor.checks import examine, worst
from gesturelab.doctor.facts import (
    Comparison,
    Cores,
    Driver,
    Folder,
    LargestBatch,
    Package,
    Partition,
    Shape,
    Slurm,
    Verdict,
)

GIB = 2**30


def judged(facts, name):
    """The one finding of a name; all else must be well."""
    found = {finding.name: finding for finding in examine(facts)}
    bad = [each for each in found.values() if each.verdict != Verdict.ok and each.name != name]
    assert not bad, bad
    finding = found[name]
    assert (finding.verdict == Verdict.ok) == (not finding.do), "what is not ok says what to do next, and only that"
    return finding


@pytest.mark.parametrize("facts", [LAPTOP, NVIDIA, AMD, asking(AMD, device="cpu")])
def test_a_sound_machine_has_nothing_to_mend(facts):
    findings = examine(facts)
    assert worst(findings) == Verdict.ok
    assert not any(finding.do for finding in findings)


@pytest.mark.parametrize("release", ["2.6.2", "2.6.3"])
def test_malicious_lightning_is_named_as_such(release):
    package = Package("lightning", ">=2.5,<3,!=2.6.2,!=2.6.3", release)
    finding = judged(replace(LAPTOP, packages=(package,)), "packages")
    assert finding.verdict == Verdict.failure
    assert f"lightning {release} is a malicious release" in finding.found
    assert "change every key and password" in finding.do


@pytest.mark.parametrize(
    ("package", "verdict", "words"),
    [
        (Package("torch", ">=2.6", "2.5.1+rocm6.2"), Verdict.failure, "torch 2.5.1+rocm6.2 is outside >=2.6"),
        (Package("numpy", ">=1.26", None), Verdict.failure, "numpy is missing"),
        (Package("optuna", ">=5,<6", "4.1", "search"), Verdict.warning, "wanted by the extra search"),
        (Package("torch", ">=2.6", "2.7.0a0+git1234"), Verdict.ok, "1 installed"),
        (Package("lightning", ">=2.5,<3", "3.0.0rc1"), Verdict.failure, "outside"),
    ],
)
def test_packages_outside_their_bounds(package, verdict, words):
    finding = judged(replace(LAPTOP, packages=(package,)), "packages")
    assert (finding.verdict, words in finding.found) == (verdict, True)


def test_a_torch_that_cannot_be_imported_is_the_failure_to_mend_first():
    broken = replace(LAPTOP, torch=None, torch_error="libcudart.so.12: cannot open", shapes=(), comparisons=())
    bad = {each.name: each for each in examine(broken) if each.verdict == Verdict.failure}
    assert "libcudart.so.12: cannot open" in bad["torch"].found
    assert "mend torch first" in bad["devices"].do


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (replace(LAPTOP, driver=NVIDIA.driver), Verdict.warning, "2 NVIDIA GPUs: it cannot use them"),
        (replace(LAPTOP, driver=AMD.driver), Verdict.warning, "4 AMD GPUs: it cannot use them"),
        (asking(replace(LAPTOP, driver=AMD.driver), device="cpu"), Verdict.ok, "a CPU build"),
        (replace(AMD, torch=replace(AMD.torch, hip=None, cuda="12.8")), Verdict.failure, "needs a ROCm one"),
    ],
)
def test_a_build_for_other_hardware(facts, verdict, words):
    finding = judged(facts, "torch")
    assert (finding.verdict, words in finding.found) == (verdict, True)


@pytest.mark.parametrize(
    ("facts", "driver", "verdict", "words"),
    [
        (NVIDIA, {"nvidia_cuda": "11.4"}, Verdict.failure, "too old for a torch built with CUDA 12.8"),
        (asking(NVIDIA, device="auto"), {"nvidia_cuda": "11.4"}, Verdict.warning, "too old"),
        (NVIDIA, {"nvidia_cuda": "12.2"}, Verdict.ok, "NVIDIA 570.86"),
        (NVIDIA, {"error": "Driver/library version mismatch"}, Verdict.failure, "nvidia-smi failed: Driver/library"),
        (AMD, {"kfd_closed": True}, Verdict.failure, "/dev/kfd is closed to you"),
        (AMD, {"rocm": "5.7.0"}, Verdict.warning, "torch was built with ROCm 6.4"),
    ],
)
def test_drivers(facts, driver, verdict, words):
    finding = judged(replace(facts, driver=replace(facts.driver, **driver)), "driver")
    assert (finding.verdict, words in finding.found) == (verdict, True)
    if driver.get("kfd_closed"):
        assert "render and video" in finding.do


@pytest.mark.parametrize(
    ("environment", "verdict", "found", "do"),
    [
        ({"ROCR_VISIBLE_DEVICES": "2"}, Verdict.ok, "ROCR_VISIBLE_DEVICES=2", ""),
        ({"HIP_VISIBLE_DEVICES": "4"}, Verdict.failure, "no GPU is left", "name one of 0 to 3"),
        # HIP counts within what ROCR leaves: there is no second GPU among one
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "1"}, Verdict.failure, "none is left", "set only ROCR"),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, Verdict.warning, "GPU 3", "unset HIP"),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "CUDA_VISIBLE_DEVICES": "0"}, Verdict.warning, "GPU 2", "unset CUDA"),
        ({"HIP_VISIBLE_DEVICES": "3", "CUDA_VISIBLE_DEVICES": "1"}, Verdict.warning, "GPU 3", "set only HIP"),
        (
            {"ROCR_VISIBLE_DEVICES": "0", "HIP_VISIBLE_DEVICES": "0,1"},
            Verdict.failure,
            "torch refuses",
            "set only ROCR",
        ),
        ({"HIP_VISIBLE_DEVICES": ""}, Verdict.failure, "no GPU is left", "unset HIP_VISIBLE_DEVICES"),
        (
            {"ROCR_VISIBLE_DEVICES": "3", "HIP_VISIBLE_DEVICES": "3", "SLURM_JOB_ID": "7"},
            *(Verdict.ok, "HIP_VISIBLE_DEVICES would choose once more, so gesturelab train drops it", ""),
        ),
    ],
)
def test_several_variables_choose_amd_gpus_at_once(environment, verdict, found, do):
    finding = judged(replace(AMD, environment=environment), "visible GPUs")
    assert (finding.verdict, found in finding.found, do in finding.do) == (verdict, True, True), finding


@pytest.mark.parametrize(
    ("environment", "verdict", "found"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, Verdict.ok, "CUDA_VISIBLE_DEVICES=1"),
        ({"CUDA_VISIBLE_DEVICES": "2"}, Verdict.failure, "hides all 2 GPUs"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, Verdict.failure, "hides all 2 GPUs"),
        ({"CUDA_VISIBLE_DEVICES": "0", "HIP_VISIBLE_DEVICES": "1"}, Verdict.warning, "CUDA_VISIBLE_DEVICES decides"),
        ({"HIP_VISIBLE_DEVICES": "1"}, Verdict.warning, "all GPUs are visible"),
    ],
)
def test_variables_on_nvidia(environment, verdict, found):
    finding = judged(replace(NVIDIA, environment=environment), "visible GPUs")
    assert (finding.verdict, found in finding.found) == (verdict, True)


def test_the_device_that_is_not_there():
    refused = with_torch(AMD, gpus=(), error="trainer=rocm: torch sees no AMD GPU")
    finding = judged(refused, "devices")
    assert (finding.verdict, "sees no AMD GPU" in finding.found) == (Verdict.failure, True)
    up = Slurm("slurm 23.11", (Partition("gpu", True, "1-00:00:00", 4, "gpu:mi250x:8"),))
    login = judged(replace(refused, slurm=up, driver=Driver()), "devices")
    assert (login.verdict, "login node" in login.found, "srun" in login.do) == (Verdict.warning, True, True)
    inside = replace(refused, slurm=up, driver=Driver(), environment={"SLURM_JOB_ID": "7"})
    assert judged(inside, "devices").verdict == Verdict.failure


def test_too_few_gpus_and_full_ones():
    assert judged(asking(NVIDIA, devices=4), "devices").do == "trainer.devices=2"
    full = with_torch(NVIDIA, gpus=(H100, replace(H100, free_gib=3.0)))
    assert "1 in use by others" in judged(full, "devices").found
    assert "0: AMD Instinct MI250X (gfx90a, 63 of 64 GiB free)" in judged(AMD, "devices").found
    assert MI250.architecture == "gfx90a"


@pytest.mark.parametrize(
    ("slurm", "verdict", "found"),
    [
        (None, Verdict.ok, "none here"),
        (Slurm("slurm 23.11", (Partition("gpu", True, "1-00:00:00", 4, "gpu:8"),)), Verdict.ok, "gpu: 4 nodes"),
        (Slurm("slurm 23.11", (Partition("gpu", False, "1:00", 4, ""),)), Verdict.warning, "no partition takes jobs"),
        (Slurm("slurm 23.11", error="no answer within 10 s"), Verdict.warning, "no answer within 10 s"),
    ],
)
def test_slurm(slurm, verdict, found):
    finding = judged(replace(LAPTOP, slurm=slurm), "Slurm")
    assert (finding.verdict, found in finding.found) == (verdict, True)


def test_folders_without_room_or_permission():
    def of(role, error, free, model="tiny"):
        return judged(
            asking(replace(LAPTOP, folders=(Folder(role, "there", error, free),)), model=model), f"folder {role}"
        )

    closed = of("outputs", "Read-only file system", 0)
    assert (closed.verdict, "Read-only file system" in closed.found) == (Verdict.failure, True)
    assert of("cache", "Permission denied", 0).verdict == Verdict.warning, "a training goes on without its cache"
    # 35,052,922 parameters: weights, and two checkpoints of weights and two means, 4 bytes each, are 936 MiB
    assert "needs about 936 MiB" in of("outputs", "", 4 * GIB, "xxlarge").found
    assert of("outputs", "", GIB // 2, "xxlarge").verdict == Verdict.failure
    assert of("outputs", "", 4 * GIB, "xxlarge").verdict == Verdict.warning, "no room for a sweep"
    assert of("outputs", "", GIB // 2, "tiny").verdict == Verdict.ok


@pytest.mark.parametrize(
    ("cores", "threads", "environment", "verdict", "do"),
    [
        (Cores(64, 64, None, 1.0), 32, {}, Verdict.ok, ""),
        (Cores(64, 4, None, 1.0), 32, {"OMP_NUM_THREADS": "32"}, Verdict.warning, "trainer.threads=4"),
        (Cores(64, 64, 2.5, 1.0), 64, {}, Verdict.warning, "trainer.threads=2"),
        (Cores(64, 64, 0.5, 1.0), 64, {}, Verdict.warning, "trainer.threads=1"),
        (Cores(4, 4, None, 1.0), 4, {"OMP_NUM_THREADS": "all"}, Verdict.warning, "OMP_NUM_THREADS=4"),
        (Cores(4, 4, None, 9.0), 4, {}, Verdict.warning, "slow"),
    ],
)
def test_threads(cores, threads, environment, verdict, do):
    facts = with_torch(replace(LAPTOP, cores=cores, environment=environment), threads=threads)
    finding = judged(facts, "threads")
    assert (finding.verdict, do in finding.do) == (verdict, True), finding


def test_shapes_that_cross_miopens_limits():
    shapes = (Shape("tiny", 168, 2, 1, 2048), Shape("giant", 9999, 2, 2, 1000))
    crossed = asking(replace(AMD, shapes=shapes), model="giant", batch=1500)
    finding = judged(replace(crossed, comparisons=()), "MIOpen limits")
    assert finding.verdict == Verdict.failure
    assert "2048 (tiny), 1000 (giant)" in finding.found
    assert finding.do == "trainer.batch_size=1000, or trainer.cudnn=false"
    unused = judged(asking(crossed, cudnn=False), "MIOpen limits")
    assert (unused.verdict, "MIOpen is not used" in unused.found) == (Verdict.ok, True)
    assert judged(asking(crossed, model="tiny"), "MIOpen limits").verdict == Verdict.warning, "only another size would"
    nvidia = judged(asking(replace(NVIDIA, shapes=shapes), batch=3000), "MIOpen limits")
    assert (nvidia.verdict, "not for AMD" in nvidia.found) == (Verdict.ok, True)
    endless = asking(replace(AMD, shapes=(Shape("tiny", 168, 2, 1, 0),)), frames=70_000)
    assert judged(endless, "MIOpen limits").do == "trainer.cudnn=false", "no batch is small enough"


@pytest.mark.parametrize("error", [1.3, float("inf"), float("nan")])
def test_a_silently_wrong_kernel_is_a_failure(error):
    wrong = Comparison("tiny", "AMD Instinct MI250X", "bf16", 1e-3, error, "layers.0.weight_ih_l0", 0.5, 2.0)
    finding = judged(replace(AMD, comparisons=(wrong,)), "computing tiny")
    assert finding.verdict == Verdict.failure
    assert "WRONG" in finding.found
    assert "layers.0.weight_ih_l0" in finding.found
    other = replace(wrong, size="large")
    assert judged(replace(AMD, comparisons=(other,)), "computing large").verdict == Verdict.warning, (
        "nobody asked for it"
    )


def test_a_step_that_does_not_fit_into_memory_or_kills_its_process():
    full = Comparison("tiny", "NVIDIA H100", "bf16", error="CUDA out of memory. Tried to allocate 4 GiB")
    assert judged(replace(NVIDIA, comparisons=(full,)), "computing tiny").do == "halve trainer.batch_size"
    dead = replace(full, error="the process that uses it died of SIGSEGV")
    early = judged(replace(AMD, comparisons=(replace(dead, size=""),)), "computing")
    assert early.verdict == Verdict.failure
    finding = judged(replace(AMD, comparisons=(dead,)), "computing tiny")
    assert (finding.verdict, "trainer=cpu" in finding.do) == (Verdict.failure, True)


def test_where_the_device_is_wrong_its_library_or_the_batch_is_changed():
    wrong = Comparison("tiny", "AMD Instinct MI250X", "bf16", 1.5, 1e-3, "input", 0.5, 2.0)
    facts = replace(AMD, comparisons=(wrong,), largest_batch=LargestBatch(48, 50, "outputs differ by 1.5"))
    for finding in examine(facts)[-2:]:
        assert finding.verdict == Verdict.failure
        assert "trainer.cudnn=false, which does without MIOpen (slower), or trainer.batch_size=48" in finding.do
    without = asking(replace(facts, largest_batch=LargestBatch(0, 1, "outputs differ by 1.5")), cudnn=False)
    assert "cudnn" not in examine(without)[-2].do, "it is not used already"
    crashed = replace(NVIDIA, comparisons=(replace(wrong, error="the process that uses it died of SIGSEGV"),))
    assert "trainer.cudnn=false, which does without cuDNN" in judged(crashed, "computing tiny").do


def test_the_largest_right_batch_is_told():
    far = judged(replace(AMD, largest_batch=LargestBatch(2046)), "largest right batch")
    assert (far.verdict, "up to 2046" in far.found) == (Verdict.ok, True)
    close = judged(replace(AMD, largest_batch=LargestBatch(104, 109, "died of SIGSEGV")), "largest right batch")
    assert (close.verdict, "wrong at 109 (died of SIGSEGV)" in close.found) == (Verdict.ok, True)
    late = judged(replace(AMD, largest_batch=LargestBatch(256, stopped_at=512)), "largest right batch")
    assert (late.verdict, "no time for 512" in late.found) == (Verdict.ok, True)


def test_what_was_not_computed_is_said():
    assert "xxlarge: large" in judged(replace(LAPTOP, not_compared={"xxlarge": "large"}), "not computed").found
    skipped = replace(LAPTOP, comparisons=(), not_compared={"tiny": "needs about 99 s"})
    assert judged(skipped, "not computed").verdict == Verdict.warning, "the configured size was not tried"
