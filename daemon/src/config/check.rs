//! The rules that turn what is written into what may be relied on ([`parts`](super::parts)).
//!
//! Every default stands here, once, beside its reason; `images/config/config.toml` repeats them for people and a test
//! keeps the two equal.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk_core::clinic::persona::Personas;
use frontdesk_core::desk::reception::Wake;
use frontdesk_core::twilio::number::PhoneNumber;
use frontdesk_core::twilio::sid::AccountSid;
use frontdesk_core::twilio::twiml::MAX_SAY_CHARS;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::knobs::EchoMode;
use jiff::Timestamp;

use super::calendar::{calendar, has_account, has_practitioners};
use super::clinic as clinic_file;
use super::complaint::{Complaints, Place};
use super::file::{Table, Value};
use super::google::google;
use super::knowledge;
use super::mail::{has_mailbox, mail};
use super::parts::{
    AdminConfig, ClinicConfig, Config, ControlConfig, DeskConfig, GeminiAccess, GeminiConfig, LogConfig, PhoneConfig,
    StoreConfig, TlsFiles,
};
use super::prompt;
use super::secrets::{Found, Secret, SecretError, SecretName, Secrets};
use super::section::{Section, reject_unknown_sections};
use super::spoken::{self, FALLBACK_SAY, VOICEMAIL_GOODBYE, VOICEMAIL_SAY};
use super::value::{self, BaseUrl};

const SECTIONS: [&str; 11] =
    ["clinic", "gemini", "phone", "desk", "calendar", "mail", "google", "admin", "control", "store", "log"];
const SOCKET_SCHEMES: [&str; 4] = ["wss", "ws", "https", "http"];
const WEB_SCHEMES: [&str; 2] = ["https", "http"];
/// The clinic's data are looked for under this name beside the configuration, unless another is written.
const CLINIC_FILE: &str = "clinic.toml";
/// A greeting is a breath or two, a name less.
const MAX_NAME_CHARS: usize = 120;
const MAX_GREETING_CHARS: usize = 1000;
/// Longest path that a Unix socket address holds, its end included (unix(7)).
const MAX_SOCKET_PATH: usize = 108;

/// Checks everything that is written and all secrets that it needs; `None` if any of it will not do, with the
/// reasons in `out`.
///
/// `now` tells what is over.
pub(super) fn check(
    mut tables: Table,
    file: &Path,
    secrets: Secrets<'_>,
    now: Timestamp,
    out: &mut Complaints,
) -> Option<Config> {
    let tables = &mut tables;
    let (clinic, data_file) = clinic(Section::open(tables, "clinic", file, out));
    let gemini = gemini(Section::open(tables, "gemini", file, out), secrets);
    let phone = phone(Section::open(tables, "phone", file, out), secrets);
    let desk = desk(Section::open(tables, "desk", file, out));
    let admin = admin(Section::open(tables, "admin", file, out), secrets);
    let control = control(Section::open(tables, "control", file, out));
    let (store, backups) = store(Section::open(tables, "store", file, out));
    let state = store.path.parent().unwrap_or(Path::new("/"));
    let mail_by = place(tables, "mail", "backend");
    let mail = mail(Section::open(tables, "mail", file, out), state, secrets);
    let google = google(Section::open(tables, "google", file, out), state, secrets);
    let (backend_at, calendars_at) = (place(tables, "calendar", "backend"), place(tables, "calendar", "calendars"));
    let calendar = calendar(Section::open(tables, "calendar", file, out), state, secrets);
    let log = log(Section::open(tables, "log", file, out));
    reject_unknown_sections(tables, &SECTIONS, out);
    if let Some(phone) = &phone
        && phone.listen == admin.listen
        // Port 0 is any free port: two of them differ.
        && admin.listen.port() != 0
    {
        let remedy = "give [phone] and [admin] addresses of their own: the public listener serves nothing else";
        out.error(None, "[admin] listen", format!("= \"{}\" is also [phone] listen", admin.listen), remedy);
    }
    if let Some((mail, google)) = mail.as_ref().zip(google.as_ref()) {
        has_mailbox(mail, google, mail_by, out);
    }
    let clinic = clinic_file::add(clinic, data_file.as_deref(), now, out);
    if let Some((clinic, phone)) = clinic.as_ref().zip(phone.as_ref()) {
        clinic_file::against(clinic, &phone.number, out);
        spoken::advise(clinic, phone, out);
    }
    if let Some((calendar, data)) = calendar.as_ref().zip(clinic.as_ref().and_then(|clinic| clinic.data.as_ref())) {
        has_practitioners(calendar, data, calendars_at.as_ref(), out);
    }
    if let Some((calendar, google)) = calendar.as_ref().zip(google.as_ref()) {
        has_account(calendar, google, backend_at, out);
    }
    if let Some((clinic, gemini)) = clinic.as_ref().zip(gemini.as_ref())
        && clinic.data.is_some()
        && let Some(instruction) = &gemini.instruction
    {
        prompt::advise(instruction, None, "[gemini] prompt_file", out);
    }
    Some(Config {
        clinic: clinic?,
        gemini: gemini?,
        phone: phone?,
        desk,
        calendar: calendar?,
        mail: mail?,
        google: google?,
        admin,
        control,
        store,
        backups,
        log,
    })
}

/// Where `key` is written, before its section is opened.
fn place(tables: &Table, section: &str, key: &str) -> Option<Place> {
    match &tables.get(section)?.value {
        Value::Table(table) => table.get(key).map(|entry| entry.place.clone()),
        _ => None,
    }
}

/// The section, and the file with the clinic's data, if there is one.
fn clinic(mut section: Section<'_>) -> (Option<ClinicConfig>, Option<PathBuf>) {
    section.require("name", "write the clinic's name as the agent is to say it");
    section.require("time_zone", "write the clinic's time zone, for example \"Europe/Berlin\"");
    let name = section.optional("name", |text| value::line(text, MAX_NAME_CHARS));
    let time_zone = section.optional("time_zone", value::time_zone);
    let language = section.text("language", "en-US".to_owned(), value::language);
    let beside = section.here().file.with_file_name(CLINIC_FILE);
    let is_written = section.place("file").is_some();
    let file = section.readable_file("file");
    let knowledge = knowledge::folder(&mut section);
    section.finish();
    // A file that cannot be looked for is one that its reader will complain of.
    let file = if is_written { file } else { beside.try_exists().unwrap_or(true).then_some(beside) };
    let clinic = name.zip(time_zone).map(|(name, time_zone)| ClinicConfig {
        name,
        time_zone,
        language,
        data: None,
        knowledge,
        personas: Personas::default(),
    });
    (clinic, file)
}

fn gemini(mut section: Section<'_>, secrets: Secrets<'_>) -> Option<GeminiConfig> {
    let vertex = section.nested("vertex").map(vertex);
    let location = vertex.as_ref().and_then(|known| known.as_ref()).map(|(_, location)| location.as_str());
    let default_endpoint = default_endpoint(location);
    let endpoint_place = section.place("endpoint");
    let endpoint = section.optional("endpoint", |text| value::base_url(text, &SOCKET_SCHEMES));
    if let Some(BaseUrl { secure: false, loopback: false, .. }) = endpoint {
        let remedy = "use wss: keys and speech cross the network readable by anybody";
        section.out.advise(endpoint_place, "[gemini] endpoint", "is not encrypted", remedy);
    }
    // Vertex calls the same version by another name.
    let default_version = if vertex.is_some() { "v1beta1" } else { "v1beta" };
    let api_version = section.text("api_version", default_version.to_owned(), value::api_version);
    let model = section.text("model", "gemini-3.8-live".to_owned(), value::path_segment);
    // Warm, clear over a phone line, and the voice that the prompts were tried with.
    let voice = section.text("voice", "Sulafat".to_owned(), value::voice);
    let ca_file = section.readable_file("ca_file");
    let instruction = prompt::file(&mut section, "prompt_file");
    let greeting = section.optional("greeting", |text| value::sentence(text, MAX_GREETING_CHARS));
    let rotate_after = section.text("rotate_after", Duration::from_mins(8), |text| {
        value::duration_within(text, Duration::from_secs(10), Duration::from_mins(9))
    });
    let access = match vertex {
        None => needed(&mut section, secrets.line(SecretName::GEMINI_API_KEY)).map(GeminiAccess::ApiKey),
        Some(place) => {
            let found = secrets.document(SecretName::GOOGLE_CREDENTIALS);
            let is_unseen = matches!(found, Err(SecretError::Unseen { .. }));
            let credentials = needed(&mut section, found);
            place.zip(credentials).map(|((project, location), credentials)| {
                if is_unseen {
                    // Credentials that nobody has looked at cannot be tried out.
                    return GeminiAccess::ApiKey(credentials);
                }
                GeminiAccess::Vertex { project, location, credentials }
            })
        }
    };
    section.finish();
    let endpoint = endpoint.map_or(default_endpoint, |url| url.text);
    let access = access?;
    Some(GeminiConfig { endpoint, api_version, model, voice, access, ca_file, instruction, greeting, rotate_after })
}

fn vertex(mut section: Section<'_>) -> Option<(String, String)> {
    section.require("project", "write the Google Cloud project's id");
    section.require("location", "write a location that serves the model, for example \"us-central1\"");
    let project = section.optional("project", value::path_segment);
    let location = section.optional("location", value::path_segment);
    section.finish();
    project.zip(location)
}

fn default_endpoint(vertex_location: Option<&str>) -> String {
    match vertex_location {
        None => "wss://generativelanguage.googleapis.com".to_owned(),
        Some("global") => "wss://aiplatform.googleapis.com".to_owned(),
        Some(multi @ ("us" | "eu")) => format!("wss://aiplatform.{multi}.rep.googleapis.com"),
        Some(region) => format!("wss://{region}-aiplatform.googleapis.com"),
    }
}

/// The secret, or a complaint; something in its place if it cannot be looked at from here.
pub(super) fn needed(section: &mut Section<'_>, found: Result<Found, SecretError>) -> Option<Secret> {
    let (found, remedy) = match found {
        Ok(Found { secret, place }) => {
            section.out.secrets.push(place);
            return Some(secret);
        }
        Err(SecretError::Unseen { found, stand_in }) => {
            section.out.unseen.push(found);
            return Some(stand_in);
        }
        Err(SecretError::Missing(found)) => (found, "pass one of the two"),
        Err(SecretError::Unusable(found)) => (found, "store it anew"),
    };
    section.out.error(None, "", found, remedy);
    None
}

/// The secret if there is one; a complaint only if it is there and unusable.
fn wanted(section: &mut Section<'_>, found: Result<Found, SecretError>) -> Option<Secret> {
    match found {
        Err(SecretError::Missing(_) | SecretError::Unseen { .. }) => None,
        found => needed(section, found),
    }
}

fn phone(mut section: Section<'_>, secrets: Secrets<'_>) -> Option<PhoneConfig> {
    section.require("public_url", "write the https address at which Twilio reaches this box");
    section.require("number", "write the clinic's Twilio number, for example \"+15550100100\"");
    let listen = section.text("listen", SocketAddr::from(([127, 0, 0, 1], 8091)), listen_address);
    let public_url = public_url(&mut section);
    let fallback_place = section.place("fallback_number");
    let number = section.private("number", PhoneNumber::parse);
    let fallback_number = section.private("fallback_number", PhoneNumber::parse);
    if fallback_number.is_some() && fallback_number == number {
        let remedy = "name a line that does not lead back to this box";
        section.out.error(fallback_place, "[phone] fallback_number", "is the clinic's own number", remedy);
    }
    let max_calls = section.integer("max_calls", 50, 1..=1000) as usize;
    let twilio_api = section.text("twilio_api", "https://api.twilio.com".to_owned(), |text| {
        value::base_url(text, &WEB_SCHEMES).map(|url| url.text)
    });
    // Enough to bridge the jitter of a home's uplink, little enough for a barge-in to feel immediate.
    let lead = Duration::from_millis(section.integer("lead_ms", 200, 100..=400).into());
    let max_call = Duration::from_mins(section.integer("max_call_minutes", 30, 1..=240).into());
    let no_input_place = section.place("no_input_seconds");
    let no_input = Duration::from_secs(section.integer("no_input_seconds", 15, 5..=120).into());
    let goodbye = Duration::from_secs(section.integer("goodbye_seconds", 30, 10..=300).into());
    if no_input >= goodbye {
        let found = format!("= {} is not below goodbye_seconds = {}", no_input.as_secs(), goodbye.as_secs());
        section.out.error(no_input_place, "[phone] no_input_seconds", found, "ask first, say goodbye later");
    }
    // systemd waits 90 s before it kills; some of that is for closing the store.
    let drain = Duration::from_secs(section.integer("drain_seconds", 30, 0..=80).into());
    let say = |text: &str| value::sentence(text, MAX_SAY_CHARS);
    let fallback_say = section.text("fallback_say", FALLBACK_SAY.to_owned(), say);
    let voicemail_say = section.text("voicemail_say", VOICEMAIL_SAY.to_owned(), say);
    let voicemail_goodbye = section.text("voicemail_goodbye", VOICEMAIL_GOODBYE.to_owned(), say);
    let tls = tls(&mut section);
    let account_sid = account_sid(&mut section, secrets);
    let auth_token = needed(&mut section, secrets.line(SecretName::TWILIO_AUTH_TOKEN));
    let auth_token_secondary = wanted(&mut section, secrets.line(SecretName::TWILIO_AUTH_TOKEN_SECONDARY));
    section.finish();
    Some(PhoneConfig {
        listen,
        public_url: public_url?,
        number: number?,
        fallback_number,
        max_calls,
        twilio_api,
        lead,
        max_call,
        no_input,
        goodbye,
        drain,
        fallback_say,
        voicemail_say,
        voicemail_goodbye,
        tls,
        account_sid: account_sid?,
        auth_token: auth_token?,
        auth_token_secondary,
    })
}

fn desk(mut section: Section<'_>) -> DeskConfig {
    let device = section.text("device", DeviceSpec::Auto, str::parse);
    let wake = section.text("wake", Wake::Button, |text| match text {
        "button" => Ok(Wake::Button),
        "voice" => Ok(Wake::Voice),
        _ => Err("choose \"button\" or \"voice\""),
    });
    let echo = section.text("echo", None, |text| match text {
        "auto" => Ok(None),
        "device" => Ok(Some(EchoMode::Device)),
        "software" => Ok(Some(EchoMode::Software)),
        "half-duplex" => Ok(Some(EchoMode::HalfDuplex)),
        _ => Err("choose \"auto\", \"device\", \"software\" or \"half-duplex\""),
    });
    let volume_percent = section.integer("volume_percent", 100, 10..=200);
    let no_input_place = section.place("no_input_seconds");
    let no_input = Duration::from_secs(section.integer("no_input_seconds", 15, 5..=120).into());
    // A visitor who has walked away is not waited for as long as a caller who looks for a card.
    let goodbye = Duration::from_secs(section.integer("goodbye_seconds", 20, 10..=300).into());
    if no_input >= goodbye {
        let found = format!("= {} is not below goodbye_seconds = {}", no_input.as_secs(), goodbye.as_secs());
        section.out.error(no_input_place, "[desk] no_input_seconds", found, "ask first, say goodbye later");
    }
    let longest = Duration::from_mins(section.integer("max_minutes", 15, 1..=240).into());
    section.finish();
    DeskConfig { device, wake, echo, volume_percent, no_input, goodbye, longest }
}

fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port such as \"127.0.0.1:8091\" or \"[::]:8091\"")
}

/// Exactly one spelling of every URL must be possible, or signatures will not match.
fn public_url(section: &mut Section<'_>) -> Option<String> {
    let place = section.place("public_url");
    let url = section.optional("public_url", |text| {
        let url = value::base_url(text, &WEB_SCHEMES)?;
        match url {
            BaseUrl { secure: false, loopback: false, .. } => {
                Err("begin it with https://: Twilio streams audio over TLS only".to_owned())
            }
            BaseUrl { secure: true, port: Some(443), .. } => {
                Err("leave :443 out: Twilio may sign the address without it".to_owned())
            }
            url => Ok(url),
        }
    })?;
    if let BaseUrl { port: Some(port), loopback: false, .. } = url {
        let remedy = "use port 443: Twilio's streams are known to work there only";
        section.out.advise(place, "[phone] public_url", format!("names port {port}"), remedy);
    }
    Some(url.text)
}

fn account_sid(section: &mut Section<'_>, secrets: Secrets<'_>) -> Option<AccountSid> {
    let text = needed(section, secrets.line(SecretName::TWILIO_ACCOUNT_SID))?;
    let result = AccountSid::parse(text.expose());
    result
        .map_err(|error| section.out.error(None, "", "twilio-account-sid / TWILIO_ACCOUNT_SID", error.to_string()))
        .ok()
}

fn tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    let mut files = section.nested("tls")?;
    files.require("cert", "name the PEM file of the certificate chain");
    files.require("key", "name the PEM file of the private key");
    let (cert, key) = (files.readable_file("cert"), files.readable_file("key"));
    files.finish();
    Some(TlsFiles { cert: cert?, key: key? })
}

fn admin(mut section: Section<'_>, secrets: Secrets<'_>) -> AdminConfig {
    let place = section.place("listen");
    let listen = section.text("listen", SocketAddr::from(([127, 0, 0, 1], 8090)), listen_address);
    let tls = tls(&mut section);
    let name = SecretName::ADMIN_TOKEN;
    let found = secrets.line(name);
    let missing = matches!(found, Err(SecretError::Missing(_)));
    let token = wanted(&mut section, found);
    if !listen.ip().is_loopback() {
        if missing {
            let remedy = format!(
                "pass the credential {} or the variable {}, or listen on 127.0.0.1",
                name.credential, name.variable
            );
            let found = format!("= \"{listen}\" can be reached from the network, and there is no admin token");
            section.out.error(place.clone(), "[admin] listen", found, remedy);
        }
        if tls.is_none() {
            let found = format!("= \"{listen}\" can be reached from the network without TLS");
            section.out.advise(place, "[admin] listen", found, "add tls = { cert = …, key = … }");
        }
    }
    section.finish();
    AdminConfig { listen, token, tls }
}

fn control(mut section: Section<'_>) -> ControlConfig {
    let socket = section.text("socket", PathBuf::from("/run/frontdesk/control.sock"), |text| {
        if text.len() >= MAX_SOCKET_PATH {
            return Err(format!("a socket's path has less than {MAX_SOCKET_PATH} bytes"));
        }
        value::absolute_path(text)
    });
    section.finish();
    ControlConfig { socket }
}

fn store(mut section: Section<'_>) -> (StoreConfig, u32) {
    let path = section.text("path", PathBuf::from("/var/lib/frontdesk/frontdesk.db"), value::absolute_path);
    let keep_days = section.integer("keep_days", 365, 1..=3650);
    let backups = section.integer("backups", 7, 0..=365);
    section.finish();
    (StoreConfig { path, keep_days }, backups)
}

fn log(mut section: Section<'_>) -> LogConfig {
    let level = section.text("level", log::LevelFilter::Info, |text| {
        let known = ["error", "warn", "info", "debug", "trace"];
        if known.contains(&text) {
            text.parse().map_err(|_| String::new())
        } else {
            Err(format!("choose one of {}", known.join(", ")))
        }
    });
    section.finish();
    LogConfig { level }
}
