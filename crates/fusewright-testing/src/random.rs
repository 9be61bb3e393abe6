//! Random graphs from lists of choices.

use fusewright_ir::ops::{
    Attention, Binary, Contraction, Convolution, Copy, Gather, Host, Index, MultiheadAttention, Normalization, Opaque,
    Operand, Padding, Pointwise, ReduceKind, Reduction, ScaledDotProduct, ShiftedWindow, Unary, View, WindowOperand,
};
use fusewright_ir::{DType, Form, Graph, Op, Type, ValueId};

use crate::Builder;

/// Builds a graph by letting each number choose one step: which op, on which operands, how written.
pub fn graph_from(choices: &[u32]) -> Graph {
    let mut random = Random { builder: Builder::new("random"), tensors: Vec::new(), indices: Vec::new(), pick: 0 };
    for shape in [&[2, 3, 8][..], &[2, 4, 3, 8], &[2, 4, 6, 6], &[6, 8]] {
        let input = random.builder.input(DType::F32, shape);
        random.tensors.push(input);
    }
    let indices = random.builder.input(DType::I64, &[2, 3]);
    random.indices.push(indices);
    for (number, &choice) in choices.iter().enumerate() {
        random.pick = choice;
        random.builder.enter(&format!("block.{}", number / 4));
        random.step();
    }
    let made = random.tensors.len();
    for value in random.tensors.split_off(made.saturating_sub(2)) {
        random.builder.graph.add_output(value);
    }
    random.builder.graph
}

struct Random {
    builder: Builder,
    tensors: Vec<ValueId>,
    indices: Vec<ValueId>,
    /// What is left of the current choice; each question takes its share.
    pick: u32,
}

impl Random {
    /// A number below `bound`, drawn from the current choice.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u32::try_from(bound.max(1)).unwrap_or(1);
        let answer = self.pick % bound;
        self.pick = (self.pick / bound) ^ self.pick.rotate_left(7).wrapping_mul(0x9e37_79b9);
        answer as usize
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Mostly one of the latest tensors, so that chains grow.
    fn tensor(&mut self) -> ValueId {
        let recent = self.tensors.len().min(if self.below(4) == 0 { usize::MAX } else { 4 });
        let back = self.below(recent);
        self.tensors[self.tensors.len() - 1 - back]
    }

    fn emit(&mut self, op: Op, inputs: &[ValueId], source_op: &str) {
        let form = self.one_of(&[Form::Function, Form::Function, Form::Module, Form::Method]);
        if let Some(outputs) = self.builder.apply_as(op, inputs, form, source_op) {
            let tensors =
                outputs.into_iter().filter(|&v| self.builder.graph.tensor(v).is_some_and(|t| t.elements() < 1 << 20));
            self.tensors.extend(tensors);
        }
    }

    fn step(&mut self) {
        match self.below(21) {
            0 | 1 => self.linears(),
            2 => self.matmul(),
            3 | 4 => self.unary(),
            5 | 6 => self.binary(),
            7 => self.normalization(),
            8 | 9 => self.view(),
            10 => self.copy(),
            11 => self.attention_chain(),
            12 => self.multihead(),
            13 => self.dropout(),
            14 => self.host(),
            15 => self.convolution(),
            16 => self.reduction(),
            17 => self.gather(),
            18 => self.opaque(),
            19 => self.windows(),
            _ => self.scaled_dot_product(),
        }
    }

    /// One to four projections of one value; now and then the bias of one is made from the result of another.
    fn linears(&mut self) {
        let x = self.tensor();
        let Some(&width) = self.builder.shape(x).last() else { return };
        let mut made_bias = None;
        for _ in 0..=self.below(4) {
            let out = self.one_of(&[width, 8, 4]);
            let weight = self.builder.parameter(&[out, width]);
            let mut inputs = vec![x, weight];
            match made_bias.take() {
                Some((bias, width)) if width == out => inputs.push(bias),
                _ if self.flag() => inputs.push(self.builder.parameter(&[out])),
                _ => {}
            }
            let name = self.one_of(&["torch.nn.functional.linear", "torch.nn.modules.linear.Linear"]);
            self.emit(Op::Contraction(Contraction::Linear), &inputs, name);
            if self.below(3) == 0 {
                self.binary();
            } else if self.flag() {
                made_bias = self.row_means().zip(Some(out));
            }
        }
    }

    /// The mean of the latest tensor over all its rows.
    fn row_means(&mut self) -> Option<ValueId> {
        let &made = self.tensors.last()?;
        let axes =
            (0..self.builder.shape(made).len().saturating_sub(1)).filter_map(|axis| i64::try_from(axis).ok()).collect();
        self.builder.one(Op::Reduction(Reduction::Reduce { kind: ReduceKind::Mean, axes, keep: false }), &[made])
    }

    fn matmul(&mut self) {
        let (a, b) = (self.tensor(), self.tensor());
        let rank = self.builder.shape(b).len();
        if rank >= 2 && self.flag() {
            let mut axes: Vec<u32> = (0..u32::try_from(rank).unwrap_or(0)).collect();
            axes.swap(rank - 1, rank - 2);
            let permuted = self.builder.one(View::Permute { axes: axes.into() }.into(), &[b]);
            if let Some(permuted) = permuted {
                self.emit(Op::Contraction(Contraction::MatMul), &[a, permuted], "torch.matmul");
            }
        } else {
            self.emit(Op::Contraction(Contraction::MatMul), &[a, b], "torch.matmul");
        }
    }

    fn unary(&mut self) {
        let x = self.tensor();
        let (kind, name) = self.one_of(&[
            (Unary::Relu, "torch.nn.modules.activation.ReLU"),
            (Unary::Gelu, "torch.nn.modules.activation.GELU"),
            (Unary::Silu, "torch.nn.modules.activation.SiLU"),
            (Unary::Sigmoid, "torch.nn.modules.activation.Sigmoid"),
            (Unary::Tanh, "torch.tanh"),
        ]);
        self.emit(Op::Pointwise(Pointwise::Unary(kind)), &[x], name);
    }

    fn binary(&mut self) {
        let (a, b) = (self.tensor(), self.tensor());
        let (kind, name) = self.one_of(&[(Binary::Add, "operator.add"), (Binary::Mul, "operator.mul")]);
        let op = if self.below(3) == 0 {
            Pointwise::WithScalar { kind, scalar: 0.5, reversed: false }
        } else {
            Pointwise::Binary(kind)
        };
        let inputs = if matches!(op, Pointwise::Binary(_)) { vec![a, b] } else { vec![a] };
        self.emit(Op::Pointwise(op), &inputs, name);
    }

    fn normalization(&mut self) {
        let x = self.tensor();
        let shape = self.builder.shape(x);
        if self.flag() {
            self.emit(
                Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked: false }),
                &[x],
                "torch.nn.functional.softmax",
            );
        } else if let Some(&width) = shape.last() {
            let weight = self.builder.parameter(&[width]);
            let op = Normalization::LayerNorm { axes: 1, epsilon: 1e-5 };
            self.emit(Op::Normalization(op), &[x, weight], "torch.nn.modules.normalization.LayerNorm");
        }
    }

    fn view(&mut self) {
        let x = self.tensor();
        let shape = self.builder.shape(x);
        let rank = shape.len();
        let axis = self.below(rank);
        let axis_id = u32::try_from(axis).unwrap_or(0);
        let Some(&extent) = shape.get(axis) else { return };
        let (view, name) = match self.below(8) {
            0 => {
                let mut order: Vec<u32> = (0..u32::try_from(rank).unwrap_or(0)).collect();
                let other = self.below(rank);
                order.swap(axis, other);
                (View::Permute { axes: order.into() }, "transpose")
            }
            1 => {
                let elements: u64 = shape.iter().product();
                let shape = if elements.is_multiple_of(4) { vec![elements / 4, 4] } else { vec![elements] };
                (View::Reshape { shape: shape.into() }, "reshape")
            }
            2 if extent.is_multiple_of(2) => {
                let mut split = shape.clone();
                split[axis] = extent / 2;
                split.insert(axis + 1, 2);
                (View::Reshape { shape: split.into() }, "view")
            }
            3 => {
                let mut wide = shape.clone();
                wide.insert(0, 3);
                (View::Expand { shape: wide.into() }, "expand")
            }
            4 => (View::Slice { axis: axis_id, start: 0, length: extent.div_ceil(2), step: 1 }, "narrow"),
            5 => (View::Select { axis: axis_id, index: 0 }, "select"),
            6 => (View::Split { axis: axis_id, sizes: vec![extent / 2, extent - extent / 2] }, "split"),
            _ => {
                let whole = |&extent: &u64| Index::Range { start: 0, length: extent, step: 1 };
                let items: Vec<Index> = [Index::New].into_iter().chain(shape.iter().map(whole)).collect();
                (View::Subscript { items }, "operator.getitem")
            }
        };
        self.emit(view.into(), &[x], name);
    }

    fn copy(&mut self) {
        let x = self.tensor();
        match self.below(4) {
            0 => self.emit(Copy::Contiguous.into(), &[x], "contiguous"),
            1 => self.emit(Copy::Clone.into(), &[x], "clone"),
            2 => self.emit(Copy::Concat { axis: -1 }.into(), &[x, x], "torch.cat"),
            _ => self.emit(Copy::Cast { dtype: DType::F32 }.into(), &[x], "to"),
        }
    }

    fn attention_chain(&mut self) {
        let source = self.tensor();
        let Some(&width) = self.builder.shape(source).last() else { return };
        let mut projected = Vec::new();
        for _ in 0..3 {
            let weight = self.builder.parameter(&[width, width]);
            projected.extend(self.builder.one(Op::Contraction(Contraction::Linear), &[source, weight]));
        }
        let &[q, k, v] = projected.as_slice() else { return };
        let rank = self.builder.shape(k).len();
        if rank < 2 {
            return;
        }
        let mut axes: Vec<u32> = (0..u32::try_from(rank).unwrap_or(0)).collect();
        axes.swap(rank - 1, rank - 2);
        let Some(k) = self.builder.one(View::Permute { axes: axes.into() }.into(), &[k]) else { return };
        let Some(mut scores) = self.builder.one(Op::Contraction(Contraction::MatMul), &[q, k]) else { return };
        if self.flag() {
            let scale = Pointwise::WithScalar { kind: Binary::Mul, scalar: 0.125, reversed: false };
            scores = self.builder.one(Op::Pointwise(scale), &[scores]).unwrap_or(scores);
        }
        if self.flag() {
            let shape = self.builder.shape(scores);
            let mask = self.builder.input(DType::F32, &shape[rank - 2..]);
            scores = self.builder.one(Op::Pointwise(Pointwise::Binary(Binary::Add)), &[scores, mask]).unwrap_or(scores);
        }
        let softmax = Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked: false });
        if let Some(weights) = self.builder.one(softmax, &[scores]) {
            self.emit(Op::Contraction(Contraction::MatMul), &[weights, v], "torch.matmul");
        }
    }

    fn multihead(&mut self) {
        let (e, batch_first, batched) = (8, self.flag(), self.below(4) > 0);
        let (batch, queries, cross) = (2, 3, self.flag());
        let keys = if cross { 5 } else { queries };
        let shape = |length: u64| match (batched, batch_first) {
            (true, true) => vec![batch, length, e],
            (true, false) => vec![length, batch, e],
            (false, _) => vec![length, e],
        };
        let query = self.builder.input(DType::F32, &shape(queries));
        let key = if cross { self.builder.input(DType::F32, &shape(keys)) } else { query };
        let mut operands = vec![(Operand::Query, query), (Operand::Key, key), (Operand::Value, key)];
        if self.flag() {
            operands.push((Operand::InWeight, self.builder.parameter(&[3 * e, e])));
        } else {
            for operand in [Operand::QueryWeight, Operand::KeyWeight, Operand::ValueWeight] {
                operands.push((operand, self.builder.parameter(&[e, e])));
            }
        }
        if self.flag() {
            operands.push((Operand::InBias, self.builder.parameter(&[3 * e])));
        }
        if self.below(3) == 0 {
            operands.push((Operand::KeyBias, self.builder.parameter(&[1, 1, e])));
            operands.push((Operand::ValueBias, self.builder.parameter(&[1, 1, e])));
        }
        operands.push((Operand::OutWeight, self.builder.parameter(&[e, e])));
        let mask_dtype = self.one_of(&[DType::Bool, DType::F32]);
        if self.below(3) == 0 {
            let shape = if batched { vec![batch, keys] } else { vec![keys] };
            operands.push((Operand::KeyPaddingMask, self.builder.input(mask_dtype, &shape)));
        }
        match self.below(3) {
            0 => operands.push((Operand::Mask, self.builder.input(mask_dtype, &[queries, keys]))),
            1 => {
                let heads = if batched { batch * 2 } else { 2 };
                operands.push((Operand::Mask, self.builder.input(mask_dtype, &[heads, queries, keys])));
            }
            _ => {}
        }
        let mha = MultiheadAttention {
            embed_dim: e,
            num_heads: 2,
            batch_first,
            add_zero_attn: self.below(3) == 0,
            dropout: 0.1,
            training: self.flag(),
            need_weights: self.flag(),
            average_weights: self.flag(),
            operands: operands.iter().map(|&(operand, _)| operand).collect(),
        };
        let inputs: Vec<ValueId> = operands.into_iter().map(|(_, value)| value).collect();
        self.emit(
            Op::Attention(Attention::Multihead(Box::new(mha))),
            &inputs,
            "torch.nn.modules.activation.MultiheadAttention",
        );
    }

    /// Attention in windows of a map that they may not fit.
    fn windows(&mut self) {
        let (channels, heads) = (8, 2);
        let window = self.one_of(&[[2, 2], [3, 2], [4, 4]]);
        let positions = window[0] * window[1];
        let map = self.builder.input(DType::F32, &[2, 6, 6, channels]);
        let mut operands = vec![
            (WindowOperand::Map, map),
            (WindowOperand::InWeight, self.builder.parameter(&[3 * channels, channels])),
            (WindowOperand::OutWeight, self.builder.parameter(&[channels, channels])),
            (WindowOperand::PositionBias, self.builder.parameter(&[1, heads, positions, positions])),
        ];
        if self.flag() {
            operands.push((WindowOperand::InBias, self.builder.parameter(&[3 * channels])));
        }
        if self.flag() {
            operands.push((WindowOperand::OutBias, self.builder.parameter(&[channels])));
        }
        if self.flag() {
            operands.push((WindowOperand::LogitScale, self.builder.parameter(&[heads, 1, 1])));
        }
        let layer = ShiftedWindow {
            num_heads: heads,
            window,
            shift: self.one_of(&[[0, 0], [1, 1], [0, 1]]),
            attention_dropout: 0.1,
            dropout: 0.1,
            training: self.flag(),
            operands: operands.iter().map(|&(operand, _)| operand).collect(),
        };
        let inputs: Vec<ValueId> = operands.into_iter().map(|(_, value)| value).collect();
        let name = "torchvision.models.swin_transformer.shifted_window_attention";
        self.emit(Op::Attention(Attention::ShiftedWindow(Box::new(layer))), &inputs, name);
    }

    fn scaled_dot_product(&mut self) {
        let (q, k, v) = (self.tensor(), self.tensor(), self.tensor());
        let op = ScaledDotProduct { causal: self.flag(), ..ScaledDotProduct::default() };
        let name = "torch.nn.functional.scaled_dot_product_attention";
        self.emit(Op::Attention(Attention::ScaledDotProduct(op)), &[q, k, v], name);
    }

    fn dropout(&mut self) {
        let x = self.tensor();
        let op = Pointwise::Dropout { p: 0.5, training: self.flag(), per_sample: self.flag() };
        let name = self.one_of(&["torch.nn.modules.dropout.Dropout", "torch.nn.functional.dropout"]);
        self.emit(Op::Pointwise(op), &[x], name);
    }

    /// A size read on the host and a reshape that depends on it.
    fn host(&mut self) {
        let x = self.tensor();
        let y = self.tensor();
        let op = Op::Host(Host::Size { axis: Some(0) });
        let extent = self.builder.shape(x).first().and_then(|&extent| i64::try_from(extent).ok());
        let Some(size) = self.builder.apply_typed(op, &[x], vec![Type::Host(extent)], Form::Method, "size") else {
            return;
        };
        let elements = self.builder.shape(y).iter().product();
        let op = View::Reshape { shape: [elements].as_slice().into() };
        self.emit(op.into(), &[y, size[0]], "reshape");
    }

    fn convolution(&mut self) {
        let x = self.tensor();
        let &[_, channels, ..] = self.builder.shape(x).as_slice() else { return };
        let weight = self.builder.parameter(&[4, channels, 1, 1]);
        let op = Convolution {
            stride: vec![1, 1],
            padding: Padding::Explicit(vec![0, 0]),
            dilation: vec![1, 1],
            groups: 1,
            transposed: None,
        };
        self.emit(Op::Convolution(Box::new(op)), &[x, weight], "torch.nn.modules.conv.Conv2d");
    }

    fn reduction(&mut self) {
        let x = self.tensor();
        let op = Reduction::Reduce { kind: ReduceKind::Mean, axes: vec![-1], keep: self.flag() };
        self.emit(Op::Reduction(op), &[x], "mean");
    }

    fn gather(&mut self) {
        let indices = self.one_of(&self.indices.clone());
        let table = self.builder.parameter(&[50, 8]);
        self.emit(Op::Gather(Gather::Embedding), &[indices, table], "torch.nn.functional.embedding");
    }

    fn opaque(&mut self) {
        let x = self.tensor();
        let ty = self.builder.graph.value(x).ty.clone();
        let op = Op::Opaque(Box::new(Opaque { name: "custom::op".into(), reason: None }));
        if let Some(outputs) = self.builder.apply_typed(op, &[x], vec![ty], Form::Function, "custom.op") {
            self.tensors.extend(outputs);
        }
    }
}
