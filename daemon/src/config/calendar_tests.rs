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
        "config.toml:2: [calendar] backend = \"outlook\": choose \"local\" or \"caldav\"",
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
