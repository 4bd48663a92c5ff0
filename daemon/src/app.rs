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
use crate::clock::Clock;
use crate::config::{CalendarBackend, Config, TlsFiles};
use crate::conversation::running::Conversations;
use crate::conversation::tools::Office;
use crate::desk::selftest::{Asked, Tester};
use crate::desk::state::{DeskState, DeviceState};
use crate::desk::task::Makings;
use crate::desk::{self, hardware};
use crate::errands::{Diary, Entries, Letters, carriers, watch};
use crate::http::admin::{self, AdminState};
use crate::http::auth::AdminAuth;
use crate::http::control::{self, ControlFile};
use crate::http::public;
use crate::http::serve::{Acceptor, Limits, serve};
use crate::live::Connector;
use crate::live::token::TokenError;
use crate::logging;
use crate::mail::{MailError, Mailer};
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
use crate::store::{Store, StoreError};
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
        let Prepared { http, connector, fallback, mailer, calendar, public_tls, admin_tls } = Prepared::of(&config)?;
        let store = Store::open(&config.store)?;
        let off = config.desk.device == DeviceSpec::None;
        let first = if off { DeviceState::Off } else { DeviceState::Absent("it is being looked for".to_owned()) };
        let (knobs, figures) = (hardware::knobs(), hardware::figures());
        let desk_state = Arc::new(DeskState::new(first, knobs));
        let seen = Arc::clone(&desk_state);
        let present = Arc::new(move || matches!(seen.device(), DeviceState::Ready(_)));
        let sound = (!off).then_some(Sound { figures, present });
        let metrics = Metrics::with(store.clone(), sound);
        if store.recovered() > 0 {
            warn!("{} calls were cut by a power loss or a crash; their records are closed", store.recovered());
        }
        let mut supervisor = Supervisor::new(metrics.clone());
        let conversations = Conversations::new(config.phone.max_calls, metrics.clone());
        let calls = Calls::new(Arc::clone(&conversations));
        match store.ended(REMEMBERED).await {
            Ok(ended) => calls.recall(&ended),
            // A repeated webhook of an earlier call is rare, and no reason to leave the phone to nobody.
            Err(error) => error!("calls of before the start would be taken for new ones: {}", logging::chain(&error)),
        }
        let connector = Arc::new(connector);
        let office = config.clinic.data.as_ref().map(|data| {
            let outside = ask(Arc::clone(&calendar), store.clone(), metrics.clone(), Timestamp::now);
            Office::open(Arc::clone(data), store.clone(), outside)
        });
        let office = office.map(|office| office.ok_or(AppError::NoRandomness)).transpose()?;
        let rest = Arc::new(Rest::new(http, &config.phone, metrics.clone()));
        if let (Some(clinic), Some(mailer)) = (&config.clinic.data, mailer) {
            start_outbox(&config, (clinic, mailer, calendar), &rest, &store, &metrics, &mut supervisor).await;
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
        let shown = status::Desk { spec: config.desk.device.clone(), state: Arc::clone(&desk_state), figures, tester };
        let status = Arc::new(Status::new(Arc::clone(&conversations), shown, store.clone(), Clock::read));
        let state = AdminState {
            store: store.clone(),
            metrics: metrics.clone(),
            calls: Arc::clone(&status) as _,
            health: Arc::clone(&status) as _,
            desk: Arc::clone(&status) as _,
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
            start_desk(&config, makings, desk_state, (knobs, figures), tests, &mut supervisor)?
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

/// Starts what carries out the book's errands and what notices changes in the outside calendar, and writes the feed as
/// the book has it now.
async fn start_outbox(
    config: &Config,
    (clinic, mailer, calendar): (&Arc<Clinic>, Mailer, Arc<Backend>),
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
    if entries.are_outside() {
        let metrics = metrics.clone();
        supervisor.start("calendar", move |stop| watch::run(entries, metrics, stop));
    }
}

/// Starts the threads of the sound card, and the task that talks with them.
fn start_desk(
    config: &Config,
    makings: Makings,
    state: Arc<DeskState>,
    (knobs, figures): (&'static Knobs, &'static Figures),
    tests: mpsc::Receiver<Asked>,
    supervisor: &mut Supervisor,
) -> Result<Option<Desk>, AppError> {
    let (desk, side) = Desk::start(hardware::settings(&config.desk), knobs, figures).map_err(AppError::Desk)?;
    let (port, wake) = (hardware::port(side, &config.desk), config.desk.wake);
    supervisor.start("desk", move |stop| desk::task::run(port, wake, makings, state, tests, stop));
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
    public_tls: Option<Arc<RenewedTls>>,
    admin_tls: Option<Arc<RenewedTls>>,
}

impl Prepared {
    fn of(config: &Config) -> Result<Self, AppError> {
        let tls = net::client_tls(config.gemini.ca_file.as_deref())?;
        let http = http_client(&tls)?;
        Ok(Self {
            calendar: Arc::new(calendar(config, &http)?),
            connector: Connector::new(&config.gemini, tls, http.clone())?,
            http,
            fallback: Fallbacks::new(&config.phone, &config.clinic)?,
            mailer: config.clinic.data.as_ref().map(|data| Mailer::new(&config.mail, Arc::clone(data))).transpose()?,
            public_tls: server_tls(config.phone.tls.as_ref())?,
            admin_tls: server_tls(config.admin.tls.as_ref())?,
        })
    }
}

/// The clinic's calendars. Who made their server's certificate is trusted there and nowhere else.
fn calendar(config: &Config, http: &reqwest::Client) -> Result<Backend, AppError> {
    let http = match &config.calendar.backend {
        CalendarBackend::Local => http.clone(),
        CalendarBackend::CalDav(caldav) => http_client(&*net::client_tls(caldav.ca_file.as_deref())?)?,
    };
    Ok(Backend::new(&config.calendar, http, config.clinic.time_zone.clone()))
}

/// The client of Twilio's REST API and Google's token endpoint.
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
