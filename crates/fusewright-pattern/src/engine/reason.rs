//! Why a rule does not hold: reasons with ids that do not change, each with what it means and what helps.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $id:literal $title:literal $change:literal,)*) => {
        /// The constraint that a near miss broke.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
            /// A condition that a rule gives a name of its own.
            Named(Box<str>),
        }

        impl Reason {
            /// Every reason that the engine itself gives.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// Its id.
            pub fn id(&self) -> &str {
                match self {
                    $(Reason::$variant => $id,)*
                    Reason::Named(id) => id,
                }
            }

            /// What it means, a sentence without a full stop.
            pub fn title(&self) -> &str {
                match self {
                    $(Reason::$variant => $title,)*
                    Reason::Named(_) => "a condition of the rule does not hold",
                }
            }

            /// What to change in a model where nothing more particular is known.
            pub fn change(&self) -> &str {
                match self {
                    $(Reason::$variant => $change,)*
                    Reason::Named(_) => "make the condition hold",
                }
            }
        }
    };
}

reasons! {
    /// A number in the graph is not the one that the rule asks for.
    WrongConstant "wrong-constant" "a constant differs from the one that the rule asks for"
        "use the constant that the rule asks for, or another rule's form",
    /// A step runs over another axis.
    WrongAxis "wrong-axis" "a step runs over another axis"
        "run the step over the axis that the rule asks for, or transpose before it",
    /// A setting of an op differs.
    WrongAttribute "wrong-attribute" "a setting of an op differs from the one that the rule asks for"
        "set it as the rule asks for",
    /// A value inside the fused region is read outside it.
    SecondReader "second-reader" "a value between the steps is also read outside them"
        "let the other reader use the result, or compute the value for it again",
    /// A value inside the fused region is a result of the model.
    IsResult "is-result" "a value between the steps is a result of the model"
        "do not return the value, or return it only when it is needed",
    /// A cast between the steps changes what the fused kernel would compute.
    DTypeChange "dtype-change" "a cast between the steps loses what the fused kernel would keep"
        "cast before the first step or after the last one",
    /// Two values have different element types.
    DTypeDiffers "dtype-differs" "values that belong together have different element types"
        "bring them to one element type before the first step",
    /// Two places should read one value and read two.
    DifferentValue "different-value" "two steps read different values where the rule asks for one"
        "let both steps read one value",
    /// A number is computed at run time.
    NotConstant "not-constant" "an operand that has to be a constant is computed at run time"
        "make it a constant of the model",
    /// A weight is computed at run time.
    NotParameter "not-a-parameter" "an operand that has to belong to the model is computed at run time"
        "make it a parameter or a buffer",
    /// A computed value is expected where the model holds a stored one.
    NotActivation "not-an-activation" "an operand that has to be computed belongs to the model"
        "fold what is constant into the weights",
    /// Extents do not fit.
    ShapeDiffers "shape-differs" "the extents of two values do not fit together"
        "bring the values to the shapes that the rule asks for",
    /// Another op stands in the place of a step.
    OtherOp "other-op" "another op stands in the place of a step"
        "use the op that the rule asks for, or write a rule for this one",
    /// A step that the rule does not know stands between two that it knows.
    StepBetween "step-between" "a step that the rule does not know stands between two of its steps"
        "move the step before the first or behind the last one",
    /// Fusing would make a circle: something outside depends on the region and feeds it.
    Circular "circular" "something outside the steps reads one of them and feeds another"
        "take the step outside off the way, or compute its input apart",
    /// Another operand is expected at this place of an op whose operands cannot be exchanged.
    SwappedOperands "swapped-operands" "the operands of a step are exchanged"
        "exchange them",
    /// A softmax runs over an axis that is not that of the keys.
    SoftmaxAxis "softmax-axis" "the softmax does not run over the axis of keys"
        "run the softmax over keys, the axis that the values are summed over",
    /// Scores are not the product of two activations.
    NoScores "no-scores" "what the softmax reads does not come from a product of two activations"
        "compute scores as queries times keys",
    /// Weights are not multiplied with values.
    NoValues "no-values" "the result of the softmax is not multiplied with values"
        "multiply the weights with values, or do not take this for attention",
    /// The product with the values sums over another axis than that of keys.
    ValueAxis "value-axis" "the product with the values does not sum over keys"
        "multiply the weights from the left, so that their last axis is summed over",
    /// A reshape merges the axis of keys with another one.
    MixedHeads "reshape-mixes-heads" "a reshape merges or splits the axis of keys"
        "keep heads, queries and keys on axes of their own until the values are multiplied",
    /// Scores are scaled by a tensor that is computed at run time.
    ScaleNotConstant "scale-not-constant" "the scale of the scores is computed at run time"
        "scale by a number, or scale the queries instead",
    /// A mask broadcasts the scores to more elements.
    MaskRank "mask-rank" "a mask has more axes or larger extents than the scores"
        "give the mask the rank of the scores, with extent 1 where it repeats",
    /// Queries, keys and values do not fit.
    Extents "extents-differ" "the extents of queries, keys and values do not fit"
        "check the shapes of queries, keys and values",
    /// Parallel projections read different inputs.
    InputDiffers "input-differs" "projections that belong together read different inputs"
        "feed them from one value; two equal norms of one value can be one",
    /// One of some projections depends on another.
    DependsOnSibling "depends-on-sibling" "one projection depends on the result of another"
        "take the step that connects them off the way",
    /// A weight is used by several projections of one input.
    SharedWeight "shared-weight" "two projections of one input use one weight, so they are the same product"
        "compute the product once",
    /// Weights are stored in different orders.
    LayoutDiffers "layout-differs" "weights of projections that belong together are stored in different orders"
        "store both as [out, in] or both as [in, out]",
}

impl Reason {
    /// Which of two explanations of one place is the better one: the higher.
    pub(super) fn weight(&self) -> u32 {
        match self {
            Reason::DifferentValue => 0,
            Reason::OtherOp | Reason::StepBetween => 1,
            Reason::NotActivation | Reason::NotParameter => 2,
            _ => 3,
        }
    }

    /// The reason with this id; ids that the engine does not know belong to rules.
    pub fn from_id(id: &str) -> Self {
        Reason::ALL.iter().find(|reason| reason.id() == id).cloned().unwrap_or_else(|| Reason::Named(id.into()))
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
