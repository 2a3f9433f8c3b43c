"""The part of ClickHouse's HTTP interface that an insert and a query need, on chdb: ClickHouse inside a process.

Usage: clickhouse.py PORT FOLDER
"""

import gzip
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qsl, urlsplit

from chdb import session

clickhouse = session.Session(sys.argv[2])
one_at_a_time = Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        parameters = dict(parse_qsl(urlsplit(self.path).query))
        query = parameters.pop("query", "")
        settings = ", ".join(f"{name} = '{value}'" for name, value in parameters.items())
        if settings:
            query = query.replace(" FORMAT ", f" SETTINGS {settings} FORMAT ", 1)
        query = f"{query}\n{body.decode()}" if query else body.decode()
        try:
            with one_at_a_time:
                status, answer = 200, clickhouse.query(query, "JSONEachRow").bytes() or b""
        except Exception as error:  # chdb raises RuntimeError and others with ClickHouse's words
            status, answer = 400, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
