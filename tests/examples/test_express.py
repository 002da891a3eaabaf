"""examples/express."""

from articles import Articles
from processes import INSTALLED, App, Case


class Express(Articles, Case):
    asks = False

    @staticmethod
    def service(tokenward, **environment):
        where = {"AUTH_ISSUER": tokenward.issuer, "PORT": "0"}
        return App("node", "server.mjs", cwd=INSTALLED / "express", **where, **environment)
