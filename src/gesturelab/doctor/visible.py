"""Which GPUs the variables leave, above all when several of them are set at once."""

from collections.abc import Mapping, Sequence

from gesturelab.doctor.facts import Facts
from gesturelab.doctor.finding import Finding, failure, ok, warning

NAME = "visible GPUs"
ROCR, HIP, CUDA, ORDINAL = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"
VISIBLE = (ROCR, HIP, CUDA, ORDINAL)


def left_by(value: str | None, there: Sequence[str]) -> list[str]:
    """The GPUs that a variable leaves of some: their places, up to the first that is not there, or their UUIDs.

    >>> left_by("1,0", ["a", "b"]), left_by("0,7,1", ["a", "b"]), left_by("", ["a"]), left_by(None, ["a"])
    (['b', 'a'], ['a'], [], ['a'])
    >>> left_by("GPU-4b2c", ["0", "1"])
    ['GPU-4b2c']
    """
    if value is None:
        return list(there)
    left: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        if entry.isdigit() and int(entry) < len(there):
            left.append(there[int(entry)])
        elif entry.startswith(("GPU-", "MIG-")):
            left.append(entry)
        else:
            break
    return left


def check_visible(facts: Facts) -> Finding:
    """What the variables that hide GPUs leave, and which of them decides."""
    given = {name: facts.environment[name] for name in VISIBLE if name in facts.environment}
    if not given:
        return ok(NAME, "no variable hides any")
    said = ", ".join(f"{name}={value}" for name, value in given.items())
    torch = facts.torch
    if torch is None or (torch.cuda is None and torch.hip is None) or facts.asked.device == "cpu":
        return ok(NAME, f"{said}: not used, this training is on the CPU")
    if torch.hip is None:
        return _nvidia(facts, given, said)
    if "SLURM_JOB_ID" in facts.environment and ROCR in given:
        dropped = [name for name in given if name != ROCR]
        rest = f"; {', '.join(dropped)} would choose once more, so gesturelab train drops it" if dropped else ""
        return ok(NAME, f"{ROCR}={given[ROCR]} is Slurm's choice{rest}")
    return _amd(facts, given, said)


def _nvidia(facts: Facts, given: Mapping[str, str], said: str) -> Finding:
    there = [str(number) for number in range(facts.driver.nvidia_gpus)]
    others = [name for name in given if name != CUDA]
    if there and CUDA in given and not left_by(given[CUDA], there):
        return failure(
            NAME,
            f"{said}: hides all {len(there)} GPUs",
            f"unset {CUDA}, or name some of {', '.join(there)}; what follows an unknown number is hidden too",
        )
    if others:
        decides = f"{CUDA} decides" if CUDA in given else f"all GPUs are visible, only {CUDA} would hide some"
        return warning(NAME, f"{said}: on NVIDIA {decides}", f"unset {', '.join(others)}: these are for AMD")
    return ok(NAME, said)


def _amd(facts: Facts, given: Mapping[str, str], said: str) -> Finding:
    """ROCR counts first; HIP (if it is not set: CUDA), and the ordinal, count within what is left, from 0."""
    count = facts.driver.amd_gpus or 64  # unknown: torch, too, takes 64 for any number
    after_rocr = left_by(given.get(ROCR), [str(number) for number in range(count)])
    second = HIP if HIP in given else CUDA
    left = left_by(given.get(ORDINAL), left_by(given.get(second), after_rocr))
    one = f"set only {ROCR}, and unset {', '.join(name for name in given if name != ROCR)}"
    if ROCR in given and second in given and len(given[second].split(",")) > len(given[ROCR].split(",")):
        return failure(NAME, f"{said}: {second} names more than {ROCR} leaves, which torch refuses", one)
    if not left:
        why = (
            f"{ROCR} leaves {len(after_rocr)}, numbered from 0, and the others choose among these: none is left"
            if ROCR in given and len(given) > 1
            else "no GPU is left"
        )
        do = one if len(given) > 1 else f"unset {next(iter(given))}, or name one of 0 to {count - 1}"
        return failure(NAME, f"{said}: {why}", do)
    if len(given) == 1:
        return ok(NAME, said)
    if HIP in given and CUDA in given and given[HIP] != given[CUDA]:
        said += f"; of {HIP} and {CUDA}, the first one counts"
    if ROCR in given:
        said += f"; {ROCR} counts first, the others choose among the {len(after_rocr)} that it leaves, from 0"
    return warning(NAME, f"{said}: trains on GPU {', '.join(left[:8])}", one if ROCR in given else f"set only {HIP}")
