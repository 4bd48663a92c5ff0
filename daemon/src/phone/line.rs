//! The phone line: everything that a call is made of, and how one is started.

use std::sync::Arc;

use frontdesk_core::clerk;
use frontdesk_core::gemini::live::LiveSession;
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::twilio::signature::{AuthToken, SignatureChecker};
use frontdesk_core::twilio::webhook::VoiceRequest;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc;

use super::calls::{Calls, Command};
use super::fallback::Fallbacks;
use super::journal::Journal;
use super::rest::Rest;
use super::task::{self, Call};
use crate::clock::Clock;
use crate::config::{ClinicConfig, GeminiConfig, PhoneConfig};
use crate::conversation::running::View;
use crate::conversation::tools::Office;
use crate::live::prompt::Place;
use crate::live::{Connector, prompt};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::supervise::Calls as CallTasks;

/// One phone number with everything behind it.
pub struct PhoneLine {
    /// The phone's settings.
    pub phone: PhoneConfig,
    /// The model's settings.
    pub gemini: GeminiConfig,
    /// Whom the agent speaks for.
    pub clinic: ClinicConfig,
    /// What the model may call; nothing without the clinic's data.
    pub office: Option<Arc<Office>>,
    /// The running calls.
    pub calls: Arc<Calls>,
    /// Opens live connections.
    pub connector: Arc<Connector>,
    /// Hangs up.
    pub rest: Arc<Rest>,
    /// Keeps records.
    pub store: Store,
    /// Counts.
    pub metrics: Metrics,
    /// Civil time: read for every call and every report, because it may have been set meanwhile.
    pub clock: fn() -> Clock,
    /// Runs the calls' tasks.
    pub tasks: CallTasks,
    /// Tells Twilio from others.
    pub checker: SignatureChecker,
    /// What Twilio does with the caller when we do not.
    pub fallback: Fallbacks,
}

impl PhoneLine {
    /// Checks signatures with the configured tokens.
    pub fn checker(phone: &PhoneConfig) -> SignatureChecker {
        let secondary = phone.auth_token_secondary.as_ref();
        let tokens = std::iter::once(&phone.auth_token).chain(secondary);
        SignatureChecker::new(tokens.map(|token| AuthToken::new(token.expose())).collect())
    }

    /// A name for a conversation in our logs: random, of no meaning.
    pub fn live_id() -> String {
        let mut bits = [0; 6];
        // Without randomness every conversation is called the same: the log suffers, the call does not.
        let _ = SystemRandom::new().fill(&mut bits);
        let number = bits.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        format!("L{number:012x}")
    }

    /// Whether the fallback number sent this caller to us. It is not rung for them: the call would only come back.
    pub fn was_forwarded(&self, voice: &VoiceRequest) -> bool {
        self.phone.fallback_number.as_ref().is_some_and(|number| voice.comes_from(number))
    }

    /// Starts the task of an admitted call, whose times are all told by `clock`.
    pub fn start(
        &self,
        voice: &VoiceRequest,
        live_id: String,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
        view: Arc<View>,
    ) {
        let call = voice.call_sid;
        let setup = prompt::setup(&self.gemini, &self.clinic, Timestamp::now(), Place::Phone(voice.to.as_ref()));
        let seed = u64::from_le_bytes(call.as_str().as_bytes()[2..10].try_into().unwrap_or_default());
        let journal =
            Journal::new(call, live_id, self.store.clone(), self.metrics.clone(), clock, Arc::clone(&self.calls));
        let equipment = self.office.as_ref().map(|office| {
            let caller = voice.from.number().cloned();
            let place = clerk::Place::Phone { dials: self.fallback.dials(self.was_forwarded(voice)) };
            (office.tools(call.into(), place, caller, clock), office.guard(place))
        });
        let task = Call {
            sid: call,
            account_sid: self.phone.account_sid.as_str().to_owned(),
            live: LiveSession::new(setup, self.gemini.rotate_after, seed),
            patience: Patience {
                no_input: self.phone.no_input,
                goodbye: self.phone.goodbye,
                longest: self.phone.max_call,
            },
            lead: self.phone.lead,
            connector: Arc::clone(&self.connector),
            rest: Arc::clone(&self.rest),
            journal,
            equipment,
            commands,
            view,
        };
        self.tasks.spawn("call", call.into(), move |stop| task::run(task, stop));
    }
}
