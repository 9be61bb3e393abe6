//! Indices as types.
//!
//! Everything in a [`Graph`](crate::Graph) is named by a `u32` index wrapped in its own type, so that a node cannot be
//! used where a value is meant. The stored number is index + 1, which leaves zero free: `Option<NodeId>` takes 4 bytes.

use std::fmt;
use std::num::NonZeroU32;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The id of the entry at `index`. Panics past 2³² − 2 entries, which no reader lets happen.
            #[inline]
            pub fn new(index: usize) -> Self {
                let raw = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
                Self(raw.expect("readers bound the number of entries below 2^32 - 1"))
            }

            /// Position in the table that this id points into.
            #[inline]
            pub fn index(self) -> usize {
                self.0.get() as usize - 1
            }

            /// The same position as a row number of [`Rows`](crate::Rows).
            #[inline]
            pub fn row(self) -> u32 {
                self.0.get() - 1
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.index())
            }
        }
    };
}

id!(
    /// A node of a graph; the order of ids is a topological order.
    NodeId
);
id!(
    /// A value of a graph: an input, a parameter, a constant, or what a node makes.
    ValueId
);
id!(
    /// An interned string of a graph.
    Symbol
);
