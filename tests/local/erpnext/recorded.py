"""The recordings of a real ERPNext v15, and how an answer of the stand-in is compared with one of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "recordings" / "erpnext"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d{1,2}:\d\d:\d\d\.\d{6}")
TIME = re.compile(r"\d{1,2}:\d\d:\d\d\.\d{6}")
RANDOM = re.compile(r"[0-9a-z]{10}|[0-9A-Za-z]{30}")
RANDOM_KEYS = {"name", "client_secret"}
UNCOMPARED = {"id_token", "sub", "exp", "roles"}
"""Keys whose values are signed, of another user or of another moment; that they are there is compared."""
TRUNCATED = re.compile(r"\.\.\.\[truncated, \d+ chars in total\]$")


@dataclass(frozen=True)
class Recording:
    """One recorded request and response, or (without a request) an observation of several."""

    name: str
    content: dict[str, Any]

    @property
    def number(self) -> str:
        return self.name.partition("_")[0]

    @property
    def is_request(self) -> bool:
        return isinstance(self.content.get("request"), dict) and "raw_path" in self.content["request"]

    @property
    def request(self) -> dict[str, Any]:
        return dict(self.content["request"])

    @property
    def status(self) -> int:
        return int(self.content["response"]["status"])

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.content["response"]["headers"]]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def text(self) -> str:
        return str(self.content["response"]["body"])

    @property
    def body(self) -> Any:
        """The body as JSON; None when it is none, or was cut off when it was recorded."""
        if (self.header("Content-Type") or "").startswith("application/json") and not TRUNCATED.search(self.text):
            return json.loads(self.text) if self.text else None
        return None

    @property
    def at(self) -> Any:
        date = self.header("Date")
        return parsedate_to_datetime(date) if date else None


@cache
def recordings() -> dict[str, Recording]:
    """All recordings by file name without its ending."""
    found = sorted(FOLDER.glob("*.json"))
    return {path.stem: Recording(path.stem, json.loads(path.read_text())) for path in found}


def recording(number: str) -> Recording:
    """A recording by its number, when only one bears it."""
    (found,) = (each for each in recordings().values() if each.number == number)
    return found


@dataclass
class Translation:
    """Which of our stamps, random names and tokens stand for the recorded ones; learnt from pairs of answers."""

    known: dict[str, str] = field(default_factory=dict)

    def learn(self, recorded: Any, ours: Any) -> None:
        """Pair what differs from run to run in two documents of the same shape."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for key in recorded.keys() & ours.keys():
                self.learn(recorded[key], ours[key])
        elif isinstance(recorded, list) and isinstance(ours, list):
            for one, other in zip(recorded, ours, strict=False):
                self.learn(one, other)
        elif isinstance(recorded, str) and isinstance(ours, str) and recorded != ours and self._varies(recorded):
            self.known[recorded] = ours

    @staticmethod
    def _varies(value: str) -> bool:
        return bool(TIMESTAMP.fullmatch(value) or RANDOM.fullmatch(value))

    def into_ours(self, text: str) -> str:
        """A recorded request's text with our values in it."""
        for recorded in sorted(self.known, key=len, reverse=True):
            if recorded in text:
                text = text.replace(recorded, self.known[recorded])
        return text


def differences(recorded: Any, ours: Any, ignored: frozenset[str] = frozenset(), where: str = "") -> list[str]:
    """Where two JSON bodies differ, apart from stamps, random names, tokens, and the `ignored` keys."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        found = [f"{where}.{key}: missing" for key in recorded.keys() - ours.keys() - ignored]
        found += [f"{where}.{key}: not recorded" for key in ours.keys() - recorded.keys() - ignored]
        for key in sorted(recorded.keys() & ours.keys() - ignored):
            if key in RANDOM_KEYS and RANDOM.fullmatch(str(recorded[key])) and RANDOM.fullmatch(str(ours[key])):
                continue
            if key in UNCOMPARED and type(recorded[key]) is type(ours[key]):
                continue
            found += differences(recorded[key], ours[key], ignored, f"{where}.{key}")
        return found
    if isinstance(recorded, list) and isinstance(ours, list):
        if len(recorded) != len(ours):
            return [f"{where}: {len(ours)} entries, recorded {len(recorded)}"]
        pairs = enumerate(zip(recorded, ours, strict=True))
        return [each for i, (one, other) in pairs for each in differences(one, other, ignored, f"{where}[{i}]")]
    if isinstance(recorded, str) and isinstance(ours, str):
        return [] if _settled(recorded) == _settled(ours) else [f"{where}: {ours!r}, recorded {recorded!r}"]
    if type(recorded) is not type(ours) or recorded != ours:
        return [f"{where}: {ours!r}, recorded {recorded!r}"]
    return []


def _settled(text: str) -> str:
    """A text without what differs from run to run."""
    if text.startswith(("[{", '["', "{")) and not text.startswith("{customer_name}"):
        try:
            return json.dumps(_settled_json(json.loads(text)), sort_keys=True)
        except ValueError:
            pass
    text = TIMESTAMP.sub("<stamp>", text)
    text = TIME.sub("<time>", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "<site>", text)
    if RANDOM.fullmatch(text) and any(c.isdigit() for c in text):
        return "<random>"
    return text


def _settled_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _settled_json(item) for key, item in value.items() if key != "__frappe_exc_id"}
    if isinstance(value, list):
        return [_settled_json(item) for item in value]
    return _settled(value) if isinstance(value, str) else value
