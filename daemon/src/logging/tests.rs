//! What reaches a sink, and what does not.

use std::fmt::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use log::kv::VisitSource;
use log::{Level, LevelFilter};

use super::*;

/// Sends every record on as a line, and waits for leave before each if there is a gate.
struct Sink {
    lines: std::sync::mpsc::Sender<String>,
    gate: Option<Mutex<Receiver<()>>>,
}

impl Log for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(gate) = &self.gate {
            // Once the test has let go of the gate it stands open.
            let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
        let mut line = format!("{} {} {}", record.level(), record.target(), record.args());
        record.key_values().visit(&mut Append(&mut line)).unwrap();
        self.lines.send(line).unwrap();
    }

    fn flush(&self) {}
}

struct Append<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Append<'_> {
    fn visit_pair(&mut self, key: log::kv::Key<'kvs>, value: log::kv::Value<'kvs>) -> Result<(), log::kv::Error> {
        write!(self.0, " {key}={value}").map_err(log::kv::Error::from)
    }
}

/// A level of a test's own.
fn at(level: LevelFilter) -> &'static AtomicUsize {
    Box::leak(Box::new(AtomicUsize::new(level as usize)))
}

fn logger(level: LevelFilter) -> (Logger, Receiver<String>) {
    let (lines, written) = channel();
    (Logger { level: at(level), queue: Queue::start(Box::new(Sink { lines, gate: None })).unwrap() }, written)
}

/// Like [`logger`], with a gate that the sink waits at.
fn gated() -> (Logger, Receiver<String>, SyncSender<()>) {
    let (lines, written) = channel();
    let (open, gate) = sync_channel(0);
    let sink = Sink { lines, gate: Some(Mutex::new(gate)) };
    (Logger { level: at(LevelFilter::Info), queue: Queue::start(Box::new(sink)).unwrap() }, written, open)
}

fn say(logger: &Logger, level: Level, target: &str, message: &str) {
    logger.log(&Record::builder().level(level).target(target).args(format_args!("{message}")).build());
}

#[test]
fn a_record_arrives_with_its_keys() {
    let (logger, written) = logger(LevelFilter::Info);
    let keys = [("call_sid", "CA1"), ("live_id", "7f")];
    let seconds = 4;
    logger.log(
        &Record::builder()
            .level(Level::Warn)
            .target("frontdeskd::phone")
            .args(format_args!("no media for {seconds} s"))
            .key_values(&keys)
            .build(),
    );
    logger.flush();
    assert_eq!(written.try_recv().unwrap(), "WARN frontdeskd::phone no media for 4 s call_sid=CA1 live_id=7f");
}

#[test]
fn libraries_are_heard_from_warnings_on() {
    let (logger, written) = logger(LevelFilter::Trace);
    say(&logger, Level::Trace, "tungstenite::protocol", "Sending frame: what somebody said");
    say(&logger, Level::Info, "reqwest::connect", "authorization: the key");
    say(&logger, Level::Warn, "rustls::conn", "odd");
    say(&logger, Level::Trace, "frontdesk_core::gemini", "ours");
    logger.flush();
    assert_eq!(written.try_iter().collect::<Vec<_>>(), ["WARN rustls::conn odd", "TRACE frontdesk_core::gemini ours"]);
}

#[test]
fn a_level_of_error_silences_warnings_of_all() {
    let (logger, written) = logger(LevelFilter::Error);
    say(&logger, Level::Warn, "frontdeskd", "a warning");
    say(&logger, Level::Warn, "rustls::conn", "a warning");
    say(&logger, Level::Error, "frontdeskd", "an error");
    logger.flush();
    assert_eq!(written.try_iter().collect::<Vec<_>>(), ["ERROR frontdeskd an error"]);
}

#[test]
fn who_logs_never_waits_and_losses_are_told() {
    let (logger, written, open) = gated();
    // More than the queue and the thread's hand hold, while the sink does not move.
    for n in 0..3_000 {
        say(&logger, Level::Info, "frontdeskd", &n.to_string());
    }
    drop(open);
    logger.flush();
    let lines: Vec<String> = written.try_iter().collect();
    assert_eq!(lines[0], "INFO frontdeskd 0");
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("records were dropped")).collect();
    let lost: usize = told[0].split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert_eq!((told.len(), lines.len() - 1 + lost), (1, 3_000));
}

#[test]
fn a_level_that_is_set_later_counts_from_then_on() {
    let (logger, written) = logger(LevelFilter::Info);
    say(&logger, Level::Debug, "frontdeskd::phone", "not heard");
    logger.level.store(LevelFilter::Debug as usize, Ordering::Relaxed);
    say(&logger, Level::Debug, "frontdeskd::phone", "heard");
    logger.flush();
    assert_eq!(written.try_iter().count(), 1);
}

#[test]
fn levels_arrive_as_the_priorities_of_their_names() {
    // Priorities that the library gives to log's levels (systemd-journal-logger 2.2).
    let priority = |level| match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 5,
        Level::Debug => 6,
        Level::Trace => 7,
    };
    let arrive = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace].map(|l| priority(shifted(l)));
    assert_eq!(arrive, [3, 4, 6, 7, 7]);
}

#[test]
fn a_chain_names_every_cause() {
    #[derive(Debug, thiserror::Error)]
    #[error("the store cannot be opened")]
    struct Outer(#[source] fmt::Error);
    assert_eq!(chain(&Outer(fmt::Error)).to_string(), format!("the store cannot be opened: {}", fmt::Error));
}
