"""NumPy arrays as gradfold's tensors: what is passed on as it lies, and what is refused."""

import ctypes
from typing import Tuple

import numpy as np

from ._library import gf_gradient, gf_tensor

# NumPy has no bfloat16: its bits travel as uint16, which is no other type of gradfold's.
CODES = {"f32": 1, "f64": 2, "f16": 3, "bf16": 4, "i32": 5, "i64": 6}
NAMES = {code: name for name, code in CODES.items()}
NUMPY = {
    "f32": np.dtype(np.float32), "f64": np.dtype(np.float64), "f16": np.dtype(np.float16),
    "bf16": np.dtype(np.uint16), "i32": np.dtype(np.int32), "i64": np.dtype(np.int64),
}
_OF_NUMPY = {dtype: name for name, dtype in NUMPY.items()}


def dtype_name(dtype) -> str:
    """"f32" for "f32", numpy.float32, numpy.dtype("float32"); "bf16" also for uint16, and for the
    bfloat16 that other packages add to NumPy. TypeError: not one of the six."""
    if isinstance(dtype, str) and dtype in CODES:
        return dtype
    found = np.dtype(dtype)
    name = "bf16" if found.name == "bfloat16" else _OF_NUMPY.get(found)
    if name is None:
        raise TypeError(f"{found} is no dtype of gradfold's: {', '.join(CODES)} (bf16 as uint16)")
    return name


def check(array, what: str, writeable: bool = False) -> np.ndarray:
    """The array itself, if its memory can be used as it is."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{what}: a numpy.ndarray is needed, not {type(array).__name__}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{what}: the array is not C-contiguous and would have to be copied; "
                         "if that is all right, pass numpy.ascontiguousarray(array)")
    if writeable and not array.flags.writeable:
        raise ValueError(f"{what}: the array to pull into is read-only")
    return array


def shape_array(shape: Tuple[int, ...]):
    """A shape for C; gradfold copies it."""
    return (ctypes.c_uint64 * len(shape))(*shape)


def fill_tensor(tensor: gf_tensor, node: int, array: np.ndarray) -> None:
    """Borrows the array's memory: whoever pushes keeps the array."""
    tensor.node = node
    tensor.dtype = CODES[dtype_name(array.dtype)]
    tensor.shape = shape_array(array.shape)
    tensor.ndim = array.ndim
    tensor.data = array.ctypes.data


def fill_gradient(gradient: gf_gradient, node: int, array: np.ndarray) -> None:
    """Borrows the array's memory: whoever pulls keeps the array."""
    gradient.node = node
    gradient.dtype = CODES[dtype_name(array.dtype)]
    gradient.data = array.ctypes.data
    gradient.bytes = array.nbytes


class Lent:
    """Memory that is not NumPy's, for numpy.asarray(): the array keeps this object, and thereby
    its owner, for as long as anybody uses the array or a part of it."""

    def __init__(self, owner, address: int, shape: Tuple[int, ...], dtype: str, readonly: bool):
        self.owner = owner
        self.__array_interface__ = {
            "version": 3, "data": (address, readonly), "shape": shape,
            "typestr": NUMPY[dtype].str,
        }
