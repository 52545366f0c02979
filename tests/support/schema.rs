//! The published schema, closed: what it does not name may not be there.

use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

/// `docs/schema.json`, as it is published.
pub fn published() -> Value {
    document("schema.json")
}

fn document(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("the schema is there")).expect("it is JSON")
}

/// `docs/diff.schema.json` with what it takes of the other one in its place, closed.
pub fn closed_diff() -> Validator {
    let mut schema = document("diff.schema.json");
    let published = published();
    embed(&mut schema, &published);
    // What was embedded refers to definitions of its own.
    for (name, definition) in published["$defs"].as_object().expect("definitions") {
        let mine = schema["$defs"].as_object_mut().expect("definitions");
        assert!(mine.insert(name.clone(), definition.clone()).is_none(), "{name} is defined in both");
    }
    close(&mut schema);
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).expect("a sound schema")
}

/// Puts what a reference into `schema.json` points at in its place.
fn embed(schema: &mut Value, published: &Value) {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix("schema.json#"));
    if let Some(pointer) = pointer {
        *schema = published.pointer(pointer).expect("the reference leads somewhere").clone();
        return;
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(|it| embed(it, published)),
        Value::Array(list) => list.iter_mut().for_each(|it| embed(it, published)),
        _ => {}
    }
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
