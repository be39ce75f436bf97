"""How the tests are spread over two processes."""

from xdist.scheduler import LoadScopeScheduling


class FlowsTogether(LoadScopeScheduling):
    """One process runs all flow tests, which share a server and the results of long commands; others go by file.

    Groups marked with ``xdist_group`` would say the same, but pytest-xdist 3.8 does not see them under pytest 9.2.
    """

    def _split_scope(self, nodeid):
        return "flows" if nodeid.startswith("tests/flow_tests/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return FlowsTogether(config, log)
