"""Counts of torchvision models are those that torchvision publishes with its weights (0.29.2)."""

from __future__ import annotations

import pytest

from agreement.torchvision_counts import Row, counted
from replay import binary

PUBLISHED = [
    Row("AlexNet", "alexnet.py", 224, 61_100_840, 0.714),
    Row("ConvNeXt_Tiny", "convnext.py", 224, 28_589_128, 4.456),
    Row("DenseNet121", "densenet.py", 224, 7_978_856, 2.834),
    Row("EfficientNet_B0", "efficientnet.py", 224, 5_288_548, 0.386),
    Row("MNASNet1_0", "mnasnet.py", 224, 4_383_312, 0.314),
    Row("MobileNet_V3_Small", "mobilenetv3.py", 224, 2_542_856, 0.057),
    Row("LRASPP_MobileNet_V3_Large", "segmentation/lraspp.py", 0, 3_221_538, 2.086),
]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("published", PUBLISHED, ids=lambda row: row.arch)
def test_counts_are_the_published_ones(published, tmp_path):
    found = counted(published, binary(), tmp_path)
    assert found.agrees(published), found
