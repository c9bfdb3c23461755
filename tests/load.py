"""Many clients that ask as fast as they are answered, and account for every request. One thread runs them all, so that none
of them waits long for its turn to send."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field

from client import STATUS_LINE

# How soon the next request follows an answer: the server's last call is 300 ms, and this machine must not be the slow one.
PROMPT_SECONDS = 0.15
BEAT_SECONDS = 0.01
# Only a fault takes as long as this.
REQUEST_SECONDS = 60.0
ANSWERS_SECONDS = 120.0

LOST = (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError, TimeoutError)


@dataclass
class Load:
    """Clients of both kinds: `closing` ones connect anew for each request, `keeping` ones go on until they are told to close.

    Each goes on until the server refuses its next connection, or until it is told that it is `over`: then each ends with the answer
    that it waits for, and what a stop does to clients that are slow to ask is not met. Who is refused is lost, unless the server was told to
    stop, which `meanwhile()` does as the last thing if it does it at all."""

    address: tuple | str
    request: bytes
    body: bytes
    answered: Counter = field(default_factory=Counter)
    # How many answers each of the clients that keep their connections has.
    each: Counter = field(default_factory=Counter)
    # What was asked on an established connection and not answered whole, and connections refused while the server was to serve.
    lost: list = field(default_factory=list)
    # The server was told to stop.
    ends: bool = False
    # The longest time in which this thread did not get round to its clients.
    lag: float = 0.0
    over: bool = False

    async def run(self, closing, keeping, meanwhile):
        """Runs the clients, and `meanwhile()` beside them; ends when the last client was refused."""
        clients = [self._closing() for _ in range(closing)] + [self._keeping(client) for client in range(keeping)]
        beat = asyncio.create_task(self._beat())
        async def course():
            await meanwhile()
            self.ends = True

        try:
            await asyncio.gather(*clients, course())
        finally:
            beat.cancel()

    async def answers(self, kind, count):
        """Waits until so many more requests of a kind were answered."""
        goal = self.answered[kind] + count
        try:
            async with asyncio.timeout(ANSWERS_SECONDS):
                while self.answered[kind] < goal:
                    await asyncio.sleep(0.001)
        except TimeoutError:
            told = f"{kind}: {self.answered[kind]} of {goal} answers within {ANSWERS_SECONDS} s; lost: {self.lost[:10]}"
            raise AssertionError(told) from None

    async def each_answered(self):
        """Waits until each of the clients that keep their connections has had one more answer: what they were waiting for is over."""
        before = Counter(self.each)
        try:
            async with asyncio.timeout(ANSWERS_SECONDS):
                while any(self.each[client] <= count for client, count in before.items()):
                    await asyncio.sleep(0.001)
        except TimeoutError:
            raise AssertionError(f"not all are answered within {ANSWERS_SECONDS} s: {self.each}; before: {before}") from None

    async def _beat(self):
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(BEAT_SECONDS)
            self.lag = max(self.lag, clock() - before - BEAT_SECONDS)

    async def _closing(self):
        request = self.request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        while not self.over and (connection := await self._connect("closing")):
            reader, writer = connection
            await self._ask("closing", reader, writer, request, 1)
            await end(writer)

    async def _keeping(self, client):
        self.each[client] = 0
        while not self.over and (connection := await self._connect("keeping")):
            reader, writer = connection
            number = 1
            while await self._ask("keeping", reader, writer, self.request, number, client) and not self.over:
                number += 1
            await end(writer)

    async def _connect(self, kind):
        try:
            if isinstance(self.address, str):
                return await asyncio.open_unix_connection(self.address)
            return await asyncio.open_connection(*self.address)
        # Reset is as good as refused: closed before the handshake was over.
        except (ConnectionRefusedError, FileNotFoundError, ConnectionResetError) as fault:
            if not self.ends:
                self.lost.append((kind, 0, repr(fault), b""))
            return None

    async def _ask(self, kind, reader, writer, request, number, client=None):
        """Sends one request and reads its answer; whether the connection is kept."""
        received = b""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                writer.write(request)
                received = await reader.readuntil(b"\r\n\r\n")
                head = STATUS_LINE.match(received)
                assert head and head[2] == b"200", received
                length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", received)[1])
                assert await reader.readexactly(length) == self.body
        except LOST as fault:
            self.lost.append((kind, number, repr(fault), received))
            return False
        self.answered[kind] += 1
        if client is not None:
            self.each[client] += 1
        return not re.search(rb"(?i)\r\nconnection: close\r\n", received)


async def end(writer):
    writer.close()
    try:
        await writer.wait_closed()
    except LOST:
        pass
