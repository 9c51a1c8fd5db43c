"""Tokens, verified by Keystone. No credentials of ours: each token is asked about with itself."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from novaha.web.access import Login, RefusedError

_AT_ONCE = 8
"""Questions to Keystone at once."""

_TIMEOUT = 10.0
_KEPT, _REFUSED_KEPT = 60.0, 10.0
"""Seconds for which an answer counts: yes, no. A token that is revoked counts until then."""

_MOST = 1000
"""Tokens that are remembered."""

_LONGEST = 16_384
"""Characters of a token."""


@dataclass(frozen=True, slots=True)
class _Known:
    until: float
    login: Login | None


class Keystone:
    """`login` asks Keystone, or remembers what it said. Tokens are kept as hashes only."""

    def __init__(
        self, url: str, cafile: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """url: of version 3."""
        base = url.rstrip("/")
        self._url = f"{base if base.endswith('/v3') else base + '/v3'}/auth/tokens"
        self._cafile = cafile
        self._clock = clock
        self._pool = ThreadPoolExecutor(_AT_ONCE, "keystone")
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[Login | None]] = {}

    async def login(self, token: str) -> Login:
        """Raises RefusedError: 401 for no valid token, 503 while Keystone does not answer."""
        if len(token) > _LONGEST or not token.isascii() or not token.isprintable():
            raise RefusedError(401, "that is no token")
        key = hashlib.sha256(token.encode()).digest()
        known = self._known.get(key)
        if known is None or known.until <= self._clock():
            if key not in self._asked:
                self._asked[key] = asyncio.get_running_loop().create_task(self._ask(key, token))
            login = await asyncio.shield(self._asked[key])
        else:
            login = known.login
        if login is None:
            raise RefusedError(401, "Keystone does not know this token, or it has expired")
        return login

    async def _ask(self, key: bytes, token: str) -> Login | None:
        try:
            loop = asyncio.get_running_loop()
            login, lasts = await loop.run_in_executor(self._pool, self._verify, token)
            self._known[key] = _Known(self._clock() + lasts, login)
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
            return login
        finally:
            del self._asked[key]

    def _verify(self, token: str) -> tuple[Login | None, float]:
        """The login, None for no valid token; and for how many seconds that counts."""
        from keystoneauth1 import session
        from keystoneauth1.exceptions import ClientException

        asked = session.Session(verify=self._cafile or True, timeout=_TIMEOUT)
        try:
            answer = asked.get(
                self._url,
                headers={"X-Auth-Token": token, "X-Subject-Token": token},
                authenticated=False,
                raise_exc=False,
                redirect=False,
                log=False,
            )
        except ClientException:
            raise RefusedError(503, "Keystone does not answer, no token can be verified") from None
        if answer.status_code in (401, 403, 404):
            return None, _REFUSED_KEPT
        try:
            return _read(answer.status_code, answer.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RefusedError(
                503, f"Keystone answers {answer.status_code} and no token can be verified"
            ) from None


def _read(status: int, content: Any) -> tuple[Login | None, float]:
    if status != 200:
        raise ValueError
    token = content["token"]
    user, domain = token["user"]["name"], token["user"]["domain"]["name"]
    roles = frozenset(str(role["name"]) for role in token.get("roles", ()))
    ends = datetime.fromisoformat(token["expires_at"])
    left = (ends - datetime.now(UTC)).total_seconds()
    if left <= 0:
        return None, _REFUSED_KEPT
    return Login(f"{user}@{domain}", roles), min(left, _KEPT)
