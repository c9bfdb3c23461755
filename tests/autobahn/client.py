"""The fuzzing client of the Autobahn test suite, on asyncio: runs cases against an echo server and writes what came of each as JSON.

`client.py URL RESULTS [--only PATTERN] [--messages N]`. Cases run beside each other, since most of them wait for a second that
nothing more comes; those that measure large messages run one by one.
"""

import argparse
import asyncio
import fnmatch
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

sys.path.insert(0, str(Path(__file__).parent))
import cases  # noqa: E402 (this directory has no place on the path of the tests: it bears the name of a package)

AT_ONCE = 12
# Limits and compression: the machine's time is what these spend.
HEAVY = ("9.", "12.", "13.")
HEAVY_AT_ONCE = 2
# A case that has not ended by then never will; the longest gives itself less.
CASE_SECONDS = 120


def encoded(payload):
    """Cases hold bytes as text of latin-1, but for those about compression."""
    return payload if isinstance(payload, bytes) else payload.encode("latin-1")


class FuzzingProtocol(WebSocketClientProtocol):
    """A connection that one case drives. The cases know these methods and attributes by name."""

    def __init__(self, case, ended):
        super().__init__()
        self.case_class = case
        self.ended = ended
        self.connectionWasOpen = False
        self.createWirelog = False
        self.txFrameStats = {}
        self.calls = []
        self.run_case = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self.run_case = self.case_class(self)
        self.run_case.COUNT = min(getattr(self.run_case, "COUNT", 0), self.factory.messages)
        # Compression hands bytes on as they are, and hashes them.
        self.decoded = (lambda data: data) if hasattr(self.run_case, "TESTDATA") else (lambda d: d.decode("latin-1"))

    def connection_lost(self, exc):
        super().connection_lost(exc)
        for call in self.calls:
            call.cancel()
        if self.ended.done():
            return
        try:
            self.run_case.onConnectionLost(self.failedByMe)
            self.ended.set_result(None)
        except Exception as fault:
            self.ended.set_exception(fault)

    # What happens to the connection

    def onOpen(self):
        self.connectionWasOpen = True
        self.run_case.onOpen()

    def onMessage(self, payload, isBinary):
        self.run_case.onMessage(self.decoded(payload), isBinary)

    def onPing(self, payload):
        super().onPing(payload)
        self.run_case.onPing(self.decoded(payload))

    def onPong(self, payload):
        self.run_case.onPong(self.decoded(payload))

    def onClose(self, wasClean, code, reason):
        self.run_case.onClose(wasClean, code, reason)

    # What cases do

    def sendFrame(self, opcode, payload=b"", **more):
        self.txFrameStats[opcode] = self.txFrameStats.get(opcode, 0) + 1
        payload = encoded(payload)
        if not payload and more.get("payload_len") == 0:
            del more["payload_len"]
        super().sendFrame(opcode, payload, **more)

    def sendMessage(self, payload, isBinary=False, **more):
        super().sendMessage(encoded(payload), isBinary, **more)

    def sendMessageFrameData(self, payload, **more):
        return super().sendMessageFrameData(encoded(payload), **more)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, None if reasonUtf8 is None else encoded(reasonUtf8), isReply)

    def enableWirelog(self, enable):
        self.createWirelog = enable

    def continueLater(self, delay, function, tag=None):
        self.later(delay, function)

    def killAfter(self, delay):
        self.later(delay, self.failConnection)

    def closeAfter(self, delay):
        self.later(delay, self.sendClose)

    def later(self, delay, function):
        def run():
            if self.state != self.STATE_CLOSED:
                function()

        self.calls.append(asyncio.get_running_loop().call_later(delay, run))

    def failConnection(self, *arguments):
        """Autobahn's older name."""
        self._fail_connection(*arguments)


async def run_case(number, case, url, messages):
    """What came of one case."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    factory = WebSocketClientFactory(url, loop=loop)
    factory.messages = messages
    # As in the suite: the closing handshake is always tried. Not so: a second to close is too little beside other cases.
    limits = {"openHandshakeTimeout": 20, "closeHandshakeTimeout": 10, "serverConnectionDropTimeout": 10}
    factory.setProtocolOptions(failByDrop=False, autoPingInterval=0, **limits)
    began = time.monotonic()
    made = []

    def protocol():
        made.append(FuzzingProtocol(case, ended))
        made[0].factory = factory
        return made[0]

    result = {"id": number, "description": " ".join(case.DESCRIPTION.split("<")[0].split())}
    transport, _ = await loop.create_connection(protocol, address.hostname, address.port)
    try:
        await asyncio.wait_for(ended, CASE_SECONDS)
    except TimeoutError:
        transport.abort()
        return result | {"behavior": "FAILED", "behaviorClose": "FAILED", "result": "no end", "resultClose": ""}
    run = made[0].run_case
    return result | {
        "behavior": run.behavior,
        "behaviorClose": run.behaviorClose,
        "result": run.result,
        "resultClose": run.resultClose,
        "expected": repr(run.expected)[:500],
        "received": repr(run.received)[:500],
        "code": made[0].remoteCloseCode,
        "seconds": round(time.monotonic() - began, 3),
    }


async def run_all(chosen, url, messages):
    """Every case once, the heavy ones last."""
    results = {}

    async def run_some(queue):
        while queue:
            number, case = queue.pop()
            results[number] = await run_case(number, case, url, messages)

    for heavy, at_once in ((False, AT_ONCE), (True, HEAVY_AT_ONCE)):
        queue = [item for item in chosen if item[0].startswith(HEAVY) == heavy][::-1]
        await asyncio.gather(*(run_some(queue) for _ in range(at_once)))
    return [results[number] for number, _ in chosen]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("results", type=Path)
    parser.add_argument("--only", default="*")
    parser.add_argument("--messages", type=int, default=1000)
    options = parser.parse_args()
    chosen = [(number, case) for number, case in cases.load() if fnmatch.fnmatch(number, options.only)]
    results = asyncio.run(run_all(chosen, options.url, options.messages))
    options.results.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
