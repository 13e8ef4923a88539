# Waiting with a deadline: the only place in the tests that sleeps.
# Not here: what is waited for.
import time

DEADLINE_S = 300  # only a failure takes that long


class Expired(AssertionError):
    pass


def until(check, what, deadline_s=DEADLINE_S, evidence=lambda: ""):
    """The first true value of check(); Expired, with the evidence, after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise Expired(f"after {deadline_s} s still not: {what}\n{evidence()}")
        time.sleep(0.05)
