//! What the bench and its load process tell each other: one JSON line each.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// First line of the load process: where its simulators are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// `wss://…` of the simulated Gemini.
    pub(crate) gemini: String,
    /// PEM file of its authority.
    pub(crate) ca: PathBuf,
    /// Base address of the simulated REST API.
    pub(crate) twilio_api: String,
    /// The account.
    pub(crate) account_sid: String,
    /// Its token.
    pub(crate) auth_token: String,
}

/// The bench's answer: which bridge to load, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where Twilio reaches the bridge.
    pub(crate) bridge: SocketAddr,
    /// The bridge's process, whose CPU time and memory are read.
    pub(crate) pid: u32,
    /// Simultaneous calls.
    pub(crate) calls: usize,
    /// Length of the measurement, once all calls talk.
    pub(crate) seconds: f64,
    /// Voice webhooks made while all calls talk, after the measurement.
    pub(crate) webhooks: usize,
    /// Length of the interruptions, after the measurement; 0 for none.
    pub(crate) interrupt_seconds: f64,
}

/// Last line of the load process: what was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Simultaneous calls.
    pub(crate) calls: usize,
    /// Length of the measurement.
    pub(crate) seconds: f64,
    /// CPU seconds of the bridge in the measurement, user and system.
    pub(crate) bridge_cpu: f64,
    /// The same of the simulators.
    pub(crate) load_cpu: f64,
    /// How busy the machine's cores were in the measurement, whoever it was, 0 to 1.
    pub(crate) busy: f64,
    /// Resident memory of the bridge at the end of the measurement.
    pub(crate) rss_kib: u64,
    /// From a caller's frame sent to its samples read at the model, the resampler's own delay apart.
    pub(crate) up: Option<Quantiles>,
    /// From a reply's first audio sent by the model to its first media message read by the caller's side.
    pub(crate) down: Option<Quantiles>,
    /// From the model's `interrupted`, sent by its simulator, to the `clear`, read by the caller's.
    pub(crate) clear: Option<Quantiles>,
    /// Voice webhooks of new calls, from the connection to the last byte of the answer.
    pub(crate) webhook: Option<Quantiles>,
    /// The same, repeated for calls that run.
    pub(crate) webhook_again: Option<Quantiles>,
    /// What the upward resampler held back, as seen at the onsets, milliseconds.
    pub(crate) up_filter_ms: Option<f64>,
    /// Share of the caller's samples between the first and last onset that never reached the model.
    pub(crate) lost: f64,
    /// Utterances and replies that were judged.
    pub(crate) utterances: usize,
    /// As above.
    pub(crate) replies: usize,
    /// Of those, how many lack a sample at their end, or anything else.
    pub(crate) incomplete: usize,
    /// Holes inside replies.
    pub(crate) underruns: usize,
    /// Share of the measurement in which callers and agents spoke.
    pub(crate) talk: [f64; 2],
    /// What should not have happened.
    pub(crate) faults: Vec<String>,
}

/// A distribution of delays in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    /// How many.
    pub(crate) count: usize,
    /// Half are below.
    pub p50: f64,
    /// 95 of 100 are below.
    pub p95: f64,
    /// 99 of 100 are below.
    pub p99: f64,
}
