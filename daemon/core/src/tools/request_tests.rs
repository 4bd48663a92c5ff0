#![expect(clippy::needless_pass_by_value, reason = "arguments are written where they are used")]

use super::*;
use crate::booking::refusal::{DateRefusal, Refusal};
use proptest::prelude::*;
use serde_json::json;

fn read(name: &str, args: Value) -> Request {
    Request::read(name, &args).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(name: &str, args: Value) -> ArgumentError {
    match Request::read(name, &args) {
        Err(ReadError::Argument(error)) => error,
        Err(ReadError::UnknownFunction) => panic!("{name} is a function"),
        Ok(_) => panic!("{name} was taken with {args}"),
    }
}

fn booking_args() -> Value {
    json!({
        "hold_id": "h1", "patient_name": "Ana Pérez", "phone": "+1 555 010 0200", "email": "ana dot perez at example dot com",
        "email_consent": true, "caller_confirmed": true,
    })
}

fn with(mut args: Value, name: &str, value: Value) -> Value {
    args[name] = value;
    args
}

fn book(args: Value) -> Booking {
    let Request::Book(booking) = read(decl::BOOK, args) else { panic!("a booking") };
    *booking
}

#[test]
fn a_booking_is_read_with_everything_in_its_form() {
    let booking = book(booking_args());
    assert_eq!(booking.name, "Ana Pérez");
    assert_eq!(booking.email.as_deref(), Some("ana.perez@example.com"));
    assert!(booking.phone == Phone::Number(PhoneNumber::parse("+15550100200").unwrap()));
    assert!(booking.mail && booking.confirmed && !booking.sms);
    assert!(book(with(booking_args(), "phone", json!("caller_id"))).phone == Phone::CallerId);
    assert!(book(with(booking_args(), "phone", json!("none"))).phone == Phone::None);
}

#[test]
fn a_yes_that_was_not_given_is_no() {
    for no in [json!(null), json!(false), json!("false"), json!("FALSE")] {
        assert!(!book(with(booking_args(), "caller_confirmed", no)).confirmed);
    }
    assert!(book(with(booking_args(), "caller_confirmed", json!("true"))).confirmed);
    for neither in [json!("yes"), json!(1), json!(["true"])] {
        refused(decl::BOOK, with(booking_args(), "caller_confirmed", neither));
    }
}

#[test]
fn a_name_with_a_second_line_stays_in_one() {
    let name = |name: &str| book(with(booking_args(), "patient_name", json!(name))).name;
    assert_eq!(name("Ana\r\nBcc: eve@example.com"), "Ana Bcc: eve@example.com");
    assert_eq!(name("Ana\0 \u{202E}Pérez 🦷"), "Ana Pérez");
    assert_eq!(name("\u{200F}משה כהן"), "משה כהן");
}

#[test]
fn what_is_wrong_is_named_with_what_would_do_and_never_quoted() {
    let secret = "0170 secret";
    let error = refused(decl::BOOK, with(booking_args(), "phone", json!(secret)));
    assert_eq!((error.name, error.refusal()), ("phone", Refusal::BadPhone));
    assert!(!error.to_string().contains("0170"), "{error}");
    for (argument, value, refusal) in [
        ("email", json!("ana@example"), Refusal::BadEmail),
        ("email", json!("ana@example.com\r\nBcc: eve@example.com"), Refusal::BadEmail),
        ("patient_name", json!("🦷"), Refusal::BadName),
        ("patient_name", json!("  "), Refusal::BadName),
        ("patient_name", json!("a".repeat(10_240)), Refusal::BadName),
        ("date_of_birth", json!("1990-11-31"), DateRefusal::NoSuchDay.into()),
        ("date_of_birth", json!("31.10.1990"), DateRefusal::Malformed.into()),
    ] {
        let error = refused(decl::BOOK, with(booking_args(), argument, value));
        assert_eq!((error.name, error.refusal()), (argument, refusal));
    }
}

#[test]
fn values_of_another_type_are_told_by_their_kind() {
    for (value, found) in [
        (json!(7), Found::Kind("a number")),
        (json!(["osei"]), Found::Kind("a list")),
        (json!({ "id": "osei" }), Found::Kind("an object")),
        (json!(true), Found::Kind("true or false")),
        (json!("x".repeat(10_240)), Found::Long(10_240)),
    ] {
        let error = refused(decl::HOLD_SLOT, json!({ "slot_id": value }));
        assert_eq!((error.name, error.found), ("slot_id", found));
        assert!(matches!(error.refusal(), Refusal::BadArgument { name: "slot_id", .. }));
    }
    for args in [json!([]), json!("slot"), json!(3)] {
        assert_eq!(refused(decl::HOLD_SLOT, args).name, "args");
    }
    assert_eq!(refused(decl::HOLD_SLOT, Value::Null).found, Found::Nothing);
    assert_eq!(Request::read("drop_tables", &json!({})).err(), Some(ReadError::UnknownFunction));
}

#[test]
fn a_wish_is_read_with_dates_and_times() {
    let args = json!({
        "appointment_type": "checkup", "date_from": "2026-12-01", "weekday_from": "Tuesday", "part_of_day": "afternoon",
        "earliest_time": "13:30", "heard": "Tuesday after lunch\n", "practitioner": "osei",
    });
    let Request::FindSlots(wish) = read(decl::FIND_SLOTS, args) else { panic!("a wish") };
    assert_eq!(wish.from, Some(jiff::civil::date(2026, 12, 1)));
    assert_eq!((wish.weekday, wish.part), (Some(Weekday::Tuesday), DayPart::Afternoon));
    assert_eq!((wish.earliest, wish.latest), (Minute::parse("13:30"), None));
    assert_eq!(wish.heard.as_deref(), Some("Tuesday after lunch"));
    for (argument, value) in [("date_from", "2026-02-29"), ("weekday_from", "Dienstag"), ("latest_time", "25:00")] {
        let args = json!({ "appointment_type": "checkup", argument: value });
        assert_eq!(refused(decl::FIND_SLOTS, args).name, argument);
    }
}

#[test]
fn a_message_has_an_end() {
    let args = |text: &str| json!({ "caller_name": "Ana", "phone": "none", "topic": "billing", "message": text });
    let Request::TakeMessage(message) = read(decl::TAKE_MESSAGE, args(&"x".repeat(LONGEST_MESSAGE))) else {
        panic!("a message")
    };
    assert_eq!((message.topic, message.today), ("billing", false));
    let error = refused(decl::TAKE_MESSAGE, args(&"x".repeat(LONGEST_MESSAGE + 1)));
    assert_eq!((error.name, error.found), ("message", Found::Long(LONGEST_MESSAGE + 1)));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}".prop_map(Value::from),
        "\\+?[0-9 ()-]{0,20}".prop_map(Value::from),
        "[a-z. ]{0,20}@[a-z. ]{0,20}".prop_map(Value::from),
        "[0-9]{2}:[0-9]{2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_the_model_sends_nothing_panics_and_what_is_read_fits(
        function in prop::sample::select(decl::ALL.to_vec()),
        values in proptest::collection::vec(any_json(), 14),
        whole in any_json(),
    ) {
        let arguments = [
            "hold_id", "patient_name", "phone", "email", "email_consent", "date_of_birth", "caller_confirmed", "note",
            "message", "appointment_type", "date_from", "earliest_time", "slot_id", "appointment_id",
        ];
        let object: serde_json::Map<String, Value> =
            arguments.iter().map(|name| (*name).to_owned()).zip(values).collect();
        for args in [Value::Object(object), whole] {
            match Request::read(function, &args) {
                Ok(Request::Book(booking)) => {
                    prop_assert!((1..=120).contains(&booking.name.chars().count()));
                    prop_assert!(!booking.name.chars().any(char::is_control));
                    prop_assert!(!booking.note.chars().any(char::is_control));
                }
                Ok(_) => {}
                Err(ReadError::UnknownFunction) => prop_assert_eq!(function, decl::END_CALL),
                Err(ReadError::Argument(error)) => {
                    prop_assert!(error.to_string().len() < 200);
                    let _ = error.refusal();
                }
            }
        }
    }
}

#[test]
fn the_callers_language_is_a_hint_that_nothing_depends_on() {
    for (args, language) in [
        (json!({ "language": "de-DE" }), Some("de-DE")),
        (json!({ "language": " de " }), Some("de")),
        (json!({ "language": "" }), None),
        (json!({ "language": "x".repeat(36) }), None),
        (json!({ "language": ["de"] }), None),
        (json!({}), None),
        (json!("de"), None),
        (Value::Null, None),
    ] {
        assert_eq!(super::language(&args), language, "{args}");
    }
    let cancel = json!({ "appointment_id": "a1", "caller_confirmed": true, "language": 7 });
    assert!(Request::read("cancel", &cancel).is_ok(), "whatever stands there, the call is served");
}
