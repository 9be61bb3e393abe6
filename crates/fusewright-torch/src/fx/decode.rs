//! Values that JSON writes in several forms: arguments, sizes, results. Nesting costs stack, and the JSON parser bounds it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::schema::{Arg, Pairs, Scalar, Size, Val};

/// The scalar methods of a visitor, for the types that a bare JSON value may stand for.
macro_rules! visit_scalars {
    ($wrap:path) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::None))
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Bool(value)))
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Int(value)))
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok($wrap(i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Int)))
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Float(value)))
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Text(value.to_owned())))
        }

        fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Text(value)))
        }
    };
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or the name of a symbol")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Size, E> {
                Ok(Size::Number(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size::Number(value.into()))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Size, E> {
                Ok(Size::Symbol(value.to_owned()))
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text, true, false, null or {\"float\": text}")
            }

            visit_scalars!(std::convert::identity);

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                let scalar = match map.next_key::<String>()?.as_deref() {
                    Some("float") => Scalar::Float(non_finite(&map.next_value::<String>()?)?),
                    key => return Err(unknown_tag(key, "float")),
                };
                skip_rest(map)?;
                Ok(scalar)
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<'de> Deserialize<'de> for Arg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgVisitor;

        impl<'de> Visitor<'de> for ArgVisitor {
            type Value = Arg;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an argument: a plain value, a list or an object such as {\"ref\": name}")
            }

            visit_scalars!(Arg::Scalar);

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Arg, A::Error> {
                collect(seq).map(Arg::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Arg, A::Error> {
                let arg = match map.next_key::<String>()?.as_deref() {
                    Some("ref") => Arg::Ref(map.next_value()?),
                    Some("tuple") => Arg::Tuple(map.next_value()?),
                    Some("dict") => Arg::Dict(map.next_value()?),
                    Some("slice") => Arg::Slice(map.next_value()?),
                    Some("float") => Arg::Scalar(Scalar::Float(non_finite(&map.next_value::<String>()?)?)),
                    Some("dtype") => Arg::DType(map.next_value()?),
                    Some("device" | "opaque") => Arg::Opaque(map.next_value()?),
                    Some("ellipsis") => {
                        map.next_value::<IgnoredAny>()?;
                        Arg::Ellipsis
                    }
                    key => {
                        return Err(unknown_tag(
                            key,
                            "ref, tuple, dict, slice, float, dtype, device, ellipsis, opaque",
                        ));
                    }
                };
                skip_rest(map)?;
                Ok(arg)
            }
        }

        deserializer.deserialize_any(ArgVisitor)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of arguments")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

impl<'de> Deserialize<'de> for Val {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValVisitor;

        impl<'de> Visitor<'de> for ValVisitor {
            type Value = Val;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value: {\"shape\", \"dtype\"}, {\"const\"}, {\"opaque\"} or a list of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Val, A::Error> {
                collect(seq).map(Val::Items)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Val, A::Error> {
                let (mut shape, mut dtype, mut other) = (None, None, None);
                let mut first = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "shape" => shape = Some(map.next_value()?),
                        "dtype" => dtype = Some(map.next_value()?),
                        "const" => other = Some(Val::Const(map.next_value()?)),
                        "opaque" => other = Some(Val::Opaque(map.next_value()?)),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                    first.get_or_insert(key);
                }
                match (shape, dtype, other) {
                    (None, None, Some(other)) => Ok(other),
                    (Some(shape), Some(dtype), None) => Ok(Val::Tensor { shape, dtype }),
                    (Some(_), None, None) => Err(Error::missing_field("dtype")),
                    (None, Some(_), None) => Err(Error::missing_field("shape")),
                    (None, None, None) => Err(unknown_tag(first.as_deref(), "shape with dtype, const, opaque")),
                    _ => Err(Error::custom("a value is a tensor, a constant or opaque, and only one of them")),
                }
            }
        }

        deserializer.deserialize_any(ValVisitor)
    }
}

fn collect<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    while let Some(item) = seq.next_element()? {
        items.push(item);
    }
    Ok(items)
}

fn skip_rest<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn unknown_tag<E: Error>(found: Option<&str>, expected: &str) -> E {
    let found = found.map_or_else(|| "an empty object".to_owned(), |key| format!("an object with `{key}`"));
    E::custom(format!("{found}, expected one of {expected}"))
}

fn non_finite<E: Error>(text: &str) -> Result<f64, E> {
    match text {
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ => Err(E::custom(format!("the float `{text}`, expected Infinity, -Infinity or NaN"))),
    }
}
