//! What leaf modules mean: a call of a function, with tensors and settings of the module as further arguments.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use fusewright_ir::ValueId;

use super::arguments::{Call, MAX_TEXT};
use super::functions::{Row, named};
use super::schema::{Arg, ModuleEntry, Scalar};
use super::values::Operand;

/// A class of modules that has a counterpart.
#[derive(Debug)]
struct ModuleRow {
    /// Its names without `torch.nn…`, separated by blanks; classes of other libraries in full.
    classes: &'static str,
    /// The function that it applies, as the function tables name it.
    function: &'static str,
    /// Its tensors that are arguments, by their names in the module and in the function.
    tensors: &'static str,
    /// Its settings that are arguments; `pad=padding` where the function's name (first) differs.
    settings: &'static str,
}

const fn row(
    classes: &'static str,
    function: &'static str,
    tensors: &'static str,
    settings: &'static str,
) -> ModuleRow {
    ModuleRow { classes, function, tensors, settings }
}

const MAX_POOL: &str = "kernel_size stride padding dilation ceil_mode return_indices";
const AVERAGE_POOL: &str = "kernel_size stride padding ceil_mode count_include_pad divisor_override";
const TRANSPOSED: &str = "stride padding output_padding groups dilation padding_mode";

const TABLE: &[ModuleRow] = &[
    row("AdaptiveAvgPool1d", "adaptive_avg_pool1d", "", "output_size"),
    row("AdaptiveAvgPool2d", "adaptive_avg_pool2d", "", "output_size"),
    row("AdaptiveAvgPool3d", "adaptive_avg_pool3d", "", "output_size"),
    row("AdaptiveMaxPool1d", "adaptive_max_pool1d", "", "output_size return_indices"),
    row("AdaptiveMaxPool2d", "adaptive_max_pool2d", "", "output_size return_indices"),
    row("AdaptiveMaxPool3d", "adaptive_max_pool3d", "", "output_size return_indices"),
    row("AlphaDropout FeatureAlphaDropout", "alpha_dropout", "", "p training inplace"),
    row("AvgPool1d", "avg_pool1d", "", AVERAGE_POOL),
    row("AvgPool2d", "avg_pool2d", "", AVERAGE_POOL),
    row("AvgPool3d", "avg_pool3d", "", AVERAGE_POOL),
    row(
        "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
        "F.batch_norm",
        "running_mean running_var weight bias",
        "training eps",
    ),
    row("ConstantPad1d ConstantPad2d ConstantPad3d", "pad", "", "pad=padding value"),
    row("Conv1d Conv2d Conv3d", "conv2d", "weight bias", "stride padding dilation groups padding_mode"),
    row("ConvTranspose1d ConvTranspose2d ConvTranspose3d", "conv_transpose2d", "weight bias", TRANSPOSED),
    row("Dropout", "dropout", "", "p training inplace"),
    row("Dropout1d Dropout2d Dropout3d", "dropout2d", "", "p training inplace"),
    row("ELU", "elu", "", "alpha inplace"),
    row("Embedding", "F.embedding", "weight", "max_norm"),
    row("Flatten", "flatten", "", "start_dim end_dim"),
    row("GELU", "gelu", "", "approximate"),
    row("GroupNorm", "group_norm", "weight bias", "num_groups eps"),
    row("Hardsigmoid", "hardsigmoid", "", "inplace"),
    row("Hardswish", "hardswish", "", "inplace"),
    row("Hardtanh", "hardtanh", "", "min_val max_val inplace"),
    row("Identity", "(Identity)", "", ""),
    row(
        "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
        "F.instance_norm",
        "running_mean running_var weight bias",
        "training eps",
    ),
    row("LayerNorm", "layer_norm", "weight bias", "normalized_shape eps"),
    row("LeakyReLU", "leaky_relu", "", "negative_slope inplace"),
    row("Linear NonDynamicallyQuantizableLinear", "linear", "weight bias", ""),
    row("LogSoftmax", "log_softmax", "", "dim"),
    row("MaxPool1d", "max_pool1d", "", MAX_POOL),
    row("MaxPool2d", "max_pool2d", "", MAX_POOL),
    row("MaxPool3d", "max_pool3d", "", MAX_POOL),
    row("Mish", "mish", "", "inplace"),
    row(
        "MultiheadAttention",
        "(MultiheadAttention)",
        "in_proj_weight q_proj_weight k_proj_weight v_proj_weight in_proj_bias bias_k bias_v out_proj.weight out_proj.bias",
        "embed_dim num_heads batch_first add_zero_attn dropout training",
    ),
    row("RMSNorm", "rms_norm", "weight", "normalized_shape eps"),
    row("ReLU", "relu", "", "inplace"),
    row("ReLU6", "relu6", "", "inplace"),
    row("SiLU", "silu", "", "inplace"),
    row("Sigmoid", "sigmoid", "", ""),
    row("Softmax", "softmax", "", "dim"),
    row("Softplus", "softplus", "", "beta threshold"),
    row("Tanh", "tanh", "", ""),
    row("Unflatten", "unflatten", "", "dim sizes=unflattened_size"),
    row("Upsample", "interpolate", "", "size scale_factor mode align_corners recompute_scale_factor"),
    row("ZeroPad1d ZeroPad2d ZeroPad3d", "pad", "", "pad=padding value"),
    row(
        "torchvision.ops.stochastic_depth.StochasticDepth",
        "torchvision.ops.stochastic_depth.stochastic_depth",
        "",
        "p mode training",
    ),
];

static BY_CLASS: LazyLock<HashMap<&'static str, &'static ModuleRow>> =
    LazyLock::new(|| TABLE.iter().flat_map(|row| row.classes.split(' ').map(move |class| (class, row))).collect());

/// A module of the document, its tensors added to the graph.
#[derive(Debug)]
pub(super) struct Module<'d> {
    entry: &'d ModuleEntry,
    class: &'d str,
    row: Option<&'static ModuleRow>,
    tensors: BTreeMap<&'d str, ValueId>,
    training: bool,
}

impl<'d> Module<'d> {
    /// A module with the values of its tensors; `training` is the mode of the whole model.
    pub(super) fn new(entry: &'d ModuleEntry, tensors: BTreeMap<&'d str, ValueId>, training: bool) -> Self {
        let class = shortened(&entry.class);
        let known = if class.starts_with("torch.nn.") {
            class.rsplit('.').next()
        } else {
            Some(class).filter(|c| c.contains('.'))
        };
        let row = known.and_then(|name| BY_CLASS.get(name).copied());
        Self { entry, class, row, tensors, training }
    }

    /// Its class.
    pub(super) fn class(&self) -> &'d str {
        self.class
    }

    /// All its tensors, in the order of their names.
    pub(super) fn tensors(&self) -> impl ExactSizeIterator<Item = ValueId> {
        self.tensors.values().copied()
    }

    /// The function that it applies.
    pub(super) fn function(&self) -> Option<&'static Row> {
        self.row.and_then(|row| named(row.function))
    }

    /// It writes its result into its operand.
    pub(super) fn writes_in_place(&self) -> bool {
        self.entry.attrs.get("inplace") == Some(&Arg::Scalar(Scalar::Bool(true)))
    }

    /// Adds tensors and settings to a call of the function.
    pub(super) fn complete<'a>(&'a self, call: &mut Call<'a>) -> Result<(), String> {
        let Some(row) = self.row else { return Ok(()) };
        for name in row.tensors.split_whitespace() {
            if let Some(&value) = self.tensors.get(name) {
                call.set(name, Operand::Tensor(call.env.mutations.current(value)))?;
            }
        }
        for setting in row.settings.split_whitespace() {
            let (argument, attribute) = setting.split_once('=').unwrap_or((setting, setting));
            match self.entry.attrs.get(attribute) {
                Some(value) => call.set(argument, call.env.operand(value))?,
                None if attribute == "training" => call.set(argument, flag(self.training))?,
                None => {}
            }
        }
        Ok(())
    }
}

/// The start of a text. A class is written once in the document, and repeated for every call of the module.
fn shortened(text: &str) -> &str {
    let mut ends = (0..=MAX_TEXT.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

fn flag(value: bool) -> Operand<'static> {
    Operand::Scalar(if value { &Scalar::Bool(true) } else { &Scalar::Bool(false) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_names_a_function_and_its_arguments() {
        let mut seen = BTreeSet::new();
        for row in TABLE {
            let function = named(row.function).unwrap_or_else(|| panic!("no function `{}`", row.function));
            let names = function.signature.split_whitespace();
            let arguments: Vec<&str> = names.filter_map(|name| name.split('/').next()).collect();
            let settings = row.settings.split_whitespace().map(|s| s.split('=').next().unwrap());
            for name in row.tensors.split_whitespace().chain(settings) {
                assert!(arguments.contains(&name), "`{}` does not take `{name}`", row.function);
            }
            for class in row.classes.split(' ') {
                assert!(seen.insert(class), "`{class}` has two rows");
            }
        }
    }

    #[test]
    fn rows_are_sorted() {
        assert!(TABLE.is_sorted_by_key(|row| row.classes));
    }
}
