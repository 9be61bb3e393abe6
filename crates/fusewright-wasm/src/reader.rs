//! One file, read for any sizes.

use fusewright::page::Reader;
use fusewright::{Ranges, likely_reader, reader_of, skeleton};

use crate::question::{Failure, Question};

/// A model's file without its weights, ready to be read.
///
/// ```
/// use fusewright::page::{Reader, Tables};
/// use fusewright::pattern::Library;
/// use fusewright_wasm::{ModelReader, Opened, Planner};
///
/// let config = br#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100}"#;
/// let Opened::Here(reader) = ModelReader::open(&config[..], "tiny.json", "tiny.json", &Reader::ALL)? else {
///     panic!("it is a configuration");
/// };
/// let model = reader.read(r#"{"dims": {"batch": 3}}"#)?;
/// let planner = Planner::new(&Tables::of(&Library::built_in(), None).to_json())?;
/// assert!(planner.answer(r#"{"device": "h100-sxm"}"#, &model).starts_with("{\"page_version\":1,"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct ModelReader {
    bytes: Vec<u8>,
    name: String,
    source: String,
}

/// What became of a file.
#[derive(Debug)]
pub enum Opened {
    /// It is taken.
    Here(ModelReader),
    /// Another reader takes it.
    By(Reader),
}

impl ModelReader {
    /// Takes of a file what planning needs, where one of `readers` takes it; `name` is the file's, `source` what messages
    /// and the report call it. The error is JSON with `error`, `help` and `code`, as the command line would say it.
    pub fn open<R: Ranges + ?Sized>(file: &R, name: &str, source: &str, readers: &[Reader]) -> Result<Opened, String> {
        let failed = |error| Failure::from(error).to_json();
        let other = |reader: Option<Reader>| reader.filter(|reader| !readers.contains(reader));
        let likely = likely_reader(file, name).map_err(failed)?;
        if let Some(reader) = other(likely) {
            return Ok(Opened::By(reader));
        }
        let bytes = skeleton(file, name).map_err(failed)?;
        if likely.is_none()
            && let Some(reader) = other(reader_of(bytes.clone(), name).map_err(failed)?)
        {
            return Ok(Opened::By(reader));
        }
        Ok(Opened::Here(Self { bytes, name: name.to_owned(), source: source.to_owned() }))
    }

    /// The graph for the sizes and the phase of a question, as the planner takes it, or what went wrong, as JSON.
    pub fn read(&self, question: &str) -> Result<String, String> {
        let read = || -> Result<String, Failure> {
            let session = Question::read(question)?.session()?;
            Ok(session.read_named(self.bytes.clone(), &self.name, &self.source)?.to_text())
        };
        read().map_err(|failure| failure.to_json())
    }
}
