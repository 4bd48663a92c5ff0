use super::*;
use crate::clinic::sample::clinic as riverside;
use crate::tools::request::{ReadError, Request};

#[test]
fn every_function_is_declared_once_and_in_the_form_that_every_model_takes() {
    let declared = all(&riverside());
    let names: Vec<&str> = declared.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ALL);
    for function in &declared {
        let keys: Vec<&str> = function.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(keys.iter().all(|key| ["name", "description", "parameters"].contains(key)), "{keys:?}");
        let Some(parameters) = function.get("parameters") else { continue };
        let properties = parameters["properties"].as_object().unwrap();
        assert!(!properties.is_empty());
        for (name, schema) in properties {
            for key in schema.as_object().unwrap().keys() {
                assert!(["type", "description", "enum"].contains(&key.as_str()), "{name}: {key}");
            }
            assert!(
                schema["enum"].as_array().is_none_or(|words| !words.is_empty()),
                "{name} has nothing to choose from"
            );
        }
        for required in parameters["required"].as_array().into_iter().flatten() {
            assert!(properties.contains_key(required.as_str().unwrap()), "{required}");
        }
    }
}

#[test]
fn ids_of_the_clinic_are_what_there_is_to_choose_from() {
    let declared = all(&riverside());
    let properties = &declared[1]["parameters"]["properties"];
    assert_eq!(properties["practitioner"]["enum"], serde_json::json!(["osei", "park"]));
    let nobody = Clinic { practitioners: Vec::new(), ..riverside() };
    assert!(all(&nobody)[1]["parameters"]["properties"]["practitioner"].get("enum").is_none());
}

#[test]
fn where_several_languages_are_spoken_functions_ask_for_the_callers() {
    let asks = |clinic: &Clinic| {
        let declared = all(clinic);
        let of = |one: &Value| one["parameters"]["properties"][LANGUAGE]["enum"].clone();
        declared.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), of(one))).collect::<Vec<_>>()
    };
    for (name, words) in asks(&riverside()) {
        let expected =
            if WITHOUT_LANGUAGE.contains(&&*name) { Value::Null } else { serde_json::json!(["en-US", "de-DE"]) };
        assert_eq!(words, expected, "{name}");
    }
    let one = Clinic { languages: vec!["en-US".to_owned()], ..riverside() };
    assert!(asks(&one).iter().all(|(_, words)| words.is_null()), "there is nothing to choose");
}

#[test]
fn where_nothing_can_be_booked_nothing_is_declared_for_it() {
    let declared = all(&Clinic { types: Vec::new(), ..riverside() });
    let names: Vec<&str> = declared.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, WITHOUT_BOOKING);
}

#[test]
fn nothing_is_asked_for_that_nobody_would_read() {
    let transfer = transfer();
    let arguments: Vec<&String> = transfer["parameters"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(arguments, ["reason"], "whoever takes over is not told what was said");
}

/// What is declared as required is what [`Request::read`] misses.
#[test]
fn a_call_without_a_required_argument_is_told_which() {
    for function in all(&riverside()) {
        let name = function["name"].as_str().unwrap();
        let read = Request::read(name, &Value::Null);
        match (function["parameters"].get("required"), read) {
            (_, Err(ReadError::UnknownFunction)) => assert_eq!(name, END_CALL),
            (Some(required), Err(ReadError::Argument(error))) => {
                assert!(required.as_array().unwrap().contains(&Value::from(error.name)), "{name}: {error}");
            }
            (_, Ok(_)) => {
                assert!(["clinic_info", "find_appointments", "transfer_to_human", "emergency"].contains(&name));
            }
            (None, Err(ReadError::Argument(error))) => panic!("{name} needs nothing: {error}"),
        }
    }
}
