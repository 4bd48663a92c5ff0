use super::super::complaint::Complaints;
use super::super::file;
use super::*;

/// What is made of this `[calendar]`, with the complaints and the advice.
fn checked(text: &str, password: Option<&str>) -> (Option<CalendarConfig>, Vec<String>, Vec<String>) {
    let mut out = Complaints::default();
    let mut tables = file::parse(Path::new("config.toml"), &format!("[calendar]\n{text}"), &mut out);
    let environment = |name: &str| password.filter(|_| name == "CALDAV_PASSWORD").map(str::to_owned);
    let section = Section::open(&mut tables, "calendar", Path::new("config.toml"), &mut out);
    let found = calendar(section, Path::new("/var/lib/frontdesk"), Secrets::new(&environment, &[]));
    let said = |list: &[super::super::Complaint]| list.iter().map(ToString::to_string).collect();
    (found, said(&out.errors), said(&out.advice))
}

const CALDAV: &str = "backend = \"caldav\"\nuser = \"frontdesk\"\n";

#[test]
fn a_server_and_its_calendars_are_read() {
    let text = format!("{CALDAV}url = \"https://cloud.example.com/dav/\"\ncalendars = {{ dr-osei = \"Dr Osei\" }}");
    let (found, errors, advice) = checked(&text, Some("pass word é"));
    assert_eq!((errors, advice), (vec![], vec![]));
    let Some(CalendarConfig { backend: CalendarBackend::CalDav(caldav), .. }) = found else { panic!("{found:?}") };
    assert_eq!(caldav.url.as_str(), "https://cloud.example.com/dav");
    assert_eq!(caldav.password.expose(), "pass word é", "people's passwords hold anything");
    assert_eq!(caldav.calendars[&PractitionerId::parse("dr-osei").unwrap()], "Dr Osei");
}

#[test]
fn without_a_server_nothing_is_asked_for() {
    let (found, errors, _) = checked("", None);
    assert_eq!(errors, [""; 0]);
    let found = found.unwrap();
    assert_eq!(found.backend, CalendarBackend::Local);
    assert_eq!(found.feed, Path::new("/var/lib/frontdesk/calendar.ics"));
}

#[test]
fn what_is_missing_is_asked_for() {
    let (found, errors, _) = checked("backend = \"caldav\"", None);
    assert_eq!(found, None);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("[calendar] url is missing"), "{errors:?}");
    assert!(errors[1].contains("[calendar] user is missing"), "{errors:?}");
    assert!(errors[2].contains("no environment variable CALDAV_PASSWORD"), "{errors:?}");
}

#[test]
fn passwords_leave_the_house_encrypted() {
    let with = |url: &str| checked(&format!("{CALDAV}url = \"{url}\""), Some("secret"));
    for safe in ["https://cloud.example.com", "http://localhost:5232", "http://[::1]:5232"] {
        let (found, errors, advice) = with(safe);
        assert!(found.is_some() && errors.is_empty() && advice.is_empty(), "{safe}: {errors:?} {advice:?}");
    }
    let (found, errors, advice) = with("http://192.168.1.9:5232");
    assert!(found.is_some() && errors.is_empty() && advice[0].contains("is not encrypted"), "{errors:?} {advice:?}");
    for open in ["http://cloud.example.com", "http://203.0.113.9/dav"] {
        let (found, errors, _) = with(open);
        assert!(found.is_none() && errors[0].contains("begin it with https://"), "{open}: {errors:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line() {
    let text =
        "backend = \"outlook\"\nnames = \"all\"\nuser = \"a:b\"\ncalendars = { \"Dr Osei\" = \"x\", kim = 3 }\nurk = 1";
    let (_, errors, _) = checked(text, None);
    for (error, said) in errors.iter().zip([
        "config.toml:2: [calendar] backend = \"outlook\": choose \"local\", \"caldav\" or \"google\"",
        "config.toml:3: [calendar] names = \"all\": choose \"hidden\" or \"shown\"",
        "config.toml:4: [calendar] user = \"a:b\": write it without a colon",
        "config.toml:5: [calendar.calendars] Dr Osei will not do as a key: an id has 1 to 40",
        "config.toml:5: [calendar.calendars] kim = 3: expected a text in quotes",
        "config.toml:6: [calendar] urk is not a known key: did you mean url?",
    ]) {
        assert!(error.starts_with(said), "{error}");
    }
    assert_eq!(errors.len(), 6, "{errors:?}");
}

const GOOGLE: &str = "backend = \"google\"\n";

#[test]
fn googles_calendars_are_named_by_their_ids() {
    let text = format!(
        "{GOOGLE}calendars = {{ osei = \" c_1@group.calendar.google.com\" }}\nalso_busy = {{ osei = \"a@b.example, c@d.example\" }}"
    );
    let (found, errors, advice) = checked(&text, None);
    assert_eq!((errors, advice), (vec![], vec![]));
    let Some(CalendarConfig { backend: CalendarBackend::Google(google), .. }) = found else { panic!("{found:?}") };
    let osei = PractitionerId::parse("osei").unwrap();
    assert_eq!(google.calendars[&osei], "c_1@group.calendar.google.com");
    assert_eq!(google.also_busy[&osei], ["a@b.example", "c@d.example"]);
}

#[test]
fn what_is_no_id_of_googles_is_refused() {
    for (text, said) in [
        ("calendars = { osei = \"primary\" }", "which nobody looks at"),
        ("calendars = { osei = \"Dr Osei\" }", "under \"Integrate calendar\""),
        ("calendars = { osei = \"@x\" }", "under \"Integrate calendar\""),
        ("calendars = { osei = \"a b@c.example\" }", "under \"Integrate calendar\""),
        ("also_busy = { osei = \"a@b.example c@d.example\" }", "under \"Integrate calendar\""),
        ("also_busy = { osei = \"\" }", "under \"Integrate calendar\""),
    ] {
        let (_, errors, _) = checked(&format!("{GOOGLE}{text}"), None);
        assert!(errors.len() == 1 && errors[0].contains(said), "{text}: {errors:?}");
    }
    let text = format!("{CALDAV}url = \"https://c.example\"\nalso_busy = {{ a = \"a@b.example\" }}");
    let (_, errors, advice) = checked(&text, Some("x"));
    assert!(errors.is_empty() && advice[0].contains("is of no use here: only Google"), "{errors:?} {advice:?}");
}

#[test]
fn a_calendar_that_is_written_into_is_not_asked_as_somebody_elses() {
    let calendars = "calendars = { a = \"a@b.example\", osei = \"c@d.example\" }";
    let (_, errors, _) =
        checked(&format!("{GOOGLE}{calendars}\nalso_busy = {{ osei = \"x@y.example, a@b.example\" }}"), None);
    let said = "[calendar.also_busy] osei names \"a@b.example\", into which appointments are written";
    assert!(errors.len() == 1 && errors[0].contains(said), "{errors:?}");
}

/// What is said of the shipped clinic's practitioners with these calendars.
fn across(calendars: &str) -> (Vec<String>, Vec<String>) {
    let (found, errors, _) = checked(&format!("{GOOGLE}calendars = {{ {calendars} }}"), None);
    assert_eq!(errors, [""; 0]);
    let (clinic, mut out) = (super::super::shipped_clinic().0, Complaints::default());
    has_practitioners(&found.unwrap(), &clinic, None, &mut out);
    let said = |list: &[super::super::Complaint]| list.iter().map(ToString::to_string).collect();
    (said(&out.errors), said(&out.advice))
}

#[test]
fn at_google_every_practitioner_needs_a_calendar_and_best_one_each() {
    let clinic = super::super::shipped_clinic().0;
    let ids: Vec<&str> = clinic.practitioners.iter().map(|practitioner| practitioner.id.as_str()).collect();
    let with = |calendar: &dyn Fn(usize) -> String| -> String {
        let pairs = ids.iter().enumerate().map(|(n, id)| format!("{id} = \"{}\"", calendar(n)));
        pairs.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(across(&with(&|n| format!("c{n}@x.example"))), (vec![], vec![]));
    let (errors, advice) = across(&with(&|_| "all@x.example".to_owned()));
    assert!(
        errors.is_empty() && advice.len() == 1 && advice[0].contains("has one calendar for"),
        "{errors:?} {advice:?}"
    );
    let (errors, _) = across("");
    assert_eq!(errors.len(), ids.len());
    assert!(
        errors[0].starts_with(&format!("[calendar.calendars] {} is missing: make a calendar", ids[0])),
        "{errors:?}"
    );
    let (errors, _) = across(&format!("{}, nobody = \"n@x.example\"", with(&|n| format!("c{n}@x.example"))));
    assert!(errors.len() == 1 && errors[0].contains("nobody is none of the clinic's practitioners"), "{errors:?}");
}

#[test]
fn calendars_at_google_need_an_account_there() {
    let nobody =
        GoogleConfig { endpoint: None, login: None, token_file: "/var/lib/frontdesk/google-token.json".into() };
    let said = |text: &str, google: &GoogleConfig| {
        let mut out = Complaints::default();
        has_account(&checked(text, None).0.unwrap(), google, None, &mut out);
        out.errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let errors = said(GOOGLE, &nobody);
    assert!(errors.len() == 1 && errors[0].contains("say in [google] login who the box is"), "{errors:?}");
    assert_eq!(said("", &nobody), [""; 0]);
    let somebody = GoogleConfig { login: Some(super::super::GoogleLogin::Unseen), ..nobody };
    assert_eq!(said(GOOGLE, &somebody), [""; 0], "whose secret cannot be looked at from here");
}
