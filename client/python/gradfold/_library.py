"""libgradfold, as ctypes sees it: where it lies, its structures, its functions.

No compiler is needed. The structures repeat those of include/gradfold; tests/python/test_layout.py
compiles a C program against the headers and compares every size, offset and signature.
"""

import ctypes
import os
from ctypes import (
    POINTER, Structure, c_bool, c_char, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
)

from ._version import VERSION

SONAME = "libgradfold.so.0"
NEWEST_ROUND = 2**64 - 1
NO_TIMEOUT = 2**32 - 1


class gf_error(Structure):
    _fields_ = [("code", c_int), ("message", c_char * 508)]


class gf_options(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("connect_timeout_ms", c_uint32),
        ("call_timeout_ms", c_uint32),
        ("retry_min_ms", c_uint32),
        ("retry_max_ms", c_uint32),
        ("name", c_char_p),
        ("token", c_char_p),
        ("no_shared_memory", c_bool),
    ]


class gf_server_info(Structure):
    _fields_ = [
        ("protocol", c_uint32),
        ("version", c_char * 64),
        ("max_header_bytes", c_uint64),
        ("max_body_bytes", c_uint64),
        ("shared_memory", c_bool),
        ("reserved", c_uint64 * 3),
    ]


class gf_tensor(Structure):
    _fields_ = [
        ("node", c_uint64),
        ("dtype", c_int),
        ("shape", POINTER(c_uint64)),
        ("ndim", c_size_t),
        ("data", c_void_p),
    ]


class gf_push_args(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("job", c_char_p),
        ("round", c_uint64),
        ("worker", c_uint32),
        ("sequence", c_uint64),
        ("final", c_bool),
        ("checksum", c_bool),
        ("tensors", POINTER(gf_tensor)),
        ("n_tensors", c_size_t),
        ("timeout_ms", c_uint32),
    ]


class gf_push_result(Structure):
    _fields_ = [
        ("verdict", c_int),
        ("ignored", c_uint32),
        ("round", c_uint64),
        ("reserved", c_uint64 * 4),
    ]


class gf_gradient(Structure):
    _fields_ = [
        ("node", c_uint64),
        ("dtype", c_int),
        ("data", c_void_p),
        ("bytes", c_uint64),
        ("contributions", c_uint32),
    ]


class gf_pull_args(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("job", c_char_p),
        ("round", c_uint64),
        ("gradients", POINTER(gf_gradient)),
        ("n_gradients", c_size_t),
        ("no_wait", c_bool),
        ("timeout_ms", c_uint32),
        ("view", c_bool),
    ]


class gf_pull_result(Structure):
    _fields_ = [
        ("round", c_uint64),
        ("state", c_int),
        ("view", c_void_p),
        ("reserved", c_uint64 * 3),
    ]


class gf_node(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("shape", POINTER(c_uint64)),
        ("ndim", c_size_t),
        ("dtype", c_int),
        ("requires_grad", c_bool),
        ("expected", c_uint32),
        ("reserved", c_uint64 * 4),
    ]


class gf_round(Structure):
    _fields_ = [
        ("round", c_uint64),
        ("state", c_int),
        ("final_workers", POINTER(c_uint32)),
        ("n_final_workers", c_size_t),
        ("pushes", c_uint64),
        ("bytes", c_uint64),
        ("age_ms", c_uint64),
        ("reserved", c_uint64 * 4),
    ]


STRUCTURES = (
    gf_error, gf_options, gf_server_info, gf_tensor, gf_push_args, gf_push_result, gf_gradient,
    gf_pull_args, gf_pull_result, gf_node, gf_round,
)

_handle = c_void_p  # gf_client *, gf_op *, gf_spec *, gf_job * …: opaque
_out = POINTER(c_void_p)
_error = POINTER(gf_error)
_code = c_int

# name: (result, arguments)
FUNCTIONS = {
    "gf_version": (c_char_p, ()),
    "gf_code_name": (c_char_p, (_code,)),
    "gf_code_text": (c_char_p, (_code,)),
    "gf_code_retryable": (c_bool, (_code,)),
    "gf_connect": (_code, (c_char_p, POINTER(gf_options), _out, _error)),
    "gf_close": (None, (_handle,)),
    "gf_ping": (_code, (_handle, c_uint32, POINTER(gf_server_info), _error)),
    "gf_spec_new": (c_void_p, (c_char_p, c_uint32)),
    "gf_spec_free": (None, (_handle,)),
    "gf_spec_add_node": (
        c_uint64, (_handle, c_char_p, c_int, POINTER(c_uint64), c_size_t)),
    "gf_spec_freeze_node": (None, (_handle, c_uint64)),
    "gf_spec_expect": (None, (_handle, c_uint64, c_uint32)),
    "gf_spec_set_quorum": (None, (_handle, c_uint32, c_uint64)),
    "gf_spec_set_mean": (None, (_handle,)),
    "gf_spec_set_in_order": (None, (_handle,)),
    "gf_spec_set_propagate_non_finite": (None, (_handle,)),
    "gf_spec_set_retain_rounds": (None, (_handle, c_uint32)),
    "gf_job_create": (_code, (_handle, _handle, c_uint32, POINTER(c_bool), _out, _error)),
    "gf_job_describe": (_code, (_handle, c_char_p, c_uint32, _out, _error)),
    "gf_job_delete": (_code, (_handle, c_char_p, c_uint32, _error)),
    "gf_job_list": (_code, (_handle, c_uint32, _out, _error)),
    "gf_job_names_count": (c_size_t, (_handle,)),
    "gf_job_names_get": (c_char_p, (_handle, c_size_t)),
    "gf_job_names_free": (None, (_handle,)),
    "gf_round_close": (_code, (_handle, c_char_p, c_uint64, c_uint32, POINTER(c_int), _error)),
    "gf_job_free": (None, (_handle,)),
    "gf_job_name": (c_char_p, (_handle,)),
    "gf_job_world_size": (c_uint32, (_handle,)),
    "gf_job_quorum": (c_uint32, (_handle,)),
    "gf_job_grace_ms": (c_uint64, (_handle,)),
    "gf_job_mean": (c_bool, (_handle,)),
    "gf_job_in_order": (c_bool, (_handle,)),
    "gf_job_propagates_non_finite": (c_bool, (_handle,)),
    "gf_job_retain_rounds": (c_uint32, (_handle,)),
    "gf_job_node_count": (c_size_t, (_handle,)),
    "gf_job_node": (c_bool, (_handle, c_uint64, POINTER(gf_node))),
    "gf_job_round_count": (c_size_t, (_handle,)),
    "gf_job_round": (c_bool, (_handle, c_size_t, POINTER(gf_round))),
    "gf_job_open_round": (c_uint64, (_handle,)),
    "gf_buffer_new": (_code, (_handle, c_uint64, _out, _error)),
    "gf_buffer_free": (None, (_handle,)),
    "gf_buffer_data": (c_void_p, (_handle,)),
    "gf_view_free": (None, (_handle,)),
    "gf_push_submit": (_code, (_handle, POINTER(gf_push_args), _out, _error)),
    "gf_pull_submit": (_code, (_handle, POINTER(gf_pull_args), _out, _error)),
    "gf_push_pull_submit": (
        _code, (_handle, POINTER(gf_push_args), POINTER(gf_pull_args), _out, _error)),
    "gf_op_wait": (_code, (_handle, _error)),
    "gf_op_wait_any_for": (_code, (_out, c_size_t, c_uint32, POINTER(c_size_t), _error)),
    "gf_op_test": (c_bool, (_handle,)),
    "gf_op_push_result": (c_bool, (_handle, POINTER(gf_push_result))),
    "gf_op_pull_result": (c_bool, (_handle, POINTER(gf_pull_result))),
    "gf_op_free": (None, (_handle,)),
}


def _candidates():
    """What to try, in this order: said by the user, beside this package, the system's."""
    said = os.environ.get("GRADFOLD_LIBRARY")
    if said:
        return [said]
    return [os.path.join(os.path.dirname(__file__), SONAME), SONAME]


def _open():
    failures = []
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as failure:
            failures.append(f"  {path}: {failure}")
    raise ImportError(
        "gradfold needs its C library, and it could not be loaded:\n" + "\n".join(failures) + "\n"
        "Install it (`cmake --install build/release`, then `ldconfig`), or set GRADFOLD_LIBRARY "
        f"to the path of {SONAME}, e.g. build/release/client/{SONAME}")


def _load():
    library = _open()
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{library._name} has no {name}(): it is older than this package, "
                              f"gradfold {VERSION}") from None
        function.restype = result
        function.argtypes = arguments
    found = library.gf_version().decode()
    if found.split(".")[:2] != VERSION.split(".")[:2]:
        raise ImportError(f"{library._name} is version {found}, this package needs {VERSION}")
    return library


lib = _load()
