//! What may be relied on: each section as its part of the daemon receives it, complete and in range.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::persona::Personas;
use frontdesk_core::clinic::template::{Blank, Template};
use frontdesk_core::desk::reception::Wake;
use frontdesk_core::twilio::number::PhoneNumber;
use frontdesk_core::twilio::sid::AccountSid;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::knobs::EchoMode;
use jiff::tz::TimeZone;

use super::calendar::CalendarConfig;
use super::google::GoogleConfig;
use super::mail::MailConfig;
use super::secrets::Secret;
use crate::knowledge::Folder;

/// The whole configuration. Each part of the daemon is given its own section and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[clinic]`
    pub clinic: ClinicConfig,
    /// `[gemini]`
    pub gemini: GeminiConfig,
    /// `[phone]`
    pub phone: PhoneConfig,
    /// `[desk]`
    pub desk: DeskConfig,
    /// `[mail]`
    pub mail: MailConfig,
    /// `[calendar]`
    pub calendar: CalendarConfig,
    /// `[google]`
    pub google: GoogleConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[control]`
    pub control: ControlConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[store] backups`: how many daily copies of the store are kept; with 0 none are made.
    pub backups: u32,
    /// `[log]`
    pub log: LogConfig,
}

/// Whom the agent speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClinicConfig {
    /// As the agent says it.
    pub name: String,
    /// In which opening hours and appointments are meant.
    pub time_zone: TimeZone,
    /// BCP-47 tag of the language that callers are greeted in.
    pub language: String,
    /// What is known of the clinic; without it nothing can be booked.
    pub data: Option<Arc<Clinic>>,
    /// The folder of the clinic's own texts.
    pub knowledge: Option<Folder>,
    /// In which manner the agent speaks; none without `data`.
    pub personas: Personas,
}

/// The conversation's other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeminiConfig {
    /// `scheme://host[:port][/path]`, scheme ws, wss, http or https, without a slash at its end.
    pub endpoint: String,
    /// For example `v1beta`.
    pub api_version: String,
    /// Without `models/`.
    pub model: String,
    /// One of the prebuilt voices, in Gemini's spelling.
    pub voice: String,
    /// How the daemon shows who it is.
    pub access: GeminiAccess,
    /// PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The system instruction, if it replaces the built-in one.
    pub instruction: Option<Template<Blank>>,
    /// What the agent is to say first, if it is to be a certain sentence.
    pub greeting: Option<String>,
    /// Age at which a connection is replaced by a resumed one, before Gemini ends it at about ten minutes.
    pub rotate_after: Duration,
}

/// How the daemon shows Gemini who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeminiAccess {
    /// The developer API.
    ApiKey(Secret),
    /// Vertex AI.
    Vertex {
        /// The Google Cloud project.
        project: String,
        /// For example `us-central1`.
        location: String,
        /// A service account's key, a JSON document.
        credentials: Secret,
    },
}

/// The phone line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneConfig {
    /// The public listener.
    pub listen: SocketAddr,
    /// What Twilio sees: every URL that it is given is this and a path, and signatures are checked against it.
    pub public_url: String,
    /// The clinic's number at Twilio.
    pub number: PhoneNumber,
    /// A human who answers when the agent cannot.
    pub fallback_number: Option<PhoneNumber>,
    /// Calls at a time; further ones go to the fallback.
    pub max_calls: usize,
    /// Base address of the REST API.
    pub twilio_api: String,
    /// How far ahead of the caller's ear audio is sent to Twilio.
    pub lead: Duration,
    /// Length at which a call is ended politely.
    pub max_call: Duration,
    /// Silence of the caller after which the agent asks whether anybody is there.
    pub no_input: Duration,
    /// Silence of the caller after which the agent says goodbye.
    pub goodbye: Duration,
    /// How long running calls may go on when the daemon is stopped.
    pub drain: Duration,
    /// Said before the fallback number is dialled.
    pub fallback_say: String,
    /// Said before the voicemail's tone.
    pub voicemail_say: String,
    /// Said when no message was left.
    pub voicemail_goodbye: String,
    /// The public listener's own TLS, if it does not stand behind a tunnel or proxy.
    pub tls: Option<TlsFiles>,
    /// The account whose requests are accepted.
    pub account_sid: AccountSid,
    /// Signs webhooks, authorises REST requests.
    pub auth_token: Secret,
    /// Accepted beside the other while tokens are being rotated.
    pub auth_token_secondary: Option<Secret>,
}

/// The front desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskConfig {
    /// Which speakerphone, if any.
    pub device: DeviceSpec,
    /// What begins a conversation.
    pub wake: Wake,
    /// Who cancels the echo, if the device's entry in the table of known ones is not to be believed.
    pub echo: Option<EchoMode>,
    /// How loud everything is played, in percent of the amplitude.
    pub volume_percent: u32,
    /// Silence after which the agent asks whether anybody is there.
    pub no_input: Duration,
    /// Silence after which the agent says goodbye.
    pub goodbye: Duration,
    /// Length at which a conversation is ended politely.
    pub longest: Duration,
}

/// The listener for staff and technicians.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens; beyond this machine only with a token.
    pub listen: SocketAddr,
    /// What a person must show, if anything.
    pub token: Option<Secret>,
    /// Its own TLS.
    pub tls: Option<TlsFiles>,
}

/// A certificate chain and its key, PEM files that were readable when the configuration was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the listener's own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The technician's tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// Path of the control socket.
    pub socket: PathBuf,
}

/// The call record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// Days after which a call and its transcript are erased.
    pub keep_days: u32,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe level that is written.
    pub level: log::LevelFilter,
}
