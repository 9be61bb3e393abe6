//! From the text of a file to a device.

use crate::{Device, DeviceError, check};

impl Device {
    /// Reads a device file and refuses it unless [`check`](crate::check) finds nothing; `file` names it in messages.
    ///
    /// ```
    /// use fusewright_device::{Device, DeviceError};
    ///
    /// let error = Device::from_toml("id = \"mine\"\nclass = \"gpv\"", "mine.toml").unwrap_err();
    /// assert!(matches!(error, DeviceError::Unreadable { line: 2, .. }));
    /// ```
    pub fn from_toml(text: &str, file: &str) -> Result<Self, DeviceError> {
        let device: Self = toml::from_str(text).map_err(|error| unreadable(text, file, &error))?;
        let problems = check(&device);
        if problems.is_empty() { Ok(device) } else { Err(DeviceError::Impossible { file: file.to_owned(), problems }) }
    }
}

fn unreadable(text: &str, file: &str, error: &toml::de::Error) -> DeviceError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    // A reader's message may have several lines; one is easier to find in a log.
    let problem = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
    DeviceError::Unreadable { file: file.to_owned(), line, column, problem }
}
