"""Time that can be stopped for evaluations."""

import time


class Clock:
    def __init__(self):
        self.seconds, self.since = 0, time.perf_counter()

    def stop(self):
        self.seconds += time.perf_counter() - self.since

    def start(self):
        self.since = time.perf_counter()
