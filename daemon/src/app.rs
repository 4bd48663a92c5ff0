//! The composition root: the only place that knows every part, builds them in order and stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::clinic::Clinic;
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::twilio::twiml::TwimlError;
use frontdesk_hw::desk::Desk;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::Knobs;
use jiff::Timestamp;
use log::{error, info, warn};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::calendar::Backend;
use crate::calendar::asking::ask;
use crate::calendar::feed::Feed;
use crate::calendar::trouble::Troubles;
use crate::clock::Clock;
use crate::config::{CalendarBackend, Config, MailBackend, TlsFiles};
use crate::conversation::running::Conversations;
use crate::conversation::tools::Office;
use crate::desk::invite::{Invitation, Inviter};
use crate::desk::selftest::{Asked, Tester};
use crate::desk::state::{DeskState, DeviceState};
use crate::desk::task::Makings;
use crate::desk::{self, hardware};
use crate::errands::{Diary, Entries, Letters, carriers, watch};
use crate::google::scope::Feature;
use crate::google::service::TokenError;
use crate::google::{Google, GoogleError, Keeper};
use crate::http::admin::{self, AdminState};
use crate::http::auth::AdminAuth;
use crate::http::control::{self, ControlFile};
use crate::http::public;
use crate::http::serve::{Acceptor, Limits, serve};
use crate::knowledge;
use crate::live::Connector;
use crate::logging;
use crate::mail::retention::{self, Retention};
use crate::mail::{MailError, Mailer, Route};
use crate::metrics::{Metrics, Sound};
use crate::net::{self, RenewedTls, TlsError};
use crate::notify::Notifier;
use crate::outbox;
use crate::phone::calls::Calls;
use crate::phone::ended::REMEMBERED;
use crate::phone::fallback::Fallbacks;
use crate::phone::line::PhoneLine;
use crate::phone::rest::Rest;
use crate::phone::sms::Texter;
use crate::status::{self, Status};
use crate::store::{Keeping, Store, StoreError, backup};
use crate::supervise::{Fault, Grace, Supervisor};
use crate::watchdog::{LookAt, Proof};

/// How often `systemctl status` is told how we are.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Why the daemon cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A port of ours.
    #[error("cannot listen on {address} ([{section}] listen); is another program, or another frontdeskd, using it?")]
    Listen {
        /// The section of the configuration.
        section: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// TLS of a listener, or towards the services.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP client.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
    /// The credential for Gemini.
    #[error(transparent)]
    Credential(#[from] TokenError),
    /// Who we are at Google.
    #[error(transparent)]
    Google(#[from] GoogleError),
    /// The sentences of the fallback.
    #[error("the fallback of [phone] cannot be spoken")]
    Fallback(#[from] TwimlError),
    /// Letters.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no randomness.
    #[error("the system gives no randomness, without which offers of appointments could be made up")]
    NoRandomness,
    /// The threads of the sound card.
    #[error("the threads of the front desk cannot be started")]
    Desk(#[source] std::io::Error),
    /// A part ended unasked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Who asks the daemon to stop.
pub trait StopSignal {
    /// Resolves when the daemon is to stop; when asked again, when it is to stop at once.
    fn wait(&mut self) -> impl Future<Output = &'static str> + Send;
}

/// A daemon that listens.
pub struct App {
    line: Arc<PhoneLine>,
    supervisor: Supervisor,
    notifier: Notifier,
    status: Arc<Status>,
    drain: Duration,
    desk: Option<Desk>,
    _control: Option<ControlFile>,
    /// Where the public listener listens, with its real port.
    pub public: SocketAddr,
    /// Where the admin listener listens, with its real port.
    pub admin: SocketAddr,
}

impl App {
    /// Builds every part and opens the listeners. Blocks on the disk for the store.
    pub async fn start(config: Config, notifier: Notifier) -> Result<Self, AppError> {
        let Prepared { http, connector, fallback, mailer, calendar, google, keeper, public_tls, admin_tls } =
            Prepared::of(&config)?;
        let store = Store::open(&config.store)?;
        let off = config.desk.device == DeviceSpec::None;
        let first = if off { DeviceState::Off } else { DeviceState::Absent("it is being looked for".to_owned()) };
        let (knobs, figures) = (hardware::knobs(), hardware::figures());
        let desk_state = Arc::new(DeskState::new(first, knobs));
        let seen = Arc::clone(&desk_state);
        let present = Arc::new(move || matches!(seen.device(), DeviceState::Ready(_)));
        let sound = (!off).then_some(Sound { figures, present });
        let metrics = Metrics::with(store.clone(), sound);
        let mut supervisor = Supervisor::new(metrics.clone());
        start_keeper(keeper, &metrics, &mut supervisor);
        if store.keeping() != Keeping::Memory {
            let (of, kept, copies) = (store.clone(), config.store.clone(), config.backups as usize);
            let zone = config.clinic.time_zone.clone();
            supervisor.start("backups", move |stop| backup::run(of, kept, copies, zone, stop));
        }
        let conversations = Conversations::new(config.phone.max_calls, metrics.clone());
        let calls = Calls::new(Arc::clone(&conversations));
        recall(&calls, &store).await;
        let connector = Arc::new(connector);
        let office = open_office(&config, &calendar, &store, &metrics, &mut supervisor)?;
        let rest = Arc::new(Rest::new(http, &config.phone, metrics.clone()));
        let troubles = Arc::new(Troubles::new());
        if let (Some(clinic), Some(mailer)) = (&config.clinic.data, mailer) {
            let calendar = (calendar, Arc::clone(&troubles));
            start_outbox(&config, (clinic, mailer), calendar, &rest, &store, &metrics, &mut supervisor).await;
        }
        let line = Arc::new(PhoneLine {
            checker: PhoneLine::checker(&config.phone),
            fallback,
            rest,
            phone: config.phone.clone(),
            gemini: config.gemini.clone(),
            clinic: config.clinic.clone(),
            office: office.clone(),
            calls: Arc::clone(&calls),
            connector: Arc::clone(&connector),
            store: store.clone(),
            metrics: metrics.clone(),
            clock: Clock::read,
            tasks: supervisor.calls(),
        });
        let (tester, tests) = Tester::new();
        let tester = if off { Tester::off() } else { tester };
        let (inviter, invitations) = Inviter::new();
        let inviter = if off { Inviter::off() } else { inviter };
        let (spec, state) = (config.desk.device.clone(), Arc::clone(&desk_state));
        let shown = status::Desk { spec, state, figures, tester, inviter };
        let (running, outside) = (Arc::clone(&conversations), Arc::clone(&google));
        let status = Status::new(running, shown, outside, store.clone(), Clock::read);
        let status = Arc::new(status.with_calendars(troubles));
        let state = AdminState {
            store: store.clone(),
            metrics: metrics.clone(),
            calls: Arc::clone(&status) as _,
            health: Arc::clone(&status) as _,
            desk: Arc::clone(&status) as _,
            google,
        };

        let tls = (public_tls, admin_tls);
        let (public, admin, control) = start_listeners(&config, &line, state, tls, &mut supervisor).await?;
        let makings = Makings {
            gemini: config.gemini.clone(),
            clinic: config.clinic.clone(),
            office,
            patience: Patience {
                no_input: config.desk.no_input,
                goodbye: config.desk.goodbye,
                longest: config.desk.longest,
            },
            conversations,
            connector,
            store,
            metrics,
            clock: Clock::read,
            tasks: supervisor.calls(),
        };
        let desk = if off {
            None
        } else {
            start_desk(&config, makings, desk_state, (knobs, figures), (tests, invitations), &mut supervisor)?
        };
        info!("listening for Twilio on {public} as {}", config.phone.public_url);
        info!("listening for people on {admin}");
        Ok(Self {
            line,
            supervisor,
            notifier,
            status,
            drain: config.phone.drain,
            desk,
            _control: control,
            public,
            admin,
        })
    }

    /// Serves until `signal` or until a part breaks, then stops in order: no new calls, a time of grace for the
    /// running ones, the fallback for those that are left, the listeners, the store.
    pub async fn run(mut self, mut signal: impl StopSignal) -> Result<(), AppError> {
        self.notifier.ready(&self.status.line());
        let (notifier, status) = (self.notifier.clone(), Arc::clone(&self.status));
        self.supervisor.start("status", |stop| tell_status(notifier, status, stop));
        let status = Arc::clone(&self.status);
        let audio = self.desk.is_some().then(|| Box::new(move || status.look()) as LookAt);
        let (notifier, proof) = (self.notifier.clone(), Proof::new(self.line.store.clone(), audio));
        self.supervisor.start("watchdog", |stop| async move { notifier.feed_watchdog(stop, || proof.give()).await });
        let fault = tokio::select! {
            why = signal.wait() => {
                info!("{why}: no new calls are taken");
                None
            }
            fault = self.supervisor.run_until_fault() => Some(fault),
        };
        tokio::select! {
            () = self.wind_down() => {}
            why = signal.wait() => warn!("{why} again: stopping at once"),
        }
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    async fn wind_down(self) {
        self.line.calls.conversations().drain();
        self.notifier.stopping(&self.status.line());
        let running = self.line.calls.conversations().active();
        if running > 0 {
            info!("{running} conversations are running; they have {:?} to end", self.drain);
        }
        let left = self.supervisor.wind_down(Grace::of_calls(self.drain)).await;
        if left.calls_cut > 0 {
            warn!("{} calls were left to the fallback", left.calls_cut);
        }
        if !left.tasks.is_empty() {
            warn!("did not stop in time: {}", left.tasks.join(", "));
        }
        if let Some(desk) = self.desk {
            // A device that hangs is waited for, and the runtime's threads are not the ones to wait.
            let _ = tokio::task::spawn_blocking(|| desk.stop()).await;
        }
        self.line.store.close().await;
        info!("stopped");
    }
}

/// Makes known which calls are over.
async fn recall(calls: &Calls, store: &Store) {
    if store.recovered() > 0 {
        warn!("{} calls were cut by a power loss or a crash; their records are closed", store.recovered());
    }
    match store.ended(REMEMBERED).await {
        Ok(ended) => calls.recall(&ended),
        // A repeated webhook of an earlier call is rare, and no reason to leave the phone to nobody.
        Err(error) => error!("calls of before the start would be taken for new ones: {}", logging::chain(&error)),
    }
}

/// What the functions of all conversations share, and the task that keeps the clinic's own texts; nothing without the
/// clinic's data.
fn open_office(
    config: &Config,
    calendar: &Arc<Backend>,
    store: &Store,
    metrics: &Metrics,
    supervisor: &mut Supervisor,
) -> Result<Option<Arc<Office>>, AppError> {
    let Some(data) = &config.clinic.data else { return Ok(None) };
    let outside = ask(Arc::clone(calendar), store.clone(), metrics.clone(), Timestamp::now);
    let knowledge = config.clinic.knowledge.clone().map(|folder| {
        let (knowledge, keeper) = knowledge::open(folder);
        supervisor.start("knowledge", |stop| keeper.run(stop));
        knowledge
    });
    Office::open(Arc::clone(data), store.clone(), outside, knowledge).map(Some).ok_or(AppError::NoRandomness)
}

/// Starts the task that keeps a person's login at Google, if one is configured.
fn start_keeper(keeper: Option<Keeper>, metrics: &Metrics, supervisor: &mut Supervisor) {
    if let Some(keeper) = keeper {
        let metrics = metrics.clone();
        supervisor.start("google", move |stop| keeper.run(metrics, stop));
    }
}

/// Opens the listeners and begins to serve on them. Returns where, with their real ports; without the control socket the
/// daemon does its work all the same.
async fn start_listeners(
    config: &Config,
    line: &Arc<PhoneLine>,
    state: AdminState,
    (public_tls, admin_tls): (Option<Arc<RenewedTls>>, Option<Arc<RenewedTls>>),
    supervisor: &mut Supervisor,
) -> Result<(SocketAddr, SocketAddr, Option<ControlFile>), AppError> {
    let (public_listener, public) = listen("phone", config.phone.listen).await?;
    let (admin_listener, admin) = listen("admin", config.admin.listen).await?;
    let router = public::router(Arc::clone(line));
    supervisor.start("public listener", move |stop| {
        serve(Acceptor::Tcp(public_listener, public_tls), router, Limits::PUBLIC, stop)
    });
    let router = admin::router(state.clone(), AdminAuth::of(&config.admin, admin));
    supervisor.start("admin listener", move |stop| {
        serve(Acceptor::Tcp(admin_listener, admin_tls), router, Limits::PEOPLE, stop)
    });
    let control = match control::bind(&config.control.socket) {
        Ok((listener, file)) => {
            let router = control::router(state, &file);
            supervisor
                .start("control socket", move |stop| serve(Acceptor::Unix(listener), router, Limits::PEOPLE, stop));
            Some(file)
        }
        Err(error) => {
            warn!("{}", logging::chain(&error));
            None
        }
    };
    Ok((public, admin, control))
}

/// Starts what carries out the book's errands, what notices changes in the outside calendar and what erases old letters,
/// and writes the feed as the book has it now.
async fn start_outbox(
    config: &Config,
    (clinic, mailer): (&Arc<Clinic>, Mailer),
    (calendar, troubles): (Arc<Backend>, Arc<Troubles>),
    rest: &Arc<Rest>,
    store: &Store,
    metrics: &Metrics,
    supervisor: &mut Supervisor,
) {
    let texter = Texter::new(Arc::clone(rest), config.phone.number.clone(), Arc::clone(clinic));
    let letters = Letters::new(store.clone(), mailer, texter, Timestamp::now);
    let feed = Feed::new(config.calendar.feed.clone(), config.calendar.names);
    let entries = Arc::new(Entries::new(store.clone(), Arc::clone(clinic), calendar, Timestamp::now));
    let diary = Diary::new(store.clone(), Arc::clone(&entries), Arc::clone(clinic), feed, Timestamp::now);
    // Whoever subscribes to it finds it from the first day, and in step with what happened while nobody wrote it.
    if let Err(why) = diary.rewrite().await {
        warn!("the calendar's feed is out of date: {why}");
    }
    outbox::start(store.clone(), Arc::new(carriers(letters, diary)), supervisor, metrics.clone());
    if let MailBackend::Folder { path, keep_days } = &config.mail.backend
        && let Some(retention) = Retention::of(path, *keep_days, Clock::read())
    {
        supervisor.start("letters", |stop| retention::run(retention, stop));
    }
    if entries.are_outside() {
        let metrics = metrics.clone();
        supervisor.start("calendar", move |stop| watch::run(entries, troubles, metrics, stop));
    }
}

/// Starts the threads of the sound card, and the task that talks with them.
fn start_desk(
    config: &Config,
    makings: Makings,
    state: Arc<DeskState>,
    (knobs, figures): (&'static Knobs, &'static Figures),
    asked: (mpsc::Receiver<Asked>, mpsc::Receiver<Invitation>),
    supervisor: &mut Supervisor,
) -> Result<Option<Desk>, AppError> {
    let (desk, side) = Desk::start(hardware::settings(&config.desk), knobs, figures).map_err(AppError::Desk)?;
    let (port, wake) = (hardware::port(side, &config.desk), config.desk.wake);
    supervisor.start("desk", move |stop| desk::task::run(port, wake, makings, state, asked, stop));
    Ok(Some(desk))
}

/// Tries out what the configuration names: certificates, keys and sentences. Starts nothing, asks nobody.
pub fn check(config: &Config) -> Result<(), AppError> {
    Prepared::of(config).map(drop)
}

/// What a configuration is good for, before anything is opened.
struct Prepared {
    http: reqwest::Client,
    connector: Connector,
    fallback: Fallbacks,
    /// Nothing without the clinic's data: nobody is written to.
    mailer: Option<Mailer>,
    calendar: Arc<Backend>,
    google: Arc<Google>,
    /// The task that keeps a person's login at Google, if one is configured.
    keeper: Option<Keeper>,
    public_tls: Option<Arc<RenewedTls>>,
    admin_tls: Option<Arc<RenewedTls>>,
}

impl Prepared {
    fn of(config: &Config) -> Result<Self, AppError> {
        let tls = net::client_tls(config.gemini.ca_file.as_deref())?;
        let http = http_client(&tls)?;
        let (mut google, keeper) = Google::open(&config.google, google_calendars(config), http.clone())?;
        google.uses = google_uses(config);
        google.also_busy = google_also_busy(config);
        let calendar = Arc::new(calendar(config, &google, &http)?);
        let mailer = |data| Mailer::new(Route::of(&config.mail, &google, &http)?, &config.mail, Arc::clone(data));
        let mailer = config.clinic.data.as_ref().map(mailer).transpose()?;
        Ok(Self {
            google: Arc::new(google),
            keeper,
            calendar,
            connector: Connector::new(&config.gemini, tls, http.clone())?,
            fallback: Fallbacks::new(&config.phone, &config.clinic)?,
            mailer,
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

async fn tell_status(notifier: Notifier, status: Arc<Status>, stop: CancellationToken) {
    let mut told = String::new();
    let mut ticks = tokio::time::interval(STATUS_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let line = status.line();
        if line != told {
            notifier.status(&line);
            told = line;
        }
    }
}

async fn listen(section: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Listen { section, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

fn server_tls(files: Option<&TlsFiles>) -> Result<Option<Arc<RenewedTls>>, TlsError> {
    files.map(|files| RenewedTls::open(files.clone(), Instant::now()).map(Arc::new)).transpose()
}
