//! What happens to the receptionist, each kind with a number of its own: what `journalctl -x` explains, and what a
//! technician searches for.
//!
//! ```text
//! log::warn!(event:% = Event::GeminiDown; "…")  ──►  EVENT=gemini-down  MESSAGE_ID=…  in the journal
//! ```
//!
//! The explanations are in `systemd/frontdesk.catalog`, which a test compares with the table here.

use std::fmt;

use log::kv::{Error, Key, Source, Value, VisitSource};

macro_rules! events {
    ($($(#[$doc:meta])+ $event:ident, $word:literal, $id:literal;)+) => {
        /// A kind of event. Its word and its number never change: people's searches and alarms rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])+ $event,)+
        }

        impl Event {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$event),+];

            /// Its name in the field `EVENT`.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$event => $word,)+
                }
            }

            /// Its number in the field `MESSAGE_ID`: 32 hexadecimal digits, as the catalogue has them.
            pub const fn message_id(self) -> &'static str {
                match self {
                    $(Self::$event => $id,)+
                }
            }
        }
    };
}

events! {
    /// The program runs and has read its configuration.
    Started, "started", "ebe615bfe6484134be6a33db9d4938c8";
    /// Calls are taken.
    Ready, "ready", "fd5d8b5252e8407caa5d1f353fc036e2";
    /// No new calls are taken.
    Stopping, "stopping", "e04f5f30cb1344cbbedd761049e4c4ec";
    /// Everything was closed in order.
    Stopped, "stopped", "a9eb11cdd28c4a5a83ad15b3bd3a30db";
    /// The daemon ends because it cannot go on.
    Failed, "failed", "22985b4afdd340febf646ea8e824a51e";
    /// A thread met a fault of the program.
    Panicked, "panicked", "ab76e1f417084faca6f04fe2c2b0f470";
    /// The daemon does not start with this configuration.
    ConfigurationRefused, "configuration-refused", "1f7cd1c6f33c4756b07ac5ce5b37ddd6";
    /// A secret that the configuration needs is not there.
    CredentialMissing, "credential-missing", "068da3309df24d7da4bdde2298f07bb8";
    /// The configuration was read again and is obeyed.
    Reloaded, "reloaded", "260cbae13a354573b67f12616100eac4";
    /// The configuration was read again and is not used.
    ReloadRefused, "reload-refused", "fb209993534c46eba22bb231211193e7";
    /// The desk can be used.
    SpeakerphoneFound, "speakerphone-found", "712eae9917ed443fa86185beff343491";
    /// The desk cannot be used.
    SpeakerphoneLost, "speakerphone-lost", "1b7dd895f2014c5f815e4ace1efc40df";
    /// A device is there and cannot be used.
    SpeakerphoneTrouble, "speakerphone-trouble", "fcb12d3d5e374997a71801ca96f38d2c";
    /// The audio thread runs without real-time priority.
    RealtimeRefused, "realtime-refused", "52b2ff26f66e4c05b3403a1b7acb0837";
    /// The file of the store is damaged.
    StoreDamaged, "store-damaged", "e0cc2f34c0464f5994e18b874f75f7b9";
    /// What could be read of a damaged file is in a new one.
    StoreSalvaged, "store-salvaged", "a64233b7e75440799379005b9472b111";
    /// There is no file to keep calls in.
    StoreInMemory, "store-in-memory", "e2e3b96ae5ee4e9fac2c6b2988346454";
    /// The disk takes no records.
    StoreBehind, "store-behind", "13ffa5de11af472d8505a686987f82e8";
    /// The disk takes records again.
    StoreCaughtUp, "store-caught-up", "60adac9cf6474983b448a1050cb409d4";
    /// Records were not kept.
    RecordsLost, "records-lost", "a75ce76f97224f5e9f10b22d1f1eda41";
    /// There is no copy of the store of today.
    BackupFailed, "backup-failed", "50565b27b6d64d6d838942171eaf4266";
    /// Conversations cannot be opened.
    GeminiDown, "gemini-down", "ab10678d40fe4a0b8508cbbc3084505b";
    /// Gemini refuses our key or our setup.
    GeminiRefused, "gemini-refused", "9ed1c914b02b41cb874da924375e561c";
    /// Conversations can be opened again.
    GeminiUp, "gemini-up", "ea2bf9b5a74746be8fb290c6ef2724b3";
    /// A request was not signed by Twilio.
    SignatureRefused, "signature-refused", "99fa5fe90d3246c09d1f908200569cf1";
    /// A caller is connected with the receptionist.
    CallStarted, "call-started", "14054a1e9cc7440fa671876533d19979";
    /// A caller was sent to the fallback.
    CallDiverted, "call-diverted", "d1c2ef5d8f374f70ac29ea3530ce4579";
    /// Calls were cut by a crash or a power loss.
    CallsCut, "calls-cut", "90d9f119e89a44dcba4691461b9cfe85";
    /// A letter, message or calendar entry was not delivered.
    ErrandGivenUp, "errand-given-up", "8fbc93b6a3ef4b4aa6f00e18991ea5e6";
    /// The login at Google must be renewed by a person.
    GoogleNeedsSomebody, "google-needs-somebody", "e61a7c3df9cc4bd885bfe4000e6f9654";
    /// The machine's clock is wrong, and waited for.
    ClockWrong, "clock-wrong", "cad19dc09a1d4b688507f469fff4faf0";
    /// The machine's clock was set.
    ClockRight, "clock-right", "398a2a5a6b1e4331b081f83c75a0621b";
    /// A part makes no progress.
    WatchdogStarved, "watchdog-starved", "ba62ebf4d9894462a4f4ea6773e447b4";
    /// An address to listen on is taken.
    PortInUse, "port-in-use", "4b8b43e5571f4e7f9ea1cba1ef6e208c";
    /// An address to listen on is ours at last.
    PortFree, "port-free", "5b84a9bd39f04c78a7468b119ba08d05";
    /// The audit was changed from outside.
    AuditBroken, "audit-broken", "2e220e20950246b4ba92d729e595145c";
    /// Log records were dropped.
    LogLost, "log-lost", "b30fe205e59a4a50aadb4e742156e1e1";
    /// A unit has failed and stays down for now; written by frontdesk-alert.
    ServiceFailed, "service-failed", "d1c13ff66ec64d4aa19c45bf63c95b02";
}

impl Event {
    /// The event of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.word() == word)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A record's key-values, and the number of its event if it has one.
pub(super) struct Numbered<'a>(pub(super) &'a dyn Source);

impl Source for Numbered<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        self.0.visit(visitor)?;
        let word = self.0.get(Key::from_str("event")).map(|word| word.to_string());
        match word.as_deref().and_then(Event::named) {
            Some(event) => visitor.visit_pair(Key::from_str("message_id"), Value::from(event.message_id())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::*;

    const CATALOGUE: &str = include_str!("../../../systemd/frontdesk.catalog");
    const ALERT: &str = include_str!("../../../systemd/frontdesk-alert");

    /// The catalogue's entries by their numbers (catalogs(7): `-- ID`, a header, an empty line, a text).
    fn entries() -> BTreeMap<&'static str, &'static str> {
        let entries = CATALOGUE.split("\n-- ").skip(1);
        entries.map(|entry| entry.split_once('\n').expect("a number has a line of its own")).collect()
    }

    #[test]
    fn every_event_is_explained_and_nothing_else_is() {
        let entries = entries();
        let written = CATALOGUE.lines().filter(|line| line.starts_with("-- ")).count();
        assert_eq!((entries.len(), written), (Event::ALL.len(), Event::ALL.len()), "no number is written twice");
        for event in Event::ALL {
            let entry = entries.get(event.message_id()).unwrap_or_else(|| panic!("{event} has no entry"));
            let (header, text) = entry.split_once("\n\n").unwrap_or_else(|| panic!("{event} has no text"));
            assert!(header.starts_with("Subject: ") && header.contains("\nDefined-By: Frontdesk"), "{event}: {header}");
            assert!(text.lines().any(|line| line.starts_with("  ")), "{event} names no command");
        }
    }

    #[test]
    fn words_and_numbers_are_each_their_own() {
        for (place, event) in Event::ALL.iter().enumerate() {
            assert_eq!(Event::named(event.word()), Some(*event));
            let id = event.message_id();
            assert!(id.len() == 32 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{event}");
            assert!(Event::ALL[..place].iter().all(|other| other.message_id() != id), "{event}");
        }
        assert_eq!(Event::named("no-such-thing"), None);
    }

    #[test]
    fn what_the_alarm_writes_is_in_the_table() {
        assert!(ALERT.contains(&format!("message_id={}", Event::ServiceFailed.message_id())));
        assert!(ALERT.contains(&format!("EVENT={}", Event::ServiceFailed)));
    }

    /// Key-values as a line.
    struct Line(String);

    impl<'kvs> VisitSource<'kvs> for Line {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
            write!(self.0, "{key}={value} ").map_err(Error::from)
        }
    }

    fn line(pairs: &[(&str, &str)]) -> String {
        let mut line = Line(String::new());
        Numbered(&pairs).visit(&mut line).unwrap();
        line.0
    }

    #[test]
    fn a_record_of_an_event_has_its_number() {
        let id = Event::CallStarted.message_id();
        let expected = format!("event=call-started call_sid=CA1 message_id={id} ");
        assert_eq!(line(&[("event", "call-started"), ("call_sid", "CA1")]), expected);
        assert_eq!(line(&[("call_sid", "CA1")]), "call_sid=CA1 ");
        assert_eq!(line(&[("event", "of a library")]), "event=of a library ");
    }
}
