//! The real libasound with a private configuration: what opening a name finds, and that nothing of it reaches the journal.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]

use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::keeper::backend::{AlsaBackend, Backend, Failure};
use frontdesk_hw::keeper::course::Avoid;
use frontdesk_hw::pcm::alsa::AlsaPcm;
use frontdesk_hw::pcm::port::Direction;
use frontdesk_hw::pcm::quiet;
use std::process::{Command, Output};

/// Accepts everything and plays nowhere; the second name leads to a card that is not there.
const CONFIGURATION: &str = "pcm.desk { type null }\npcm.elsewhere { type hw card 9 }\n";

/// libasound reads its configuration's place from the environment, which a process cannot change safely once it has
/// threads: the test proper runs in a child.
fn in_a_child(test: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alsa.conf");
    std::fs::write(&file, CONFIGURATION).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    child.env("ALSA_CONFIG_PATH", &file).output().unwrap()
}

#[test]
fn names_are_opened_or_refused_with_a_reason_and_in_silence() {
    let output = in_a_child("child_opens_names");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("ALSA lib"), "libasound wrote to the journal: {said}");
}

#[test]
fn a_thread_without_messages_writes_none_and_another_keeps_its_own() {
    for (test, says) in [("child_opens_in_silence", false), ("child_opens_aloud", true)] {
        let output = in_a_child(test);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.contains("ALSA lib"), says, "{test}: {said}");
    }
}

#[test]
#[ignore = "needs the environment that a_thread_without_messages_writes_none_and_another_keeps_its_own gives it"]
fn child_opens_in_silence() {
    quiet::drop_messages();
    assert!(AlsaPcm::open("missing", Direction::Capture, &[]).is_err());
}

#[test]
#[ignore = "needs the environment that a_thread_without_messages_writes_none_and_another_keeps_its_own gives it"]
fn child_opens_aloud() {
    std::thread::spawn(quiet::drop_messages).join().unwrap();
    assert!(AlsaPcm::open("missing", Direction::Capture, &[]).is_err());
}

#[test]
#[ignore = "needs the environment that names_are_opened_or_refused_with_a_reason_and_in_silence gives it"]
fn child_opens_names() {
    let mut backend = AlsaBackend::new();
    let mut open = |text: &str| {
        let spec: DeviceSpec = text.parse().unwrap();
        backend.open(&spec, &Avoid::default())
    };

    let opened = open("alsa:desk").unwrap_or_else(|failure| panic!("{failure:?}"));
    let (capture, playout) = (opened.duplex.capture.setting(), opened.duplex.playout.setting());
    assert_eq!((capture.rate.hz(), capture.channels, capture.period, capture.buffer), (48_000, 1, 480, 7_680));
    assert_eq!((playout.rate.hz(), playout.channels, playout.period, playout.buffer), (48_000, 1, 480, 1_920));

    let refused = |text: &str, open: &mut dyn FnMut(&str) -> _| match open(text) {
        Err(Failure::Refused { device, what }) => {
            assert_eq!(device, text);
            what
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{text} was opened"),
    };
    let missing = refused("alsa:missing", &mut open);
    assert!(missing.contains("capture: missing cannot be opened: No such file"), "{missing}");
    assert!(missing.contains("Unknown PCM missing"), "libasound's own words help: {missing}");
    let elsewhere = refused("alsa:elsewhere", &mut open);
    assert!(elsewhere.contains("elsewhere cannot be opened"), "{elsewhere}");
    let playout = refused("alsa:desk,missing", &mut open);
    assert!(playout.contains("playout: missing cannot be opened"), "{playout}");

    assert_eq!(open("none").err(), Some(Failure::NotWanted));
    assert!(matches!(open("usb:0b0e:0422"), Err(Failure::NotThere { what }) if what.starts_with("usb:0b0e:0422")));
}
