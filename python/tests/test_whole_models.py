"""Whole models: the dump of each, run node by node, computes what the model computes.

And the figures of ``plan`` for the built-in models are those of torch's own counter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from fusewright.fx import Dim, export_graph, export_model, load_model, write_json
from replay import assert_same, dump, fusewright, replay

pytestmark = pytest.mark.usefixtures("built")


def small_vit() -> nn.Module:
    return models.VisionTransformer(
        image_size=32,
        patch_size=8,
        num_layers=3,
        num_heads=4,
        hidden_dim=32,
        mlp_dim=64,
        num_classes=10,
    )


def small_swin(version: int) -> nn.Module:
    """Windows of 3 on maps of 16 and 8: padded, cropped, and shifted in every second layer."""
    second = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    return models.SwinTransformer(
        patch_size=[4, 4],
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=[3, 3],
        num_classes=10,
        **(second if version == 2 else {}),
    )


MODELS: dict[str, Callable[[], nn.Module]] = {
    "vit": small_vit,
    "swin": lambda: small_swin(1),
    "swin_v2": lambda: small_swin(2),
    "resnet18": models.resnet18,
    "efficientnet_b0": models.efficientnet_b0,
    "mobilenet_v3_small": models.mobilenet_v3_small,
    "convnext_tiny": models.convnext_tiny,
    "shufflenet_v2_x0_5": models.shufflenet_v2_x0_5,
}


def image_for(name: str) -> Tensor:
    return torch.randn(4, 3, *((32, 32) if name == "vit" else (64, 64)))


def randomise(model: nn.Module, image: Tensor) -> None:
    """Weights and statistics with which every part of the model matters to its result."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_(std=0.1)
        elif parameter.squeeze().dim() > 1:
            parameter.data.normal_(std=1 / math.sqrt(parameter[0].numel()))
        else:
            parameter.data.uniform_(0.5, 1.5)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(image)
    for norm in norms:
        norm.running_mean += torch.randn_like(norm.running_mean) * norm.running_var.sqrt() / 10
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.5, 1.5)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_equals_its_dump(name, scratch):
    model, image = MODELS[name](), image_for(name)
    randomise(model, image)
    graph = dump(model.eval(), [image], scratch)
    with torch.no_grad():
        expected = model(image)
        # Not a constant: the image can be told from the result.
        assert expected.std(0).mean() > 0.1 * expected.abs().mean()
        assert_same(expected, replay(graph, model, [image]), 1e-5)


@pytest.mark.parametrize("decomposed", [False, True], ids=["as_exported", "decomposed"])
@pytest.mark.parametrize("name", ["vit", "swin", "swin_v2", "resnet18"])
def test_an_aten_graph_equals_its_dump(name, decomposed, scratch):
    """Swin fills the mask of its shifted windows in place, through slices of a tensor of zeros."""
    model, image = MODELS[name](), image_for(name)
    randomise(model, image)
    with torch.no_grad():
        program = torch.export.export(model.eval(), (image,))
        graph_module = (program.run_decompositions() if decomposed else program).module()
        for node in list(graph_module.graph.nodes):
            if node.op == "call_module":
                graph_module.graph.erase_node(node)
        path = scratch / "aten.fx.json"
        write_json(export_graph(graph_module), path, overwrite=True)
        assert fusewright("plan", path)["model"]["uncounted_ops"] == []
        graph = fusewright("dump", path, "--decompose")
        assert_same(model(image), replay(graph, graph_module, [image]), 1e-5)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "swin"])
def test_a_model_in_training_equals_its_dump(name, scratch):
    model, image = MODELS[name](), image_for(name)
    randomise(model, image)
    graph = dump(model.train(), [image], scratch)
    for module in model.modules():
        # What is random in training is left out on both sides.
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0
    with torch.no_grad():
        found = replay(graph, model, [image], drop=lambda x, p: x)
        assert_same(model(image), found, 1e-5)


def counted(model: nn.Module, image: Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(image)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["vit_b_16", "vit_l_16", "resnet50", "efficientnet_b0"])
def test_contraction_flops_are_those_that_torch_counts(name):
    model, _, shape = load_model(f"torchvision:{name}")
    total = counted(model, torch.empty(shape, device="meta"))
    report = fusewright("plan", name)
    assert report["flops"]["contraction"] == total
    assert report["model"]["parameters"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t", "convnext_tiny", "vit_h_14"])
def test_a_fresh_export_counts_what_torch_counts(name, scratch):
    model, _, shape = load_model(f"torchvision:{name}")
    total = counted(model, torch.empty(shape, device="meta"))
    path = scratch / f"{name}.json"
    write_json(export_model(model, [shape], name), path)
    report = fusewright("plan", path)
    assert report["model"]["uncounted_ops"] == []
    assert report["flops"]["contraction"] == total
    assert report["model"]["parameters"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("build", [small_vit, models.resnet18], ids=["vit", "resnet18"])
def test_a_size_bound_at_load_counts_like_one_fixed_at_export(build, scratch):
    model, side = build().eval(), 32
    reports = []
    for batch, bound in [(Dim("batch", 2), ["--batch", "5"]), (5, [])]:
        path = scratch / "sized.json"
        write_json(export_model(model, [(batch, 3, side, side)], "sized"), path, overwrite=True)
        report = fusewright("plan", path, "--groups", *bound)
        report["model"].pop("dims")
        reports.append(report)
    assert reports[0] == reports[1]
