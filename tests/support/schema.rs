//! The published schema, closed: what it does not name may not be there.

use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

/// `docs/schema.json`, as it is published.
pub fn published() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema.json");
    serde_json::from_slice(&std::fs::read(path).expect("docs/schema.json is there")).expect("it is JSON")
}

/// The schema, with every object that lists its properties closed. Maps, which have a schema for
/// whatever their keys are, stay as they are.
pub fn closed() -> Validator {
    let mut schema = published();
    close(&mut schema);
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).expect("a sound schema")
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            // `properties` also is a key like any other: of a schema its value is a map of schemas.
            if object.get("type").is_some_and(|it| it == "object") && object.contains_key("properties") {
                object.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

/// Everything that is wrong with a report, by its place in it.
pub fn violations(validator: &Validator, report: &Value) -> Vec<String> {
    validator.iter_errors(report).map(|it| format!("{}: {it}", it.instance_path())).collect()
}
