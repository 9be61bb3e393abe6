//! A reader, which asks the page for ranges of the file.

use std::cell::RefCell;
use std::io;

use fusewright::Ranges;
use fusewright::page::Reader;

use super::{RESULT, written};
use crate::{ModelReader, Opened};

#[link(wasm_import_module = "page")]
unsafe extern "C" {
    /// Copies `length` bytes of the file from `offset` on to `into`; 0 when that worked.
    safe fn read_range(offset: f64, into: *mut u8, length: usize) -> i32;
}

thread_local! {
    static READER: RefCell<Option<ModelReader>> = const { RefCell::new(None) };
}

/// The readers of this program.
const READERS: &[Reader] = &[
    #[cfg(feature = "onnx")]
    Reader::Onnx,
    #[cfg(feature = "torch")]
    Reader::Torch,
    #[cfg(feature = "config")]
    Reader::Config,
];

/// The file that the page holds.
struct PageFile {
    length: u64,
}

impl Ranges for PageFile {
    fn length(&self) -> u64 {
        self.length
    }

    #[expect(clippy::cast_precision_loss, reason = "files are far below 2^53 bytes")]
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(into.len() as u64).filter(|&end| end <= self.length);
        let Some(_) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        match read_range(offset as f64, into.as_mut_ptr(), into.len()) {
            0 => Ok(()),
            _ => Err(io::Error::other("the browser could not read the file")),
        }
    }
}

/// Opens the file that the page holds; its name, a line feed and its source were written before. 0 when that worked, 1
/// when the result says what is wrong, 2 when it names the reader that takes the file.
#[unsafe(no_mangle)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length is a whole number")]
pub extern "C" fn open(length: f64) -> i32 {
    let text = written();
    let (name, source) = text.split_once('\n').unwrap_or((&text, &text));
    match ModelReader::open(&PageFile { length: length as u64 }, name, source, READERS) {
        Ok(Opened::Here(reader)) => {
            READER.set(Some(reader));
            0
        }
        Ok(Opened::By(reader)) => {
            RESULT.set(reader.name().as_bytes().to_owned());
            2
        }
        Err(problem) => {
            RESULT.set(problem.into_bytes());
            1
        }
    }
}

/// Reads the file for the question that was written before. 0 when the result is the model, 1 when it says what is
/// wrong.
#[unsafe(no_mangle)]
pub extern "C" fn read() -> i32 {
    let question = written();
    let read = READER.with_borrow(|reader| match reader {
        Some(reader) => reader.read(&question),
        None => Err("{\"error\": \"no model is open\"}".to_owned()),
    });
    let failed = i32::from(read.is_err());
    RESULT.set(read.unwrap_or_else(|problem| problem).into_bytes());
    failed
}
