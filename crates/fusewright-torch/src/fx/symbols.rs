//! Named sizes: what the caller binds, what the document hints, and expressions over both.

use std::collections::BTreeMap;
use std::fmt;

use fusewright_ir::{DType, Graph, MAX_ELEMENTS, TensorType, checked_elements};

use super::expression::evaluate;
use super::schema::{Size, SymbolEntry};
use fusewright_ir::Bindings;

use super::FxError;

/// Most axes a tensor may have, as in PyTorch.
const MAX_AXES: usize = 64;

/// Every element type of the format with its counterpart.
const DTYPES: [(&str, DType); 17] = [
    ("float64", DType::F64),
    ("float32", DType::F32),
    ("float16", DType::F16),
    ("bfloat16", DType::Bf16),
    ("float8_e4m3fn", DType::F8E4M3),
    ("float8_e5m2", DType::F8E5M2),
    ("complex64", DType::C64),
    ("complex128", DType::C128),
    ("int64", DType::I64),
    ("int32", DType::I32),
    ("int16", DType::I16),
    ("int8", DType::I8),
    ("uint64", DType::U64),
    ("uint32", DType::U32),
    ("uint16", DType::U16),
    ("uint8", DType::U8),
    ("bool", DType::Bool),
];

/// The element type that a document calls `name`.
pub(crate) fn dtype(name: &str) -> Option<DType> {
    DTYPES.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// Whose shape it is, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// A node's result.
    Node(&'a str),
    /// A parameter or buffer.
    Parameter(&'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Node(name) => write!(f, "node `{name}`"),
            Place::Parameter(name) => write!(f, "parameter `{name}`"),
        }
    }
}

/// The size of every named dim.
#[derive(Debug)]
pub(super) struct Sizes<'a> {
    declared: &'a BTreeMap<String, SymbolEntry>,
    /// Free symbols that have a size.
    free: BTreeMap<&'a str, i64>,
    /// Some symbol is bound to another size than the document was written with.
    changed: bool,
}

impl<'a> Sizes<'a> {
    /// Joins the declared symbols with the caller's sizes.
    pub(super) fn bind(declared: &'a BTreeMap<String, SymbolEntry>, bindings: &Bindings) -> Result<Self, FxError> {
        if let Some(name) =
            bindings.iter().map(|(name, _)| name).find(|name| !(is_free(name) && declared.contains_key(*name)))
        {
            let known = declared.keys().filter(|name| is_free(name)).cloned().collect();
            return Err(FxError::UnknownBinding { name: name.to_owned(), known });
        }
        let mut sizes = Self { declared, free: BTreeMap::new(), changed: false };
        for (symbol, entry) in declared.iter().filter(|(symbol, _)| is_free(symbol)) {
            let size = match bindings.get(symbol) {
                Some(size) => Some(in_range(symbol, size, entry)?),
                None => entry.hint,
            };
            sizes.changed |= size != entry.hint;
            sizes.free.extend(size.map(|size| (symbol.as_str(), size)));
        }
        Ok(sizes)
    }

    /// States the named dims in a graph.
    pub(super) fn record(&self, graph: &mut Graph) {
        for (&symbol, &size) in &self.free {
            graph.bind_dim(symbol, u64::try_from(size).unwrap_or(0));
        }
    }

    /// The size of a symbol or an expression that the document declares, if it has one.
    pub(super) fn known(&self, symbol: &str) -> Option<i64> {
        self.size(symbol).ok().flatten()
    }

    /// `None` when the symbol is not declared.
    fn size(&self, symbol: &str) -> Result<Option<i64>, FxError> {
        let Some(entry) = self.declared.get(symbol) else { return Ok(None) };
        if is_free(symbol) {
            let size = self.free.get(symbol).copied();
            return size.map(Some).ok_or_else(|| FxError::UnboundSymbol { symbol: symbol.to_owned() });
        }
        if let Some(hint) = entry.hint.filter(|_| !self.changed) {
            return Ok(Some(hint));
        }
        evaluate(symbol, &|name| self.free.get(name).copied())
            .map(Some)
            .map_err(|problem| FxError::Expression { expression: symbol.to_owned(), problem })
    }

    /// The tensor type of a recorded shape.
    pub(super) fn tensor(&self, shape: &[Size], dtype_name: &str, place: Place<'_>) -> Result<TensorType, FxError> {
        if shape.len() > MAX_AXES {
            return Err(FxError::TooManyAxes { place: place.to_string(), rank: shape.len(), limit: MAX_AXES });
        }
        let dtype = dtype(dtype_name).ok_or_else(|| FxError::UnknownDType {
            place: place.to_string(),
            dtype: dtype_name.to_owned(),
            known: DTYPES.map(|row| row.0).join(", "),
        })?;
        let extents = shape.iter().map(|size| self.extent(size, place)).collect::<Result<Vec<u64>, _>>()?;
        if checked_elements(&extents).is_none() {
            return Err(FxError::TooManyElements { place: place.to_string(), shape: extents });
        }
        Ok(TensorType::new(dtype, extents))
    }

    fn extent(&self, size: &Size, place: Place<'_>) -> Result<u64, FxError> {
        let number = match size {
            Size::Number(number) => *number,
            Size::Symbol(symbol) => self.size(symbol)?.map(i128::from).ok_or_else(|| FxError::UnknownSymbol {
                place: place.to_string(),
                symbol: symbol.clone(),
                known: self.declared.keys().cloned().collect(),
            })?,
        };
        u64::try_from(number)
            .ok()
            .filter(|&extent| extent <= MAX_ELEMENTS)
            .ok_or_else(|| FxError::BadExtent { place: place.to_string(), extent: number.to_string() })
    }
}

fn in_range(symbol: &str, size: u64, entry: &SymbolEntry) -> Result<i64, FxError> {
    let signed = i64::try_from(size).unwrap_or(i64::MAX);
    let (min, max) = (entry.min.unwrap_or(0), entry.max);
    if signed < min || max.is_some_and(|max| signed > max) {
        return Err(FxError::SymbolOutOfRange { symbol: symbol.to_owned(), size: signed, min, max });
    }
    Ok(signed)
}

/// A name that the caller can bind; any other key is an expression over such names.
fn is_free(symbol: &str) -> bool {
    let mut letters = symbol.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.'))
}
