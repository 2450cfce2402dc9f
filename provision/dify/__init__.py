"""A typed client of Dify's console and service API, and the resources that are kept as wanted with it."""

from provision.dify.client import Dify, wait_until_ready
from provision.dify.errors import DifyError, LoginRefusedError
from provision.dify.service import Answer

__all__ = ["Answer", "Dify", "DifyError", "LoginRefusedError", "wait_until_ready"]
