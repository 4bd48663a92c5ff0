use proptest::prelude::*;

use super::*;

fn span(from: &str, to: &str) -> Span {
    Span { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("calendar-{n}@clinic.example")).collect()
}

fn answered(calendars: &str) -> Result<Vec<Span>, ReadError> {
    let calendars = format!(r#"{{"kind":"calendar#freeBusy","calendars":{{{calendars}}}}}"#);
    let within = span("2026-12-01T00:00Z", "2026-12-15T00:00Z");
    Question { calendars: &ids(2), within }.answer(&calendars)
}

const FREE: &str = r#""calendar-1@clinic.example":{"busy":[]}"#;

#[test]
fn a_question_names_calendars_and_a_time_with_its_offset() {
    let calendars = ids(1);
    let question = Question { calendars: &calendars, within: span("2026-12-01T00:00Z", "2026-12-02T00:00Z") };
    let body: serde_json::Value = serde_json::from_str(&question.body()).unwrap();
    let expected = json!({
        "timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-02T00:00:00Z", "timeZone": "UTC",
        "items": [{ "id": "calendar-0@clinic.example" }],
    });
    assert_eq!(body, expected);
}

#[test]
fn busy_times_are_instants_whatever_their_zone() {
    let busy = r#""calendar-0@clinic.example":{"busy":[{"start":"2026-12-01T10:00:00+01:00","end":"2026-12-01T09:30:00Z"},
        {"start":"2026-11-30T10:00:00Z","end":"2026-11-30T11:00:00Z"}]}"#;
    let expected = [span("2026-12-01T09:00Z", "2026-12-01T09:30Z")];
    assert_eq!(answered(&format!("{busy},{FREE}")).unwrap(), expected, "and the day before is nobody's question");
    let as_google_writes_it = busy.replace("calendar-0@", "Calendar-0@");
    assert_eq!(answered(&format!("{as_google_writes_it},{FREE}")).unwrap(), expected);
}

/// Whoever reads these as "no busy times" books over somebody.
#[test]
fn a_calendar_that_does_not_tell_is_not_free() {
    for (calendars, said) in [
        (
            r#""calendar-0@clinic.example":{"errors":[{"domain":"global","reason":"notFound"}],"busy":[]}"#,
            "\"notFound\"",
        ),
        (r#""calendar-0@clinic.example":{"errors":[{}],"busy":[]}"#, "does not say when it is busy"),
        (r#""other@clinic.example":{"busy":[]}"#, "leaves out a calendar"),
        (r#""calendar-0@clinic.example":{}"#, "does not say when a calendar is busy"),
        (r#""calendar-0@clinic.example":{"busy":[{"start":"x","end":"y"}]}"#, "a time is none"),
        (r#""calendar-0@clinic.example":{"busy":[{"start":"2026-12-01T10:00:00Z"}]}"#, "not what Google"),
        (
            r#""calendar-0@clinic.example":{"busy":[{"start":"2026-12-01T10:00:00Z","end":"2026-12-01T09:00:00Z"}]}"#,
            "ends before it begins",
        ),
    ] {
        let error = answered(&format!("{calendars},{FREE}")).unwrap_err().to_string();
        assert!(error.contains(said), "{calendars}: {error}");
    }
    let question = Question { calendars: &ids(1), within: span("2026-12-01T00:00Z", "2026-12-15T00:00Z") };
    for text in ["{}", "", "[]", r#"{"kind":"calendar#freeBusy"}"#, r#"{"calendars":{}}"#] {
        assert!(question.answer(text).is_err(), "{text}");
    }
}

#[test]
fn many_calendars_and_long_times_are_asked_for_in_parts() {
    let (calendars, within) = (ids(120), span("2026-12-01T00:00Z", "2027-03-01T00:00Z"));
    let asked: Vec<Question<'_>> = questions(&calendars, within).collect();
    assert_eq!(asked.len(), 3 * 3, "90 days, 120 calendars");
    assert_eq!(questions(&[], within).count(), 0);
}

proptest! {
    #[test]
    fn the_parts_leave_no_gap_and_none_is_refused(count in 1_usize..130, hours in 1_i64..5_000) {
        let from: Timestamp = "2026-12-01T00:00Z".parse().unwrap();
        let (calendars, within) = (ids(count), Span { from, to: from + SignedDuration::from_hours(hours) });
        let mut reached = vec![from; count];
        for question in questions(&calendars, within) {
            prop_assert!(question.calendars.len() <= 50 && question.within.from < question.within.to);
            prop_assert!(question.within.to.duration_since(question.within.from) <= SignedDuration::from_hours(744));
            for id in question.calendars {
                let at = calendars.iter().position(|one| one == id).unwrap();
                prop_assert_eq!(reached[at], question.within.from);
                reached[at] = question.within.to;
            }
        }
        prop_assert!(reached.iter().all(|end| *end == within.to));
    }

    #[test]
    fn no_answer_panics(text in ".{0,200}") {
        let _ = Question { calendars: &ids(2), within: span("2026-12-01T00:00Z", "2026-12-15T00:00Z") }.answer(&text);
    }
}
