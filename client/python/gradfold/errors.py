"""An exception for each code of the server and the library, all under `Error`."""

from ._library import gf_error, lib


class Error(Exception):
    """Something that gradfold refused or could not do. `str()` of it is the server's (or the
    library's) own message; nothing of a refused call has been applied.

    code:      the number, as in gradfold/types.h; 0 where there is none
    retryable: may the very same call succeed later?
    """

    code = 0

    @property
    def retryable(self) -> bool:
        return bool(lib.gf_code_retryable(self.code))


class InvalidArgument(Error, ValueError):
    """An argument breaks a rule."""
    code = 1


class Malformed(Error):
    """The bytes are no valid frame."""
    code = 2


class TooLarge(Error):
    """A length is beyond the server's limit."""
    code = 3


class NotFound(Error):
    """No such job, or its round is retired."""
    code = 4


class AlreadyExists(Error):
    """The job exists with another spec; the message names the first difference."""
    code = 5


class UnknownNode(Error):
    """The job has no such node."""
    code = 6


class ShapeMismatch(Error):
    """An array has another shape than its node."""
    code = 7


class DtypeMismatch(Error):
    """An array's dtype is not its node's, and does not widen to it."""
    code = 8


class NonFinite(Error):
    """A value is NaN or infinite, and the job rejects those."""
    code = 9


class StaleRound(Error):
    """The round is over."""
    code = 10


class FutureRound(Error):
    """The round has not begun."""
    code = 11


class Conflict(Error):
    """(job, round, worker, sequence) was used for another push."""
    code = 12


class ChecksumMismatch(Error):
    """The tensors were changed while they were sent."""
    code = 13


class ResourceExhausted(Error):
    """A limit of the server is reached."""
    code = 14


class DeadlineExceeded(Error, TimeoutError):
    """Time ran out; the server may have acted. Push again under the same key to settle it."""
    code = 15


class Unauthenticated(Error):
    """The server does not know who asks."""
    code = 16


class PermissionDenied(Error):
    """Who asks may not."""
    code = 17


class Unavailable(Error):
    """The server cannot serve now."""
    code = 18


class OutOfRange(Error):
    """A sum does not fit its node's integer type."""
    code = 19


class Internal(Error):
    """An invariant of the server is broken: a bug."""
    code = 20


class Unreachable(Error, ConnectionError):
    """Nobody answered at the server's address."""
    code = 100


class NoMemory(Error, MemoryError):
    """The library got no memory."""
    code = 101


class Cancelled(Error):
    """The client was closed, or the operation given up, before it was complete."""
    code = 102


class ProtocolError(Error):
    """What the server sent is no valid answer."""
    code = 103


class BufferMismatch(Error):
    """A pulled node is not what the given array is for."""
    code = 104


class SystemFailure(Error):
    """A thread or a descriptor could not be had."""
    code = 105


BY_CODE = {c.code: c for c in Error.__subclasses__()}


def failure(code: int, error: gf_error) -> Error:
    """The exception for a call that failed."""
    made = BY_CODE.get(code, Error)(error.message.decode(errors="replace"))
    made.code = code
    return made
