"""SCRAM verifiers, so that no password is ever part of an SQL statement."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re

_ITERATIONS = 4096


def scram_sha_256(password: str, stored: str | None = None) -> str:
    """Return what pg_authid keeps of a password; `stored` itself if it is of this password already."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$[^:]+:.+", stored or "")
    if match and _verifier(password, base64.b64decode(match[2]), int(match[1])) == stored:
        return stored or ""
    return _verifier(password, os.urandom(16), _ITERATIONS)


def _verifier(password: str, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, object]:
        """Return the filters by name."""
        return {"scram_sha_256": scram_sha_256}
