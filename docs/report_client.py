"""A client of the report module: takes the next exam of the worklist, writes, signs; or reviews.

    python report_client.py http://127.0.0.1:8000 --login resident write 双肺未见异常 未见异常
    python report_client.py http://127.0.0.1:8000 --login attending review

The password is asked for, or read from DICOMWEB_PASSWORD; a token made by POST /api/v1/tokens goes
into DICOMWEB_TOKEN and needs neither. Needs httpx alone.

What a client must do: say by If-Match what it acts on; send the content_hash that the signer saw
with a signature; give POST an Idempotency-Key, so that asking again after a broken connection does
nothing twice; and keep what was typed until it has been answered with 200, or with 412, which says
where the server has kept it.
"""

import argparse
import getpass
import os
import sys
import uuid
from typing import Any

import httpx

Document = dict[str, Any]


class Refused(Exception):
    """The server said no: `problem` is the RFC 9457 document, `name` the last part of its type."""

    def __init__(self, problem: Document) -> None:
        super().__init__(f"{problem.get('type', problem['title'])}: {problem['detail']}")
        self.problem = problem
        self.name = str(problem.get("type", "")).rpartition("/")[2]


class Client:
    """Reports of one server, as one person."""

    def __init__(self, url: str, *, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=30)

    def ask(self, method: str, path: str, body: Document | None = None, **more: Any) -> Document:
        """The JSON of an answer. Raises Refused."""
        headers = dict(more.pop("headers", {}))
        if method == "POST":
            headers.setdefault("idempotency-key", str(uuid.uuid4()))
        answer = self.http.request(method, path, json=body, headers=headers, **more)
        if answer.is_error:
            raise Refused(answer.json())
        document: Document = answer.json() if answer.content else {}
        return document

    def sign_in(self, login: str, password: str, code: str = "") -> Document:
        said = {"login": login, "password": password} | ({"code": code} if code else {})
        return self.ask("POST", "/session", said)

    def worklist(self, name: str, **filters: str) -> list[Document]:
        """Every exam on a worklist, most urgent first."""
        found: list[Document] = []
        after = ""
        while True:
            page = self.ask("GET", f"/worklists/{name}", params={**filters, "after": after})
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    def begin(self, exam_id: str) -> Document:
        """The report of an exam: a new one, or the one there is."""
        return self.ask("POST", "/reports", {"exams": [exam_id]})

    def report(self, report_id: str) -> Document:
        return self.ask("GET", f"/reports/{report_id}")

    def act(self, report: Document, action: str, **said: Any) -> Document:
        """Makes a transition of the report as it was looked at."""
        path = f"/reports/{report['report_id']}/actions/{action}"
        return self.ask("POST", path, said, headers={"if-match": report["etag"]})

    def save(self, report: Document, content: Document) -> Document:
        """Saves the text. Raises Refused ("stale-revision") with the place where it was kept."""
        path = f"/reports/{report['report_id']}/working"
        self.ask("PUT", path, content, headers={"if-match": report["etag"]})
        return self.report(report["report_id"])


def write(client: Client, findings: str, impression: str, *, positive: bool) -> Document:
    """Takes the most urgent exam, writes its report and signs it."""
    for exam in client.worklist("unread"):
        report = client.begin(exam["exam_id"])
        if "claim" not in report["allowed"]:
            continue
        report = client.act(report, "claim")
        content = {
            "sections": {"findings": findings, "impression": impression},
            "positive": positive,
        }
        report = client.save(report, content)
        return client.act(report, "sign-initial", content_hash=report["content_hash"])
    raise SystemExit("nothing is to be read")


def review(client: Client) -> Document:
    """Takes the most urgent report that awaits review, and issues it."""
    for exam in client.worklist("review"):
        report = client.report(exam["report"]["report_id"])
        if "claim-review" not in report["allowed"]:
            continue
        report = client.act(report, "claim-review")
        return client.act(report, "issue", content_hash=report["content_hash"])
    raise SystemExit("nothing awaits your review")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url")
    parser.add_argument("--login", default="")
    parser.add_argument("--code", default="", help="of the second factor")
    parser.add_argument("--positive", action="store_true", help="something abnormal was found")
    parser.add_argument("what", choices=["write", "review"])
    parser.add_argument("texts", nargs="*", help="findings and impression, to write")
    asked = parser.parse_args()
    client = Client(asked.url, token=os.environ.get("DICOMWEB_TOKEN", ""))
    try:
        if asked.login:
            password = os.environ.get("DICOMWEB_PASSWORD") or getpass.getpass()
            client.sign_in(asked.login, password, asked.code)
        if asked.what == "write":
            if len(asked.texts) != 2:
                parser.error("write needs findings and impression")
            report = write(client, *asked.texts, positive=asked.positive)
        else:
            report = review(client)
    except Refused as error:
        sys.exit(str(error))
    print(f"{report['report_id']} is {report['stage']}, {report['status']}")


if __name__ == "__main__":
    main()
