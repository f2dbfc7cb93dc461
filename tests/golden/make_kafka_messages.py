#!/usr/bin/env python3
"""Golden bytes for the Kafka messages that kafka/api.def serves and kafka_messages.txt has not yet.

    python3 -m venv V && V/bin/pip install kafka-python==3.0.12
    V/bin/python tests/golden/make_kafka_messages.py >> tests/golden/kafka_messages.txt

kafka-python encodes one populated message of each API at each version: every field has a value of
its own, every array two elements.
"""
import importlib
import inspect
import pkgutil
import re
import types
import uuid
from pathlib import Path

import kafka.protocol
from kafka.protocol.api_message import ApiMessage

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def message_classes():
    found = {}
    for module in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" in module.name or "schemas" in module.name or "generate" in module.name:
            continue
        for name, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(cls, ApiMessage) and cls is not ApiMessage:
                found[name] = cls
    return found


def plain_struct(**values):
    """What the encoder needs of a nested struct: attributes, and which of them are tagged."""
    return types.SimpleNamespace(tags=set(values), unknown_tags=None, **values)


class Filler:
    """A different value for every field, the same in every run."""

    def __init__(self):
        self.n = 0

    def scalar(self, kind):
        self.n += 1
        if kind == "string":
            return f"text-{self.n}"
        if kind in ("bytes", "records"):
            return b"bytes-%d" % self.n
        if kind == "bool":
            return self.n % 2 == 0
        if kind == "float64":
            return self.n + 0.25
        if kind == "uuid":
            return uuid.UUID(int=self.n)
        return self.n % 100

    def struct(self, fields, version, make):
        values = {}
        for field in fields:
            if not field.for_version_q(version):
                continue
            values[field.name] = self.field(field, version)
        return make(**values)

    def field(self, field, version):
        kind = field.type_str
        if field.is_struct_array():
            return [self.struct(field._fields, version, plain_struct) for _ in range(2)]
        if field.is_struct():
            return self.struct(field._fields, version, plain_struct)
        if kind.startswith("[]"):
            return [self.scalar(kind[2:]) for _ in range(2)]
        return self.scalar(kind)


def main():
    have = {tuple(line.split()[:2]) for line in (HERE / "kafka_messages.txt").read_text().splitlines()
            if not line.startswith("#")}
    classes = message_classes()
    served = re.findall(r"^API\(\d+, (\w+), \w+, (\d+), (\d+), \d+\)", (ROOT / "src/kafka/api.def").read_text(), re.M)
    for api, low, high in served:
        for kind in ("Request", "Response"):
            cls = classes.get(api + kind)
            for version in range(int(low), int(high) + 1):
                if cls is None or not cls.valid_versions[0] <= version <= cls.max_version or (api + kind, str(version)) in have:
                    continue
                message = Filler().struct(cls._struct._fields, version, lambda **v: cls(version=version, **v))
                print(api + kind, version, message.encode(header=False, framed=False).hex())


main()
