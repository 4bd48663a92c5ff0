//! The phone line: everything that a call is made of, and how one is started.

use std::sync::Arc;
use std::time::Instant;

use frontdesk_core::clerk;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::gemini::live::LiveSession;
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::twilio::signature::{AuthToken, SignatureChecker};
use frontdesk_core::twilio::webhook::VoiceRequest;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc;

use super::calls::{Calls, Command};
use super::journal::Journal;
use super::rest::Rest;
use super::task::{self, Call};
use crate::clock::Clock;
use crate::config::PhoneConfig;
use crate::conversation::running::View;
use crate::current::Current;
use crate::live::prompt::Place;
use crate::live::{Connector, prompt};
use crate::metrics::Metrics;
use crate::phone::settings::Settings;
use crate::store::Store;
use crate::supervise::Calls as CallTasks;

/// One phone number with everything behind it.
pub struct PhoneLine {
    /// What a conversation that begins now is made by: taken once for each.
    pub settings: Current<Settings>,
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

    /// Starts the task of an admitted call by `settings`, which it keeps to its end, and whose times are all told by
    /// `clock`; in the voice of the persona that was `asked` for, if one was.
    pub fn start(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        voice: &VoiceRequest,
        asked: Option<&PersonaId>,
        live_id: String,
        clock: Clock,
        (commands, view): (mpsc::Receiver<Command>, Arc<View>),
    ) {
        let call = voice.call_sid;
        let place = Place::Phone(voice.to.as_ref());
        let setup = prompt::setup(&settings.gemini, &settings.clinic, Timestamp::now(), place, asked);
        let seed = u64::from_le_bytes(call.as_str().as_bytes()[2..10].try_into().unwrap_or_default());
        let journal =
            Journal::new(call, live_id, self.store.clone(), self.metrics.clone(), clock, Arc::clone(&self.calls));
        let dials = settings.fallback.dials(settings.was_forwarded(voice));
        let equipment = settings.office.as_ref().map(|office| {
            let caller = voice.from.number().cloned();
            let place = clerk::Place::Phone { dials };
            (office.tools(call.into(), place, caller, clock), office.guard(place, clock.civil(Instant::now())))
        });
        let (calls, kept) = (Arc::clone(&self.calls), Arc::clone(settings));
        let on_call = Box::new(move |now| {
            let staying = !calls.conversations().is_draining();
            kept.on_call(dials, staying, clock.civil(now)).map(str::to_owned)
        });
        let phone = &settings.phone;
        let task = Call {
            sid: call,
            account_sid: phone.account_sid.as_str().to_owned(),
            live: LiveSession::new(setup, settings.gemini.rotate_after, seed),
            patience: Patience { no_input: phone.no_input, goodbye: phone.goodbye, longest: phone.max_call },
            lead: phone.lead,
            connector: Arc::clone(&self.connector),
            rest: Arc::clone(&self.rest),
            journal,
            equipment,
            commands,
            view,
            on_call,
        };
        self.tasks.spawn("call", call.into(), move |stop| task::run(task, stop));
    }
}
