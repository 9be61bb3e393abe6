//! The stream of objects inside what `torch.save` wrote, as data: names of classes and functions are kept as names,
//! nothing is imported or called.
//!
//! Opcodes are those of protocols 2 to 4 that containers of tensors take; any other ends the reading. Objects lie in a
//! list and refer to each other by place, so that no nesting is too deep. An opcode makes at most one object, so that
//! a stream never grows.

use std::collections::BTreeMap;

/// Place of an object in its stream.
pub(super) type Place = usize;

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    /// Numbers that are not whole, and what else nobody asks for.
    Other,
    Int(i64),
    Text(String),
    /// A tuple or a list.
    Row(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    /// A class or function by module and name.
    Named(String, String),
    /// Something that lies outside of the stream.
    Outside(Place),
    /// A function and the tuple of its arguments.
    Call(Place, Place),
}

/// The objects of a stream, and which of them it is about.
#[derive(Debug)]
pub(super) struct Pickle {
    objects: Vec<Object>,
    root: Place,
}

impl Pickle {
    /// Reads a stream; the error says at which byte it stopped and why.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { bytes, at: 0, objects: Vec::new(), stack: Vec::new(), memo: BTreeMap::new() };
        let root = reader.run().map_err(|problem| format!("{problem} at byte {} of its objects", reader.at))?;
        Ok(Self { objects: reader.objects, root })
    }

    /// The object that the stream is about.
    pub(super) fn root(&self) -> &Object {
        self.get(self.root)
    }

    /// The object at a place.
    pub(super) fn get(&self, place: Place) -> &Object {
        self.objects.get(place).unwrap_or(&Object::Other)
    }

    /// The elements of a tuple or list.
    pub(super) fn row(&self, place: Place) -> Option<&[Place]> {
        if let Object::Row(row) = self.get(place) { Some(row) } else { None }
    }

    /// A text.
    pub(super) fn text(&self, place: Place) -> Option<&str> {
        if let Object::Text(text) = self.get(place) { Some(text) } else { None }
    }

    /// A whole number.
    pub(super) fn int(&self, place: Place) -> Option<i64> {
        if let Object::Int(number) = self.get(place) { Some(*number) } else { None }
    }

    /// A tuple or list of whole numbers.
    pub(super) fn ints(&self, place: Place) -> Option<Vec<i64>> {
        self.row(place)?.iter().map(|&number| self.int(number)).collect()
    }

    /// Module and name of a class or function.
    pub(super) fn named(&self, place: Place) -> Option<(&str, &str)> {
        if let Object::Named(module, name) = self.get(place) { Some((module, name)) } else { None }
    }
}

/// What lies on the stack: objects, and marks that tell how many belong together.
#[derive(Clone, Copy)]
enum Item {
    Mark,
    Object(Place),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Item>,
    memo: BTreeMap<u32, Place>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<Place, String> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                // PROTO, FRAME: how the rest is cut.
                0x80 => drop(self.byte()?),
                0x95 => drop(self.take(8)?),
                opcode if self.scalar(opcode)? || self.kept(opcode)? => {}
                opcode => self.composed(opcode)?,
            }
        }
    }

    /// Opcodes of one number, text or name; false for others.
    fn scalar(&mut self, opcode: u8) -> Result<bool, String> {
        let object = match opcode {
            b'N' | 0x88 | 0x89 => Object::Other,
            b'G' => {
                self.take(8)?;
                Object::Other
            }
            b'J' => Object::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Object::Int(self.byte()?.into()),
            b'M' => Object::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a => {
                let length = self.byte()?;
                long(self.take(length.into())?).map_or(Object::Other, Object::Int)
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(usize::try_from(length).map_err(|_| "a text that is too long")?)?
            }
            0x8c => {
                let length = self.byte()?;
                self.text(length.into())?
            }
            b'c' => Object::Named(self.line()?, self.line()?),
            _ => return Ok(false),
        };
        self.push(object);
        Ok(true)
    }

    /// Opcodes that keep an object, or use a kept one; false for others.
    fn kept(&mut self, opcode: u8) -> Result<bool, String> {
        match opcode {
            b'q' => {
                let key = self.byte()?;
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => self.remember(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))?,
            b'h' => {
                let key = self.byte()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes that make one object of others.
    fn composed(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b'(' => self.stack.push(Item::Mark),
            b'0' => drop(self.stack.pop()),
            b')' | b']' => self.push(Object::Row(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            b't' => {
                let row = self.since_mark()?;
                self.push(Object::Row(row));
            }
            0x85..=0x87 => {
                let mut row = (0x84..opcode).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                row.reverse();
                self.push(Object::Row(row));
            }
            b'a' => {
                let last = self.pop()?;
                self.append(vec![last])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |place: Place| match self.objects.get(place) {
                    Some(Object::Text(text)) => Ok(text.clone()),
                    _ => Err("a name that is no text"),
                };
                let named = Object::Named(text(module)?, text(name)?);
                self.push(named);
            }
            b'Q' => {
                let outside = self.pop()?;
                self.push(Object::Outside(outside));
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                // A dictionary that knows its order starts as a call without arguments.
                let ordered =
                    matches!(self.objects.get(function), Some(Object::Named(_, name)) if name == "OrderedDict");
                self.push(if ordered { Object::Dict(Vec::new()) } else { Object::Call(function, arguments) });
            }
            // What an object is told after it was made: metadata of modules.
            b'b' => drop(self.pop()?),
            other => return Err(format!("opcode {other:#04x}, which containers of tensors do not take,")),
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).ok_or("it ends")?;
        let taken = self.bytes.get(self.at..end).ok_or("it ends")?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it ends".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("a name without an end")?;
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn text(&mut self, length: usize) -> Result<Object, String> {
        Ok(Object::Text(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    fn push(&mut self, object: Object) {
        self.stack.push(Item::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Place, String> {
        match self.stack.pop() {
            Some(Item::Object(place)) => Ok(place),
            _ => Err("an object is missing".to_owned()),
        }
    }

    fn top(&mut self) -> Result<Place, String> {
        match self.stack.last() {
            Some(Item::Object(place)) => Ok(*place),
            _ => Err("an object is missing".to_owned()),
        }
    }

    /// What lies above the last mark, which goes too.
    fn since_mark(&mut self) -> Result<Vec<Place>, String> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark)).ok_or("a mark is missing")?;
        let items = self.stack.drain(mark..).skip(1);
        Ok(items.filter_map(|item| if let Item::Object(place) = item { Some(place) } else { None }).collect())
    }

    fn append(&mut self, items: Vec<Place>) -> Result<(), String> {
        let list = self.top()?;
        let Some(Object::Row(row)) = self.objects.get_mut(list) else { return Err("a list is missing".to_owned()) };
        row.extend(items);
        Ok(())
    }

    fn set(&mut self, items: &[Place]) -> Result<(), String> {
        let dict = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match self.objects.get_mut(dict) {
            Some(Object::Dict(known)) if rest.is_empty() => {
                known.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err("a dictionary is missing".to_owned()),
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let place = self.top()?;
        self.memo.insert(key, place);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let place = *self.memo.get(&key).ok_or("an object that was never kept")?;
        self.stack.push(Item::Object(place));
        Ok(())
    }
}

/// A number of any length, little-endian in two's complement; `None` beyond 64 bits.
fn long(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_texts_and_names_are_read() {
        // pickle.dumps({"a": (1, -2, 70000), "b": [collections.OrderedDict()]}, 2)
        let stream = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffJp\x11\x01\x00\x87q\x02\
            X\x01\x00\x00\x00bq\x03]q\x04ccollections\nOrderedDict\nq\x05)Rq\x06au.";
        let pickle = Pickle::read(stream).unwrap();
        let Object::Dict(items) = pickle.root() else { panic!("{pickle:?}") };
        assert_eq!(pickle.text(items[0].0), Some("a"));
        assert_eq!(pickle.ints(items[0].1), Some(vec![1, -2, 70_000]));
        let list = pickle.row(items[1].1).unwrap();
        assert_eq!(pickle.get(list[0]), &Object::Dict(Vec::new()));
    }

    #[test]
    fn long_numbers_keep_their_sign() {
        assert_eq!(long(&[]), Some(0));
        assert_eq!(long(&[0, 0, 0, 0x80, 0]), Some(1 << 31));
        assert_eq!(long(&[0xff]), Some(-1));
        assert_eq!(long(&[0; 9]), None);
    }

    #[test]
    fn broken_streams_are_refused() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "it ends"),
            (b".", "an object is missing"),
            (b"(.", "an object is missing"),
            (b"t", "a mark is missing"),
            (b"K\x01K\x02s.", "an object is missing"),
            (b"h\x07", "never kept"),
            (b"\x80\x02ios\nsystem\n", "opcode 0x69"),
        ];
        for (stream, expected) in cases {
            let problem = Pickle::read(stream).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn no_stream_panics(stream in proptest::collection::vec(
            prop_oneof![Just(b'('), Just(b'K'), Just(b't'), Just(b'u'), Just(b'}'), Just(b'R'), Just(0x85), any::<u8>()],
            0..64,
        )) {
            if let Ok(pickle) = Pickle::read(&stream) {
                prop_assert!(pickle.objects.len() <= stream.len());
            }
        }
    }
}
