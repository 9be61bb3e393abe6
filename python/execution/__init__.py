"""Models run by fusewright, PyTorch and ONNX Runtime: the same numbers, and how long each takes."""
