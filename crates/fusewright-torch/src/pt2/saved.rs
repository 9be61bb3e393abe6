//! Containers of `torch.save`: an archive inside the archive, with a stream of objects that says which part of which
//! storage a tensor is, and an entry for each storage.

use fusewright_ir::{DType, Stored};

use super::archive::Archive;
use super::pickle::{Object, Pickle, Place};
use crate::fx::symbols;

/// Most functions around the one that makes a tensor: a parameter, a class of its own, the tensor.
const MOST_WRAPPERS: usize = 4;

/// A container at `base` bytes from the beginning of the file.
pub(super) struct Saved<'a> {
    archive: Archive<'a>,
    base: u64,
    /// Where its entries are.
    root: String,
    pickle: Pickle,
}

/// A tensor by what the stream says of it.
struct Described<'p> {
    key: &'p str,
    dtype: DType,
    first: u64,
    strides: Box<[i64]>,
}

impl<'a> Saved<'a> {
    /// Opens the container that an entry of an archive is; the error says what is wrong with it.
    pub(super) fn open(outer: &Archive<'a>, entry: &str) -> Result<Self, String> {
        let wrong = |problem: &str| format!("`{entry}` {problem}");
        let (base, _) =
            outer.place(entry).ok_or_else(|| wrong("is compressed, or reaches past the end of the file"))?;
        let bytes = outer.stored(entry).ok_or_else(|| wrong("reaches past the end of the file"))?;
        let archive = Archive::open(bytes).map_err(|problem| wrong(&format!("is no container: {problem}")))?;
        let objects = archive.names().find(|name| name.ends_with("/data.pkl")).map(str::to_owned);
        let objects = objects.ok_or_else(|| wrong("has no `data.pkl`"))?;
        let root = objects.strip_suffix("data.pkl").unwrap_or_default().to_owned();
        // Written since torch 2.1; before, there were machines of one order only.
        let order = archive.read(&format!("{root}byteorder")).ok();
        if order.is_some_and(|order| &*order != b"little") {
            return Err(wrong("has numbers whose first byte is the highest, which are not read"));
        }
        let stream = archive.read(&objects).map_err(|problem| wrong(&format!("is damaged: {problem}")))?;
        let pickle = Pickle::read(&stream).map_err(|problem| wrong(&format!("cannot be read: {problem}")))?;
        Ok(Self { archive, base, root, pickle })
    }

    /// The tensors of the dictionary that was saved, by name. What is no tensor, empty, or of a type that the graph has
    /// none for, is left out.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&str, Stored)> {
        let items = if let Object::Dict(items) = self.pickle.root() { items.as_slice() } else { &[] };
        items.iter().filter_map(|&(name, tensor)| {
            let name = self.pickle.text(name)?;
            Some((name, self.stored(&self.described(tensor)?)?))
        })
    }

    /// Reads the call that makes a tensor.
    fn described(&self, tensor: Place) -> Option<Described<'_>> {
        let pickle = &self.pickle;
        let Object::Call(mut function, mut arguments) = *pickle.get(tensor) else { return None };
        for _ in 0..MOST_WRAPPERS {
            let (_, name) = pickle.named(function)?;
            let given = pickle.row(arguments)?;
            match (name, given) {
                ("_rebuild_parameter" | "_rebuild_parameter_with_state", [inner, ..]) => {
                    let Object::Call(inner, of) = *pickle.get(*inner) else { return None };
                    (function, arguments) = (inner, of);
                }
                ("_rebuild_from_type_v2", [inner, _, of, ..]) => (function, arguments) = (*inner, *of),
                (
                    "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3",
                    [storage, first, sizes, strides, rest @ ..],
                ) => {
                    let Object::Outside(storage) = *pickle.get(*storage) else { return None };
                    let [_, class, key, ..] = pickle.row(storage)? else { return None };
                    let (_, class) = pickle.named(*class)?;
                    // A storage without a type comes with the type as the third argument after the strides.
                    let dtype = match dtype(class) {
                        Some(dtype) => dtype,
                        None => symbols::dtype(pickle.named(*rest.get(2)?)?.1)?,
                    };
                    let strides = pickle.ints(*strides)?;
                    if pickle.row(*sizes)?.len() != strides.len() {
                        return None;
                    }
                    let first = u64::try_from(pickle.int(*first)?).ok()?;
                    return Some(Described { key: pickle.text(*key)?, dtype, first, strides: strides.into() });
                }
                _ => return None,
            }
        }
        None
    }

    fn stored(&self, described: &Described<'_>) -> Option<Stored> {
        let (offset, length) = self.archive.place(&format!("{}data/{}", self.root, described.key))?;
        let offset = self.base.checked_add(offset)?;
        let Described { dtype, first, strides, .. } = described;
        let (dtype, strides) = (*dtype, Some(strides.clone()));
        (length > 0).then_some(Stored { file: None, offset, length, dtype, strides, first: *first })
    }
}

/// The element type of a class of storages.
fn dtype(class: &str) -> Option<DType> {
    let name = match class.strip_suffix("Storage")? {
        "Float" => "float32",
        "Double" => "float64",
        "Half" => "float16",
        "BFloat16" => "bfloat16",
        "Long" => "int64",
        "Int" => "int32",
        "Short" => "int16",
        "Char" => "int8",
        "Byte" => "uint8",
        "Bool" => "bool",
        _ => return None,
    };
    symbols::dtype(name)
}
