"""Clients that ask without a pause, or with one, while a test does things to the server, and that account for every request."""

import random
import threading
import time

from client import Client
from deadline import wait_until

ANSWER_SECONDS = 60


class Hammer:
    """Runs while its block does. Each client asks over connections of its own, a new one for each request unless `keep`.

    What was refused, reset, cut or answered with another status than 200 is in `faults`."""

    def __init__(self, address, clients=4, keep=False, target="/", gap=0.0, requests=None):
        self.address = address
        self.keep = keep
        self.target = target
        self.gap = gap
        self.left = requests
        self.answers = []
        self.faults = []
        self.seconds = []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()

    def join(self):
        """Waits until all requests were asked, where their number is given."""
        for thread in self.threads:
            thread.join()

    def wait_answers(self, count):
        """Waits until so many more requests were answered."""
        goal = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= goal, lambda: f"{goal} answers: {len(self.answers)}, {self.faults}", 60)

    def check(self):
        assert self.answers and not self.faults, f"{len(self.answers)} answered; {len(self.faults)} not: {self.faults[:10]}"

    def _ask(self, number):
        pauses = random.Random(number)
        client = None
        while self._goes_on():
            began = time.monotonic()
            try:
                client = client or Client(self.address, timeout=ANSWER_SECONDS)
                response = client.get(self.target)
                if response.status != 200:
                    raise AssertionError(f"answered {response.status}: {response.text}")
                self.answers.append(response.text)
                self.seconds.append(time.monotonic() - began)
                closes = (response.header("Connection") or "").lower() == "close"
            except Exception as fault:
                self.faults.append(f"after {time.monotonic() - began:.3f} s: {fault!r}")
                closes = True
            if client and (closes or not self.keep):
                client.close()
                client = None
            self.ending.wait(pauses.uniform(0, 2 * self.gap))
        if client:
            client.close()

    def _goes_on(self):
        if self.ending.is_set():
            return False
        with self.lock:
            if self.left is None:
                return True
            self.left -= 1
            return self.left >= 0
