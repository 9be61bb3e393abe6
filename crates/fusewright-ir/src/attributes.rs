//! Named attributes: the form in which an op's settings are written to and read from text.
//!
//! An op writes the attributes that differ from its defaults and reads them back; what it does not know is an error, so
//! a misspelt attribute never passes silently.

/// One attribute value.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A flag.
    Bool(bool),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A text.
    Text(String),
}

/// What is wrong with an op's attributes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// A required attribute is missing.
    #[error("attribute `{0}` is missing")]
    Missing(String),
    /// An attribute has the wrong type or value.
    #[error("attribute `{name}` must be {expected}")]
    Invalid {
        /// Which.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The op has no such attribute.
    #[error("attribute `{0}` is not known to this op")]
    Unknown(String),
}

/// Attributes of one op, in writing order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    /// Adds an attribute.
    pub fn set(&mut self, name: &str, value: Attribute) {
        self.0.push((name.to_owned(), value));
    }

    /// Adds an integer.
    pub fn set_int(&mut self, name: &str, value: i64) {
        self.set(name, Attribute::Int(value));
    }

    /// Adds a number.
    pub fn set_float(&mut self, name: &str, value: f64) {
        self.set(name, Attribute::Float(value));
    }

    /// Adds a flag that is set; an absent flag is false.
    pub fn set_flag(&mut self, name: &str, value: bool) {
        if value {
            self.set(name, Attribute::Bool(true));
        }
    }

    /// Adds a list of integers.
    pub fn set_ints<T: Copy + TryInto<i64>>(&mut self, name: &str, values: &[T]) {
        let values = values.iter().map(|&v| v.try_into().unwrap_or(i64::MAX)).collect();
        self.set(name, Attribute::Ints(values));
    }

    /// Adds a text.
    pub fn set_text(&mut self, name: &str, value: &str) {
        self.set(name, Attribute::Text(value.to_owned()));
    }

    /// The attributes in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns an attribute.
    pub fn take(&mut self, name: &str) -> Option<Attribute> {
        let position = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(position).1)
    }

    /// A required integer.
    pub fn int(&mut self, name: &str) -> Result<i64, AttributeError> {
        self.optional_int(name)?.ok_or_else(|| AttributeError::Missing(name.to_owned()))
    }

    /// An integer that may be absent.
    pub fn optional_int(&mut self, name: &str) -> Result<Option<i64>, AttributeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(value)),
            Some(_) => Err(invalid(name, "an integer")),
        }
    }

    /// A required non-negative integer.
    pub fn size(&mut self, name: &str) -> Result<u64, AttributeError> {
        u64::try_from(self.int(name)?).map_err(|_| invalid(name, "a non-negative integer"))
    }

    /// A number that may be absent; integers are taken as numbers, texts as `"inf"`, `"-inf"`, `"nan"`.
    pub fn optional_float(&mut self, name: &str) -> Result<Option<f64>, AttributeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Float(value)) => Ok(Some(value)),
            Some(Attribute::Int(value)) => Ok(Some(value as f64)),
            Some(_) => Err(invalid(name, "a number")),
        }
    }

    /// A required number.
    pub fn float(&mut self, name: &str) -> Result<f64, AttributeError> {
        self.optional_float(name)?.ok_or_else(|| AttributeError::Missing(name.to_owned()))
    }

    /// A flag; absent means false.
    pub fn flag(&mut self, name: &str) -> Result<bool, AttributeError> {
        match self.take(name) {
            None => Ok(false),
            Some(Attribute::Bool(value)) => Ok(value),
            Some(_) => Err(invalid(name, "true or false")),
        }
    }

    /// A list of integers that may be absent.
    pub fn optional_ints<T: TryFrom<i64>>(&mut self, name: &str) -> Result<Option<Vec<T>>, AttributeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => values
                .into_iter()
                .map(|v| T::try_from(v).map_err(|_| invalid(name, "a list of integers in range")))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(invalid(name, "a list of integers")),
        }
    }

    /// A required list of integers.
    pub fn ints<T: TryFrom<i64>>(&mut self, name: &str) -> Result<Vec<T>, AttributeError> {
        self.optional_ints(name)?.ok_or_else(|| AttributeError::Missing(name.to_owned()))
    }

    /// A required text.
    pub fn text(&mut self, name: &str) -> Result<String, AttributeError> {
        match self.take(name) {
            None => Err(AttributeError::Missing(name.to_owned())),
            Some(Attribute::Text(value)) => Ok(value),
            Some(_) => Err(invalid(name, "a text")),
        }
    }

    /// Ends reading: what is left is unknown to the op.
    pub fn finish(self) -> Result<(), AttributeError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(AttributeError::Unknown(name)),
            None => Ok(()),
        }
    }
}

pub(crate) fn invalid(name: &str, expected: &'static str) -> AttributeError {
    AttributeError::Invalid { name: name.to_owned(), expected }
}
