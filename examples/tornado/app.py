"""A Tornado application whose users are Tokenward's."""

import asyncio
import os

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from auth import AskTokenward, ReadJwks, authenticated


class Home(RequestHandler):
    async def get(self):
        self.write({"everybody": "may read this"})


class Profile(RequestHandler):
    @authenticated
    async def get(self):
        user = self.current_user
        self.write({"user_id": user["sub"], "name": user.get("name"), "roles": user.get("roles", [])})


def verifier():
    audience = os.environ.get("AUTH_AUDIENCE", "api")
    if os.environ.get("AUTH_BY") == "jwks":
        issuer = os.environ.get("AUTH_ISSUER", "http://127.0.0.1:8080")
        return ReadJwks(issuer, audience, leeway_s=int(os.environ.get("AUTH_LEEWAY", "0")))
    return AskTokenward(os.environ.get("AUTH_GRPC", "127.0.0.1:50051"), audience)


async def main():
    app = Application([("/", Home), ("/profile", Profile)], verifier=verifier())
    sockets = bind_sockets(int(os.environ.get("PORT", "8000")), "127.0.0.1")
    HTTPServer(app).add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
