//! Which changes are taken and which are named, by configurations as people write them.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::config;

/// Sections and keys; a later one of the same name takes its place.
type Lines<'a> = &'a [(&'a str, &'a str)];

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

const BASE: Lines<'static> = &[
    ("clinic", "name = \"Riverside Clinic\""),
    ("clinic", "time_zone = \"Europe/Berlin\""),
    ("phone", "public_url = \"https://desk.example.com\""),
    ("phone", "number = \"+15550100100\""),
    ("phone", "fallback_number = \"+15550100900\""),
];

fn key(line: &str) -> &str {
    line.split('=').next().unwrap_or_default().trim()
}

/// The configuration of `BASE` and `more`, with the shipped clinic if there is to be one.
fn config_in(home: &Path, more: Lines<'_>, with_clinic: bool, secret: &str) -> Config {
    let mut lines: Vec<(&str, &str)> = BASE.to_vec();
    for (section, line) in more {
        lines.retain(|(known, written)| (known, key(written)) != (section, key(line)));
        lines.push((section, line));
    }
    lines.sort_by_key(|(section, _)| *section);
    let mut text = String::new();
    let mut section = "";
    for (of, line) in &lines {
        if *of != section {
            section = of;
            text.extend(["[", of, "]\n"]);
        }
        text.extend([line, "\n"]);
    }
    // Beside one another, so that what is looked for beside them is the same.
    let path = home.join(format!("config-{}.toml", WRITTEN.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&path, text).unwrap();
    if with_clinic {
        std::fs::write(home.join("clinic.toml"), include_str!("../../../images/config/clinic.toml")).unwrap();
    }
    let secrets = [
        ("GEMINI_API_KEY", secret),
        ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
        ("TWILIO_AUTH_TOKEN", "t"),
    ];
    let find = |name: &str| secrets.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    config::load(&path, &find).unwrap_or_else(|errors| panic!("{errors}")).config
}

fn config(more: Lines<'_>) -> Config {
    static HOME: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    config_in(HOME.path(), more, false, "a-key")
}

/// What a change of `more` against `BASE` leads to.
fn change(more: Lines<'_>) -> Plan {
    plan(&config(&[]), &config(more))
}

#[test]
fn what_conversations_are_made_by_is_applied() {
    let Plan { next, applied, restart } = change(&[
        ("clinic", "name = \"Hillside Clinic\""),
        ("gemini", "greeting = \"Good day.\""),
        ("gemini", "voice = \"Achird\""),
        ("phone", "fallback_number = \"+15550100901\""),
        ("phone", "max_calls = 7"),
        ("phone", "no_input_seconds = 20"),
        ("desk", "volume_percent = 80"),
        ("log", "level = \"debug\""),
    ]);
    assert_eq!(restart, [""; 0]);
    assert_eq!(
        applied,
        [
            "[clinic] name",
            "[gemini] voice",
            "[gemini] greeting",
            "[phone] fallback_number",
            "[phone] max_calls",
            "[phone] no_input_seconds",
            "[desk] volume_percent",
            "[log] level"
        ]
    );
    assert_eq!((next.clinic.name.as_str(), next.phone.max_calls), ("Hillside Clinic", 7));
}

#[test]
fn what_is_built_into_the_daemon_is_named_and_stays_as_it_was() {
    let running = config(&[]);
    let wanted: Lines<'_> = &[
        ("clinic", "time_zone = \"Europe/Paris\""),
        ("gemini", "endpoint = \"wss://elsewhere.example.com\""),
        ("phone", "listen = \"127.0.0.1:9091\""),
        ("phone", "public_url = \"https://other.example.com\""),
        ("desk", "device = \"none\""),
        ("mail", "from = \"desk@clinic.example\""),
        ("admin", "listen = \"127.0.0.1:9090\""),
        ("control", "socket = \"/run/other.sock\""),
        ("store", "path = \"/var/lib/frontdesk/other.db\""),
        ("store", "keep_days = 30"),
        ("store", "backups = 3"),
    ];
    let Plan { next, applied, restart } = plan(&running, &config(wanted));
    assert_eq!(applied, [""; 0]);
    assert_eq!(
        restart,
        [
            "[clinic] time_zone",
            "[gemini] endpoint",
            "[phone] listen",
            "[phone] public_url",
            "[desk] device",
            "[mail] from",
            "[admin] listen",
            "[control] socket",
            "[store] path",
            "[store] keep_days",
            "[store] backups"
        ]
    );
    assert_eq!(next, running);
}

#[test]
fn a_secret_is_named_and_not_shown() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (config_in(home.path(), &[], false, "old-key"), config_in(home.path(), &[], false, "new-key"));
    let plan = plan(&old, &new);
    assert_eq!(plan.restart, ["the secret gemini-api-key"]);
    assert_eq!(plan.next, old);
}

#[test]
fn a_model_waits_for_the_product_that_has_it() {
    let other = [("gemini", "endpoint = \"wss://gemini.example.com\""), ("gemini", "model = \"gemini-next\"")];
    let Plan { next, applied, restart } = change(&other);
    assert!(applied.is_empty(), "{applied:?}");
    assert_eq!(restart, ["[gemini] endpoint", "[gemini] model"]);
    assert_eq!(next.gemini, config(&[]).gemini, "new conversations ask the product that runs for its own model");
    assert_eq!(change(&other[1..]).applied, ["[gemini] model"], "alone it is taken");
}

/// Whoever swaps the clinic's number and the fallback number gets neither until the restart: for that time the fallback
/// would ring the box itself.
#[test]
fn a_fallback_number_waits_for_the_number_that_it_must_not_be() {
    let swapped = change(&[("phone", "number = \"+15550100900\""), ("phone", "fallback_number = \"+15550100100\"")]);
    assert_eq!(swapped.restart, ["[phone] number", "[phone] fallback_number"]);
    assert_eq!(swapped.applied, [""; 0]);
}

#[test]
fn the_clinics_data_are_taken_unless_the_calendars_they_belong_to_have_changed() {
    let home = tempfile::tempdir().unwrap();
    let before = config_in(home.path(), &[], true, "a-key");
    let mut wanted = before.clone();
    let mut data = before.clinic.data.as_deref().unwrap().clone();
    data.name = "Hillside Clinic".to_owned();
    wanted.clinic.data = Some(data.into());
    let taken = plan(&before, &wanted);
    assert_eq!(
        (taken.applied.as_slice(), taken.restart.as_slice()),
        (&["clinic.toml (the clinic's data)"][..], &[][..])
    );
    assert_eq!(taken.next, wanted);

    wanted.calendar.feed = "/var/lib/frontdesk/other.ics".into();
    let waits = plan(&before, &wanted);
    assert_eq!(waits.applied, [""; 0]);
    assert_eq!(waits.restart, ["clinic.toml (the clinic's data)", "[calendar] feed"]);

    let without = config(&[]);
    assert!(plan(&before, &without).restart.contains(&"clinic.toml (the clinic's data)"), "whole parts would go");
    assert!(plan(&without, &before).restart.contains(&"clinic.toml (the clinic's data)"), "whole parts would come");
}

/// Keys of every kind, each with another value than `BASE` has.
const CHANGES: [(&str, &str); 12] = [
    ("clinic", "name = \"Hillside Clinic\""),
    ("clinic", "language = \"de-DE\""),
    ("clinic", "time_zone = \"Europe/Paris\""),
    ("gemini", "model = \"gemini-next\""),
    ("gemini", "endpoint = \"wss://elsewhere.example.com\""),
    ("phone", "max_calls = 3"),
    ("phone", "drain_seconds = 5"),
    ("phone", "number = \"+15550100101\""),
    ("phone", "fallback_number = \"+15550100902\""),
    ("desk", "wake = \"voice\""),
    ("admin", "listen = \"127.0.0.1:9090\""),
    ("log", "level = \"warn\""),
];

proptest! {
    /// Whatever changes: each difference is on exactly one side, nothing is told that is none, and what was applied once is
    /// no news the next time, while what waits for a restart goes on being told.
    #[test]
    fn every_difference_is_told_once(picked in proptest::sample::subsequence(CHANGES.to_vec(), 0..=CHANGES.len())) {
        let (running, wanted) = (config(&[]), config(&picked));
        let first = plan(&running, &wanted);
        prop_assert_eq!(first.applied.len() + first.restart.len(), picked.len());
        prop_assert!(first.applied.iter().all(|key| !first.restart.contains(key)));
        prop_assert_eq!(first.restart.is_empty(), first.next == wanted);
        prop_assert_eq!(first.applied.is_empty(), first.next == running);
        let again = plan(&first.next, &wanted);
        prop_assert_eq!(again.applied, Vec::<&str>::new());
        prop_assert_eq!(&again.restart, &first.restart);
        prop_assert_eq!(&again.next, &first.next);
        // Taken back, everything is as it was.
        let back = plan(&first.next, &running);
        prop_assert_eq!((&back.next, back.restart.len()), (&running, 0));
        prop_assert_eq!(back.applied, first.applied);
    }
}
