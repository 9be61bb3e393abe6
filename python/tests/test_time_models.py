"""The timing script needs a GPU; what it does to a model before it times it does not."""

from __future__ import annotations

import torch
from accuracy.time_models import merge_projections
from transformers import BertConfig, BertModel


def test_merged_projections_compute_the_same() -> None:
    config = BertConfig(
        vocab_size=32,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    tokens = torch.arange(12).reshape(2, 6)
    with torch.inference_mode():
        apart = model(tokens).last_hidden_state
        assert merge_projections(model) == 2
        assert merge_projections(model) == 0
        merged = model(tokens).last_hidden_state
        again = model(tokens).last_hidden_state
    torch.testing.assert_close(merged, apart)
    torch.testing.assert_close(again, apart)
