//! Values against the schemas of a discovery document: of requests strictly, of our own answers too.
//!
//! Stricter than Google, which overlooks some unknown fields in Calendar: what a client sends in vain is a mistake of its.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{discovery::Call, error::ApiError, exchange::Request};

/// Parameters of every method that would change an answer, or let somebody in, and do not here.
const NOT_SIMULATED: [&str; 3] = ["callback", "access_token", "oauth_token"];

/// The schemas of one document.
#[derive(Clone, Copy)]
pub(crate) struct Schemas<'a>(&'a Value);

/// Where a value and its schema part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// `start.dateTime`, `attendees[0]`.
    at: String,
    why: String,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(schemas: &'a Value) -> Self {
        Self(schemas)
    }

    /// Fields of the schema alone, each of its type. `null` stands for an absent field.
    pub(crate) fn fits(self, name: &str, value: &Value) -> Result<(), Misfit> {
        self.check(&self.0[name], value, &mut String::new())
    }

    fn check(self, schema: &Value, value: &Value, at: &mut String) -> Result<(), Misfit> {
        if let Some(name) = schema["$ref"].as_str() {
            return self.check(&self.0[name], value, at);
        }
        let wrong = |why: String| Err(Misfit { at: at.clone(), why });
        let kind = schema["type"].as_str().unwrap_or("any");
        match (kind, value) {
            ("any", _) | (_, Value::Null) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => Ok(()),
            ("object", Value::Object(fields)) => self.check_fields(schema, fields, at),
            ("array", Value::Array(items)) => self.check_items(&schema["items"], items, at),
            ("integer", Value::Number(_)) if fits_integer(schema, value) => Ok(()),
            ("string", Value::String(text)) if fits_format(schema, text) => Ok(()),
            ("string", Value::String(text)) => {
                wrong(format!("{text:?} is no {}", schema["format"].as_str().unwrap_or("string")))
            }
            _ => wrong(format!("{} where {kind} is expected", kind_of(value))),
        }
    }

    fn check_items(self, schema: &Value, items: &[Value], at: &mut String) -> Result<(), Misfit> {
        let length = at.len();
        for (index, item) in items.iter().enumerate() {
            let _ = write!(at, "[{index}]");
            self.check(schema, item, at)?;
            at.truncate(length);
        }
        Ok(())
    }

    fn check_fields(self, schema: &Value, fields: &Map<String, Value>, at: &mut String) -> Result<(), Misfit> {
        let length = at.len();
        for (name, value) in fields {
            let inner = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            let Some(inner) = inner else {
                return Err(Misfit { at: at.clone(), why: format!("Unknown name {name:?}: Cannot find field.") });
            };
            if length > 0 {
                at.push('.');
            }
            at.push_str(name);
            self.check(inner, value, at)?;
            at.truncate(length);
        }
        Ok(())
    }

    /// The fields of the schema's first level that `method` cannot do without and `body` lacks.
    fn lacking(self, name: &str, method: &str, body: &Value) -> Option<&'a str> {
        let required = |field: &Value| {
            field["annotations"]["required"]
                .as_array()
                .is_some_and(|methods| methods.iter().any(|known| known == method))
        };
        let mut fields = self.0[name]["properties"].as_object()?.iter();
        fields
            .find(|(field, schema)| required(schema) && body[field.as_str()].is_null())
            .map(|(field, _)| field.as_str())
    }
}

fn fits_integer(schema: &Value, value: &Value) -> bool {
    match schema["format"].as_str() {
        Some("uint32") => value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
        _ => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
    }
}

/// Formats whose text is checked here. Times are left to the methods, which answer for them in their own words.
fn fits_format(schema: &Value, text: &str) -> bool {
    match schema["format"].as_str() {
        Some("int64") => text.parse::<i64>().is_ok(),
        Some("uint64") => text.parse::<u64>().is_ok(),
        _ => true,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at.is_empty() { f.write_str(&self.why) } else { write!(f, "at '{}': {}", self.at, self.why) }
    }
}

/// The body of a request, as the document wants it.
pub(crate) fn body(call: &Call<'_>, request: &Request) -> Result<Value, ApiError> {
    let Some(schema) = call.request() else {
        if request.body.is_empty() {
            return Ok(Value::Null);
        }
        return Err(ApiError::unknown_to_schema(
            "",
            "Invalid JSON payload received: this method takes no body.".into(),
        ));
    };
    if request.content_type() != "application/json" {
        return Err(ApiError::new(400, "parseError", "This API does not support parsing form-encoded input."));
    }
    let parsed: Value = serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::new(400, "parseError", format!("Parse Error: {error}")))?;
    if !parsed.is_object() {
        return Err(ApiError::new(400, "parseError", "Parse Error: the body is no object"));
    }
    let schemas = call.api.schemas();
    schemas.fits(schema, &parsed).map_err(|misfit| {
        ApiError::unknown_to_schema(&misfit.at, format!("Invalid JSON payload received. {misfit}"))
    })?;
    match schemas.lacking(schema, call.id(), &parsed) {
        Some(field) => Err(ApiError::required(field)),
        None => Ok(parsed),
    }
}

/// The query of a request, as the document wants it.
pub(crate) fn query(call: &Call<'_>, request: &Request) -> Result<(), ApiError> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in &request.query {
        let Some(parameter) = call.parameter(name) else {
            let message = format!("Invalid JSON payload received. Unknown name {name:?}: Cannot bind query parameter.");
            return Err(ApiError::unknown_to_schema(name, message));
        };
        if parameter["repeated"] != true && seen.contains(&name.as_str()) {
            return Err(ApiError::invalid(format!("{name} is given twice")).parameter(name));
        }
        if NOT_SIMULATED.contains(&name.as_str()) && !call.owns(name) {
            return Err(ApiError::not_simulated(&format!("the parameter {name}")));
        }
        seen.push(name);
        check_parameter(name, parameter, value)?;
    }
    match call.required().find(|name| !seen.contains(name)) {
        Some(missing) => Err(ApiError::required(missing)),
        None => Ok(()),
    }
}

fn check_parameter(name: &str, parameter: &Value, value: &str) -> Result<(), ApiError> {
    let bound = |key: &str| parameter[key].as_str().and_then(|text| text.parse::<i64>().ok());
    let fits = match parameter["type"].as_str() {
        Some("boolean") => matches!(value, "true" | "false"),
        Some("integer") => value.parse::<i32>().is_ok_and(|number| {
            let number = i64::from(number);
            bound("minimum").is_none_or(|least| number >= least) && bound("maximum").is_none_or(|most| number <= most)
        }),
        _ => parameter["enum"].as_array().is_none_or(|known| known.iter().any(|known| known == value)),
    };
    if !fits {
        return Err(ApiError::invalid(format!("Invalid value for {name}: {value:?}")).parameter(name));
    }
    if name == "quotaUser" && value.chars().count() > 40 {
        return Err(ApiError::invalid("quotaUser is longer than 40 characters").parameter(name));
    }
    if name == "alt" && value != "json" {
        return Err(ApiError::not_simulated("answers other than JSON"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::discovery::Documents;

    fn event(value: &Value) -> Result<(), String> {
        let documents = Documents::load();
        let call = documents.find("POST", "/calendar/v3/calendars/a/events").unwrap();
        call.api.schemas().fits("Event", value).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn fields_are_known_and_of_their_type() {
        assert_eq!(event(&json!({ "start": { "dateTime": "2026-12-01T09:00:00Z" }, "sequence": 1 })), Ok(()));
        assert_eq!(event(&json!({ "extendedProperties": { "private": { "anything": "text" } } })), Ok(()));
        assert_eq!(event(&json!({ "summary": null })), Ok(()), "null removes");
        assert_eq!(event(&json!({ "titel": "x" })), Err("Unknown name \"titel\": Cannot find field.".into()));
        let misfit = event(&json!({ "start": { "datetime": "x" } })).unwrap_err();
        assert_eq!(misfit, "at 'start': Unknown name \"datetime\": Cannot find field.");
        let misfit = event(&json!({ "attendees": [{ "email": 7 }] })).unwrap_err();
        assert_eq!(misfit, "at 'attendees[0].email': a number where string is expected");
        assert!(event(&json!({ "sequence": 1.5 })).is_err());
        assert!(event(&json!({ "sequence": 3_000_000_000_i64 })).is_err());
        assert!(event(&json!({ "extendedProperties": { "private": { "n": 1 } } })).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let names = prop_oneof![Just("start".to_owned()), Just("attendees".to_owned()), ".*"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names, inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_value_makes_the_check_panic(value in any_json()) {
            let _ = event(&value);
        }
    }
}
