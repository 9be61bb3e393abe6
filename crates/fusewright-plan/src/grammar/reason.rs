//! Why no single kernel does what a group states.

/// Why nodes cannot be one kernel on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Two products in a row: the second needs whole rows of the first's result.
    SeveralProducts,
    /// Its attention needs more on-chip memory, wider heads or other kernels than the device has.
    AttentionDoesNotFit,
    /// Something outside an attention reads its scores, which streaming never has whole.
    ScoresAreRead,
    /// Its attention could stream, but takes less time as product, softmax and product.
    StepsAreFaster,
    /// A norm or a softmax follows a product whose tiles hold only parts of a row.
    RowAfterProduct,
    /// The steps after a product read more tensors than registers can hold.
    EpilogueTooWide,
    /// Its loops run over different elements, or one reads at other places than the one before it writes.
    OtherElements,
    /// A part that others read as well would have to be computed for all of the elements.
    ReadElsewhere,
    /// A loop of more nodes than a kernel holds.
    TooLong,
    /// Its parts do not read from each other.
    Unrelated,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 10] = [
        Reason::SeveralProducts,
        Reason::AttentionDoesNotFit,
        Reason::ScoresAreRead,
        Reason::StepsAreFaster,
        Reason::RowAfterProduct,
        Reason::EpilogueTooWide,
        Reason::OtherElements,
        Reason::ReadElsewhere,
        Reason::TooLong,
        Reason::Unrelated,
    ];

    /// Stable id.
    pub fn id(self) -> &'static str {
        match self {
            Reason::SeveralProducts => "several-products",
            Reason::AttentionDoesNotFit => "attention-does-not-fit",
            Reason::ScoresAreRead => "scores-are-read",
            Reason::StepsAreFaster => "steps-are-faster",
            Reason::RowAfterProduct => "row-after-product",
            Reason::EpilogueTooWide => "epilogue-too-wide",
            Reason::OtherElements => "other-elements",
            Reason::ReadElsewhere => "read-elsewhere",
            Reason::TooLong => "too-long",
            Reason::Unrelated => "unrelated",
        }
    }
}
