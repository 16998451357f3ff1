"""Bytes to requests and responses (RFC 3261 §7, §18.3).

Rule 1: whatever comes in, only ParseError comes out, with what an answer needs if that could be read.
Rule 2: what is returned can be answered: its top Via, From, To, Call-ID and CSeq have been read.
Rule 3: a message is split once; values are read by those who need them.
"""

import re

from sip.errors import ParseError
from sip.fields import CSeq, Via, has_sent_by, parse_name_addr
from sip.grammar import TOKEN, WHITESPACE, parse_number, split_values
from sip.headers import NAMES, Headers, canonical_name
from sip.model import DEFAULT_LIMITS, Limits, Request, Response
from sip.uri import HOST, SipUri, parse_uri

_MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")
_SINGLE = frozenset(
    ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type", "Event", "Expires"]
)
"""Headers that must not have two lines (§7.3.1, §20)."""
_ADDRESSES = frozenset(("From", "To", "Contact", "Reply-To", "Referred-By", "Refer-To"))
"""Headers with display names, where NUL can be escaped (§25.1 quoted-pair)."""

_REQUEST_LINE = re.compile(rf"({TOKEN}) ([!#-;=?-~]++) SIP/2\.0", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*+))?", re.IGNORECASE)
_OTHER_VERSION = re.compile(r"(?:[^ ]++ [^ ]++ )?SIP/(?!2\.0(?![0-9]))[0-9]++\.[0-9]++(?: .*+)?", re.IGNORECASE)
_USUAL_VIA = re.compile(
    rf"SIP/2\.0/[A-Z]{{2,4}} {HOST}(?>(?::(?:[0-9]{{1,4}}|[1-5][0-9]{{4}}))?)"
    rf";(?:branch={TOKEN}(?>(?:;rport)?)|rport;branch={TOKEN})"
)
"""What most send: it needs no closer look."""
_USUAL_RESPONSE = re.compile(
    rb"SIP/2\.0 ([1-6][0-9]{2}) [^\r\n]*+\r\n"
    rb"Via: SIP/2\.0/[A-Z]++ [!#-+\--:<-~]++(?>(?:;(?!branch=)[!#-+\--:<-~]++)*);branch=([!#-+\--:<-~]++)[;\r]"
)
_CALL_ID = re.compile(r"[!-~]++")
_FOLD = re.compile(r"\r\n[ \t]++")


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS, *, datagram: bool = True) -> Request | Response:
    """Return the message that `data` is, or raise ParseError.

    Without Content-Length the body is the rest of a datagram; in a stream there is none then (§18.3, read mildly).
    What follows the body is cut off; a body that is shorter than said is an error.
    """
    try:
        return _parse(data, limits, datagram)
    except ParseError as error:
        error.head = answerable(data, limits)
        raise


def _parse(data: bytes, limits: Limits, datagram: bool) -> Request | Response:
    if len(data) > limits.max_size:
        raise ParseError("Message Too Large", status=413)
    head, gap, rest = (data.lstrip(b"\r\n") if data[:1] == b"\r" else data).partition(b"\r\n\r\n")
    if not gap:
        raise ParseError("Headers have no end")
    lines, tidy = _split_head(head, limits)
    start = lines.pop(0)
    headers = _read_lines(lines, tidy)
    message = _read_start(start, headers)
    _check(message)
    message.body = _cut_body(headers.get("Content-Length"), rest, limits, datagram)
    return message


def _split_head(head: bytes, limits: Limits) -> tuple[list[str], bool]:
    """Return the lines, unfolded, and whether they look as most do: no needless whitespace, nothing odd."""
    text = head.decode("utf-8", "surrogateescape")
    tidy = not ("\t" in text or ":  " in text or " \r\n" in text or "\0" in text)
    if "\n " in text or not tidy:
        text = _FOLD.sub(" ", text)
    lines = text.split("\r\n")
    count = len(lines) - 1
    if count > limits.max_headers:
        raise ParseError("Too many headers", status=413)
    if len(text) > limits.max_header_bytes and max(map(len, lines)) > limits.max_header_bytes:
        raise ParseError("Header too long", status=413)
    if not text.count("\n") == text.count("\r") == count:
        raise ParseError("Line break that is no CRLF")
    if not tidy:
        _check_nul(lines)
    return lines, tidy and lines[-1][-1:] != " "


def _check_nul(lines: list[str]) -> None:
    """Refuse NUL everywhere but in display names: databases cannot take it."""
    for line in lines:
        if "\0" in line and NAMES.get(line.partition(":")[0].rstrip(WHITESPACE)) not in _ADDRESSES:
            raise ParseError("NUL in a header")


def _read_lines(lines: list[str], tidy: bool) -> Headers:
    return (_read_tidy(lines) if tidy else None) or _read_any(lines)


def _read_tidy(lines: list[str]) -> Headers | None:
    """Read lines that all have a usual name, of which none is there twice, and a value; None when they are others."""
    names = NAMES
    first: dict[str, str] = {}
    try:
        for line in lines:
            name, _, value = line.partition(": ")
            first[names[name]] = value
    except KeyError:
        return None
    return Headers.of(first, {}) if len(first) == len(lines) and "" not in first.values() else None


def _read_any(lines: list[str]) -> Headers:
    first: dict[str, str] = {}
    more: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ParseError("Header line not readable")
        known = NAMES.get(name) or canonical_name(name)
        if known in first:
            more.setdefault(known, []).append(value.strip(WHITESPACE))
        else:
            first[known] = value.strip(WHITESPACE)
    return Headers.of(first, more)


def _read_start(line: str, headers: Headers) -> Request | Response:
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        if "?" in match[2]:
            _check_no_uri_headers(match[2])
        return Request(match[1], match[2], headers)
    match = _STATUS_LINE.fullmatch(line)
    if match is not None:
        return Response(int(match[1]), match[2] or "", headers)
    if _OTHER_VERSION.fullmatch(line):
        raise ParseError("Version Not Supported", status=505)
    raise ParseError("Start line not readable")


def _check_no_uri_headers(uri: str) -> None:
    """Refuse header fields in a Request-URI (§19.1.1 table 1); whether it is a URI at all is asked by who serves it."""
    try:
        parsed = parse_uri(uri)
    except ParseError:
        return
    if isinstance(parsed, SipUri) and parsed.headers:
        raise ParseError("Request-URI with headers")


def _check(message: Request | Response) -> None:
    """Read what every message must have, once (§8.1.1)."""
    headers = message.headers
    get = headers.get
    via, sender, to, call_id, cseq = get("Via"), get("From"), get("To"), get("Call-ID"), get("CSeq")
    if not (via and sender and to and call_id and cseq):
        raise ParseError("Mandatory header missing")
    if not _SINGLE.isdisjoint(headers.repeated()):
        raise ParseError("Header given twice")
    if not _USUAL_VIA.fullmatch(via):
        Via.parse(first_value(via))
    parse_name_addr(sender)
    parse_name_addr(to)
    if not _CALL_ID.fullmatch(call_id):
        raise ParseError("Call-ID not readable")
    number = CSeq.parse(cseq)
    if isinstance(message, Request) and number.method != message.method:
        raise ParseError("CSeq does not match the method")


def _cut_body(length: str | None, rest: bytes, limits: Limits, datagram: bool) -> bytes:
    whole = len(rest) if datagram else 0
    size = whole if length is None else body_length(length)
    if size > limits.max_body:
        raise ParseError("Request Entity Too Large", status=413)
    if size > len(rest):
        raise ParseError("Content-Length larger than the message")
    return rest if size == len(rest) else rest[:size]


def body_length(text: str) -> int:
    """Return the number of bytes that a Content-Length says (§20.14)."""
    size = parse_number(text, 2**63)
    if size is None:
        raise ParseError("Content-Length not readable")
    return size


def first_value(line: str) -> str:
    """Return the first value of a line that may hold several."""
    return split_values(line)[0] if "," in line else line


def answerable(data: bytes, limits: Limits) -> Request | None:
    """Return what an answer needs (§8.2.6) of a request that is somehow wrong; None when there can be none.

    Its top Via names a host; From, To, Call-ID and CSeq are there. An ACK is never answered, nor is a response.
    """
    head, gap, _ = data.lstrip(b"\r\n")[: limits.max_size].partition(b"\r\n\r\n")
    text = _FOLD.sub(" ", head.decode("utf-8", "surrogateescape"))
    start, *lines = text.split("\r\n")[: limits.max_headers + 1]
    method, _, rest = start.partition(" ")
    if not re.fullmatch(TOKEN, method) or method == "ACK":
        return None
    # The last line of a message without an end may lack its own.
    headers = _mandatory(lines if gap else lines[:-1])
    return Request(method, rest.partition(" ")[0], headers) if _addressable(headers) else None


def _mandatory(lines: list[str]) -> Headers:
    """Return the lines that an answer can repeat."""
    headers = Headers()
    for line in lines:
        name, _, value = line.partition(":")
        name = NAMES.get(name.rstrip(WHITESPACE), "")
        clean = "\n" not in value and "\r" not in value
        if clean and name in _MANDATORY:
            headers.add(name, value.strip(WHITESPACE))
    return headers


def _addressable(headers: Headers) -> bool:
    return all(headers.get(name) for name in _MANDATORY) and has_sent_by(headers.get("Via") or "")


def response_head(data: bytes) -> tuple[int, str]:
    """Return status and top branch of a response and look at nothing else; ParseError when it has none."""
    match = _USUAL_RESPONSE.match(data)
    if match is not None:
        return int(match[1]), match[2].decode("ascii")
    start = _STATUS_LINE.fullmatch(data.partition(b"\r\n")[0].decode("latin-1"))
    if start is None:
        raise ParseError("Status line not readable")
    return int(start[1]), _top_branch(data)


def _top_branch(data: bytes) -> str:
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    for line in _FOLD.sub(" ", head).split("\r\n"):
        name, _, value = line.partition(":")
        if NAMES.get(name.rstrip(WHITESPACE)) == "Via":
            branch = Via.parse(first_value(value.strip(WHITESPACE))).branch
            if branch:
                return branch
            break
    raise ParseError("No branch")
