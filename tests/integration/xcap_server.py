"""Rules at an XCAP server, and how ours hears of their changes."""

import httpx

from xcap_sync.testing import Origin

from .system import System


class Polled:
    """Rules at a server that says nothing: they are found by looking at it again and again."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    async def put(self, aor: str, body: bytes) -> None:
        self.origin.put(aor, body)

    async def remove(self, aor: str) -> None:
        self.origin.delete(aor)


class Told(Polled):
    """Rules at a server whose changes somebody tells with refreshXcapDoc."""

    def __init__(self, origin: Origin, system: System) -> None:
        super().__init__(origin)
        self._system = system

    async def put(self, aor: str, body: bytes) -> None:
        await super().put(aor, body)
        await self._tell(aor)

    async def remove(self, aor: str) -> None:
        await super().remove(aor)
        await self._tell(aor)

    async def _tell(self, aor: str) -> None:
        params = {"doc_uri": self.origin.uri(aor), "port": self.origin.port}
        call = {"jsonrpc": "2.0", "id": 1, "method": "xcap_client:refreshXcapDoc", "params": params}
        async with httpx.AsyncClient() as client:
            answer = (await client.post(self._system.url("xcap-sync", "/mi"), json=call, timeout=10)).json()
        assert answer == {"jsonrpc": "2.0", "id": 1, "result": "OK"}
