"""Models run by fusewright beside PyTorch and ONNX Runtime: the same numbers, and how long each takes."""
