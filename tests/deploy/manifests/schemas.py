"""Validates documents against the schemas of Kubernetes, and those of others against the fields that we use."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

from .documents import Document, Fields, Manifests, fields

VERSIONS = ("1.34", "1.37")
_OTHERS = Path(__file__).with_name("others.yaml")


def others() -> dict[str, Fields]:
    """Return the schemas of kinds that are not Kubernetes' own, by `apiVersion kind`."""
    found = fields(yaml.safe_load(_OTHERS.read_text()))
    return {name: fields(schema) for name, schema in found.items() if not name.startswith("x-")}


def check_schemas(manifests: Manifests) -> Iterator[str]:
    """Say which documents no Kubernetes would take, or none that we know."""
    known = others()
    for document in manifests.documents:
        name = f"{document.content.get('apiVersion')} {document.kind}"
        if name in known:
            yield from _other(document, known[name])
        else:
            yield from _kubernetes(document)


def _kubernetes(document: Document) -> Iterator[str]:
    for version in VERSIONS:
        if problem := _problem(json.dumps(document.content), version):
            yield f"{document}: Kubernetes {version}{problem}"


@cache
def _problem(content: str, version: str) -> str:
    # The same documents are in many overlays, and each time the schemas are read anew.
    document = json.loads(content)
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return f" has no {document['kind']} of {document['apiVersion']}"
    except kubernetes_validate.ValidationError as error:
        return f": {'.'.join(map(str, error.path))}: {error.message}"
    return ""


def _other(document: Document, schema: Fields) -> Iterator[str]:
    validator = jsonschema.Draft202012Validator(schema)
    for error in validator.iter_errors(document.content):
        yield f"{document}: {'.'.join(map(str, error.path))}: {error.message}"
