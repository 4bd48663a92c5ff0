//! What is counted, and shown to Prometheus at `/metrics`.
//!
//! Everything here may be called from a call's task: counters and histograms are atomic, and those with labels take a
//! read lock that only the first use of a label contends for. Labels are words of ours, so their number is bounded.

mod desk;
mod histogram;
mod process;
mod recent;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::store::Store;
pub use desk::Sound;
use histogram::Histogram;
use recent::Recent;

/// The type of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label: its key and its value.
type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;
type Counters2 = Family<[(&'static str, &'static str); 2], Counter>;
type Histograms<const N: usize> = Family<[(&'static str, &'static str); N], Histogram, fn() -> Histogram>;

/// Bounds in microseconds. A webhook has 50 ms in which to answer.
const WEBHOOK: &[u64] = &[500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];
/// People notice a gap from about 0.7 s on.
const TURN_GAP: &[u64] = &[
    200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000, 1_000_000, 1_250_000, 1_500_000, 2_000_000,
    3_000_000, 5_000_000, 8_000_000,
];
/// Ducking is due within 60 ms, silence within half a second.
const BARGE_IN: &[u64] =
    &[20_000, 40_000, 60_000, 80_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000, 700_000, 1_000_000];
const LIVE_CONNECT: &[u64] =
    &[50_000, 100_000, 200_000, 300_000, 500_000, 750_000, 1_000_000, 1_500_000, 2_000_000, 5_000_000, 10_000_000];
/// A clear is due within 1 ms.
const CLEAR: &[u64] = &[50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
const DEPTH: &[u64] = &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// The reasons for which a call ends: the words of `EndReason`, those that the store and Twilio add, and `other`.
const END_REASONS: [&str; 16] = [
    "caller-left",
    "line-lost",
    "agent-ended",
    "emergency",
    "transferred",
    "no-input",
    "too-long",
    "ended-by-staff",
    "draining",
    "failed",
    "power-loss",
    "completed",
    "busy",
    "no-answer",
    "canceled",
    OTHER,
];
const OTHER: &str = "other";

/// The daemon's counters; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    calls_started: Counter,
    calls_ended: Counters,
    calls_active: Gauge,
    desk_started: Counters,
    desk_refused: Counters,
    desk_ended: Counters,
    webhook: Histograms<2>,
    upgrades_refused: Counters,
    leg_faults: Counters,
    turn_gap: Histogram,
    barge_in: Histogram,
    false_alarms: Counter,
    watchdog: Counters,
    live_connect: Histogram,
    live_reconnects: Counter,
    live_lost: Counters,
    clear: Histogram,
    uplink_dropped: Counter,
    hangups: Counters,
    queue_depth: Histograms<1>,
    prompt_tokens: Counter,
    response_tokens: Counter,
    task_panics: Counter,
    admin_refused: Counters,
    errand_attempts: Counters2,
    calendar_asked: Counters2,
    google_login_left: Family<Label, Gauge>,
    recent: Recent,
}

impl Metrics {
    /// Everything at zero, without a store.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::register(None, None)) }
    }

    /// Everything at zero; what `store` had to drop is read from it whenever somebody asks.
    pub fn with_store(store: Store) -> Self {
        Self::with(store, None)
    }

    /// Everything at zero; what `store` had to drop, and what the desk's audio threads count, is read from them whenever
    /// somebody asks.
    pub fn with(store: Store, sound: Option<Sound>) -> Self {
        Self { shared: Arc::new(Shared::register(Some(store), sound)) }
    }

    /// Everything in the OpenMetrics text format, of the type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.shared.registry).expect("writing into a string does not fail");
        text
    }

    /// A call was announced and accepted.
    pub fn call_started(&self) {
        self.shared.calls_started.inc();
    }

    /// A call is over, for the reason that its record has; what follows a colon is left out.
    pub fn call_ended(&self, reason: &str) {
        self.shared.calls_ended.get_or_create(&[("reason", end_word(reason))]).inc();
    }

    /// So many calls are running.
    pub fn set_active_calls(&self, calls: usize) {
        self.shared.calls_active.set(calls as i64);
    }

    /// A conversation began at the desk: by the button or by a voice.
    pub fn desk_started(&self, by: &'static str) {
        self.shared.desk_started.get_or_create(&[("by", by)]).inc();
    }

    /// A conversation at the desk was asked for and could not be had.
    pub fn desk_refused(&self, why: &'static str) {
        self.shared.desk_refused.get_or_create(&[("why", why)]).inc();
    }

    /// A conversation at the desk is over, for the reason that its record has; what follows a colon is left out.
    pub fn desk_ended(&self, reason: &str) {
        self.shared.desk_ended.get_or_create(&[("reason", end_word(reason))]).inc();
    }

    /// A webhook was answered. `kind` is the last part of its path, such as `voice`; `outcome` what came of it.
    pub fn webhook(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.shared.webhook.get_or_create(&[("kind", kind), ("outcome", outcome)]).observe(took);
    }

    /// A media stream was turned away before its upgrade.
    pub fn upgrade_refused(&self, why: &'static str) {
        self.shared.upgrades_refused.get_or_create(&[("why", why)]).inc();
    }

    /// A media stream was closed by us, with this WebSocket close code.
    pub fn leg_fault(&self, close_code: u16) {
        self.shared.leg_faults.get_or_create(&[("code", close_code_label(close_code))]).inc();
    }

    /// From the end of the caller's voice to the first audible sound of the answer.
    pub fn turn_gap(&self, gap: Duration) {
        self.shared.turn_gap.observe(gap);
    }

    /// From the onset of the caller's voice over the agent's to the agent's silence.
    pub fn barge_in(&self, took: Duration) {
        self.shared.barge_in.observe(took);
    }

    /// The agent's voice was lowered for nothing.
    pub fn false_alarm(&self) {
        self.shared.false_alarms.inc();
    }

    /// The watchdog on audible output took a step.
    pub fn watchdog(&self, step: &'static str) {
        self.shared.watchdog.get_or_create(&[("step", step)]).inc();
    }

    /// A connection to Gemini is ready: dialled, and its setup answered.
    pub fn live_connected(&self, took: Duration) {
        self.shared.live_connect.observe(took);
        self.shared.recent.connected(took);
    }

    /// How long the last connection to Gemini took to become ready, if there was one.
    pub fn last_connect(&self) -> Option<Duration> {
        self.shared.recent.connect()
    }

    /// The configuration was read again, and taken or refused.
    pub fn reloaded(&self, taken: bool) {
        self.shared.recent.reloaded(taken);
    }

    /// A connection to Gemini is being replaced, planned or not.
    pub fn live_reconnecting(&self) {
        self.shared.live_reconnects.inc();
    }

    /// A connection to Gemini was lost.
    pub fn live_lost(&self, fault: &'static str) {
        self.shared.live_lost.get_or_create(&[("fault", fault)]).inc();
    }

    /// From reading the model's `interrupted` to having written `clear` to the call leg.
    pub fn clear_written(&self, took: Duration) {
        self.shared.clear.observe(took);
    }

    /// Samples of a caller's speech (16 kHz) that never reached Gemini.
    pub fn uplink_dropped(&self, samples: u64) {
        self.shared.uplink_dropped.inc_by(samples);
    }

    /// A hang-up by REST was tried.
    pub fn hangup_attempt(&self, outcome: &'static str) {
        self.shared.hangups.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A queue of one call was found with this many items waiting. Calls record into one histogram: of a gauge, only
    /// the last call's value would be seen.
    pub fn queue_depth(&self, queue: &'static str, depth: usize) {
        self.shared.queue_depth.get_or_create(&[("queue", queue)]).count(depth as u64);
    }

    /// The model reported tokens since its last report.
    pub fn tokens(&self, prompt: u64, response: u64) {
        self.shared.prompt_tokens.inc_by(prompt);
        self.shared.response_tokens.inc_by(response);
    }

    /// A call's task ended in a panic.
    pub fn task_panicked(&self) {
        self.shared.task_panics.inc();
    }

    /// A request to the admin listener or control socket was not authorised.
    pub fn admin_refused(&self, why: &'static str) {
        self.shared.admin_refused.get_or_create(&[("why", why)]).inc();
    }

    /// An attempt at an errand of that kind ended: `done`, `retry` or `dead`.
    pub fn errand_attempt(&self, kind: &'static str, outcome: &'static str) {
        self.shared.errand_attempts.get_or_create(&[("kind", kind), ("outcome", outcome)]).inc();
    }

    /// A practitioner's outside calendar was asked for what is `busy` or for `changes`, and did or did not answer.
    pub fn calendar_asked(&self, what: &'static str, answered: bool) {
        let outcome = if answered { "done" } else { "failed" };
        self.shared.calendar_asked.get_or_create(&[("what", what), ("outcome", outcome)]).inc();
    }

    /// A person's login at Google ends by itself in that many seconds, or it is not known to end.
    pub fn set_google_login_left(&self, seconds: Option<i64>) {
        const LOGIN: Label = [("login", "user")];
        if let Some(seconds) = seconds {
            self.shared.google_login_left.get_or_create(&LOGIN).set(seconds);
        } else {
            // A gauge at zero would say that it has ended.
            self.shared.google_login_left.remove(&LOGIN);
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn register(store: Option<Store>, sound: Option<Sound>) -> Self {
        let mut to = Registering(Registry::with_prefix("frontdesk"));
        let shared = Self {
            calls_started: to.add("calls_started", "Calls announced and accepted", Counter::default()),
            calls_ended: to.add("calls_ended", "Calls that are over, by reason", Counters::default()),
            calls_active: to.add("calls_active", "Calls that are running", Gauge::default()),
            desk_started: to.add(
                "desk_conversations_started",
                "Conversations begun at the desk, by what began them",
                Counters::default(),
            ),
            desk_refused: to.add(
                "desk_conversations_refused",
                "Conversations asked for at the desk that could not be had",
                Counters::default(),
            ),
            desk_ended: to.add(
                "desk_conversations_ended",
                "Conversations at the desk that are over, by reason",
                Counters::default(),
            ),
            webhook: to.timing(
                "webhook",
                "Time in which Twilio's webhooks were answered",
                Family::new_with_constructor(|| Histogram::of_durations(WEBHOOK)),
            ),
            upgrades_refused: to.add(
                "media_upgrades_refused",
                "Media streams turned away before the upgrade",
                Counters::default(),
            ),
            leg_faults: to.add(
                "media_faults",
                "Media streams closed by us, by WebSocket close code",
                Counters::default(),
            ),
            turn_gap: to.timing(
                "turn_gap",
                "From the end of the caller's voice to the first audible sound of the answer",
                Histogram::of_durations(TURN_GAP),
            ),
            barge_in: to.timing(
                "barge_in",
                "From the onset of the caller's voice to the agent's silence",
                Histogram::of_durations(BARGE_IN),
            ),
            false_alarms: to.add("false_alarms", "Times the agent's voice was lowered for nothing", Counter::default()),
            watchdog: to.add("watchdog_steps", "Steps against silence on a call, by kind", Counters::default()),
            live_connect: to.timing(
                "live_connect",
                "Time in which a connection to Gemini became ready",
                Histogram::of_durations(LIVE_CONNECT),
            ),
            live_reconnects: to.add(
                "live_reconnects",
                "Connections to Gemini replaced, planned or not",
                Counter::default(),
            ),
            live_lost: to.add("live_lost", "Connections to Gemini lost, by fault", Counters::default()),
            clear: to.timing(
                "clear",
                "From the model's interruption read to the clear written to Twilio",
                Histogram::of_durations(CLEAR),
            ),
            uplink_dropped: to.add(
                "uplink_dropped_samples",
                "Samples of callers' speech (16 kHz) that never reached Gemini",
                Counter::default(),
            ),
            hangups: to.add("hangup_attempts", "Attempts to hang up by Twilio's REST API", Counters::default()),
            queue_depth: to.add(
                "queue_depth",
                "Items found waiting in a call's queue, by queue",
                Family::new_with_constructor(|| Histogram::of_counts(DEPTH)),
            ),
            task_panics: to.add(
                "task_panics",
                "Tasks of calls that ended in a panic: defects of ours",
                Counter::default(),
            ),
            admin_refused: to.add(
                "admin_refused",
                "Requests of staff and technicians that were refused",
                Counters::default(),
            ),
            errand_attempts: to.add(
                "outbox_attempts",
                "Attempts at errands of the outbox, by kind and by what came of them",
                Counters2::default(),
            ),
            calendar_asked: to.add("calendar_asked", "Questions to outside calendars", Counters2::default()),
            google_login_left: to.google_login_left(),
            recent: Recent::register(&mut to),
            prompt_tokens: to.add("prompt_tokens", "Tokens that Gemini read", Counter::default()),
            response_tokens: to.add("response_tokens", "Tokens that Gemini generated", Counter::default()),
            registry: Registry::default(),
        };
        to.0.register("build", "This program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        to.0.register_collector(Box::new(process::Process { started: Instant::now() }));
        to.collect(store, sound);
        Self { registry: to.0, ..shared }
    }
}

/// A registry that hands back what it was given to keep.
struct Registering(Registry);

impl Registering {
    /// What is read only when somebody asks.
    fn collect(&mut self, store: Option<Store>, sound: Option<Sound>) {
        if let Some(store) = store {
            self.0.register_collector(Box::new(process::Records(store.clone())));
            self.0.register_collector(Box::new(process::Outbox(store)));
        }
        if let Some(sound) = sound {
            self.0.register_collector(Box::new(sound));
        }
    }

    fn google_login_left(&mut self) -> Family<Label, Gauge> {
        let help = "Seconds until a person's login at Google ends by itself, if it is known to end";
        self.add("google_login_seconds_left", help, Family::default())
    }

    fn add<M>(&mut self, name: &str, help: &str, metric: M) -> M
    where
        M: EncodeMetric + TypedMetric + Clone + Send + Sync + std::fmt::Debug + 'static,
    {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn timing<M>(&mut self, name: &str, help: &str, metric: M) -> M
    where
        M: EncodeMetric + TypedMetric + Clone + Send + Sync + std::fmt::Debug + 'static,
    {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}

/// The known word that a reason begins with.
fn end_word(reason: &str) -> &'static str {
    let word = reason.split(':').next().unwrap_or_default().trim();
    END_REASONS.into_iter().find(|known| *known == word).unwrap_or(OTHER)
}

/// The codes with which we close a media stream.
fn close_code_label(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1003 => "1003",
        1007 => "1007",
        1008 => "1008",
        1009 => "1009",
        1011 => "1011",
        1012 => "1012",
        1013 => "1013",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests;
