//! What a configuration is good for, before anything is opened: certificates, keys, sentences and templates are tried out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::clinic::Clinic;

use super::AppError;
use crate::calendar::Backend;
use crate::config::{CalendarBackend, Config, MailBackend, TlsFiles};
use crate::current::{Current, Next};
use crate::google::scope::Feature;
use crate::google::{Google, Keeper};
use crate::live::Connector;
use crate::mail::{Mailer, Route};
use crate::net::{self, RenewedTls, TlsError};
use crate::phone::fallback::Fallbacks;

/// What a configuration is good for, before anything is opened.
pub struct Prepared {
    /// The client of Twilio's REST API and of Google.
    pub http: reqwest::Client,
    /// The way to Gemini.
    pub connector: Connector,
    /// What Twilio does with a caller when we do not.
    pub fallback: Fallbacks,
    /// Whoever is written to and for; nothing without the clinic's data: nobody is.
    pub letters: Option<Correspondence>,
    /// The clinic's calendars.
    pub calendar: Arc<Backend>,
    /// Access to Google.
    pub google: Arc<Google>,
    /// The task that keeps a person's login at Google, if one is configured.
    pub keeper: Option<Keeper>,
    /// The public listener's own TLS, if it has some.
    pub public_tls: Option<Arc<RenewedTls>>,
    /// The admin listener's.
    pub admin_tls: Option<Arc<RenewedTls>>,
}

/// A clinic that may be replaced by a reload, and who writes letters for it.
pub struct Correspondence {
    /// Replaces it.
    pub next: Next<Clinic>,
    /// Its data.
    pub clinic: Current<Clinic>,
    /// Writes.
    pub mailer: Mailer,
}

impl Prepared {
    /// Tries `config` out; starts nothing, asks nobody. Blocks on the file system.
    pub fn of(config: &Config) -> Result<Self, AppError> {
        let tls = net::client_tls(config.gemini.ca_file.as_deref())?;
        let http = http_client(&tls)?;
        let (mut google, keeper) = Google::open(&config.google, google_calendars(config), http.clone())?;
        google.uses = google_uses(config);
        google.also_busy = google_also_busy(config);
        let calendar = Arc::new(calendar(config, &google, &http)?);
        let letters = |data: &Arc<Clinic>| -> Result<_, AppError> {
            let (next, clinic) = Current::new(Arc::clone(data));
            let mailer = Mailer::new(Route::of(&config.mail, &google, &http)?, &config.mail, clinic.clone())?;
            Ok(Correspondence { next, clinic, mailer })
        };
        let letters = config.clinic.data.as_ref().map(letters).transpose()?;
        Ok(Self {
            google: Arc::new(google),
            keeper,
            calendar,
            connector: Connector::new(&config.gemini, tls, http.clone())?,
            fallback: Fallbacks::new(&config.phone, &config.clinic)?,
            letters,
            public_tls: server_tls(config.phone.tls.as_ref())?,
            admin_tls: server_tls(config.admin.tls.as_ref())?,
            http,
        })
    }
}

/// The clinic's calendars. Who made a CalDAV server's certificate is trusted there and nowhere else.
fn calendar(config: &Config, google: &Google, http: &reqwest::Client) -> Result<Backend, AppError> {
    let http = match &config.calendar.backend {
        CalendarBackend::Local | CalendarBackend::Google(_) => http.clone(),
        CalendarBackend::CalDav(caldav) => http_client(&*net::client_tls(caldav.ca_file.as_deref())?)?,
    };
    let google = (google.calendar.clone(), google.hosts.calendar.clone());
    Ok(Backend::new(&config.calendar, http, google, config.clinic.time_zone.clone()))
}

/// Those of the clinic's calendars that are at Google, by their ids there.
fn google_calendars(config: &Config) -> Vec<String> {
    match &config.calendar.backend {
        CalendarBackend::Google(google) => google.calendars.values().cloned().collect(),
        CalendarBackend::Local | CalendarBackend::CalDav(_) => Vec::new(),
    }
}

/// Further calendars there that say when practitioners are busy.
fn google_also_busy(config: &Config) -> Vec<String> {
    match &config.calendar.backend {
        CalendarBackend::Google(google) => google.also_busy.values().flatten().cloned().collect(),
        CalendarBackend::Local | CalendarBackend::CalDav(_) => Vec::new(),
    }
}

/// What Google is used for.
fn google_uses(config: &Config) -> Vec<Feature> {
    let calendar = match &config.calendar.backend {
        CalendarBackend::Local | CalendarBackend::CalDav(_) => None,
        CalendarBackend::Google(_) => Some(Feature::Calendar),
    };
    let mail = match &config.mail.backend {
        MailBackend::Folder { .. } | MailBackend::Smtp(_) => None,
        MailBackend::Gmail => Some(Feature::Mail),
    };
    calendar.into_iter().chain(mail).collect()
}

/// The client of Twilio's REST API and of Google.
pub fn http_client(tls: &rustls::ClientConfig) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        // A captive portal's page is no answer of Twilio's or Google's.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

fn server_tls(files: Option<&TlsFiles>) -> Result<Option<Arc<RenewedTls>>, TlsError> {
    files.map(|files| RenewedTls::open(files.clone(), Instant::now()).map(Arc::new)).transpose()
}
