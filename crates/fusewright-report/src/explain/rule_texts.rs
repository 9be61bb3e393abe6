//! The long texts of ids that no table of rules has: id, kind, title, paragraphs.

/// Rows by kind.
pub(super) const TEXTS: &[(&str, &str, &str, &str)] = &[
    (
        "attention",
        "rule",
        "the steps of one attention run as one kernel",
        "Scores, scale, mask, softmax and the product with the values, whatever the exporter made of them. As one kernel \
         that goes through keys block by block they never write their scores, which grow with the square of the \
         sequence.",
    ),
    (
        "parallel-qkv-linear",
        "rule",
        "projections of queries, keys and values that read one input become one product",
        "Their weights stand side by side in one matrix, so the input is read once instead of three times and one wide \
         product fills a device better than three narrow ones. The widths may differ (grouped queries). The result is the \
         same to the bit.\n\nProjections merge where they read one value, their weights have one element type and one \
         storage order, and none waits for another. With --hw they merge only where the wide product is predicted to be \
         faster.",
    ),
    (
        "parallel-kv-linear",
        "rule",
        "projections of keys and values that read one input become one product",
        "As in cross attention, whose queries come from elsewhere. Where all layers of a decoder project the output of one \
         encoder, the projections of all layers merge.",
    ),
    (
        "parallel-gateup-linear",
        "rule",
        "the two projections of a gated MLP become one product",
        "Gate and up projection read one input; their results meet in a product of elements. One wide product reads the \
         input once.",
    ),
    (
        "parallel-linear",
        "rule",
        "projections of one input become one product",
        "Any two or more linear layers that read one value, with weights of one element type and storage order, none of \
         which waits for another.",
    ),
    (
        "compiled-loop",
        "rule",
        "loops over the same elements become one loop",
        "What a loop compiler such as TorchInductor does: pointwise steps, norms, softmax and reductions are loops, and \
         loops over the same elements are fused with what makes their operands and with each other. Products, convolutions \
         and attention stay calls of a library.",
    ),
    (
        "one-op",
        "rule",
        "the nodes are the steps of one op of the file",
        "An optimized ONNX file has ops such as SkipLayerNormalization that do several steps. Plans as written take each op \
         of the file as one kernel.",
    ),
    (
        "kernel-loop",
        "rule",
        "one loop computes the group",
        "A kernel of the optimal plan: nodes over the same elements; a reduction or norm takes in what makes its operand, \
         what follows for each of its results, and what runs over its elements again.",
    ),
    (
        "kernel-product",
        "rule",
        "a product with what surrounds it is one kernel",
        "A kernel of the optimal plan: one contraction, convolution or attention op, or projections side by side. Steps over \
         an operand may be computed as it is loaded, steps over the results before they are written, as far as registers \
         hold the other tensors that they read.",
    ),
    (
        "kernel-attention",
        "rule",
        "the steps of one attention are one kernel",
        "A kernel of the optimal plan: scores, mask, softmax and the product with the values, block by block, so that the \
         scores are never in memory. It needs blocks that fit on chip, and nobody else may read the scores.",
    ),
    (
        "is-result",
        "reason",
        "a value is a result of the model, so it has to be written",
        "A fused kernel keeps its values on chip; one that the caller asks for must be in memory. Exporters return more than \
         is needed: attention weights, hidden states, caches. Return only what is used (output_attentions=False and the \
         like), and the group can run on.",
    ),
    (
        "unread",
        "reason",
        "nothing reads the result",
        "The node is dead, or its result is used in a way that the file does not show. Take it out of the model, or run the \
         exporter's clean-up.",
    ),
    (
        "several-readers",
        "reason",
        "several nodes read a value, so pair rules end the group there",
        "A chain of pair rules runs on only where its last node has one reader: with two, the value has to be written for the \
         other one anyway. Typical second readers are a residual connection (expected, and no loss), guards such as IsNaN \
         after a softmax, which newer exporters write into attention, and debugging outputs.\n\nWhat helps: export without \
         the guard (attention masks that hide no row completely need none), let the other reader take its operand from the \
         input, or plan with --strategy optimal, whose kernels may write what they also use and whose streaming attention \
         takes guards in.",
    ),
    (
        "other-producers",
        "reason",
        "a rule joins the two, but the reader also waits for other nodes",
        "Most pair rules want a reader with one producer, so that the group waits for one thing only. The reader of a \
         residual connection has two. The attention rules make an exception for values, masks and scales, and the gate of a \
         squeeze-excitation block is one.",
    ),
    (
        "no-rule",
        "reason",
        "no pair rule of the strategy joins the two ops",
        "Standard and attention plans know pairs of ops; this pair is none of them. That says nothing about what a device \
         can do: --strategy optimal asks what one kernel can be instead.",
    ),
    (
        "reader-taken",
        "reason",
        "the only reader joined the group of another of its producers first",
        "Chains are grown in the order of the graph and never taken apart again. The reader went to the chain that reached it \
         first.",
    ),
    (
        "seen-by-method",
        "reason",
        "methods of the trace read or feed the chain between the two",
        "The reference profile partitions modules and functions only; tensor methods such as transpose stand outside and end \
         a chain. The default profile sees through them.",
    ),
    (
        "library-call",
        "reason",
        "one of the two is a call of a library, which does nothing else in the same kernel",
        "The compiled strategy writes loops and calls libraries for products, convolutions and attention. Steps after a \
         product could be its epilogue: --strategy optimal plans that.",
    ),
    (
        "no-gain",
        "reason",
        "one kernel could do both and would be no cheaper",
        "Cheaper means faster on the device of --hw, else fewer bytes moved, then fewer kernels. A merge of parallel \
         projections gains nothing where the waves of the wide product fill the device worse than those of the narrow ones.",
    ),
    (
        "circle",
        "reason",
        "something outside waits for the first and feeds the second",
        "As one kernel the two would wait for themselves.",
    ),
    (
        "not-tried",
        "reason",
        "the strategy does not look for this fusion",
        "Eager plans fuse nothing, plans as written only what the file has in one op. compare --strategy shows what others \
         make of it.",
    ),
    (
        "several-products",
        "reason",
        "no one kernel does two products in a row",
        "The second product needs whole rows of the first one's result, and its tiles hold parts of them. Two products side \
         by side of one input are one kernel, and so is a streaming attention, whose rows are normalised as they come.",
    ),
    (
        "attention-does-not-fit",
        "reason",
        "the blocks of an attention do not fit on chip, or the device has no such kernel",
        "Streaming attention holds a block of queries and two blocks of keys and values on chip. Wide heads in single \
         precision need more than some devices have: try --dtype bf16, or a device with more shared memory.",
    ),
    (
        "scores-are-read",
        "reason",
        "something outside an attention reads its scores",
        "Streaming attention never has its scores whole. Returned attention weights or another use of them need the scores in \
         memory: export without it. A guard that only chooses between weights and zeros (IsNaN and Where after the \
         softmax) is part of the attention.",
    ),
    (
        "steps-are-faster",
        "reason",
        "an attention could be one streaming kernel, and takes less time as product, softmax and product",
        "At short sequences, and in element types that the streaming kernel has no matrix unit for, the scores are small and \
         the plain products run at a higher rate. Longer sequences, half precision or another device turn that round.",
    ),
    (
        "row-after-product",
        "reason",
        "a norm, a softmax or a reduction follows a product",
        "It needs whole rows, and the tiles of a product hold parts of them: the row would have to be put together across \
         the device.",
    ),
    (
        "epilogue-too-wide",
        "reason",
        "the steps around a product read more other tensors than registers hold",
        "The tile of results is in registers while the steps run, and each tensor that they read takes registers beside it.",
    ),
    (
        "other-elements",
        "reason",
        "the two run over different elements",
        "A loop runs over one set of elements; what reads at other places than its operand was written, or over other \
         extents, needs the operand in memory.",
    ),
    (
        "read-elsewhere",
        "reason",
        "a part that others read as well would be computed again for all elements",
        "A smaller part, such as a mask or a row of statistics, is computed inside a loop only where nothing else reads it.",
    ),
    (
        "too-long",
        "reason",
        "the kernel would hold more nodes than one does",
        "Registers and the time that compilers take bound how long a kernel can be.",
    ),
    (
        "unrelated",
        "reason",
        "the two do not read from each other, or one of them is not understood",
        "Gathers, scatters, sorts and opaque ops are kernels of their own.",
    ),
    (
        "fusion-vanished",
        "finding",
        "a fused group of the lock file is there no more",
        "check names the pattern, the module path, what stands there now and why the group ends early. The build fails if a \
         figure of the plan got worse too.",
    ),
    (
        "figure-regressed",
        "finding",
        "a figure of a plan is worse than in the lock file",
        "Counts are compared exactly: kernels, bytes moved, attention chains, parallel merges, peak memory. Predicted time \
         and energy have a tolerance (--tolerance), and are compared only where one version of fusewright predicted both for \
         one description of the device.",
    ),
    ("figure-improved", "finding", "a figure of a plan is better than in the lock file", "check --update records it."),
    ("fusion-appeared", "finding", "a fused group is new", "It does not fail a check. check --update records it."),
    (
        "fusion-moved",
        "finding",
        "a fused group stands in another module",
        "A module was renamed, or the group crosses other modules than before. It does not fail a check.",
    ),
    (
        "no-baseline",
        "finding",
        "the lock file has nothing to compare with",
        "Exit code 4, so that a missing or misnamed lock file never looks like a pass. check MODEL --update writes the entry; \
         --lenient takes it as fine.",
    ),
    (
        "plan-changed",
        "finding",
        "a plan has other groups, neither better nor worse",
        "It does not fail a check unless --exact is given. check --update records it.",
    ),
];
