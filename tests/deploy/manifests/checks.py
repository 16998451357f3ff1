"""All checks of what an overlay renders."""

from collections.abc import Callable, Iterator

from .arrows import check_arrows
from .documents import Manifests
from .enums import check_enums
from .images import check_images
from .metrics import check_metrics
from .references import check_references
from .schemas import check_schemas
from .security import check_security
from .starting import check_secrets, check_starting, check_variables

Check = Callable[[Manifests], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    check_schemas,
    check_enums,
    check_variables,
    check_secrets,
    check_starting,
    check_images,
    check_references,
    check_security,
    check_arrows,
    check_metrics,
)


OF_STORES: tuple[Check, ...] = (check_schemas, check_enums, check_references)
"""What is checked of what stands beside the services."""


def problems(manifests: Manifests, checks: tuple[Check, ...] = CHECKS) -> list[str]:
    """Return what is wrong with what an overlay renders."""
    return [problem for check in checks for problem in check(manifests)]
