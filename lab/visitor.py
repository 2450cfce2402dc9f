"""``python -m lab.visitor LINK QUESTION``: somebody who opens a chat link in headless Chromium, and asks.

Dify's own page and the stand-in's are the same to it: there is a field to type in, Enter sends what was
typed, and the page asks ``/api/chat-messages`` for the answer. Prints a `Visit` as JSON.

A process of its own: the browser's driver has an event loop, and pyinfra's gevent replaces what that waits
with.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

from playwright.sync_api import Error, Page, sync_playwright

from lab.paths import ROOT, STATE

# The machine's own: what Playwright would download is not Debian's, and comes from elsewhere.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Seconds: for the page to be ready, and for the whole answer of a model on a CPU.
PATIENCE = 30
ANSWER_TIMEOUT = 180
SCREENSHOT = STATE / "logs" / "chat-page.png"


@dataclass
class Visit:
    """What a visitor met.

    Attributes:
        title: of the browser's tab.
        greeting: what could be read before anything was asked.
        answer: what the server told the page, as one text.
        shown: what could be read once a word of that answer was shown.
        requests: what the page asked for, as ``GET http://…``, without queries.
        errors: exceptions that the page's scripts did not catch.
    """

    title: str = ""
    greeting: str = ""
    answer: str = ""
    shown: str = ""
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def visit(link: str, question: str) -> Visit:
    """Send a visitor to the page.

    Raises:
        RuntimeError: there is no browser, or the page could not be talked to; a picture of it is left in
            ``.lab/logs``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "lab.visitor", link, question],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * ANSWER_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{link}: {done.stderr[-4000:]}")
    return Visit(**json.loads(done.stdout))


def main() -> int:
    """Visit the page that the command line names."""
    link, question = sys.argv[1:]
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        print(f"None of {', '.join(BROWSERS)} is on PATH; scripts/test installs one.", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-proxy-server"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        seen = Visit()
        try:
            _talk(page, link, question, seen)
        except Error as error:
            SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SCREENSHOT)
            print(f"{error}\nThe page is in {SCREENSHOT}. Until then: {seen}", file=sys.stderr)
            return 1
        finally:
            browser.close()
    print(json.dumps(dataclasses.asdict(seen)))
    return 0


def _talk(page: Page, link: str, question: str, seen: Visit) -> None:
    """Open the page and ask, noting what is seen as it comes."""
    page.on("request", lambda each: seen.requests.append(f"{each.method} {each.url.partition('?')[0]}"))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.goto(link)
    entry = page.get_by_role("textbox").last
    entry.fill(question)  # waits until the page takes it
    seen.greeting = page.inner_text("body")
    with page.expect_response("**/api/chat-messages", timeout=ANSWER_TIMEOUT * 1000) as asked:
        entry.press("Enter")
    seen.answer = _told(asked.value.text())  # waits for its end
    # Dify's page renders Markdown, and the lab's models talk nonsense: of that, a word stays what it was.
    word = max(re.findall(r"[^\W_]+", seen.answer), key=len, default=None)
    if word:
        others = (seen.greeting + question).count(word)
        shown = "([word, others]) => document.body.innerText.split(word).length - 1 > others"
        page.wait_for_function(shown, arg=[word, others])
    seen.shown, seen.title = page.inner_text("body"), page.title()


def _told(stream: str) -> str:
    """The answer in a stream of events."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(event["answer"] for event in events if event.get("event") == "message")


if __name__ == "__main__":
    sys.exit(main())
