"""A hash of a set of rows that depends neither on their order nor on the engine that read them.

Each row becomes a tuple of plain values by column name: whole numbers and decimals by value, floats
to 6 (float32) or 15 digits, times as microseconds since 1970 in UTC, bytes as hex. The hash is the sum
of the rows' hashes modulo 2^128, so the same rows twice are not the same as once.
"""
import decimal
import hashlib

import pyarrow as pa


def plain_column(column):
    """The values of an Arrow column as comparable Python values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain_column(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return [None if v is None else v * 10**6 // per for v in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.int32()).to_pylist()
    if pa.types.is_floating(kind):
        digits = 15 if pa.types.is_float64(kind) else 6
        return [None if v is None else f"{v:.{digits}g}" for v in column.to_pylist()]
    return [plain_value(v) for v in column.to_pylist()]


def plain_value(v):
    if isinstance(v, bool) or v is None:
        return v
    if isinstance(v, (int, decimal.Decimal)):
        return str((decimal.Decimal(v) + 0).normalize(decimal.Context(prec=60)))
    if isinstance(v, bytes):
        return v.hex()
    if isinstance(v, dict):
        return tuple(sorted((k, plain_value(x)) for k, x in v.items()))
    if isinstance(v, (list, tuple)):
        return tuple(plain_value(x) for x in v)
    return str(v)


def of_table(table):
    """(rows, hash) of an Arrow table."""
    names = sorted(table.column_names)
    columns = [plain_column(table.column(n).combine_chunks()) for n in names]
    total = 0
    for row in zip(*columns):
        digest = hashlib.blake2b(repr((names, row)).encode(), digest_size=16).digest()
        total += int.from_bytes(digest, "big")
    return table.num_rows, "%032x" % (total % (1 << 128))
