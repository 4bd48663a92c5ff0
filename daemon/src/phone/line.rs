//! The phone line: everything that a call is made of, and how one is started.

use std::sync::Arc;
use std::time::Instant;

use frontdesk_core::clerk;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::gemini::live::LiveSession;
use frontdesk_core::letter::clean;
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::twilio::sid::CallSid;
use frontdesk_core::twilio::signature::{AuthToken, SignatureChecker};
use frontdesk_core::twilio::webhook::{Form, VoiceRequest};
use jiff::Timestamp;
use log::warn;
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

/// Characters of what a webhook's address asks for that a log shows.
const LONGEST_SHOWN: usize = 40;

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

    /// The persona that the query of a webhook's address asks for: `persona=guide`. One that does not exist is told in the
    /// log and not asked for.
    pub fn asked_persona(&self, call: &CallSid, query: Option<&str>) -> Option<PersonaId> {
        let form = Form::parse(query?.as_bytes()).ok()?;
        let written = form.get("persona")?;
        let id = PersonaId::parse(written).ok();
        let known = id.filter(|id| self.clinic.personas.persona(id).is_some());
        if known.is_none() {
            let all = self.clinic.personas.catalogue.iter().map(|persona| persona.id.as_str());
            let (all, written) = (all.collect::<Vec<_>>().join(", "), clean::line(written, LONGEST_SHOWN));
            warn!(call_sid = call.as_str(); "the number's webhook at Twilio asks for the persona {written:?}, which clinic.toml does not have (it has: {all}): the usual one speaks");
        }
        known
    }

    /// The document for a caller whose life is in danger; nothing if the one behind their stream, which `dials` or not, is
    /// to be used. While the daemon is being stopped nobody will be there to be asked what comes next: the fallback number
    /// is rung, or whoever is on call without a word to us.
    fn on_call(&self, dials: bool, now: Timestamp) -> Option<&str> {
        let staying = !self.calls.conversations().is_draining();
        if dials && !staying {
            return None;
        }
        self.fallback.on_call(self.office.as_ref()?.rung(dials, now)?, staying)
    }

    /// Starts the task of an admitted call, whose times are all told by `clock`; in the voice of the persona that was
    /// `asked` for, if one was.
    pub fn start(
        self: &Arc<Self>,
        voice: &VoiceRequest,
        asked: Option<&PersonaId>,
        live_id: String,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
        view: Arc<View>,
    ) {
        let call = voice.call_sid;
        let place = Place::Phone(voice.to.as_ref());
        let setup = prompt::setup(&self.gemini, &self.clinic, Timestamp::now(), place, asked);
        let seed = u64::from_le_bytes(call.as_str().as_bytes()[2..10].try_into().unwrap_or_default());
        let journal =
            Journal::new(call, live_id, self.store.clone(), self.metrics.clone(), clock, Arc::clone(&self.calls));
        let dials = self.fallback.dials(self.was_forwarded(voice));
        let equipment = self.office.as_ref().map(|office| {
            let caller = voice.from.number().cloned();
            let place = clerk::Place::Phone { dials };
            (office.tools(call.into(), place, caller, clock), office.guard(place, clock.civil(Instant::now())))
        });
        let line = Arc::clone(self);
        let on_call = Box::new(move |now| line.on_call(dials, clock.civil(now)).map(str::to_owned));
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
            on_call,
        };
        self.tasks.spawn("call", call.into(), move |stop| task::run(task, stop));
    }
}
