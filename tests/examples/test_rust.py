"""examples/rust."""

from articles import Articles
from processes import ROOT, App, Case


class Rust(Articles, Case):
    @staticmethod
    def service(tokenward, **environment):
        return App(ROOT / "target/debug/examples/rust", AUTH_GRPC=tokenward.grpc, PORT="0", **environment)
