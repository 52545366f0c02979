//! Values of any type that are written as JSON into one object.

use std::io;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer as _};
use serde_json::ser::{CompactFormatter, PrettyFormatter};
use serde_json::{Serializer, Value};

/// What is written to: always the same, so that how a value is written can be compiled as a whole.
pub type Out<'a> = io::BufWriter<&'a mut dyn io::Write>;

/// The object, as short as it can be.
pub type CompactMap<'a, 's, 'o> =
    <&'a mut Serializer<&'s mut Out<'o>, CompactFormatter> as serde::Serializer>::SerializeMap;

/// The object, for eyes.
pub type PrettyMap<'a, 's, 'o> =
    <&'a mut Serializer<&'s mut Out<'o>, PrettyFormatter<'static>> as serde::Serializer>::SerializeMap;

/// A value of some type.
pub trait Json {
    /// Adds it under a key.
    fn add_compact(&self, key: &str, map: &mut CompactMap<'_, '_, '_>) -> serde_json::Result<()>;

    /// Adds it under a key.
    fn add_pretty(&self, key: &str, map: &mut PrettyMap<'_, '_, '_>) -> serde_json::Result<()>;

    /// The value in memory.
    fn value(&self) -> serde_json::Result<Value>;
}

impl<T: Serialize> Json for T {
    fn add_compact(&self, key: &str, map: &mut CompactMap<'_, '_, '_>) -> serde_json::Result<()> {
        map.serialize_entry(key, self)
    }

    fn add_pretty(&self, key: &str, map: &mut PrettyMap<'_, '_, '_>) -> serde_json::Result<()> {
        map.serialize_entry(key, self)
    }

    fn value(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

/// Writes an object with these fields in this order.
pub fn write_object(out: &mut Out<'_>, fields: &[(&str, &dyn Json)], pretty: bool) -> serde_json::Result<()> {
    if pretty {
        let mut serializer = Serializer::with_formatter(out, PrettyFormatter::new());
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        fields.iter().try_for_each(|(key, value)| value.add_pretty(key, &mut map))?;
        map.end()
    } else {
        let mut serializer = Serializer::new(out);
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        fields.iter().try_for_each(|(key, value)| value.add_compact(key, &mut map))?;
        map.end()
    }
}
