"""A tiny proto2 codec driven by a table: just enough for the schema of the wire, and strict.

The decoder refuses what the contract does not list (an unknown field, a wrong wire type, a repeated
number that is not packed), so that a server that says more than the contract is noticed.
"""

import re
import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SCALARS = {
    "uint32": VARINT,
    "uint64": VARINT,
    "bool": VARINT,
    "enum": VARINT,
    "fixed64": FIXED64,
    "string": BYTES,
}


class DecodeError(ValueError):
    """The bytes are not the message that the contract describes."""


class Field:
    """One line of the schema: name, number, type, whether repeated or packed, default."""

    def __init__(self, name, number, kind, label, default):
        self.name, self.number, self.kind = name, number, kind
        self.packed, self.repeated = label == "packed", label in ("packed", "repeated")
        self.wire_type = SCALARS.get(kind, BYTES)
        self.default = default


class Message:
    """A message by kind; fields are attributes, absent ones read as their default."""

    def __init__(self, schema, kind, **fields):
        self.__dict__.update(_schema=schema, _kind=kind, _fields={})
        for name, value in fields.items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        if name not in self._schema.by_name[self._kind]:
            raise AttributeError(f"{self._kind} has no field {name}")
        if value is None:
            self._fields.pop(name, None)
        else:
            self._fields[name] = value

    def __getattr__(self, name):
        try:
            field = self._schema.by_name[self._kind][name]
        except KeyError:
            raise AttributeError(f"{self._kind} has no field {name}") from None
        return self._fields.get(name, [] if field.repeated else field.default)

    def __eq__(self, other):
        return (
            isinstance(other, Message)
            and self._kind == other._kind
            and self._fields == other._fields
        )

    def __repr__(self):
        return f"{self._kind}({', '.join(f'{k}={v!r}' for k, v in self._fields.items())})"

    def has(self, name):
        return name in self._fields

    def copy(self, **changes):
        other = Message(self._schema, self._kind, **self._fields)
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    def encode(self):
        return b"".join(self._schema.pieces(self))


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise DecodeError("varint cut or too long")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def bytes_field(number, payload):
    return varint(number << 3 | BYTES) + varint(len(payload)) + payload


class Schema:
    """Parses lines `Message: name=number [packed|repeated] type [(default)], …`."""

    LINE = re.compile(r"(\w+)=(\d+) (?:(packed|repeated) )?(\w+)(?: \((\w+)\))?")

    def __init__(self, text):
        self.by_name, self.by_number = {}, {}
        for line in filter(None, map(str.strip, text.splitlines())):
            kind, _, fields = line.partition(":")
            parsed = [self._field(*match.groups()) for match in self.LINE.finditer(fields)]
            self.by_name[kind] = {field.name: field for field in parsed}
            self.by_number[kind] = {field.number: field for field in parsed}

    @staticmethod
    def _field(name, number, label, kind, default):
        zero = {"string": "", "bool": False}.get(kind, 0 if kind in SCALARS else None)
        value = zero if default is None else default == "true" if kind == "bool" else int(default)
        return Field(name, int(number), kind, label, value)

    def new(self, kind, **fields):
        return Message(self, kind, **fields)

    def pieces(self, message):
        """The encoding, field by field in the order of their numbers."""
        fields = self.by_name[message._kind]
        for name in sorted(message._fields, key=lambda name: fields[name].number):
            field, value = fields[name], message._fields[name]
            if field.packed:
                if value:
                    yield bytes_field(field.number, b"".join(map(varint, value)))
            elif field.repeated:
                for item in value:
                    yield self._encode_one(field, item)
            else:
                yield self._encode_one(field, value)

    @staticmethod
    def _encode_one(field, value):
        if field.wire_type == VARINT:
            return varint(field.number << 3) + varint(int(value))
        if field.wire_type == FIXED64:
            return varint(field.number << 3 | FIXED64) + struct.pack("<Q", value)
        if isinstance(value, Message):
            value = value.encode()
        return bytes_field(field.number, value.encode() if isinstance(value, str) else value)

    def decode(self, kind, data):
        message, at, fields = self.new(kind), 0, self.by_number[kind]
        while at < len(data):
            tag, at = read_varint(data, at)
            field = fields.get(tag >> 3)
            if field is None or tag & 7 != (BYTES if field.packed else field.wire_type):
                raise DecodeError(f"{kind}: field {tag >> 3} of wire type {tag & 7}")
            value, at = self._decode_one(field, data, at)
            if field.packed:
                message._fields.setdefault(field.name, []).extend(value)
            elif field.repeated:
                message._fields.setdefault(field.name, []).append(value)
            else:
                message._fields[field.name] = value
        return message

    def _decode_one(self, field, data, at):
        if field.wire_type == VARINT and not field.packed:
            value, at = read_varint(data, at)
            return bool(value) if field.kind == "bool" else value, at
        size = 8
        if field.wire_type != FIXED64:
            size, at = read_varint(data, at)
        end = at + size
        if end > len(data):
            raise DecodeError(f"{field.name}: cut short")
        piece = data[at:end]
        if field.wire_type == FIXED64:
            return int.from_bytes(piece, "little"), end
        if field.packed:
            return self._decode_packed(piece), end
        if field.kind == "string":
            return piece.decode(), end
        return self.decode(field.kind, piece), end

    @staticmethod
    def _decode_packed(piece):
        values, at = [], 0
        while at < len(piece):
            value, at = read_varint(piece, at)
            values.append(value)
        return values
