//! The store from outside: what is asked for is what was recorded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk_core::session::id::DeskId;
use frontdesk_core::twilio::number::{CallerId, PhoneNumber};
use frontdesk_core::twilio::sid::AccountSid;
use frontdesk_core::twilio::webhook::{CallStatus, Direction};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

mod book;
mod claim;
mod copies;
mod crash;
mod damage;
mod faults;
mod race;
mod retention;

/// 2026-10-02 14:03:05 UTC.
const NOON: i64 = 1_790_949_785_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(NOON + seconds * 1000).unwrap()
}

fn sid(n: u32) -> ConversationId {
    ConversationId::parse(&format!("CA{n:032}")).unwrap()
}

fn started(n: u32, when: Timestamp) -> Record {
    Record::CallStarted {
        call: sid(n),
        account: AccountSid::parse("AC00000000000000000000000000000001").unwrap(),
        direction: Direction::Inbound,
        caller: CallerId::parse("+15550100200"),
        callee: Some(PhoneNumber::parse("+15550100100").unwrap()),
        at: when,
    }
}

fn turn(seq: u32, text: &str) -> Turn {
    let second = i64::from(seq) + 2;
    let who = if seq.is_multiple_of(2) { Who::Agent } else { Who::Caller };
    Turn { seq, who, text: text.to_owned(), started_at: at(second), ended_at: at(second + 1), interrupted: false }
}

fn said(n: u32, seq: u32, text: &str) -> Record {
    Record::Turn { call: sid(n), turn: turn(seq, text) }
}

fn status(n: u32, status: CallStatus, sequence: Option<u32>) -> Record {
    Record::TwilioStatus { call: sid(n), at: at(90), status, sequence, duration: None }
}

fn ended(n: u32, seconds: i64) -> Record {
    Record::CallEnded { call: sid(n), at: at(seconds), reason: "goodbye".into() }
}

struct Fixture {
    directory: tempfile::TempDir,
    name: &'static str,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), name: "frontdesk.db" }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Store, StoreError> {
        open_at(&self.path())
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn open_at(path: &Path) -> Result<Store, StoreError> {
    // The fixed dates of these tests must not grow old.
    Store::open(&StoreConfig { path: path.to_owned(), keep_days: 36_500 })
}

fn record_all(store: &Store, records: impl IntoIterator<Item = Record>) {
    for record in records {
        assert!(store.record(record));
    }
}

#[tokio::test]
async fn a_call_is_read_back_as_it_happened() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let tokens = Tokens { prompt: 100, response: 40, total: 150 };
    let event = Event { at: at(4), kind: "resumed".into(), detail: serde_json::json!({"pause_ms": 300}) };
    let mut cut = turn(1, "I would like an app");
    cut.interrupted = true;
    record_all(
        &store,
        [
            started(1, at(0)),
            Record::CallAnswered { call: sid(1), at: at(1) },
            Record::LiveStarted { call: sid(1), live_id: "live-7".to_owned() },
            said(1, 0, "Good morning."),
            Record::Turn { call: sid(1), turn: cut.clone() },
            Record::Event { call: sid(1), event: event.clone() },
            Record::Usage { call: sid(1), at: at(5), tokens },
            Record::Usage { call: sid(1), at: at(6), tokens },
            ended(1, 61),
            Record::TwilioStatus {
                call: sid(1),
                at: at(62),
                status: CallStatus::Completed,
                sequence: Some(3),
                duration: Some(Duration::from_secs(61)),
            },
        ],
    );
    let kept = store.call(sid(1)).await.unwrap().unwrap();
    assert_eq!(kept.transcript, [turn(0, "Good morning."), cut]);
    assert_eq!(kept.events, [event]);
    assert_eq!(kept.tokens, Tokens { prompt: 200, response: 80, total: 300 });
    let json = serde_json::to_value(&kept).unwrap();
    let expected = serde_json::json!({
        "id": 1, "call_sid": sid(1), "account_sid": "AC00000000000000000000000000000001", "direction": "inbound",
        "caller": "+15550100200", "callee": "+15550100100", "live_id": "live-7",
        "started_at": "2026-10-02T14:03:05Z", "answered_at": "2026-10-02T14:03:06Z",
        "ended_at": "2026-10-02T14:04:06Z", "end_reason": "goodbye", "twilio_status": "completed",
        "duration_ms": 60_000, "turns": 2,
        "transcript": [
            {"seq": 0, "who": "agent", "text": "Good morning.", "interrupted": false,
             "started_at": "2026-10-02T14:03:07Z", "ended_at": "2026-10-02T14:03:08Z"},
            {"seq": 1, "who": "caller", "text": "I would like an app", "interrupted": true,
             "started_at": "2026-10-02T14:03:08Z", "ended_at": "2026-10-02T14:03:09Z"},
        ],
        "events": [{"at": "2026-10-02T14:03:09Z", "kind": "resumed", "detail": {"pause_ms": 300}}],
        "tokens": {"prompt": 200, "response": 80, "total": 300},
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<CallWithTurns>(json).unwrap(), kept);
    let printed = format!("{kept:?}");
    assert!(!printed.contains("5550100") && !printed.contains("Good morning"), "{printed}");
    assert_eq!(store.call(sid(2)).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn calls_are_listed_newest_first_and_page_by_page() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, (1..=5).map(|n| started(n, at(i64::from(n)))));
    record_all(&store, [ended(1, 10), ended(3, 10), ended(5, 10)]);
    let ids = |calls: Vec<CallSummary>| calls.iter().map(|call| call.id).collect::<Vec<_>>();
    let page = CallFilter { limit: 2, ..CallFilter::default() };
    assert_eq!(ids(store.calls(page).await.unwrap()), [5, 4]);
    assert_eq!(ids(store.calls(CallFilter { before: Some(4), ..page }).await.unwrap()), [3, 2]);
    let running = CallFilter { active_only: true, ..CallFilter::default() };
    assert_eq!(ids(store.calls(running).await.unwrap()), [4, 2]);
    assert_eq!(ids(store.calls(CallFilter { limit: usize::MAX, ..page }).await.unwrap()).len(), 5);
    store.close().await;
}

#[tokio::test]
async fn retried_and_overtaken_reports_change_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(
        &store,
        [
            started(1, at(0)),
            started(1, at(9)),
            status(1, CallStatus::InProgress, Some(2)),
            status(1, CallStatus::Ringing, Some(1)),
        ],
    );
    let call = store.call(sid(1)).await.unwrap().unwrap().call;
    assert_eq!((call.started_at, call.twilio_status.as_deref()), (at(0), Some("in-progress")));
    assert_eq!(call.ended_at, None);

    record_all(&store, [status(1, CallStatus::Completed, None), status(1, CallStatus::Busy, Some(9))]);
    let call = store.call(sid(1)).await.unwrap().unwrap().call;
    assert_eq!(call.twilio_status.as_deref(), Some("completed"));
    assert_eq!((call.ended_at, call.end_reason.as_deref()), (Some(at(90)), Some("completed")));

    record_all(&store, [ended(1, 95), said(1, 0, "Good"), said(1, 0, "Goodbye.")]);
    let kept = store.call(sid(1)).await.unwrap().unwrap();
    assert_eq!((kept.call.ended_at, kept.call.end_reason.as_deref()), (Some(at(95)), Some("goodbye")));
    assert_eq!(kept.transcript, [turn(0, "Goodbye.")]);
    assert_eq!(store.failed_records(), 0);
    store.close().await;
}

#[tokio::test]
async fn how_the_last_calls_ended_is_told_the_oldest_first() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for n in 1..=4 {
        record_all(&store, [started(n, at(0)), ended(n, 61)]);
    }
    record_all(&store, [status(3, CallStatus::Completed, None), status(4, CallStatus::InProgress, None)]);
    record_all(&store, [started(5, at(0))]);
    let desk = ConversationId::from(DeskId::of(7));
    let over = Record::CallEnded { call: desk, at: at(61), reason: "goodbye".into() };
    record_all(&store, [Record::DeskStarted { call: desk, at: at(60) }, over]);
    let known = store.ended(3).await.unwrap();
    let ended =
        |n, over_at_twilio| EndedCall { call: sid(n).call().unwrap(), reason: "goodbye".to_owned(), over_at_twilio };
    assert_eq!(known, [ended(2, false), ended(3, true), ended(4, false)], "the fifth is running");
    let shown = store.call(desk).await.unwrap().unwrap().call;
    assert_eq!((shown.direction.as_str(), shown.account_sid, shown.caller), ("desk", None, None));
}

#[tokio::test]
async fn closing_writes_what_has_queued_and_later_records_are_counted() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, (0..1000).map(|n| if n == 0 { started(1, at(0)) } else { said(1, n, "word") }));
    store.close().await;
    store.close().await;
    assert!(!store.record(said(1, 2000, "late")));
    assert_eq!(store.dropped_records(), 1);
    assert!(matches!(store.flush().await, Err(StoreError::Closed)));
    let files: Vec<_> = std::fs::read_dir(fixture.directory.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(!files.contains(&"frontdesk.db-wal".into()), "{files:?}");

    let store = fixture.open();
    assert_eq!(store.recovered(), 1);
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript.len(), 999);
    store.close().await;
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_and_erased_speech_is_overwritten() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for (setting, value) in [("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1), ("cache_size", -512)] {
        let sql = format!("PRAGMA {setting}");
        let found: i64 = store.ask("reading", move |db| db.query_row(&sql, [], |row| row.get(0))).await.unwrap();
        assert_eq!(found, value, "{setting}");
    }
    let mode = store.ask("reading", |db| db.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)));
    assert_eq!(mode.await.unwrap(), "wal");
    store.close().await;
}

/// What happens to one call, in any order.
fn any_record() -> impl Strategy<Value = Record> {
    let statuses = [CallStatus::Ringing, CallStatus::InProgress, CallStatus::Completed, CallStatus::Failed];
    prop_oneof![
        (0..8_u32, "[a-z]{1,4}").prop_map(|(seq, text)| said(1, seq, &text)),
        (0..4_usize, prop::option::of(0..6_u32)).prop_map(move |(n, seq)| status(1, statuses[n].clone(), seq)),
        (10..99_i64).prop_map(|seconds| ended(1, seconds)),
        Just(started(1, at(7))),
    ]
}

/// What must be on record after `records`, decided without a database.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    turns: std::collections::BTreeMap<u32, String>,
    status: Option<String>,
    sequence: Option<u32>,
    ended_at: Option<Timestamp>,
}

impl Expected {
    fn after(records: &[Record]) -> Self {
        let mut expected = Self::default();
        let mut is_final = false;
        for record in records {
            match record {
                Record::Turn { turn, .. } => drop(expected.turns.insert(turn.seq, turn.text.clone())),
                Record::CallEnded { at, .. } => expected.ended_at = Some(*at),
                Record::TwilioStatus { at, status, sequence, .. } if !is_final => {
                    let is_newer = sequence.is_none() || expected.sequence.is_none() || *sequence > expected.sequence;
                    if status.is_final() || is_newer {
                        expected.status = Some(status.as_str().to_owned());
                        expected.sequence = sequence.or(expected.sequence);
                    }
                    if status.is_final() {
                        is_final = true;
                        expected.ended_at = expected.ended_at.or(Some(*at));
                    }
                }
                _ => {}
            }
        }
        expected
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn records_take_effect_in_their_order(records in prop::collection::vec(any_record(), 0..40)) {
        let fixture = Fixture::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let kept = runtime.block_on(async {
            let store = fixture.open();
            record_all(&store, [started(1, at(0))]);
            record_all(&store, records.iter().cloned());
            let kept = store.call(sid(1)).await.unwrap().unwrap();
            store.close().await;
            kept
        });
        let expected = Expected::after(&records);
        let turns = kept.transcript.iter().map(|turn| (turn.seq, turn.text.clone())).collect();
        let found = Expected {
            turns, status: kept.call.twilio_status, sequence: expected.sequence, ended_at: kept.call.ended_at,
        };
        prop_assert_eq!(found, expected);
        prop_assert_eq!(kept.call.started_at, at(0));
    }
}
