from collections.abc import Mapping

import httpx
from fastapi import FastAPI

from lamplighter_runtime.health import create_app
from lamplighter_runtime.metrics import Registry


def app_with(checks: Mapping[str, bool], metrics: Registry | None = None) -> FastAPI:
    return create_app("sample", metrics or Registry(), lambda: checks)


async def get(app: FastAPI, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as client:
        return await client.get(path)


async def test_livez_of_a_service_that_is_not_ready_is_200() -> None:
    response = await get(app_with({"bus": False}), "/livez")

    assert (response.status_code, response.json()) == (200, {"alive": True})


async def test_readyz_with_all_checks_passed_is_200() -> None:
    response = await get(app_with({"bus": True, "database": True}), "/readyz")

    assert response.status_code == 200
    assert response.json() == {"ready": True, "checks": {"bus": True, "database": True}}


async def test_readyz_with_a_check_failed_is_503_and_says_which() -> None:
    response = await get(app_with({"bus": True, "database": False}), "/readyz")

    assert response.status_code == 503
    assert response.json() == {"ready": False, "checks": {"bus": True, "database": False}}


async def test_readyz_while_stopping_is_503() -> None:
    app = app_with({"bus": True})
    app.state.stopping = True

    response = await get(app, "/readyz")

    assert response.status_code == 503
    assert response.json() == {"ready": False, "checks": {"bus": True, "running": False}}


async def test_metrics_are_those_of_the_registry() -> None:
    metrics = Registry()
    metrics.counter("presence_sample_total", "Samples.").inc(7)

    response = await get(app_with({}, metrics), "/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "presence_sample_total 7.0" in response.text


async def test_openapi_describes_every_path() -> None:
    response = await get(app_with({}), "/openapi.json")

    assert set(response.json()["paths"]) == {"/livez", "/readyz", "/metrics"}


async def test_interactive_pages_that_load_scripts_from_elsewhere_are_absent() -> None:
    assert (await get(app_with({}), "/docs")).status_code == 404
