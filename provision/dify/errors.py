"""What went wrong with Dify, told so that a person can act on it."""

from __future__ import annotations


class DifyError(Exception):
    """A step at Dify failed. No part of the message holds a secret.

    Args:
        step: what was being done, in the imperative, for instance "Sign in".
        problem: what happened; for an answered request method, path and the answer.
        advice: what the reader can do about it; may be empty.
        status: HTTP status, when Dify (or a proxy before it) answered.
        code: Dify's error code, for instance "invalid_param", when the answer had one.
    """

    def __init__(
        self,
        step: str,
        problem: str,
        advice: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        self.step = step
        self.problem = problem
        self.advice = advice
        self.status = status
        self.code = code
        super().__init__(f"{step}: {problem}" + (f" → {advice}" if advice else ""))

    @property
    def is_bad_request(self) -> bool:
        """Dify refused the request as such; newer versions say 422 at more and more places."""
        return self.status in (400, 422)

    def advised(self, advice: str) -> DifyError:
        """The same error with better advice, from somebody who knows what was intended."""
        return type(self)(self.step, self.problem, advice, status=self.status, code=self.code)


class LoginRefusedError(DifyError):
    """Dify did not let the administrator in, or did not before in this run; another try does harm."""
