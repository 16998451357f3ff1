"""Rules documents of the presentities that presload plays: everybody but two may see everything."""

import asyncio

import asyncpg

from bench.lab.presload import DOMAIN

PRESENTITIES = 2_000
"""Who has a document: p0, p1, ..."""
_PRES_RULES = 2
_ALLOWED = (
    f'<cp:rule id="rest"><cp:conditions><cp:identity><cp:many domain="{DOMAIN}"/></cp:identity></cp:conditions>'
    "<cp:actions><pr:sub-handling>allow</pr:sub-handling></cp:actions><cp:transformations>"
    "<pr:provide-services><pr:all-services/></pr:provide-services>"
    "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"
    "<pr:provide-devices><pr:all-devices/></pr:provide-devices>"
    "<pr:provide-all-attributes/></cp:transformations></cp:rule>"
)


def _refused(watcher: str, handling: str) -> str:
    return (
        f'<cp:rule id="{watcher}"><cp:conditions><cp:identity><cp:one id="sip:{watcher}@{DOMAIN}"/></cp:identity>'
        f"</cp:conditions><cp:actions><pr:sub-handling>{handling}</pr:sub-handling></cp:actions></cp:rule>"
    )


DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">'
    f"{_refused('nobody', 'block')}{_refused('nosy', 'polite-block')}{_ALLOWED}</cp:ruleset>"
).encode()


def write(dsn: str) -> None:
    """Put a document for each presentity into the table `xcap` of a database."""
    asyncio.run(_write(dsn))


async def _write(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.executemany(
            "INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port) "
            "VALUES ($1, $2, $3, $4, $5, 0, $6, 0)",
            [
                (f"p{at}", DOMAIN, DOCUMENT, _PRES_RULES, f"etag-{at}", f"/pres-rules/users/sip:p{at}@{DOMAIN}/index")
                for at in range(PRESENTITIES)
            ],
        )
    finally:
        await connection.close()
