#!/usr/bin/env python3
"""Orders a report over HTTP, follows it live and prints the finished document. Needs Python 3.9 and nothing else.

    FLEET_URL=http://127.0.0.1:3000 FLEET_KEY=rf_... python3 consumer.py "The return of the night train"
"""
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

BASE = os.environ.get("FLEET_URL", "http://127.0.0.1:3000")
KEY = os.environ["FLEET_KEY"]
TYPE = os.environ.get("FLEET_TYPE", "topic-report")


def ask(method, path, body=None, headers=None, timeout=30):
    request = urllib.request.Request(BASE + path, method=method)
    request.add_header("Authorization", "Bearer " + KEY)
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    encoded = None
    if body is not None:
        request.add_header("Content-Type", "application/json")
        encoded = json.dumps(body).encode()
    return urllib.request.urlopen(request, encoded, timeout=timeout)


def order(topic):
    """The same key however often the request is sent, so a lost answer never becomes a second order."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for attempt in range(5):
        try:
            with ask("POST", "/v1/reports", {"type": TYPE, "source": {"topic": topic}}, headers) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            problem = json.load(refused)
            if not problem["retryable"]:
                sys.exit("%s: %s" % (problem["code"], problem["detail"]))
            time.sleep(problem.get("retry_after_ms", 1000) / 1000)
        except urllib.error.URLError:
            time.sleep(2**attempt)
    sys.exit("no answer")


def follow(report):
    """Yields what happens until the end; a lost line is taken up after the last event that arrived."""
    last = None
    while True:
        try:
            headers = {} if last is None else {"Last-Event-ID": last}
            with ask("GET", "/v1/reports/%s/events" % report, None, headers, timeout=60) as lines:
                if lines.status == 204:
                    return
                event, data, name = None, None, None
                for raw in lines:
                    line = raw.decode().rstrip("\n")
                    field, _, value = line.partition(": ")
                    if field == "id":
                        name = value
                    elif field == "event":
                        event = value
                    elif field == "data":
                        data = json.loads(value)
                    elif line == "" and event is not None:
                        last = name or last
                        yield event, data
                        if event == "end":
                            return
                        event, data, name = None, None, None
        except urllib.error.HTTPError as refused:
            problem = json.load(refused)
            if not problem["retryable"]:
                sys.exit("%s: %s" % (problem["code"], problem["detail"]))
            time.sleep(problem.get("retry_after_ms", 1000) / 1000)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(1)


def main():
    report = order(sys.argv[1])
    print("ordered %s for %d credits" % (report["id"], report["credits"]["amount"]), file=sys.stderr)
    for event, data in follow(report["id"]):
        if event in ("snapshot", "progress"):
            print("%3d %%  %s" % (data["progress"]["percent"], data["statusText"]), file=sys.stderr)
            if data["status"] == "needs_review":
                sys.exit("a person looks at it; the credits are held, not charged")
    with ask("GET", "/v1/reports/%s/output?format=md" % report["id"]) as document:
        print(document.read().decode())


main()
