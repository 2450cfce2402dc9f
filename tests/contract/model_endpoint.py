"""A model endpoint for the replay: `python model_endpoint.py PORT` answers as the recorded one did.

Statuses and texts are those of the recording (steps "add llm: wrong …", "validate …"): bearer key, served
names, an answer that repeats the question.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "lab-key"
SERVED = {"qwen-lab": "chat", "bge-lab": "embeddings", "reranker-lab": "rerank"}


def _refusal(status: int, kind: str, message: str) -> Response:
    body = {"error": {"message": message, "type": kind, "param": None, "code": status}}
    return JSONResponse(body, status)


async def _answer(request: Request) -> Response:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return _refusal(401, "invalid_request_error", "Unauthorized")
    asked = await request.json()
    kind = request.url.path.split("/")[2]
    if SERVED.get(asked["model"]) != kind:
        return _refusal(404, "NotFoundError", f"The model `{asked['model']}` does not exist.")
    if kind == "chat":
        return _chat(asked)
    if kind == "embeddings":
        data = [{"object": "embedding", "index": 0, "embedding": [0.1] * 8}]
        return JSONResponse(
            {"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        )
    results = [{"index": i, "relevance_score": 1 - i / 10} for i in range(len(asked["documents"]))]
    return JSONResponse({"results": results[: asked["top_n"]]})


def _chat(asked: dict[str, Any]) -> Response:
    said = f"You said: {asked['messages'][-1]['content']}"
    words = sum(len(message["content"].split()) for message in asked["messages"])
    usage = {"prompt_tokens": words, "completion_tokens": len(said.split())}
    if asked.get("stream"):
        return StreamingResponse(_pieces(said, usage), media_type="text/event-stream")
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    return JSONResponse({"object": "chat.completion", "choices": [choice], "usage": usage})


def _pieces(said: str, usage: dict[str, int]) -> Iterator[str]:
    for word in said.split():
        delta = {"choices": [{"index": 0, "delta": {"content": f"{word} "}}]}
        yield f"data: {json.dumps(delta)}\n\n"
    yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def _health(_: Request) -> Response:
    return Response()


def _missing(_: Request, __: Exception) -> Response:
    return PlainTextResponse("Not Found", 404)


app = Starlette(
    routes=[
        Route("/health", _health),
        *(
            Route(f"/v1/{path}", _answer, methods=["POST"])
            for path in ("chat/completions", "embeddings", "rerank")
        ),
    ],
    exception_handlers={404: _missing},
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
