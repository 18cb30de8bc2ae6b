"""Files of tensors, as the program writes its models.

The format is https://huggingface.co/docs/safetensors: eight bytes of the header's length, a header in JSON, the values.
"""

from __future__ import annotations

import json

import numpy

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {numpy.dtype(value): key for key, value in _TYPES.items()}


def load(contents: bytes) -> tuple[dict[str, numpy.ndarray], dict[str, str]]:
    """The tensors and the metadata of a file's contents. The tensors are read-only views."""
    length = int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = memoryview(contents)[8 + length + begin : 8 + length + end]
        tensors[name] = numpy.frombuffer(values, _TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def dump(tensors: dict[str, numpy.ndarray]) -> bytes:
    """A file of tensors."""
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        tensor = numpy.ascontiguousarray(tensor)
        if tensor.dtype.newbyteorder("<") not in _NAMES:
            raise ValueError(f"the array {name} has values of {tensor.dtype}; give float32 or float64")
        parts.append(tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes())
        header[name] = {
            "dtype": _NAMES[tensor.dtype.newbyteorder("<")],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(parts[-1])],
        }
        offset += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)
