"""The HTTP endpoint that every service has: is it alive, is it ready, what does it count."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from lamplighter_runtime.metrics import CONTENT_TYPE, Registry

Readiness = Callable[[], Mapping[str, bool]]


class Alive(BaseModel):
    """The event loop turns."""

    alive: bool = True


class Ready(BaseModel):
    """Whether work should be sent here, and what each check says."""

    ready: bool
    checks: dict[str, bool]


def create_app(title: str, metrics: Registry, readiness: Readiness, *, version: str = "0.1.0") -> FastAPI:
    """Return an app with /livez, /readyz, /metrics and /openapi.json; the service adds its own routes."""
    # The interactive pages would load their scripts from elsewhere.
    app = FastAPI(title=title, version=version, docs_url=None, redoc_url=None)
    app.state.stopping = False

    @app.get("/livez", tags=["health"])
    async def livez() -> Alive:
        """Answer while the event loop turns."""
        return Alive()

    @app.get("/readyz", tags=["health"], response_model=Ready, responses={503: {"model": Ready}})
    async def readyz() -> JSONResponse:
        """Answer 200 when every check passes, else 503."""
        ready = check(readiness(), stopping=app.state.stopping)
        return JSONResponse(ready.model_dump(), status_code=200 if ready.ready else 503)

    @app.get("/metrics", tags=["health"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def prometheus() -> Response:
        """Return the metrics in the Prometheus text format."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return app


def check(checks: Mapping[str, bool], *, stopping: bool) -> Ready:
    """Return whether all checks pass and nobody has asked us to stop."""
    results = dict(checks) | ({"running": False} if stopping else {})
    return Ready(ready=all(results.values()), checks=results)


def http_url(app: FastAPI) -> str:
    """Return the base URL that others reach this app by; known once `Service.run` is called."""
    url: str = app.state.http_url
    return url
