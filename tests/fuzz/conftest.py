"""How many cases are generated: few in the suite, many by ``make fuzz``."""

from hypothesis import HealthCheck, Phase, settings

from tests.fuzz.properties import COUNTS

COMMON = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    # what fails is made simple once, which takes a while
    "report_multiple_bugs": False,
    "phases": [Phase.explicit, Phase.generate, Phase.shrink],
    "suppress_health_check": list(HealthCheck),
}
settings.register_profile("short", derandomize=True, **COMMON)
settings.register_profile("long", **COMMON)
settings.load_profile("short")


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        profile = settings.get_current_profile_name()
        terminalreporter.section(f"{sum(COUNTS.values())} generated cases ({profile})")
        for name, n_cases in COUNTS.items():
            terminalreporter.line(f"{n_cases:5d} {name}")
