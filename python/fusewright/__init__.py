"""fusewright: plan, prove and apply operator fusion in transformer graphs.

    import fusewright

    found = fusewright.analyze("vit_b_16", hw="a100-sxm-80")
    found.best.kernels, found.best.latency_us.mid

``analyze`` takes whatever a model is: a path, a built-in name, a ``config.json`` as a dictionary,
a live module with example inputs, an exported program, an ONNX model. ``fusewright.transform``
traces modules with attention opened and partitions graph modules, ``fusewright.torch`` applies
plans to live modules and measures them, ``fusewright.fx`` writes FX JSON.

Importing the package imports neither torch nor the native module; what needs them does.
"""

from __future__ import annotations

import importlib

# Where each public name lives; modules are imported when a name of theirs is first used.
_HOMES = {
    "analysis": ("Analysis", "analyze", "plan"),
    "hardware": (
        "calibrate",
        "check_device",
        "device",
        "device_page",
        "devices",
        "predict_kernels",
    ),
    "rules": ("check_pattern", "pattern", "pattern_page", "patterns"),
    "verbs": (
        "compare",
        "check",
        "dump",
        "explain",
        "models",
        "optimize",
        "report",
        "schema",
        "strategies",
    ),
    "errors": (
        "CaptureError",
        "DeviceError",
        "DeviceNotFoundError",
        "FusewrightError",
        "FusionRegression",
        "InternalError",
        "KernelTableError",
        "MissingDependencyError",
        "ModelNotFoundError",
        "ModelReadError",
        "NotEquivalentError",
        "PatternError",
        "PatternNotFoundError",
        "UsageError",
    ),
    "record": ("Record",),
    "table": ("Table",),
}
_MODULES = ("fx", "hardware", "torch", "transform")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, *_MODULES, "__version__"])


def __getattr__(name: str) -> object:
    if name == "__version__":
        from fusewright.native import native

        return native().__version__
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f"fusewright.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        try:
            return importlib.import_module(f"fusewright.{name}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            from fusewright.errors import MissingDependencyError

            what = f"fusewright.{name} needs torch, which is not installed"
            raise MissingDependencyError(what, "`pip install torch`") from error
    raise AttributeError(f"module 'fusewright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
