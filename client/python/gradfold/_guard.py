"""Who may call into the library, and when: not in a forked child, not while the client closes."""

import os
import threading

from ._library import lib

_CLOSE_SECONDS = 10  # calls return to Python far more often than that: _operation.py, _client.py


class Guard:
    """`with guard:` around each call that uses the handle. gf_close() must not meet any of them."""

    def __init__(self):
        self.lock = threading.RLock()  # also held while anything is freed
        self.handle = None
        self.closed = False
        self._closing = False
        self._calls = 0
        self._idle = threading.Condition(self.lock)
        self._pid = os.getpid()

    @property
    def forked(self) -> bool:
        return os.getpid() != self._pid

    def check_fork(self) -> None:
        if self.forked:
            raise RuntimeError("a gradfold client does not survive fork(): connect in the child")

    def __enter__(self):
        self.check_fork()
        with self.lock:
            if self._closing:
                raise RuntimeError("the gradfold client is closed")
            self._calls += 1
        return self.handle

    def __exit__(self, *_):
        with self.lock:
            self._calls -= 1
            if self._closing:
                self._idle.notify_all()

    def close(self) -> None:
        """Returns once the handle is gone. A child of fork() leaves the parent's alone."""
        if self.forked:
            return
        with self.lock:
            self._closing = True
            if not self._idle.wait_for(lambda: self._calls == 0, _CLOSE_SECONDS):
                return  # whoever still uses it keeps it: to leak it is better than to crash
            if not self.closed:
                self.closed = True
                lib.gf_close(self.handle)
                self._idle.notify_all()

    def wait_closed(self) -> bool:
        """Is it closed, or about to be? Then returns once it is."""
        with self.lock:
            return self._closing and self._idle.wait_for(lambda: self.closed, _CLOSE_SECONDS)


class Owned:
    """A gf_buffer or gf_view, given back when nobody refers to it any more."""

    def __init__(self, guard: Guard, handle, free):
        self._guard, self.handle, self._free = guard, handle, free

    def __del__(self):
        if self.handle and not self._guard.forked:
            with self._guard.lock:
                self._free(self.handle)
