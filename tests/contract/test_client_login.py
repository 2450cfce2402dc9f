"""Signing in, over a socket, on each side of what makes a login different: spellings and cookies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_client_standin import INIT_PASSWORD, PASSWORD, Door, Installation, serving

from lab.dify.standin import api, assembly
from lab.dify.standin.settings import Settings
from provision.dify import Dify, LoginRefusedError
from provision.dify.dialects.login import base64_encoded
from provision.dify.resources import AdminAccount

GIVEN, LOWER = "GX@Company.com", "gx@company.com"
HTTPS = {"console_api_url": "https://dify.example.com", "console_web_url": "https://dify.example.com"}


@contextmanager
def fresh(version: str, storage: Path, **settings: Any) -> Iterator[Installation]:
    """A Dify that nobody has set up."""
    wanted = Settings(version=version, init_password=INIT_PASSWORD, storage=str(storage), **settings)
    door = Door(api.app(assembly.site(wanted)))
    with serving(door) as url:
        yield Installation(url, "", door)


def signed_in(there: Installation, email: str) -> Dify:
    dify = there.dify()
    dify.sign_in(email, PASSWORD)
    return dify


@pytest.mark.parametrize("version", ["1.3.1", "1.8.1", "1.9.2", "1.11.2", "1.11.3", "1.16.1"])
def test_an_address_is_used_as_it_is_spelled(version: str, tmp_path: Path) -> None:
    """One that was set up by this tool, and one that was set up by hand, which is no other request."""
    with fresh(version, tmp_path) as there:
        AdminAccount(there.dify(), GIVEN, "Admin", PASSWORD, INIT_PASSWORD).apply()
        assert signed_in(there, GIVEN).apps.find("x") is None
        if version in ("1.11.3", "1.16.1"):
            assert signed_in(there, LOWER).apps.find("x") is None
        else:
            with pytest.raises(LoginRefusedError):
                signed_in(there, LOWER).apps.find("x")


@pytest.mark.parametrize("version", ["1.9.2", "1.10.1", "1.16.1"])
@pytest.mark.parametrize("urls", [{}, HTTPS], ids=["http", "https"])
@pytest.mark.parametrize("domain", ["", ".example.com"])
def test_cookies_are_sent_whatever_they_are_for(
    version: str, urls: dict[str, str], domain: str, tmp_path: Path
) -> None:
    with fresh(version, tmp_path, cookie_domain=domain, **urls) as there:
        AdminAccount(there.dify(), GIVEN, "Admin", PASSWORD, INIT_PASSWORD).apply()
        password = base64_encoded(PASSWORD) if version == "1.16.1" else PASSWORD
        answer = httpx.post(f"{there.url}/console/api/login", json={"email": GIVEN, "password": password})
        cookies = answer.headers.get_list("set-cookie")
        whole_domain = bool(domain) and version != "1.9.2"
        assert ["Domain=example.com" in each for each in cookies] == [whole_domain] * 3
        assert all(each.startswith("__Host-") == (bool(urls) and not whole_domain) for each in cookies)
        assert signed_in(there, GIVEN).apps.find("x") is None
