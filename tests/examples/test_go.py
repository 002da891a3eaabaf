"""examples/go."""

from articles import Articles
from processes import INSTALLED, App, Case


class Go(Articles, Case):
    @staticmethod
    def service(tokenward, **environment):
        return App(INSTALLED / "go/service", AUTH_GRPC=tokenward.grpc, PORT="0", **environment)
