//! What a page calls: plain functions over numbers.
//!
//! The page writes bytes into memory that [`reserve`] gave, calls a function of one of the programs, and reads the bytes
//! that [`result_start`] and [`result_length`] point to.

#![expect(unsafe_code, reason = "memory is shared with the page: it hands over places and lengths")]
#![expect(unreachable_pub, reason = "the page reaches these functions by their names, not through modules")]

#[cfg(feature = "planner")]
mod plan;
#[cfg(any(feature = "onnx", feature = "torch", feature = "config"))]
mod read;
#[cfg(feature = "unpacker")]
mod unpack;

use std::cell::RefCell;

thread_local! {
    static RESULT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory for what the page writes next.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    WRITTEN.with_borrow_mut(|written| {
        written.clear();
        written.resize(length, 0);
        written.as_mut_ptr()
    })
}

/// Where the result starts.
#[unsafe(no_mangle)]
pub extern "C" fn result_start() -> *const u8 {
    RESULT.with_borrow(|result| result.as_ptr())
}

/// Bytes of the result.
#[unsafe(no_mangle)]
pub extern "C" fn result_length() -> usize {
    RESULT.with_borrow(Vec::len)
}

/// The text that was written last.
#[cfg(any(feature = "planner", feature = "onnx", feature = "torch", feature = "config"))]
fn written() -> String {
    let written = WRITTEN.take();
    String::from_utf8(written).unwrap_or_else(|written| String::from_utf8_lossy(written.as_bytes()).into_owned())
}
