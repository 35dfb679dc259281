"""A carrier whose calls all ring, and who notes what it is told to do: `carrier.py PORT FILE`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Carrier(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with Path(sys.argv[2]).open("a") as file:
            file.write(f"{self.path} {body}\n")
        self._answer()

    def _answer(self) -> None:
        sid = Path(self.path).stem
        text = json.dumps({"sid": sid, "status": "ringing"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


HTTPServer(("127.0.0.1", int(sys.argv[1])), Carrier).serve_forever()
