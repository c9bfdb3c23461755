"""What applications may import from their server: `import hostler`."""

import threading

# What is said of a thread in which RequestTimeout is about to be raised, by its ident. Written with the interpreter's lock held.
_said = {}


class RequestTimeout(BaseException):
    """Raised inside a request that ran past its timeout, wherever its code is then, so that `finally` blocks and context managers run.

    The client was answered 504 already: nothing the request still writes reaches anybody. Like KeyboardInterrupt it is no Exception, so that a
    handler for any error does not take it for one. Who catches it must let it through, or return soon: a second later the worker is replaced.
    """

    def __init__(self, *args):
        super().__init__(*(args or (_said.pop(threading.get_ident(), "the request ran past its timeout"),)))
