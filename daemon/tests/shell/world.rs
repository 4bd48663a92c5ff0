//! A phone line with everything behind it, between a Twilio and a Gemini that do as a test says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::clinic::persona::{Persona, Personas};
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::twilio::number::PhoneNumber;
use frontdeskd::clock::Clock;
use frontdeskd::config::{ClinicConfig, GeminiAccess, GeminiConfig, GoogleConfig, PhoneConfig, Secret, StoreConfig};
use frontdeskd::conversation::running::Conversations;
use frontdeskd::conversation::tools::Office;
use frontdeskd::current::Current;
use frontdeskd::google::Google;
use frontdeskd::http::public;
use frontdeskd::http::serve::{Acceptor, Limits, serve};
use frontdeskd::live::Connector;
use frontdeskd::metrics::Metrics;
use frontdeskd::net;
use frontdeskd::phone::calls::Calls;
use frontdeskd::phone::ended::REMEMBERED;
use frontdeskd::phone::fallback::Fallbacks;
use frontdeskd::phone::line::PhoneLine;
use frontdeskd::phone::rest::Rest;
use frontdeskd::phone::settings;
use frontdeskd::store::Store;
use frontdeskd::supervise::Supervisor;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fakes::{Gemini, LONG, Reply, Scripted, certificates};
use super::log;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SECONDARY: &str = "fedcba9876543210fedcba9876543210";
pub(crate) const PUBLIC_URL: &str = "https://desk.example.com";
pub(crate) const FALLBACK: &str = "+15550100900";
pub(crate) const KEY: &str = "AIzaTheKeyOfTheseTests";

pub(crate) struct World {
    pub(crate) line: Arc<PhoneLine>,
    pub(crate) public: SocketAddr,
    pub(crate) gemini: Gemini,
    pub(crate) twilio: Scripted,
    pub(crate) stop: CancellationToken,
    pub(crate) listeners: JoinSet<()>,
    pub(crate) database: PathBuf,
    pub(crate) supervisor: Supervisor,
    _directory: TempDir,
}

impl World {
    /// With room for one call; REST requests are granted.
    pub(crate) async fn start() -> Self {
        Self::with_twilio(vec![Reply::Say(200, "{}".to_owned())]).await
    }

    /// REST requests are answered with `replies`.
    pub(crate) async fn with_twilio(replies: Vec<Reply>) -> Self {
        Self::with(replies, Clock::read, 1).await
    }

    /// REST requests are answered with `replies`, `clock` tells the time, and there is room for that many calls.
    pub(crate) async fn with(replies: Vec<Reply>, clock: fn() -> Clock, room: usize) -> Self {
        log::keep();
        let directory = tempfile::tempdir().unwrap();
        let (gemini, twilio) = (Gemini::start().await, Scripted::start(replies).await);
        Self::on(directory, gemini, twilio, Settings { clock, room, ..Settings::default() }).await
    }

    /// With the data of a clinic, so that the model has functions to call.
    pub(crate) async fn of_clinic(clinic: Clinic) -> Self {
        Self::of_clinic_with(clinic, vec![Reply::Say(200, "{}".to_owned())], Some(FALLBACK)).await
    }

    /// The same, where REST requests are answered with `replies` and that number is dialled for whoever is handed over.
    pub(crate) async fn of_clinic_with(
        clinic: Clinic,
        replies: Vec<Reply>,
        fallback_number: Option<&'static str>,
    ) -> Self {
        log::keep();
        let directory = tempfile::tempdir().unwrap();
        let (gemini, twilio) = (Gemini::start().await, Scripted::start(replies).await);
        let settings = Settings { data: Some(Arc::new(clinic)), fallback_number, ..Settings::default() };
        Self::on(directory, gemini, twilio, settings).await
    }

    async fn on(directory: TempDir, gemini: Gemini, twilio: Scripted, settings: Settings) -> Self {
        let database = directory.path().join("calls.db");
        let (line, supervisor) = line(&database, &gemini, &twilio, settings).await;
        let (public, stop, listeners) = listen(&line).await;
        Self { line, public, gemini, twilio, stop, listeners, database, supervisor, _directory: directory }
    }

    /// The daemon is gone without a word to its calls, and started again with the same files.
    pub(crate) async fn restart(self) -> Self {
        self.line.store.close().await;
        let (clock, room) = (self.line.clock, self.line.settings.take().phone.max_calls);
        let Self { gemini, twilio, _directory: directory, .. } = self;
        Self::on(directory, gemini, twilio, Settings { clock, room, ..Settings::default() }).await
    }

    /// A figure of the metrics.
    pub(crate) fn counted(&self, line: &str) -> bool {
        self.line.metrics.encode().lines().any(|known| known.starts_with(line))
    }

    /// Waits until no call runs.
    pub(crate) async fn idle(&self) {
        until(|| self.line.calls.conversations().active() == 0).await;
    }
}

struct Settings {
    /// Who tells the time.
    clock: fn() -> Clock,
    /// Room for how many calls.
    room: usize,
    /// What is known of the clinic.
    data: Option<Arc<Clinic>>,
    fallback_number: Option<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { clock: Clock::read, room: 1, data: None, fallback_number: Some(FALLBACK) }
    }
}

async fn line(database: &Path, gemini: &Gemini, twilio: &Scripted, with: Settings) -> (Arc<PhoneLine>, Supervisor) {
    let Settings { clock, room, data, fallback_number } = with;
    let store = Store::open(&StoreConfig { path: database.to_owned(), keep_days: 10_000 }).unwrap();
    let metrics = Metrics::with_store(store.clone());
    let fallback_number = fallback_number.map(|number| PhoneNumber::parse(number).unwrap());
    let phone = PhoneConfig { max_calls: room, fallback_number, ..phone(twilio) };
    let clinic = ClinicConfig {
        name: "Riverside Clinic".into(),
        time_zone: TimeZone::UTC,
        language: "en-US".into(),
        data: data.clone(),
        knowledge: None,
        personas: personas(),
    };
    let settings = settings(&format!("ws://{}", gemini.address));
    let http = client();
    let supervisor = Supervisor::new(metrics.clone());
    let calls = Calls::new(Conversations::new(phone.max_calls, metrics.clone()));
    calls.recall(&store.ended(REMEMBERED).await.unwrap());
    let line = PhoneLine {
        checker: PhoneLine::checker(&phone),
        rest: Arc::new(Rest::new(http.clone(), &phone, metrics.clone())),
        calls,
        connector: Arc::new(Connector::new(&settings, tls(), http).unwrap()),
        settings: Current::from(Arc::new(settings::Settings {
            office: data.map(|data| Office::open(data, store.clone(), None, None).unwrap()),
            fallback: Fallbacks::new(&phone, &clinic).unwrap(),
            phone,
            gemini: settings,
            clinic,
            desk: patient(),
        })),
        store,
        metrics,
        clock,
        tasks: supervisor.calls(),
    };
    (Arc::new(line), supervisor)
}

/// A desk that waits for a silent visitor as long as no test lasts.
pub(crate) fn patient() -> Patience {
    let long = Duration::from_mins(10);
    Patience { no_input: long, goodbye: long, longest: 2 * long }
}

/// Two who speak only when they are asked for.
fn personas() -> Personas {
    let persona = |id: &str, name: &str, voice: &str| Persona {
        id: PersonaId::parse(id).unwrap(),
        name: name.to_owned(),
        voice: voice.to_owned(),
        tone: "You speak softly.".to_owned(),
        greeting: None,
        prompt: None,
    };
    let catalogue = vec![persona("guide", "Felix", "Achird"), persona("night", "Nora", "Vindemiatrix")];
    Personas { catalogue, usual: None, rules: Vec::new() }
}

async fn listen(line: &Arc<PhoneLine>) -> (SocketAddr, CancellationToken, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let public = listener.local_addr().unwrap();
    let (stop, mut listeners) = (CancellationToken::new(), JoinSet::new());
    let router = public::router(Arc::clone(line));
    let limits = Limits { connections: 8, ..Limits::PUBLIC };
    listeners.spawn(serve(Acceptor::Tcp(listener, None), router, limits, stop.clone()));
    (public, stop, listeners)
}

/// Waits for a fact that nobody announces.
pub(crate) async fn until(fact: impl Fn() -> bool) {
    let looking = async {
        while !fact() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, looking).await.expect("it never came about");
}

pub(crate) fn phone(twilio: &Scripted) -> PhoneConfig {
    let number = |text: &str| PhoneNumber::parse(text).unwrap();
    PhoneConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: PUBLIC_URL.into(),
        number: number("+15550100100"),
        fallback_number: Some(number(FALLBACK)),
        max_calls: 1,
        twilio_api: format!("http://{}", twilio.address),
        lead: Duration::from_millis(200),
        max_call: Duration::from_mins(30),
        no_input: Duration::from_secs(15),
        goodbye: Duration::from_secs(30),
        drain: Duration::from_secs(1),
        fallback_say: "One moment.".into(),
        voicemail_say: "Please leave a message.".into(),
        voicemail_goodbye: "Goodbye.".into(),
        tls: None,
        account_sid: ACCOUNT.parse().unwrap(),
        auth_token: Secret::new(TOKEN),
        auth_token_secondary: Some(Secret::new(SECONDARY)),
    }
}

pub(crate) fn settings(endpoint: &str) -> GeminiConfig {
    GeminiConfig {
        endpoint: endpoint.to_owned(),
        api_version: "v1beta".into(),
        model: "gemini-3.8-live".into(),
        voice: "Sulafat".into(),
        access: GeminiAccess::ApiKey(Secret::new(KEY)),
        ca_file: None,
        instruction: None,
        greeting: None,
        rotate_after: Duration::from_mins(8),
    }
}

/// TLS that trusts an authority nobody knows: works on a machine without roots.
pub(crate) fn tls() -> Arc<rustls::ClientConfig> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, certificates().ca).unwrap();
    net::client_tls(Some(&path)).unwrap()
}

/// Who is nobody at Google.
pub(crate) fn stranger() -> Arc<Google> {
    let config = GoogleConfig { endpoint: None, login: None, token_file: "/nowhere/google-token.json".into() };
    Arc::new(Google::open(&config, Vec::new(), client()).unwrap().0)
}

/// The client of the daemon, as its composition root makes it.
pub(crate) fn client() -> reqwest::Client {
    frontdeskd::app::http_client(&tls()).unwrap()
}
