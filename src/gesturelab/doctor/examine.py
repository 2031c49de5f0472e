"""Facts to findings."""

from gesturelab.doctor.facts import Facts
from gesturelab.doctor.finding import Finding, Verdict
from gesturelab.doctor.gpu import check_devices, check_driver, check_torch
from gesturelab.doctor.machine import check_folders, check_slurm, check_threads
from gesturelab.doctor.network import check_computing, check_limits
from gesturelab.doctor.software import check_packages, check_versions
from gesturelab.doctor.visible import check_visible


def examine(facts: Facts) -> list[Finding]:
    """Every check, in the order in which to mend what is broken."""
    return [
        check_versions(facts),
        *check_packages(facts.packages),
        check_torch(facts),
        check_driver(facts),
        check_visible(facts),
        check_devices(facts),
        check_slurm(facts),
        *check_folders(facts),
        check_threads(facts),
        check_limits(facts),
        *check_computing(facts),
    ]


def worst(findings: list[Finding]) -> Verdict:
    """The worst verdict of all."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.ok)
