//! The parameter `fields`: an answer reduced to what was asked for.

use serde_json::{Map, Value};

use crate::error::ApiError;

/// Levels of brackets at most.
const DEEPEST: usize = 12;

/// What is kept of an object: a name, and what of its value; nothing means all.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    name: String,
    inside: Vec<Kept>,
}

/// `value` reduced to a selector such as `items(id,start/dateTime),nextPageToken`.
pub(crate) fn select(selector: &str, value: &Value) -> Result<Value, ApiError> {
    let mut rest = selector;
    let kept = list(&mut rest, 0).filter(|_| rest.is_empty());
    let bad =
        || ApiError::new(400, "invalidParameter", format!("Invalid field selection {selector}")).parameter("fields");
    Ok(reduce(&kept.ok_or_else(bad)?, value))
}

fn list(rest: &mut &str, depth: usize) -> Option<Vec<Kept>> {
    let mut found = vec![entry(rest, depth)?];
    while let Some(after) = rest.strip_prefix(',') {
        *rest = after;
        found.push(entry(rest, depth)?);
    }
    Some(found)
}

fn entry(rest: &mut &str, depth: usize) -> Option<Kept> {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "*-_@.".contains(c))).unwrap_or(rest.len());
    let name = rest[..end].to_owned();
    if name.is_empty() || depth > DEEPEST {
        return None;
    }
    *rest = &rest[end..];
    let inside = if let Some(after) = rest.strip_prefix('/') {
        *rest = after;
        vec![entry(rest, depth + 1)?]
    } else if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let inside = list(rest, depth + 1)?;
        *rest = rest.strip_prefix(')')?;
        inside
    } else {
        Vec::new()
    };
    Some(Kept { name, inside })
}

fn reduce(kept: &[Kept], value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| reduce(kept, item)).collect(),
        Value::Object(fields) => {
            let mut left = Map::new();
            for (name, value) in fields {
                if let Some(kept) = kept.iter().find(|kept| kept.name == *name || kept.name == "*") {
                    let value = if kept.inside.is_empty() { value.clone() } else { reduce(&kept.inside, value) };
                    left.insert(name.clone(), value);
                }
            }
            Value::Object(left)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_asked_for_is_left_out() {
        let whole = json!({ "kind": "k", "items": [{ "id": "1", "start": { "dateTime": "t", "timeZone": "z" } }], "next": "n" });
        assert_eq!(select("items/id", &whole).unwrap(), json!({ "items": [{ "id": "1" }] }));
        let expected = json!({ "items": [{ "id": "1", "start": { "dateTime": "t" } }], "next": "n" });
        assert_eq!(select("items(id,start/dateTime),next", &whole).unwrap(), expected);
        assert_eq!(select("*", &whole).unwrap(), whole);
        for bad in ["", "items(", "items)", "a,,b", "a/"] {
            assert!(select(bad, &whole).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_selector_makes_the_reader_panic(selector in "[a-c*,/()é]{0,40}") {
            let _ = select(&selector, &json!({ "a": [{ "b": 1 }] }));
        }
    }
}
