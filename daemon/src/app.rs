//! The composition root: the only place that knows every part, builds them in order and stops them in order.

mod errands;
mod error;
mod listeners;
pub mod prepared;
pub mod reloader;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::clinic::Clinic;
use frontdesk_hw::desk::Desk;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::Knobs;
use jiff::Timestamp;
use log::{error, info, warn};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use error::AppError;
pub use prepared::http_client;

use crate::calendar::Backend;
use crate::calendar::asking::ask;
use crate::calendar::trouble::Troubles;
use crate::clock::Clock;
use crate::config::Config;
use crate::conversation::running::Conversations;
use crate::conversation::tools::{AskOutside, Office};
use crate::current::Current;
use crate::desk::invite::{Invitation, Inviter};
use crate::desk::selftest::{Asked, Tester};
use crate::desk::state::{DeskState, DeviceState};
use crate::desk::task::Makings;
use crate::desk::{self, hardware};
use crate::doors::Shut;
use crate::gate::{self, Gate, Sources};
use crate::google::Keeper;
use crate::http::admin::AdminState;
use crate::http::control::ControlFile;
use crate::knowledge::{self, Knowledge};
use crate::logging::{self, Event};
use crate::metrics::{Metrics, Sound};
use crate::notify::Notifier;
use crate::phone::calls::Calls;
use crate::phone::ended::REMEMBERED;
use crate::phone::line::PhoneLine;
use crate::phone::rest::Rest;
use crate::phone::settings::Settings;
use crate::reload::request::{Reader, Requests};
use crate::reload::{Reloads, State};
use crate::status::{self, Status};
use crate::store::{Keeping, Store, backup};
use crate::supervise::{Grace, Supervisor};
use crate::watchdog::{LookAt, Proof};
use listeners::{Doors, Tls};
use prepared::Prepared;
use reloader::{OpenOffice, Reloader, keep_texts};

/// How often `systemctl status` is told how we are.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How long the disk is waited for when everything is to end at once.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// Who asks the daemon to stop.
pub trait StopSignal {
    /// Resolves when the daemon is to stop; when asked again, when it is to stop at once.
    fn wait(&mut self) -> impl Future<Output = &'static str> + Send;
}

/// What the daemon finds around itself.
pub struct Surroundings {
    /// The service manager.
    pub notifier: Notifier,
    /// Reads the configuration again; nothing where there is none to read again.
    pub read: Option<Reader>,
    /// The time.
    pub time: Sources,
}

impl From<Notifier> for Surroundings {
    fn from(notifier: Notifier) -> Self {
        Self { notifier, read: None, time: Sources::default() }
    }
}

/// A daemon that listens.
pub struct App {
    line: Arc<PhoneLine>,
    supervisor: Supervisor,
    notifier: Notifier,
    status: Arc<Status>,
    reloads: Reloads,
    reloading: (Reloader, Requests),
    desk: Option<Desk>,
    _control: Option<ControlFile>,
    /// Where the public listener listens, with its real port.
    pub public: SocketAddr,
    /// Where the admin listener listens, with its real port.
    pub admin: SocketAddr,
}

impl App {
    /// Builds every part and opens the listeners. Blocks on the disk for the store.
    pub async fn start(config: Config, around: impl Into<Surroundings>) -> Result<Self, AppError> {
        let Surroundings { notifier, read, time } = around.into();
        let Prepared { http, connector, fallback, letters, calendar, google, keeper, public_tls, admin_tls } =
            Prepared::of(&config)?;
        let machine = time.machine;
        // Before the store: what is erased for its age is counted from its start.
        let time = gate::look(time, &config.store.path);
        let store = Store::open(&config.store)?;
        let (counter, shown) = Counter::of(&config);
        let (off, knobs) = (counter.off, counter.knobs);
        let metrics = Metrics::with(store.clone(), counter.sound());
        let mut supervisor = Supervisor::new(metrics.clone());
        // How many there may be is in the settings, and may change.
        let conversations = Conversations::new(usize::MAX, metrics.clone());
        let (gate, time) = gate::open(time, Arc::clone(&conversations));
        supervisor.start("clock", |stop| time.run(stop));
        start_caretakers(&config, keeper, &store, &metrics, &gate, &mut supervisor);
        let calls = Calls::new(Arc::clone(&conversations));
        recall(&calls, &store).await;
        let connector = Arc::new(connector);
        let (texts, knowledge) = read_texts(&config, &mut supervisor);
        let open_office = office_opener(&calendar, &store, &metrics);
        let office = match &config.clinic.data {
            Some(data) => Some(open_office(data, knowledge.clone()).ok_or(AppError::NoRandomness)?),
            None => None,
        };
        let (next, settings) = Current::new(Arc::new(Settings::of(&config, fallback, office.clone())));
        let rest = Arc::new(Rest::new(http, &config.phone, metrics.clone()));
        let troubles = Arc::new(Troubles::new());
        let mut next_clinic = None;
        if let Some(letters) = letters {
            let (troubles, rest) = (Arc::clone(&troubles), Arc::clone(&rest));
            let (store, metrics) = (store.clone(), metrics.clone());
            let shared = errands::Office { config: &config, calendar, troubles, rest, store, metrics, gate };
            next_clinic = Some(errands::start(shared, letters, &mut supervisor).await);
        }
        let line = Arc::new(PhoneLine {
            checker: PhoneLine::checker(&config.phone),
            settings: settings.clone(),
            rest,
            calls: Arc::clone(&calls),
            connector: Arc::clone(&connector),
            store: store.clone(),
            metrics: metrics.clone(),
            clock: Clock::read,
            tasks: supervisor.calls(),
        });
        let (running, outside) = (Arc::clone(&conversations), Arc::clone(&google));
        let (reload, shut) = (Arc::new(State::default()), Arc::new(Shut::default()));
        let status = Status::new(running, shown, outside, store.clone(), Clock::read)
            .with_calendars(troubles)
            .with_settings(settings.clone(), Arc::clone(&reload))
            .with_doors(Arc::clone(&shut))
            .with_machine_clock(machine)
            .with_connect_times(metrics.clone());
        let status = Arc::new(status);
        let (reloads, requests) = Reloads::new();
        let state = AdminState {
            store: store.clone(),
            metrics: metrics.clone(),
            calls: Arc::clone(&status) as _,
            health: Arc::clone(&status) as _,
            desk: Arc::clone(&status) as _,
            google,
            reloads: reloads.clone(),
        };
        let tls = Tls { public: public_tls, admin: admin_tls };
        let doors = listeners::open(&config, &line, state, tls, &shut, &mut supervisor).await?;
        let Doors { public, admin, control } = doors;
        let makings = Makings {
            settings,
            conversations,
            connector,
            store,
            metrics: metrics.clone(),
            clock: Clock::read,
            tasks: supervisor.calls(),
        };
        let desk = if off { None } else { Some(counter.start(&config, makings, &mut supervisor)?) };
        let reloader = Reloader {
            read,
            running: config,
            settings: next,
            clinic: next_clinic,
            open_office,
            office,
            texts: (knowledge, texts),
            knobs,
            state: reload,
            status: Arc::clone(&status),
            notifier: notifier.clone(),
            metrics,
        };
        let reloading = (reloader, requests);
        Ok(Self { line, supervisor, notifier, status, reloads, reloading, desk, _control: control, public, admin })
    }

    /// Has the configuration read again, for whoever hears of the wish.
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Serves until `signal` or until a part breaks, then stops in order: no new calls, a time of grace for the
    /// running ones, the fallback for those that are left, the listeners, the store.
    pub async fn run(mut self, mut signal: impl StopSignal) -> Result<(), AppError> {
        let line = self.status.line();
        self.notifier.ready(&line);
        info!(event:% = Event::Ready; "ready: {line}");
        let (reloader, requests) = self.reloading;
        self.supervisor.start("reload", |stop| reloader.run(requests, stop));
        let (notifier, status) = (self.notifier.clone(), Arc::clone(&self.status));
        self.supervisor.start("status", |stop| tell_status(notifier, status, stop));
        let status = Arc::clone(&self.status);
        let audio = self.desk.is_some().then(|| Box::new(move || status.look()) as LookAt);
        let (notifier, proof) = (self.notifier.clone(), Proof::new(self.line.store.clone(), audio));
        self.supervisor.start("watchdog", |stop| async move { notifier.feed_watchdog(stop, || proof.give()).await });
        let fault = tokio::select! {
            why = signal.wait() => {
                info!(event:% = Event::Stopping; "{why}: no new calls are taken");
                None
            }
            fault = self.supervisor.run_until_fault() => Some(fault),
        };
        let (store, asked) = (self.line.store.clone(), fault.is_none());
        let stopping = wind_down(self.line, self.supervisor, &self.notifier, &self.status, self.desk);
        tokio::select! {
            () = stopping => {}
            why = told_to_hurry(&mut signal, asked) => {
                warn!("{why} again: stopping at once");
                if timeout(CLOSES_WITHIN, store.close()).await.is_err() {
                    error!("the store could not be closed within {CLOSES_WITHIN:?}");
                }
            }
        }
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }
}

/// Resolves when the daemon is asked to stop while it is stopping, for which it was `asked` or had reasons of its own.
async fn told_to_hurry(signal: &mut impl StopSignal, asked: bool) -> &'static str {
    if !asked {
        let why = signal.wait().await;
        info!("{why}: stopping already");
    }
    signal.wait().await
}

async fn wind_down(
    line: Arc<PhoneLine>,
    supervisor: Supervisor,
    notifier: &Notifier,
    status: &Status,
    desk: Option<Desk>,
) {
    line.calls.conversations().drain();
    notifier.stopping(&status.line());
    let (running, drain) = (line.calls.conversations().active(), line.settings.take().phone.drain);
    if running > 0 {
        info!("{running} conversations are running; they have {drain:?} to end");
    }
    let left = supervisor.wind_down(Grace::of_calls(drain)).await;
    if left.calls_cut > 0 {
        warn!("{} calls were left to the fallback", left.calls_cut);
    }
    if !left.tasks.is_empty() {
        warn!("did not stop in time: {}", left.tasks.join(", "));
    }
    if let Some(desk) = desk {
        // A device that hangs is waited for, and the runtime's threads are not the ones to wait.
        let _ = tokio::task::spawn_blocking(|| desk.stop()).await;
    }
    line.store.close().await;
    info!(event:% = Event::Stopped; "stopped");
}

/// Makes known which calls are over.
async fn recall(calls: &Calls, store: &Store) {
    if store.recovered() > 0 {
        warn!(event:% = Event::CallsCut; "{} calls were cut by a power loss or a crash; their records are closed", store.recovered());
    }
    match store.ended(REMEMBERED).await {
        Ok(ended) => calls.recall(&ended),
        // A repeated webhook of an earlier call is rare, and no reason to leave the phone to nobody.
        Err(error) => error!("calls of before the start would be taken for new ones: {}", logging::chain(&error)),
    }
}

/// Has the clinic's own texts read, those that are configured and those that a reload will name.
fn read_texts(config: &Config, supervisor: &mut Supervisor) -> (mpsc::Sender<knowledge::Keeper>, Option<Knowledge>) {
    let (texts, keepers) = mpsc::channel(1);
    supervisor.start("knowledge", |stop| keep_texts(keepers, stop));
    let folder = config.clinic.data.as_ref().and(config.clinic.knowledge.clone());
    let knowledge = folder.map(|folder| {
        let (knowledge, keeper) = knowledge::open(folder);
        texts.try_send(keeper).expect("the channel is new and holds one");
        knowledge
    });
    (texts, knowledge)
}

/// Opens what the functions of all conversations share.
fn office_opener(calendar: &Arc<Backend>, store: &Store, metrics: &Metrics) -> OpenOffice {
    let outside: Option<AskOutside> = ask(Arc::clone(calendar), store.clone(), metrics.clone(), Timestamp::now);
    let store = store.clone();
    Box::new(move |data: &Arc<Clinic>, knowledge| {
        Office::open(Arc::clone(data), store.clone(), outside.clone(), knowledge)
    })
}

/// Starts what looks after a login and after copies of the store: both by the time, once it is right.
fn start_caretakers(
    config: &Config,
    keeper: Option<Keeper>,
    store: &Store,
    metrics: &Metrics,
    gate: &Gate,
    supervisor: &mut Supervisor,
) {
    if let Some(keeper) = keeper {
        let (metrics, gate) = (metrics.clone(), gate.clone());
        supervisor.start("google", |stop| gate.then(stop.clone(), keeper.run(metrics, stop)));
    }
    if store.keeping() != Keeping::Memory {
        let (of, kept, copies) = (store.clone(), config.store.clone(), config.backups as usize);
        let (zone, gate) = (config.clinic.time_zone.clone(), gate.clone());
        supervisor.start("backups", |stop| gate.then(stop.clone(), backup::run(of, kept, copies, zone, stop)));
    }
}

/// The front desk before it is started.
struct Counter {
    /// None is wanted.
    off: bool,
    state: Arc<DeskState>,
    knobs: &'static Knobs,
    figures: &'static Figures,
    asked: (mpsc::Receiver<Asked>, mpsc::Receiver<Invitation>),
}

impl Counter {
    /// The desk that `config` wants, and what is looked at of it.
    fn of(config: &Config) -> (Self, status::Desk) {
        let off = config.desk.device == DeviceSpec::None;
        let first = if off { DeviceState::Off } else { DeviceState::Absent("it is being looked for".to_owned()) };
        let (knobs, figures) = (hardware::knobs(), hardware::figures());
        let state = Arc::new(DeskState::new(first, knobs));
        let (tester, tests) = Tester::new();
        let (inviter, invitations) = Inviter::new();
        let (tester, inviter) = if off { (Tester::off(), Inviter::off()) } else { (tester, inviter) };
        let spec = config.desk.device.clone();
        let shown = status::Desk { spec, state: Arc::clone(&state), figures, tester, inviter };
        (Self { off, state, knobs, figures, asked: (tests, invitations) }, shown)
    }

    /// What is counted of it.
    fn sound(&self) -> Option<Sound> {
        let (figures, seen) = (self.figures, Arc::clone(&self.state));
        let present = Arc::new(move || matches!(seen.device(), DeviceState::Ready(_)));
        (!self.off).then_some(Sound { figures, present })
    }

    /// Starts the threads of the sound card, and the task that talks with them.
    fn start(self, config: &Config, makings: Makings, supervisor: &mut Supervisor) -> Result<Desk, AppError> {
        let Self { state, knobs, figures, asked, .. } = self;
        let (desk, side) = Desk::start(hardware::settings(&config.desk), knobs, figures).map_err(AppError::Desk)?;
        let (port, wake) = (hardware::port(side, &config.desk), config.desk.wake);
        supervisor.start("desk", move |stop| desk::task::run(port, wake, makings, state, asked, stop));
        Ok(desk)
    }
}

/// Tries out what the configuration names: certificates, keys and sentences. Starts nothing, asks nobody.
pub fn check(config: &Config) -> Result<(), AppError> {
    Prepared::of(config).map(drop)
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
