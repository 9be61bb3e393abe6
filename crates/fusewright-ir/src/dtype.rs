//! Element types and their sizes.

/// The type of one tensor element. Names follow the usual short forms: `f32`, `bf16`, `f8e4m3`, `i64`, `bool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32 (TF32 is stored so too).
    F32,
    /// IEEE 754 binary16.
    F16,
    /// Brain float: 8 exponent bits, 7 fraction bits.
    Bf16,
    /// OCP 8-bit float, 4 exponent bits.
    F8E4M3,
    /// OCP 8-bit float, 5 exponent bits.
    F8E5M2,
    /// Two binary32 numbers.
    C64,
    /// Two binary64 numbers.
    C128,
    /// Signed integers.
    I64,
    /// Signed 32-bit.
    I32,
    /// Signed 16-bit.
    I16,
    /// Signed 8-bit.
    I8,
    /// Signed 4-bit, two per byte.
    I4,
    /// Unsigned 8-bit.
    U8,
    /// Unsigned 16-bit.
    U16,
    /// Unsigned 32-bit.
    U32,
    /// Unsigned 64-bit.
    U64,
    /// Unsigned 4-bit, two per byte.
    U4,
    /// One byte per truth value.
    Bool,
}

/// Every element type with its name and its width in bits.
const TABLE: [(DType, &str, u64); 19] = [
    (DType::F64, "f64", 64),
    (DType::F32, "f32", 32),
    (DType::F16, "f16", 16),
    (DType::Bf16, "bf16", 16),
    (DType::F8E4M3, "f8e4m3", 8),
    (DType::F8E5M2, "f8e5m2", 8),
    (DType::C64, "c64", 64),
    (DType::C128, "c128", 128),
    (DType::I64, "i64", 64),
    (DType::I32, "i32", 32),
    (DType::I16, "i16", 16),
    (DType::I8, "i8", 8),
    (DType::I4, "i4", 4),
    (DType::U8, "u8", 8),
    (DType::U16, "u16", 16),
    (DType::U32, "u32", 32),
    (DType::U64, "u64", 64),
    (DType::U4, "u4", 4),
    (DType::Bool, "bool", 8),
];

impl DType {
    /// All element types, in the order of the table.
    pub fn all() -> impl Iterator<Item = DType> {
        TABLE.iter().map(|row| row.0)
    }

    /// Short name, e.g. `bf16`.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The type with this short name.
    pub fn from_name(name: &str) -> Option<DType> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Bytes that `elements` of this type occupy, rounded up to whole bytes.
    pub fn bytes(self, elements: u64) -> u64 {
        let bits = TABLE[self as usize].2;
        if bits >= 8 { elements.saturating_mul(bits / 8) } else { elements.div_ceil(8 / bits) }
    }

    /// A real floating-point type, the kind that `--dtype` replaces.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F64 | DType::F32 | DType::F16 | DType::Bf16 | DType::F8E4M3 | DType::F8E5M2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_the_order_of_the_enum_and_names_are_unique() {
        for (position, dtype) in DType::all().enumerate() {
            assert_eq!(dtype as usize, position);
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
    }

    #[test]
    fn bytes_round_up_for_packed_types() {
        assert_eq!(DType::Bf16.bytes(3), 6);
        assert_eq!(DType::I4.bytes(3), 2);
        assert_eq!(DType::Bool.bytes(5), 5);
    }
}
