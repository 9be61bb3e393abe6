//! The unions of the JSON: an object with one key that says what its value is.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::schema::{Graph, Name};

/// An argument or a result of a call.
#[derive(Debug, Default)]
pub(super) enum Argument {
    /// `None`.
    #[default]
    None,
    /// A tensor, by its name.
    Tensor(String),
    /// A number or truth value that the program computes, by its name.
    Symbol(String),
    /// An object that is no tensor, by its name.
    Object(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    List(Vec<Argument>),
    Dict(Vec<(String, Argument)>),
    /// An element type, by its code.
    DType(i64),
    /// A memory format, by its code.
    MemoryFormat(i64),
    /// A layout, by its code.
    Layout(i64),
    /// A graph that the call runs.
    Graph(Box<Graph>),
    /// Something that decides nothing here, by what it is.
    Other(String),
}

/// The extent of an axis, or another size.
#[derive(Debug)]
pub(super) enum Extent {
    Number(i64),
    /// An expression in sympy's notation, and its value for the example inputs.
    Expression {
        text: String,
        hint: Option<i64>,
    },
}

#[derive(Deserialize)]
struct Region {
    graph: Graph,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Device {
    r#type: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Expression {
    expr_str: String,
    hint: Option<Argument>,
}

/// A float; those that are not finite are texts.
#[derive(Clone, Copy)]
struct Float(f64);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FloatVisitor;

        impl Visitor<'_> for FloatVisitor {
            type Value = Float;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"Infinity\", \"-Infinity\" or \"NaN\"")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Float, E> {
                Ok(Float(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Float, E> {
                Ok(Float(value as f64))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Float, E> {
                Ok(Float(value as f64))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Float, E> {
                match value {
                    "Infinity" => Ok(Float(f64::INFINITY)),
                    "-Infinity" => Ok(Float(f64::NEG_INFINITY)),
                    "NaN" => Ok(Float(f64::NAN)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }
        }

        deserializer.deserialize_any(FloatVisitor)
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ArgumentVisitor)
    }
}

struct ArgumentVisitor;

impl<'de> Visitor<'de> for ArgumentVisitor {
    type Value = Argument;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one key such as as_tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Argument, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(A::Error::custom("an empty object, expected one key such as as_tensor"));
        };
        let argument = value(&key, &mut map)?;
        if let Some(second) = map.next_key::<String>()? {
            return Err(A::Error::custom(format!("`{key}` and `{second}` in one argument, expected one of them")));
        }
        Ok(argument)
    }
}

/// The value of a key.
fn value<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Argument, A::Error> {
    Ok(match key {
        "as_none" => {
            map.next_value::<IgnoredAny>()?;
            Argument::None
        }
        "as_tensor" => Argument::Tensor(map.next_value::<Name>()?.name),
        "as_tensors" => tensors(map.next_value()?),
        "as_nested_tensors" => list(map.next_value::<Vec<Vec<Name>>>()?, tensors),
        "as_optional_tensor" | "as_sym_int" | "as_sym_float" | "as_sym_bool" => map.next_value()?,
        "as_optional_tensors" | "as_sym_ints" | "as_sym_floats" | "as_sym_bools" => Argument::List(map.next_value()?),
        "as_name" => Argument::Symbol(map.next_value()?),
        "as_int" => Argument::Int(map.next_value()?),
        "as_ints" => list(map.next_value()?, Argument::Int),
        "as_int_lists" => list(map.next_value::<Vec<Vec<i64>>>()?, |ints| list(ints, Argument::Int)),
        "as_float" => float(map.next_value()?),
        "as_floats" => list(map.next_value()?, float),
        "as_float_lists" => list(map.next_value::<Vec<Vec<Float>>>()?, |floats| list(floats, float)),
        "as_bool" => Argument::Bool(map.next_value()?),
        "as_bools" => list(map.next_value()?, Argument::Bool),
        "as_string" => Argument::Text(map.next_value()?),
        "as_strings" => list(map.next_value()?, Argument::Text),
        "as_scalar_type" => Argument::DType(map.next_value()?),
        "as_memory_format" => Argument::MemoryFormat(map.next_value()?),
        "as_layout" => Argument::Layout(map.next_value()?),
        "as_device" => Argument::Other(map.next_value::<Device>()?.r#type),
        "as_graph" => Argument::Graph(Box::new(map.next_value::<Region>()?.graph)),
        "as_custom_obj" => Argument::Object(map.next_value::<Name>()?.name),
        "as_string_to_argument" => {
            let pairs = map.next_value::<std::collections::BTreeMap<String, Argument>>()?;
            Argument::Dict(pairs.into_iter().collect())
        }
        other => {
            map.next_value::<IgnoredAny>()?;
            Argument::Other(other.to_owned())
        }
    })
}

fn tensors(names: Vec<Name>) -> Argument {
    list(names, |tensor| Argument::Tensor(tensor.name))
}

fn float(value: Float) -> Argument {
    Argument::Float(value.0)
}

fn list<T>(items: Vec<T>, one: impl Fn(T) -> Argument) -> Argument {
    Argument::List(items.into_iter().map(one).collect())
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExtentVisitor;

        impl<'de> Visitor<'de> for ExtentVisitor {
            type Value = Extent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with as_int or as_expr")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extent, A::Error> {
                let extent = match map.next_key::<String>()?.as_deref() {
                    Some("as_int") => Extent::Number(map.next_value()?),
                    Some("as_expr") => {
                        let Expression { expr_str, hint } = map.next_value()?;
                        let hint = if let Some(Argument::Int(hint)) = hint { Some(hint) } else { None };
                        Extent::Expression { text: expr_str, hint }
                    }
                    found => {
                        let found = found.unwrap_or("nothing");
                        return Err(A::Error::custom(format!("`{found}`, expected as_int or as_expr")));
                    }
                };
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(extent)
            }
        }

        deserializer.deserialize_map(ExtentVisitor)
    }
}
