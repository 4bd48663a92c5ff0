//! What a simulated call is to be: who calls, where its webhooks go, how the people in it behave, what breaks.

use std::time::Duration;

use crate::{
    caller::Caller,
    faults::{CallbackDelivery, StreamFaults, WebhookFault},
    transport::ConnectTo,
};

/// What becomes of a `<Dial>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialOutcome {
    /// Somebody picks up; `no-answer` if `after` exceeds the verb's timeout.
    Answered {
        /// How long it rings.
        after: Duration,
        /// How long they speak.
        talk: Duration,
        /// Whether the parties were connected (a screening step may prevent that).
        bridged: bool,
    },
    /// A busy signal.
    Busy,
    /// It rings until the timeout.
    NoAnswer,
    /// It cannot be dialled.
    Failed,
}

impl Default for DialOutcome {
    fn default() -> Self {
        Self::Answered { after: Duration::from_secs(1), talk: Duration::from_secs(2), bridged: true }
    }
}

/// One inbound call.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// The caller's number, or a word such as `anonymous`.
    pub from: String,
    /// The called number; none: the simulator's own.
    pub to: Option<String>,
    /// The number's voice URL, as configured with Twilio: public, `#` overrides included.
    pub voice_url: String,
    /// The number's status callback.
    pub status_callback: Option<String>,
    /// The number's fallback URL.
    pub fallback_url: Option<String>,
    /// Public hosts and the addresses that stand for them.
    pub connect_to: ConnectTo,
    /// Parameters of the first and all later webhooks beside the usual ones: `ForwardedFrom`, `StirVerstat`, …
    pub extra_params: Vec<(String, String)>,
    /// Who calls.
    pub caller: Caller,
    /// What the caller answers to each `<Gather>` in turn (without one: nothing).
    pub gather_digits: Vec<String>,
    /// What the caller says into the first `<Record>` (8 kHz); none: silence, so that nothing is recorded.
    pub voicemail: Option<Vec<i16>>,
    /// The outcome of each `<Dial>` in turn; the last holds for all later ones. Empty: answered after 1 s.
    pub dial_outcomes: Vec<DialOutcome>,
    /// Whether both audio timelines are kept.
    pub record_audio: bool,
    /// After this long the caller hangs up whatever the script says.
    pub time_limit: Duration,
    /// What is wrong with its webhooks.
    pub webhook_fault: WebhookFault,
    /// What is wrong with its streams.
    pub stream: StreamFaults,
    /// What becomes of its status callback.
    pub callbacks: CallbackDelivery,
}

impl CallPlan {
    /// A call from a usual number to `voice_url` by a caller who only listens, recorded, without faults.
    pub fn to_url(voice_url: impl Into<String>) -> Self {
        Self {
            from: "+15550100200".into(),
            to: None,
            voice_url: voice_url.into(),
            status_callback: None,
            fallback_url: None,
            connect_to: ConnectTo::new(),
            extra_params: Vec::new(),
            caller: Caller::default(),
            gather_digits: Vec::new(),
            voicemail: None,
            dial_outcomes: Vec::new(),
            record_audio: true,
            time_limit: Duration::from_mins(10),
            webhook_fault: WebhookFault::None,
            stream: StreamFaults::default(),
            callbacks: CallbackDelivery::Once,
        }
    }
}
