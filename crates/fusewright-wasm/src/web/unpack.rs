//! What unpacks the other programs and the data of the page.

use super::{RESULT, WRITTEN};
use crate::unpack;

/// Unpacks what was written before. 0 when the result is what was packed.
#[unsafe(export_name = "unpack")]
pub extern "C" fn unpack_written() -> i32 {
    let unpacked = unpack(&WRITTEN.take());
    let failed = i32::from(unpacked.is_none());
    RESULT.set(unpacked.unwrap_or_default());
    failed
}
