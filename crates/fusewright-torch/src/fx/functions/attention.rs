//! Attention: the core as a function, and whole layers: `torch.nn.MultiheadAttention`, torchvision's windows.

use fusewright_ir::Op;
use fusewright_ir::ops::{
    Attention, MultiheadAttention, Operand as Role, ScaledDotProduct, ShiftedWindow, WindowOperand,
};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs, size};
use super::{Results, Row, row};

/// Arguments of the layer's call, then its settings and its tensors by their names in the module.
const LAYER: &str = "query key value key_padding_mask need_weights attn_mask average_attn_weights is_causal \
    embed_dim num_heads batch_first add_zero_attn dropout training \
    in_proj_weight q_proj_weight k_proj_weight v_proj_weight in_proj_bias bias_k bias_v out_proj.weight out_proj.bias";

pub(super) const ROWS: &[Row] = &[
    row(
        "scaled_dot_product_attention",
        "query key value attn_mask dropout_p is_causal scale enable_gqa",
        scaled_dot_product,
    ),
    row(
        "_scaled_dot_product_flash_attention",
        "query key value dropout_p is_causal return_debug_mask scale",
        scaled_dot_product,
    )
    .with_results(Results::First),
    row(
        "_scaled_dot_product_flash_attention_for_cpu",
        "query key value dropout_p is_causal attn_mask scale",
        scaled_dot_product,
    )
    .with_results(Results::First),
    row(
        "_scaled_dot_product_efficient_attention",
        "query key value attn_mask/attn_bias compute_log_sumexp dropout_p is_causal scale",
        scaled_dot_product,
    )
    .with_results(Results::First),
    row(
        "_scaled_dot_product_cudnn_attention",
        "query key value attn_mask/attn_bias compute_log_sumexp dropout_p is_causal return_debug_mask scale",
        scaled_dot_product,
    )
    .with_results(Results::First),
    row(
        "_scaled_dot_product_fused_attention_overrideable",
        "query key value attn_mask/attn_bias dropout_p is_causal return_debug_mask scale",
        scaled_dot_product,
    )
    .with_results(Results::First),
    row(
        "_scaled_dot_product_attention_math",
        "query key value attn_mask dropout_p is_causal dropout_mask scale enable_gqa",
        scaled_dot_product,
    )
    .with_results(Results::First),
    row("(MultiheadAttention)", LAYER, layer),
    row("torchvision.models.swin_transformer.shifted_window_attention", WINDOWS, shifted_window),
];

const WINDOWS: &str = "input qkv_weight proj_weight relative_position_bias window_size num_heads shift_size \
    attention_dropout dropout qkv_bias proj_bias logit_scale training";

/// The window layer's operands: what each is, and the argument that gives it.
const WINDOW_OPERANDS: [(WindowOperand, &str); 7] = [
    (WindowOperand::Map, "input"),
    (WindowOperand::InWeight, "qkv_weight"),
    (WindowOperand::OutWeight, "proj_weight"),
    (WindowOperand::PositionBias, "relative_position_bias"),
    (WindowOperand::InBias, "qkv_bias"),
    (WindowOperand::OutBias, "proj_bias"),
    (WindowOperand::LogitScale, "logit_scale"),
];

/// The layer's operands: what each is, and the argument that gives it.
const OPERANDS: [(Role, &str); 14] = [
    (Role::Query, "query"),
    (Role::Key, "key"),
    (Role::Value, "value"),
    (Role::InWeight, "in_proj_weight"),
    (Role::QueryWeight, "q_proj_weight"),
    (Role::KeyWeight, "k_proj_weight"),
    (Role::ValueWeight, "v_proj_weight"),
    (Role::InBias, "in_proj_bias"),
    (Role::KeyBias, "bias_k"),
    (Role::ValueBias, "bias_v"),
    (Role::OutWeight, "out_proj.weight"),
    (Role::OutBias, "out_proj.bias"),
    (Role::KeyPaddingMask, "key_padding_mask"),
    (Role::Mask, "attn_mask"),
];

fn layer(call: &Call<'_>) -> Built {
    let appends_keys = call.given("bias_k").is_some() || call.flag("add_zero_attn", false)?;
    let drops_mask =
        call.flag("is_causal", false)? && !call.flag("need_weights", true)? && call.given("key_padding_mask").is_none();
    if appends_keys && drops_mask {
        return Err(
            "with `is_causal` and no returned weights the appended keys are hidden from early queries".to_owned()
        );
    }
    let (operands, inputs) = given_operands(call, &OPERANDS)?;
    let op = MultiheadAttention {
        embed_dim: size("embed_dim", call.int("embed_dim")?)?,
        num_heads: size("num_heads", call.int("num_heads")?)?,
        batch_first: call.flag("batch_first", false)?,
        add_zero_attn: call.flag("add_zero_attn", false)?,
        dropout: call.number_or("dropout", 0.0)?,
        training: call.flag("training", false)?,
        need_weights: call.flag("need_weights", true)?,
        average_weights: call.flag("average_attn_weights", true)?,
        operands,
    };
    Ok((Op::Attention(Attention::Multihead(Box::new(op))), inputs))
}

fn shifted_window(call: &Call<'_>) -> Built {
    let (operands, inputs) = given_operands(call, &WINDOW_OPERANDS)?;
    let pair = |name: &str| {
        let sizes = call.sizes(name, 2, 0)?;
        <[u64; 2]>::try_from(sizes).map_err(|_| format!("the argument `{name}` must be two sizes"))
    };
    let op = ShiftedWindow {
        num_heads: size("num_heads", call.int("num_heads")?)?,
        window: pair("window_size")?,
        shift: pair("shift_size")?,
        attention_dropout: call.number_or("attention_dropout", 0.0)?,
        dropout: call.number_or("dropout", 0.0)?,
        training: call.flag("training", true)?,
        operands,
    };
    Ok((Op::Attention(Attention::ShiftedWindow(Box::new(op))), inputs))
}

/// The operands that a call gives, with what they are.
fn given_operands<R: Copy>(call: &Call<'_>, table: &[(R, &str)]) -> Result<(Vec<R>, Inputs), String> {
    let mut inputs = Inputs::new();
    let mut operands = Vec::new();
    for &(role, name) in table {
        if let Some(value) = call.optional_tensor(name)? {
            operands.push(role);
            inputs.push(value);
        }
    }
    Ok((operands, inputs))
}

/// Heads of the query may share keys by groups; the shapes say whether they do.
fn scaled_dot_product(call: &Call<'_>) -> Built {
    let mut inputs: Inputs = smallvec![call.tensor("query")?, call.tensor("key")?, call.tensor("value")?];
    inputs.extend(call.optional_tensor("attn_mask")?);
    let op = ScaledDotProduct {
        causal: call.flag("is_causal", false)?,
        scale: call.optional_number("scale")?,
        dropout: call.number_or("dropout_p", 0.0)?,
        ..ScaledDotProduct::default()
    };
    Ok((Op::Attention(Attention::ScaledDotProduct(op)), inputs))
}
