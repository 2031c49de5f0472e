"""Whether the packages are those that gesturelab works with."""

from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from gesturelab.doctor.facts import Facts, Package
from gesturelab.doctor.finding import Finding, failure, ok, warning

MALICIOUS = {"lightning": ("2.6.2", "2.6.3")}
"""Releases that carried code to steal secrets."""
NAME = "packages"


def check_versions(facts: Facts) -> Finding:
    """What a result will say that it was computed with."""
    return ok("versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items()))


def check_packages(packages: Sequence[Package]) -> list[Finding]:
    """Malicious, missing and unfit packages, each by name; one line when all fit."""
    if not packages:
        return [warning(NAME, "gesturelab is not installed, so its packages are not known", "make install")]
    found = [finding for package in packages if (finding := _check(package)) is not None]
    fit = sum(package.installed is not None for package in packages)
    return found or [ok(NAME, f"{fit} installed, all within the bounds of gesturelab's metadata")]


def _check(package: Package) -> Finding | None:
    name, version = package.name, package.installed
    if version is None:
        if package.extra:
            return None
        return failure(NAME, f"{name} is missing", "make install, or pip install gesturelab, in this environment")
    if version in MALICIOUS.get(name, ()):
        return failure(
            NAME,
            f"{name} {version} is a malicious release: importing it steals passwords and keys",
            f"pip uninstall {name} now, change every key and password of this account, then make clean install",
        )
    if fits(version, package.bounds):
        return None
    said = f"{name} {version} is outside {package.bounds}"
    do = f"pip install '{name}{package.bounds}'"
    if package.extra:
        return warning(NAME, f"{said}, wanted by the extra {package.extra}", do)
    return failure(NAME, said, do)


def fits(version: str, bounds: str) -> bool:
    """Whether a version lies within bounds; local parts, such as ``+rocm6.4``, and pre-releases count as their version.

    >>> fits("2.9.1+rocm6.4", ">=2.6"), fits("2.6.2", ">=2.5,<3,!=2.6.2"), fits("3.0.0rc1", ">=2.5,<3")
    (True, False, False)
    """
    try:
        return SpecifierSet(bounds, prereleases=True).contains(Version(version).base_version)
    except (InvalidSpecifier, InvalidVersion):
        return False
