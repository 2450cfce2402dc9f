"""Dify's service API and the web application's own door: what the users of a chatbot reach."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from provision.dify.errors import DifyError
from provision.dify.generations import generation_of
from provision.dify.transport import Transport

# Seconds. A first answer of a model on a CPU may take long.
ANSWER_TIMEOUT = 180.0

_ASK = "Ask the chatbot"
_CHAT = "v1/chat-messages"


@dataclass(frozen=True)
class Answer:
    """The chatbot's answer, and the tokens that the model counted for it.

    Args:
        sources: names of the documents that it cites, the best first.
    """

    text: str
    conversation_id: str
    prompt_tokens: int
    completion_tokens: int
    sources: tuple[str, ...] = ()


class ServiceApi:
    """``/v1`` and ``/api`` of one server. A question is never sent twice by itself."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(
        self,
        api_key: str,
        question: str,
        user: str,
        conversation_id: str = "",
        timeout: float = ANSWER_TIMEOUT,
    ) -> Answer:
        """Ask and wait for the whole answer.

        Args:
            user: who asks, as the application names its users; needed to delete the conversation.
            conversation_id: of an earlier answer, to go on with; otherwise a new one begins.
            timeout: seconds to wait for the answer.

        Raises:
            DifyError: refused, failed, or no answer in time.
        """
        try:
            reply = self._transport.send(
                _ASK,
                "POST",
                _CHAT,
                body=_question(question, user, "blocking", conversation_id),
                headers=self._bearer(api_key),
                read_timeout=timeout,
            )
        except DifyError as error:
            raise error.advised(_ADVICE.get(error.code or "", error.advice)) from None
        return _answer(
            reply.get("answer", str),
            reply.get("conversation_id", str),
            reply.optional("metadata", dict) or {},
        )

    def ask_streaming(
        self,
        api_key: str,
        question: str,
        user: str,
        conversation_id: str = "",
        timeout: float = ANSWER_TIMEOUT,
    ) -> Answer:
        """Like `ask`; the answer comes in pieces, as a web page shows it. A stream without an end is none,
        and the conversation that it began is deleted."""
        text = conversation = ""
        try:
            for event in self._transport.events(
                _ASK,
                _CHAT,
                body=_question(question, user, "streaming", conversation_id),
                headers=self._bearer(api_key),
                timeout=timeout,
            ):
                conversation = str(event.get("conversation_id") or conversation)
                if event.get("event") in ("message", "agent_message"):
                    text += str(event.get("answer") or "")
                elif event.get("event") == "message_end":
                    return _answer(text, conversation, event.get("metadata") or {})
            raise DifyError(_ASK, f"the stream broke off after {len(text)} characters", "ask again")
        except DifyError as error:
            if conversation:
                with suppress(DifyError):  # what went wrong before is what counts
                    self.delete_conversation(api_key, conversation, user)
            raise error.advised(_ADVICE.get(error.code or "", error.advice)) from None

    def delete_conversation(self, api_key: str, conversation_id: str, user: str) -> None:
        """Delete a conversation of this user; one that is gone already is fine."""
        try:
            self._transport.send(
                "Delete the conversation",
                "DELETE",
                f"v1/conversations/{conversation_id}",
                body={"user": user},  # without a JSON body: 415
                headers=self._bearer(api_key),
            )
        except DifyError as error:
            if error.status != 404:
                raise

    def link_works(self, code: str) -> bool:
        """Whether the public chat link with this code lets visitors in.

        The page itself answers 200 for any code; what its script asks for first, a passport and what the
        page says, does not. A fixed user id keeps Dify from making a new visitor for each check.
        """
        step = "Check the chat link"
        headers = {"X-App-Code": code}
        query = {"user_id": "provisioner"}
        try:
            reply = self._transport.send(
                step, "GET", "api/passport", query=query, headers=headers, repeatable=True
            )
            passport = reply.get("access_token", str)
            self._transport.hide(passport)
            headers |= generation_of(self._transport.version()).visitor(passport)
            self._transport.send(step, "GET", "api/site", headers=headers, repeatable=True)
        except DifyError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _bearer(self, api_key: str) -> dict[str, str]:
        self._transport.hide(api_key)
        return {"Authorization": f"Bearer {api_key}"}


def _question(question: str, user: str, mode: str, conversation_id: str) -> dict[str, Any]:
    return {
        "inputs": {},
        "query": question,
        "user": user,
        "response_mode": mode,
        "conversation_id": conversation_id,
        "auto_generate_name": False,
    }


def _answer(text: str, conversation_id: str, metadata: Mapping[str, Any]) -> Answer:
    usage = metadata.get("usage") or {}
    sources = metadata.get("retriever_resources") or []
    return Answer(
        text,
        conversation_id,
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        tuple(str(source.get("document_name")) for source in sources),
    )


_ADVICE = {
    "unauthorized": "the API key was revoked or belongs to another server",
    "forbidden": "the app's API is switched off",
    "provider_not_initialize": "the app's model has no credential: save it again",
    "completion_request_error": "the model's endpoint refused or cannot be reached from plugin_daemon",
    "app_unavailable": "the app has no valid configuration: publish it again",
}
