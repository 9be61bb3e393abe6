//! What one kernel does, in the terms that the models of time speak.

use fusewright_ir::DType;

/// One launch.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// A matrix product.
    Gemm(Gemm),
    /// A convolution.
    Convolution(Convolution),
    /// Attention that never writes its scores.
    Attention(Attention),
    /// A pass over memory.
    Stream(Stream),
}

/// `batch` products of [m, k] by [k, n].
#[derive(Clone, Debug, PartialEq)]
pub struct Gemm {
    /// Independent products of equal shape.
    pub batch: u64,
    /// Rows of a result: tokens.
    pub m: u64,
    /// Columns of a result: output features.
    pub n: u64,
    /// Terms of each sum.
    pub k: u64,
    /// Element type of the operands.
    pub input: DType,
    /// Element type of the result.
    pub output: DType,
    /// Bytes read and written, each outside value once; operands of an epilogue included.
    pub bytes: u64,
}

impl Gemm {
    /// A product whose operands are all different memory, without an epilogue.
    pub fn plain(batch: u64, m: u64, n: u64, k: u64, dtype: DType) -> Self {
        let elements = |rows: u64, columns: u64| batch.saturating_mul(rows).saturating_mul(columns);
        let read = elements(m, k).saturating_add(elements(k, n));
        let bytes = dtype.bytes(read).saturating_add(dtype.bytes(elements(m, n)));
        Self { batch, m, n, k, input: dtype, output: dtype, bytes }
    }

    /// Floating-point operations, 2 per multiply-accumulate.
    pub fn flops(&self) -> f64 {
        2.0 * self.batch as f64 * self.m as f64 * self.n as f64 * self.k as f64
    }
}

/// Which axis of an image lies innermost in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Rows of pixels: a channel is one plane after the other.
    ChannelsFirst,
    /// The channels of a pixel, which is how matrix units want them.
    ChannelsLast,
}

impl Layout {
    /// Largest window, 7 by 7, for which libraries have a kernel of their own where channels lie side by side and one is
    /// in a group; larger ones were measured in two families of models only (`convmixer`, `edgenext`).
    pub(crate) const WINDOW_TAPS: u64 = 49;

    /// Widths of groups, in channels out, that libraries have kernels of their own for where channels lie side by side; and
    /// those that fill tiles. Found on the grouped convolutions of a dozen models: other widths take three times as long.
    const GROUP_WIDTHS: [u64; 4] = [4, 8, 16, 32];
    const TILE_WIDTH: u64 = 64;

    /// A library has a kernel for groups of this width whose channels lie side by side.
    pub(crate) fn has_kernel_for_groups(product: &Gemm) -> bool {
        Self::GROUP_WIDTHS.contains(&product.n) || (product.n > 0 && product.n.is_multiple_of(Self::TILE_WIDTH))
    }

    /// The one that this convolution runs faster in.
    pub fn fastest(product: &Gemm) -> Self {
        let slow = if product.n == 1 { product.k > Self::WINDOW_TAPS } else { !Self::has_kernel_for_groups(product) };
        if product.batch > 1 && slow { Layout::ChannelsFirst } else { Layout::ChannelsLast }
    }
}

/// A convolution, seen as the product of unfolded positions with its weights: one product for each group of channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// The product: positions by channels out of a group, summed over taps and channels in of the group.
    pub product: Gemm,
    /// How its images lie in memory.
    pub layout: Layout,
}

/// softmax(Q·Kᵀ)·V for `batch` × `heads` heads.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Independent sequences, or windows.
    pub batch: u64,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Query positions.
    pub queries: u64,
    /// Key positions.
    pub keys: u64,
    /// Features of a query and a key in one head.
    pub head_dim: u64,
    /// Features of a value in one head.
    pub value_dim: u64,
    /// No query sees a key that follows it, so that half the work can be skipped.
    pub causal: bool,
    /// Element type of the operands and the result.
    pub dtype: DType,
    /// Bytes read and written, each outside value once; masks and biases included.
    pub bytes: u64,
    /// Whose kernel it is.
    pub library: AttentionLibrary,
}

/// Whose kernel streams the scores. Only models of GPUs tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AttentionLibrary {
    /// What `torch.nn.functional.scaled_dot_product_attention` picks.
    #[default]
    PyTorch,
    /// FlashAttention, as servers of language models call it.
    FlashAttention,
}

impl Attention {
    /// Sets the bytes to those of Q, K, V and the result, each once.
    #[must_use]
    pub fn with_operand_bytes(mut self) -> Self {
        let heads_of_queries = self.batch.saturating_mul(self.heads).saturating_mul(self.queries);
        let heads_of_keys = self.batch.saturating_mul(self.kv_heads).saturating_mul(self.keys);
        let width = self.head_dim.saturating_add(self.value_dim);
        let elements = heads_of_queries.saturating_add(heads_of_keys).saturating_mul(width);
        self.bytes = self.dtype.bytes(elements);
        self
    }

    /// Floating-point operations of the two products over the full square of scores.
    pub fn flops(&self) -> f64 {
        let scores = self.batch as f64 * self.heads as f64 * self.queries as f64 * self.keys as f64;
        2.0 * scores * (self.head_dim as f64 + self.value_dim as f64)
    }
}

/// What a pass over memory does to what it reads, ordered by how much of a fused loop's shape it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// Interpolation with a thread for each position of the result, which passes over samples and channels (columns).
    Resample,
    /// Memory moved: layout changes, concatenation, gathers.
    Copy,
    /// Element by element.
    Pointwise,
    /// Rows folded to a value, pooling.
    Reduction,
    /// Norms that subtract no mean, over rows.
    RmsNorm,
    /// Norms that do, over rows.
    LayerNorm,
    /// The same with a block of threads for each row, however short it is.
    BlockNorm,
    /// Softmax over rows.
    Softmax,
}

impl StreamKind {
    /// How often a byte is moved at most, for each that is counted: norms may read their rows again, which are half of what
    /// they move or less.
    #[must_use]
    pub fn most_readings(self) -> f64 {
        match self {
            Self::LayerNorm | Self::BlockNorm | Self::RmsNorm => 1.5,
            _ => 1.0,
        }
    }
}

/// A pass over memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// What is done.
    pub kind: StreamKind,
    /// Independent rows.
    pub rows: u64,
    /// Elements of a row: what a reduction runs over.
    pub cols: u64,
    /// Element type of the arithmetic.
    pub dtype: DType,
    /// Operations.
    pub flops: u64,
    /// Bytes read and written, each outside value once.
    pub bytes: u64,
}

impl Kernel {
    /// Bytes read and written.
    pub fn bytes(&self) -> u64 {
        match self {
            Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => gemm.bytes,
            Kernel::Attention(attention) => attention.bytes,
            Kernel::Stream(stream) => stream.bytes,
        }
    }

    /// Floating-point operations that no way to run the kernel can leave out: half of a causal square.
    pub fn needed_flops(&self) -> f64 {
        match self {
            Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => gemm.flops(),
            Kernel::Attention(attention) if attention.causal => attention.flops() / 2.0,
            Kernel::Attention(attention) => attention.flops(),
            Kernel::Stream(stream) => stream.flops as f64,
        }
    }
}
