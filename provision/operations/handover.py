"""What the owner gets: a link, an API, a key."""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator

import httpx
from pyinfra import host, logger, state
from pyinfra.api import FileUploadCommand, StringCommand, operation

from provision import progress
from provision.connectors.wsl import WslConnector
from provision.dify.errors import DifyError
from provision.domain.deployment import Deployment
from provision.domain.dify_env import wrong_links
from provision.domain.secrets import ETC
from provision.keeper import KeeperUnavailableError
from provision.operations.dify import client
from provision.operations.failing import failure
from provision.operations.secrets import secret_file
from provision.templates import render

API_KEY_FILE = f"{ETC}/api-key"
HANDOVER_FILE = f"{ETC}/handover.md"

Commands = Generator[StringCommand | FileUploadCommand, None, None]


@operation()
def hand_over(*, deployment: Deployment) -> Commands:
    """Keep link, address and key in root-only files on the Dify host, and print them without the key.

    Args:
        deployment: the bot and Dify's address.
    """
    bot = deployment.dify.bot.name
    try:
        dify = client(deployment.dify)
        app = dify.apps.require(bot)
        key = dify.apps.api_key(bot)
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        if not state.is_executing:
            # A dry run on bare hosts: there is no bot yet.
            yield StringCommand("true")
        elif "chat" in progress.not_done:
            host.noop("there is no bot yet")
        else:
            yield failure("Hand over", str(error), advice="Run again")
        return
    for line in wrong_links(deployment.dify_url, app.site_url, app.api_url):
        logger.warning(f"{host.print_prefix}{line}")
    link = f"{deployment.dify_url}/chat/{app.link_code}"
    values = {
        "bot": bot,
        "link": link,
        "embed": f"{deployment.dify_url}/chatbot/{app.link_code}",
        "api": f"{deployment.dify_url}/v1",
    }
    yield from secret_file._inner(content=f"{key}\n", path=API_KEY_FILE)
    yield from secret_file._inner(content=render("handover.md.j2", key=key, **values), path=HANDOVER_FILE)
    if state.is_executing:
        question = deployment.dify.bot.test_question
        asked = {"inputs": {}, "query": question, "user": "me", "response_mode": "blocking"}
        body = json.dumps(asked, ensure_ascii=False)
        logger.info(
            render(
                "handover.txt.j2",
                read_key=read_command(API_KEY_FILE),
                host=host.name,
                file=HANDOVER_FILE,
                question=question,
                body=body,
                quoted_body=shlex.quote(body),
                ready=not {"chat", "question"} & progress.not_done.keys(),
                answer=progress.answer,
                **values,
            )
        )


def read_command(path: str) -> str:
    """A command that prints a file of this host on the control machine, so that no key is printed here."""
    if host.name == "@local":
        return f"sudo cat {path}"
    data = host.data
    words = ["ssh"]
    if (port := data.get("ssh_port", 22)) != 22:
        words += ["-p", str(port)]
    if key := data.get("ssh_key"):
        words += ["-i", str(key)]
    if known_hosts := data.get("ssh_known_hosts_file"):
        words += ["-o", f"UserKnownHostsFile={known_hosts}"]
    words.append(f"{data.get('ssh_user', 'root')}@{data.get('ssh_hostname', host.name)}")
    connector = host.connector
    if isinstance(connector, WslConnector):
        return shlex.join([*words, connector.distribution.inside("cat", path)])
    return shlex.join([*words, "cat", path])
