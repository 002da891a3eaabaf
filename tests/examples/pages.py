"""Serves the application of examples/cookie-site where it is started, on a free
port, and at /told the headers that reach it. As WSGI has it, X_Auth_Name is
X-Auth-Name here; the server of `flask run` drops the first."""

import json
import sys
from wsgiref.simple_server import make_server

sys.path.insert(0, ".")

from app import app


def pages(environ, start_response):
    if environ["PATH_INFO"] != "/told":
        return app(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    return [json.dumps(told).encode()]


with make_server("127.0.0.1", 0, pages) as server:
    print(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()
