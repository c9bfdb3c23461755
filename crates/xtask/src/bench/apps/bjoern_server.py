"""Starts bjoern: bjoern_server.py MODULE:ATTRIBUTE PORT WORKERS. Several workers are forked after the bind, as its README says."""

import importlib
import os
import signal
import sys

import bjoern

module, attribute = sys.argv[1].split(":")
port, workers = int(sys.argv[2]), int(sys.argv[3])
sys.path.insert(0, os.getcwd())
application = getattr(importlib.import_module(module), attribute)
bjoern.listen(application, "127.0.0.1", port)

children = []
for _ in range(workers if workers > 1 else 0):
    child = os.fork()
    if child == 0:
        break
    children.append(child)
else:
    if children:

        def stop(number, frame):
            for child in children:
                os.kill(child, signal.SIGTERM)

        signal.signal(signal.SIGTERM, stop)
        for child in children:
            os.waitpid(child, 0)
        sys.exit()
bjoern.run()
