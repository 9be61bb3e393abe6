"""The error every step of the FX bridge raises."""


class FxExportError(RuntimeError):
    """A model could not be written as FX JSON; the message says where and what to do."""
