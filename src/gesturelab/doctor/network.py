"""Whether the networks compute what they should, and at which shapes AMD's library is known not to."""

from gesturelab.doctor.facts import Comparison, Facts, Shape
from gesturelab.doctor.finding import Finding, failure, ok, warning


def check_limits(facts: Facts) -> Finding:
    """At which batch size each model size crosses MIOpen's limits, and whether the configured one does."""
    name, batch = "MIOpen limits", facts.asked.batch
    if not facts.shapes:
        return warning(name, "not predicted: the models cannot be built here", "mend torch first")
    said = f"at windows of {facts.asked.frames} frames right up to a batch of {_by_limit(facts.shapes)}"
    crossed = [shape for shape in facts.shapes if batch > shape.largest_batch]
    if not crossed:
        return ok(name, f"{said}; trainer.batch_size={batch} is within them")
    sizes = ", ".join(shape.size for shape in crossed)
    if facts.torch is None or facts.torch.hip is None:
        return ok(name, f"{said}; trainer.batch_size={batch} crosses them ({sizes}), but this torch is not for AMD")
    said += f"; trainer.batch_size={batch} crosses them ({sizes}): wrong results without a word"
    asked = next((shape for shape in crossed if shape.size == facts.asked.model), None)
    most = min(shape.largest_batch for shape in ([asked] if asked else crossed))
    do = f"trainer.batch_size={most}" if most else "shorten window.length_frames"
    return failure(name, said, do) if asked else warning(name, said, f"for these, {do}")


def _by_limit(shapes: tuple[Shape, ...]) -> str:
    """``2048 (tiny, small), 1000 (xxlarge)``."""
    limits: dict[int, list[str]] = {}
    for shape in shapes:
        limits.setdefault(shape.largest_batch, []).append(shape.size)
    return ", ".join(f"{limit} ({', '.join(sizes)})" for limit, sizes in limits.items())


def check_computing(facts: Facts) -> list[Finding]:
    """Whether each size's forward and backward pass on the device agrees with the CPU's; which were not run."""
    findings = [_compare(each, facts) for each in facts.comparisons]
    if not facts.not_compared:
        return findings
    name = "not computed"
    said = "; ".join(f"{size}: {reason}" for size, reason in facts.not_compared.items())
    asked = facts.asked.model in facts.not_compared
    do = "gesturelab doctor --all-sizes, or a larger --seconds"
    return [*findings, warning(name, said, do) if asked else ok(name, f"{said} (--all-sizes runs every size)")]


def _compare(each: Comparison, facts: Facts) -> Finding:
    name = f"computing {each.size}".strip()
    shape = f"{facts.asked.batch} windows of {facts.asked.frames} frames, {each.precision} on {each.device}"
    bad = failure if each.size in (facts.asked.model, "") else warning
    if each.error:
        out = "out of memory" in each.error.lower()
        do = "halve trainer.batch_size" if out else "gesturelab doctor trainer=cpu tells whether the GPU is the cause"
        return bad(name, f"{shape}: failed: {each.error}", do)
    said = (
        f"{shape}: outputs differ by {each.logits_error:.1g}, gradients by {each.gradient_error:.1g} from float64 on "
        f"the CPU ({each.seconds:.1f} s)"
    )
    if each.agrees:
        return ok(name, said)
    where = f", most of all {each.worst}" if not each.gradient_error <= each.tolerance and each.worst else ""
    return bad(
        name,
        f"{said}: WRONG, rounding explains {each.tolerance:g}{where}",
        "do not trust trainings of these shapes here: change trainer.batch_size or window.length_frames and look "
        "again, try trainer.precision=float32, another driver or torch, or trainer=cpu",
    )
