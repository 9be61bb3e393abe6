"""Writes src/defaults.json: the defaults of the configuration classes whose model types the reader knows.

Run with a Python that has transformers: `python defaults.py`. Model types are those listed in src/models.rs, keys are
those that some file of src/ names.
"""

import dataclasses
import json
import pathlib
import re

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SOURCES = pathlib.Path(__file__).parent / "src"


def literals():
    """Every word in quotes in the sources: a superset of the keys that are read."""
    text = "\n".join(path.read_text() for path in sorted(SOURCES.rglob("*.rs")))
    return set(re.findall(r'"([A-Za-z0-9_]+)"', text))


def row(config_class, words):
    aliases = {name: own for name, own in config_class.attribute_map.items() if name in words or own in words}
    readable = words | set(aliases.values())
    values = {}
    for field in dataclasses.fields(config_class):
        value = field.default
        if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        if field.name in readable and value is not dataclasses.MISSING:
            value = list(value) if isinstance(value, tuple) else value
            if isinstance(value, (bool, int, float, str, list, dict, type(None))):
                values[field.name] = value
    return {"aliases": aliases, "values": values}


def main():
    words = literals()
    models = (SOURCES / "models.rs").read_text()
    names = sorted(set(re.findall(r'"([a-z0-9_.-]+)"', models)) & set(CONFIG_MAPPING.keys()))
    lines = [f'"transformers": {json.dumps(transformers.__version__)}']
    lines += [f"{json.dumps(name)}: {json.dumps(row(CONFIG_MAPPING[name], words))}" for name in names]
    (SOURCES / "defaults.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
