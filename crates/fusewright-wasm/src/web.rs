//! What a page calls: plain functions over numbers.
//!
//! The page writes text into memory that [`reserve`] gave, calls [`open`] and then [`answer`], and reads the text that
//! [`result_start`] and [`result_length`] point to. While a file is opened the planner asks the page for ranges of it.

#![expect(unsafe_code, reason = "memory is shared with the page: it hands over places and lengths")]
#![expect(unreachable_pub, reason = "the page reaches these functions by their names, not through modules")]

use std::cell::RefCell;
use std::io;

use fusewright::Ranges;

use crate::Planner;

#[link(wasm_import_module = "page")]
unsafe extern "C" {
    /// Copies `length` bytes of the file from `offset` on to `into`; 0 when that worked.
    safe fn read_range(offset: f64, into: *mut u8, length: usize) -> i32;
}

thread_local! {
    static PLANNER: RefCell<Option<Planner>> = const { RefCell::new(None) };
    static RESULT: RefCell<String> = const { RefCell::new(String::new()) };
    static TEXTS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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

/// Memory for a text that the page writes next.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    TEXTS.with_borrow_mut(|texts| {
        texts.clear();
        texts.resize(length, 0);
        texts.as_mut_ptr()
    })
}

/// Opens the file that the page holds; its name, a line feed and its source were written before. 0 when that worked,
/// else the result says what is wrong.
#[unsafe(no_mangle)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length is a whole number")]
pub extern "C" fn open(length: f64) -> i32 {
    let text = written();
    let (name, source) = text.split_once('\n').unwrap_or((&text, &text));
    let opened = Planner::open(&PageFile { length: length as u64 }, name, source);
    match opened {
        Ok(planner) => {
            PLANNER.set(Some(planner));
            0
        }
        Err(problem) => {
            RESULT.set(problem);
            1
        }
    }
}

/// Answers the question that was written before; the result is the answer.
#[unsafe(no_mangle)]
pub extern "C" fn answer() {
    let question = written();
    let answer = PLANNER.with_borrow(|planner| planner.as_ref().map(|planner| planner.answer(&question)));
    RESULT.set(answer.unwrap_or_else(|| "{\"error\": \"no model is open\"}".to_owned()));
}

/// Where the result starts.
#[unsafe(no_mangle)]
pub extern "C" fn result_start() -> *const u8 {
    RESULT.with_borrow(|result| result.as_ptr())
}

/// Bytes of the result.
#[unsafe(no_mangle)]
pub extern "C" fn result_length() -> usize {
    RESULT.with_borrow(String::len)
}

fn written() -> String {
    TEXTS.with_borrow(|texts| String::from_utf8_lossy(texts).into_owned())
}
