"""Profiles timm models on a CUDA GPU: what PyTorch spends on each op at each shape.

    python -m accuracy.profile_models -o timm-ops.csv

Batch 256, channels innermost, autocast to f16, op by op; each op with its input shapes, how often it ran in a pass, and
the time of its kernels in all, µs. Needs torch with CUDA and timm.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import timm
import torch
from torch.profiler import ProfilerActivity, profile

MODELS = {
    **dict.fromkeys(
        ("convit_small", "xcit_small_12_p16_224", "tiny_vit_11m_224", "nest_small"), 224
    ),
    **dict.fromkeys(
        ("vitamin_small_224", "convformer_s36", "efficientformerv2_s1", "starnet_s2"), 224
    ),
    **dict.fromkeys(("resnetv2_50d_frn", "efficientvit_m2", "twins_svt_base", "tresnet_l"), 224),
    **dict.fromkeys(
        ("samvit_base_patch16_224", "repghostnet_080", "convnext_tiny", "resnet50"), 224
    ),
    **dict.fromkeys(("vit_base_patch16_224", "convmixer_768_32"), 224),
    **dict.fromkeys(("eca_nfnet_l1", "hiera_small_abswin_256", "mobilenetv5_base"), 256),
    "edgenext_small": 320,
    "volo_d1_384": 384,
}
"""Models and the size of their images."""

BATCH = 256
WARM_UP = 3


def ops(name: str, size: int) -> list[tuple[str, str, int, float]]:
    """Ops of a pass with their shapes: how many, and the time of their kernels."""
    model = timm.create_model(name).cuda().eval().to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, size, size, device="cuda")
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cuda", torch.float16):
        for _ in range(WARM_UP):
            model(images)
        torch.cuda.synchronize()
        activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
        with profile(activities=activities, record_shapes=True) as found:
            model(images)
            torch.cuda.synchronize()
    return [
        (each.key, str(each.input_shapes), each.count, each.self_device_time_total)
        for each in found.key_averages(group_by_input_shape=True)
        if each.self_device_time_total > 0 and each.key.startswith("aten::")
    ]


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("error: no CUDA device; expected a GPU and a torch built for it", file=sys.stderr)
        return 2
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    with arguments.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("model", "op", "shapes", "count", "total_us"))
        for name, size in MODELS.items():
            writer.writerows((name, *each) for each in ops(name, size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
