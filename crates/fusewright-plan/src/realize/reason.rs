//! Why no single kernel does what a group states.

/// Why a group takes more than one kernel on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Two products in a row: the second needs whole rows of the first's result.
    SeveralProducts,
    /// Its attention needs more on-chip memory, wider heads or other kernels than the device has.
    AttentionDoesNotFit,
    /// A norm or a softmax follows a product whose tiles hold only parts of a row.
    RowAfterProduct,
    /// The steps after a product read more tensors than registers can hold.
    EpilogueTooWide,
    /// Its parts do not read from each other.
    Unrelated,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 5] = [
        Reason::SeveralProducts,
        Reason::AttentionDoesNotFit,
        Reason::RowAfterProduct,
        Reason::EpilogueTooWide,
        Reason::Unrelated,
    ];

    /// Stable id.
    pub fn id(self) -> &'static str {
        match self {
            Reason::SeveralProducts => "several-products",
            Reason::AttentionDoesNotFit => "attention-does-not-fit",
            Reason::RowAfterProduct => "row-after-product",
            Reason::EpilogueTooWide => "epilogue-too-wide",
            Reason::Unrelated => "unrelated",
        }
    }
}
