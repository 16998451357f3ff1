"""The manifests are right, and each check of them sees a fault."""

from pathlib import Path

import pytest

from .faults import DEV, ON_HOST, PRODUCTION, Fault, also, need_kubectl, rendered
from .known_faults import FAULTS, NOTIFIER
from .manifests.checks import CHECKS, OF_STORES, Check, problems
from .manifests.documents import fields
from .manifests.references import check_references
from .manifests.rendering import render, stores


@pytest.mark.parametrize("overlay", [PRODUCTION, ON_HOST, DEV])
def test_overlays_have_no_fault(overlay: str) -> None:
    found = problems(rendered(overlay))

    assert found == []


@pytest.mark.parametrize("folder", stores(), ids=lambda folder: folder.name)
def test_what_stands_beside_the_services_has_no_fault(folder: Path) -> None:
    need_kubectl()

    found = problems(render(folder), OF_STORES)

    assert found == []


def test_every_check_is_seen_to_fail() -> None:
    assert set(FAULTS) == set(CHECKS)


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        pytest.param(check, fault, id=f"{check.__name__}-{number}")
        for check, faults in FAULTS.items()
        for number, fault in enumerate(faults)
    ],
)
def test_check_of_manifests_with_a_fault_tells_it(check: Check, fault: Fault) -> None:
    manifests = fault.manifests()

    found = list(check(manifests))

    assert any(fault.told in problem for problem in found), found


def test_two_that_scale_one_deployment_are_told() -> None:
    manifests = also(
        "HorizontalPodAutoscaler/notifier", lambda content: fields(content["metadata"]).update(name="another")
    )

    found = list(check_references(manifests))

    assert "HorizontalPodAutoscaler/another: HorizontalPodAutoscaler/notifier scales Deployment notifier, too" in found


def test_documents_of_the_same_name_are_told() -> None:
    manifests = also("Service/notifier", lambda content: None)

    found = list(check_references(manifests))

    assert "Service/notifier: there are two" in found


def test_deployments_that_select_the_pods_of_each_other_are_told() -> None:
    manifests = also(NOTIFIER, lambda content: fields(content["metadata"]).update(name="another"))

    found = list(check_references(manifests))

    assert "Deployment/another: selects the pods of Deployment/notifier, too" in found
