"""Takes what Tocsin delivers, each event once. Python 3.11 or later, and nothing else.

    WEBHOOK_SECRET=whsec_... PORT=8000 python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# While you rotate a secret: both, with a blank between.
KEYS = [base64.b64decode(each.removeprefix("whsec_")) for each in os.environ["WEBHOOK_SECRET"].split()]
STORE = os.environ.get("STORE", "events.db")
TOLERANCE_SECONDS = 5 * 60
MAX_BODY_BYTES = 64 * 1024  # what is larger than 20 KB comes thin


def verified(id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Whether somebody who knows a secret signed this body, and not long ago."""
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 12):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{id}.{timestamp}.".encode() + body
    for key in KEYS:
        wanted = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        if any(hmac.compare_digest(wanted, each.encode()) for each in signatures.split(" ")):
            return True
    return False


def take(id: str, body: bytes) -> None:
    """Store the id and what the event does in one transaction: both are there, or neither."""
    data = json.loads(body)["data"]
    with closing(sqlite3.connect(STORE, timeout=5)) as db, db:
        if db.execute("INSERT OR IGNORE INTO taken VALUES (?)", [id]).rowcount:
            # Your work goes here, in the same transaction.
            db.execute("INSERT INTO events VALUES (?, ?)", [data["id"], data["seq"]])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True  # the body is not read
            return self.answer(413)
        body = self.rfile.read(int(length))
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        id, timestamp, signatures = (self.headers.get(name, "") for name in names)
        if not id or not verified(id, timestamp, signatures, body):
            return self.answer(401)
        try:
            take(id, body)
        except Exception as error:  # it is not stored: have it sent again
            self.log_error("not stored: %r", error)
            return self.answer(503)
        return self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


with closing(sqlite3.connect(STORE)) as db, db:
    db.execute("CREATE TABLE IF NOT EXISTS taken (id TEXT PRIMARY KEY)")
    db.execute("CREATE TABLE IF NOT EXISTS events (id TEXT, seq INTEGER)")
server = Server(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler)
print("listening", flush=True)
server.serve_forever()
