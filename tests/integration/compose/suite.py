"""The behaviour suite: tests of other modules that need nothing but a system and agents, against another system."""

from collections.abc import Collection, Mapping
from types import FunctionType, ModuleType

from .. import (
    test_bad_input,
    test_composition,
    test_dialog,
    test_events_open,
    test_http,
    test_loss,
    test_publish,
    test_publish_refusals,
    test_register,
    test_sip,
    test_subscribe,
)

MODULES = (
    test_bad_input,
    test_composition,
    test_dialog,
    test_events_open,
    test_http,
    test_loss,
    test_publish,
    test_publish_refusals,
    test_register,
    test_sip,
    test_subscribe,
)


def behaviour(*, but: Collection[str] = ()) -> Mapping[str, FunctionType]:
    """Return the suite's tests by name, with the marks of their modules; `but` are left out."""
    return gathered(*MODULES, but=but)


def gathered(*modules: ModuleType, but: Collection[str] = ()) -> Mapping[str, FunctionType]:
    """Return the tests of modules by name, with the marks of their modules; `but` are left out."""
    found: dict[str, FunctionType] = {}
    for module in modules:
        for name, value in vars(module).items():
            if name.startswith("test_") and isinstance(value, FunctionType):
                assert name not in found, f"two tests are named {name}"
                found[name] = _twin(value, module)
    assert set(but) <= set(found), f"no such tests: {set(but) - set(found)}"
    return {name: test for name, test in found.items() if name not in but}


def _twin(test: FunctionType, module: ModuleType) -> FunctionType:
    """Return a copy, so that the marks that are added do not mark the original."""
    twin = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__, test.__closure__)
    twin.__dict__.update(test.__dict__)
    twin.__doc__ = test.__doc__
    twin.__annotations__ = test.__annotations__
    marks = getattr(module, "pytestmark", [])
    marks = marks if isinstance(marks, list) else [marks]
    twin.__dict__["pytestmark"] = [*test.__dict__.get("pytestmark", []), *(one.mark for one in marks)]
    return twin
