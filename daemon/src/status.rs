//! How the daemon is, for whoever asks: the admin listener, the control socket, `systemctl status`.

mod line;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::units::Dbfs;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::figures::{Figures, Gauge};
use http::StatusCode;

use crate::calendar::trouble::Troubles;
use crate::clock::Clock;
use crate::conversation::running::{Conversations, Running};
use crate::current::Current;
use crate::desk;
use crate::desk::invite::{InviteError, Inviter};
use crate::desk::selftest::{TestError, Tester};
use crate::desk::state::{DeskState, DeviceState};
use crate::doors::Shut;
use crate::google::Google;
use crate::http::admin::{CallControl, DeskView, HealthSource};
use crate::http::outside::LATE;
use crate::http::reply::{
    ActiveCall, CalendarHealth, ConfigHealth, DeskDevices, DeskHealth, DeskLevels, DeskReport, DeskSound, DeskTest,
    DeskWord, GeminiHealth, GoogleHealth, Health, HealthStatus, OutboxHealth, Refused, StoreHealth, StoreState,
};
use crate::metrics::Metrics;
use crate::phone::settings::Settings;
use crate::reload::State;
use crate::store::{Keeping, Store};
use crate::watchdog::Look;
use line::{Line, Outside};

/// A lost record makes the daemon's health degraded for that long.
const ALARMED: Duration = Duration::from_mins(10);

/// How the daemon is.
pub struct Status {
    desk: Desk,
    conversations: Arc<Conversations>,
    google: Arc<Google>,
    store: Store,
    calendars: Arc<Troubles>,
    clock: fn() -> Clock,
    /// As the machine has it, right or wrong.
    machine: fn() -> Clock,
    settings: Option<Current<Settings>>,
    reload: Arc<State>,
    shut: Arc<Shut>,
    metrics: Option<Metrics>,
    started: Instant,
    /// Records known to be lost, and when that was noticed.
    lost: Mutex<(u64, Option<Instant>)>,
}

/// What is looked at of the front desk.
pub struct Desk {
    /// Which device is wanted.
    pub spec: DeviceSpec,
    /// How it is.
    pub state: Arc<DeskState>,
    /// What its audio threads tell.
    pub figures: &'static Figures,
    /// Who tests it.
    pub tester: Tester,
    /// Who begins conversations there for others.
    pub inviter: Inviter,
}

impl Status {
    /// Looks at `conversations`, `google` and `store`; `clock` is read for every answer, because it may have been set meanwhile.
    pub fn new(
        conversations: Arc<Conversations>,
        desk: Desk,
        google: Arc<Google>,
        store: Store,
        clock: fn() -> Clock,
    ) -> Self {
        Self {
            desk,
            conversations,
            google,
            store,
            calendars: Arc::default(),
            clock,
            machine: clock,
            settings: None,
            reload: Arc::default(),
            shut: Arc::default(),
            metrics: None,
            started: Instant::now(),
            lost: Mutex::default(),
        }
    }

    /// Looks at what is wrong with outside calendars, too.
    #[must_use]
    pub fn with_calendars(self, calendars: Arc<Troubles>) -> Self {
        Self { calendars, ..self }
    }

    /// Looks at the settings as they are now, and at what became of the last reload, too.
    #[must_use]
    pub fn with_settings(self, settings: Current<Settings>, reload: Arc<State>) -> Self {
        Self { settings: Some(settings), reload, ..self }
    }

    /// Looks at which listeners wait for their address, too.
    #[must_use]
    pub fn with_doors(self, shut: Arc<Shut>) -> Self {
        Self { shut, ..self }
    }

    /// Shows a clock that is wrong as `machine` has it.
    #[must_use]
    pub fn with_machine_clock(self, machine: fn() -> Clock) -> Self {
        Self { machine, ..self }
    }

    /// Looks at how long connections to Gemini take, too.
    #[must_use]
    pub fn with_connect_times(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// One line for `systemctl status`.
    pub fn line(&self) -> String {
        let now = Instant::now();
        let machine = (self.machine)();
        let gemini = self.conversations.health().state(now).0;
        Line {
            calls: self.conversations.active_calls(),
            desk: self.desk.state.words(),
            gemini: (gemini, self.last_connect()),
            clock: machine.civil(machine.instant()),
            store: self.store_health().state,
            dead: self.store.errands_dead(),
            outside: self.outside(now),
            shut: self.shut.doors().into_iter().map(|(door, _)| door).collect(),
            reload_refused: self.reload.refusal().map(|refusal| refusal.first),
            draining: self.conversations.is_draining(),
        }
        .text()
    }

    /// What is wrong outside of the box.
    fn outside(&self, now: Instant) -> Vec<Outside> {
        let needs_somebody = GoogleHealth::of(&self.google).state.needs_somebody();
        let late = self.outbox().oldest_age_s >= LATE.as_secs();
        let unusable = self.calendar(now).unusable > 0;
        let troubles = [(needs_somebody, Outside::Google), (late, Outside::Outbox), (unusable, Outside::Calendar)];
        troubles.into_iter().filter_map(|(is_so, trouble)| is_so.then_some(trouble)).collect()
    }

    /// What the desk's audio threads have counted by now.
    pub fn look(&self) -> Look {
        Look::at(self.desk.figures, &self.desk.state)
    }

    fn desk_health(&self) -> DeskHealth {
        let (state, device, why) = match self.desk.state.device() {
            DeviceState::Off => (DeskWord::Off, None, None),
            DeviceState::Absent(why) => (DeskWord::Absent, None, Some(why)),
            DeviceState::Ready(device) => (DeskWord::Ready, Some(device.name), None),
        };
        DeskHealth { state, device, why, standing_by: self.stands_by() }
    }

    /// Whether the desk has a device whose streams stand by.
    fn stands_by(&self) -> bool {
        self.desk.figures.standing_by.is_set() && matches!(self.desk.state.device(), DeviceState::Ready(_))
    }

    /// Whether the speakerphone that the configuration names is missing: somebody has put it on the counter and must
    /// look for it. With `auto` none is promised: a box that only answers the phone is well without one, and an alarm
    /// that is always on would be looked at by nobody.
    fn lacks_its_desk(&self) -> bool {
        let named = !matches!(self.desk.spec, DeviceSpec::Auto | DeviceSpec::None);
        named && matches!(self.desk.state.device(), DeviceState::Absent(_))
    }

    /// Whether a record was lost lately; one lost last week is no reason to stay alarmed.
    fn loses_records(&self, lost: u64) -> bool {
        let mut seen = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > seen.0 {
            *seen = (lost, Some(Instant::now()));
        }
        seen.1.is_some_and(|at| at.elapsed() < ALARMED)
    }

    fn store_health(&self) -> StoreHealth {
        let state = match self.store.keeping() {
            Keeping::Memory => StoreState::Memory,
            _ if self.store.is_damaged() => StoreState::Damaged,
            _ if self.store.is_behind() => StoreState::Behind,
            Keeping::Afresh => StoreState::Afresh,
            Keeping::File => StoreState::Ok,
        };
        let (dropped, failed) = (self.store.dropped_records(), self.store.failed_records());
        let why = self.store.salvage().map(ToString::to_string);
        StoreHealth { state, waiting: self.store.waiting_records(), dropped, failed, why }
    }

    /// How the daemon is when its monotonic clock shows `now`.
    pub fn health_at(&self, now: Instant) -> Health {
        let store = self.store_health();
        let gemini = self.gemini(now);
        let loses_records = self.loses_records(store.dropped + store.failed);
        // Suspect or down: new calls go to the fallback.
        let reached = !self.conversations.health().is_down(now) && gemini.state != "down";
        let google = GoogleHealth::of(&self.google);
        let (outbox, calendar) = (self.outbox(), self.calendar(now));
        let works_outside = outbox.why.is_none() && calendar.why.is_none() && !google.state.needs_somebody();
        let keeps_records = store.state == StoreState::Ok && !loses_records;
        let as_configured = self.reload.refusal().is_none() && self.shut.doors().is_empty();
        let well = reached && keeps_records && works_outside && as_configured && !self.lacks_its_desk();
        let status = match (self.conversations.is_draining(), well) {
            (true, _) => HealthStatus::Draining,
            (false, true) => HealthStatus::Ok,
            (false, false) => HealthStatus::Degraded,
        };
        Health {
            status,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.started.elapsed().as_secs(),
            active_calls: self.conversations.active_calls(),
            max_calls: self.most(),
            gemini,
            store,
            desk: self.desk_health(),
            google,
            outbox,
            calendar,
            config: self.config(),
            shut: self.shut.doors().iter().map(|(door, at)| format!("[{}] listen = {at}", door.section())).collect(),
        }
    }

    /// Conversations that may run.
    fn most(&self) -> usize {
        self.settings.as_ref().map_or_else(|| self.conversations.most(), |settings| settings.take().phone.max_calls)
    }

    fn config(&self) -> ConfigHealth {
        let needs_restart = self.reload.restart().into_iter().map(str::to_owned).collect();
        ConfigHealth { refused: self.reload.refusal().map(|refusal| refusal.complaints), needs_restart }
    }

    fn last_connect(&self) -> Option<Duration> {
        self.metrics.as_ref().and_then(Metrics::last_connect)
    }

    fn outbox(&self) -> OutboxHealth {
        let clock = (self.clock)();
        let oldest = self.store.oldest_errand_age(clock.civil(clock.instant()));
        OutboxHealth::of(self.store.errands_waiting(), self.store.errands_dead(), oldest)
    }

    fn calendar(&self, now: Instant) -> CalendarHealth {
        CalendarHealth::of(self.calendars.lasting(LATE, now))
    }

    fn gemini(&self, now: Instant) -> GeminiHealth {
        let (state, since) = self.conversations.health().state(now);
        let (state, why) = state.words();
        let since = (self.clock)().civil(since);
        let connect_ms = self.last_connect().map(|took| took.as_millis() as u64);
        GeminiHealth { state: state.to_owned(), since, why: why.map(str::to_owned), connect_ms }
    }
}

impl HealthSource for Status {
    fn health(&self) -> Health {
        self.health_at(Instant::now())
    }
}

impl DeskView for Status {
    fn report(&self, meters: bool) -> DeskReport {
        if meters {
            self.desk.state.want_levels();
        }
        let (state, device, why) = match self.desk.state.device() {
            DeviceState::Off => (DeskWord::Off, None, None),
            DeviceState::Absent(why) => (DeskWord::Absent, None, Some(why)),
            DeviceState::Ready(device) => (DeskWord::Ready, Some(device), None),
        };
        let figures = self.desk.figures;
        let (ready, standing_by) = (device.is_some(), self.stands_by());
        // Without a device the gauges show what the last one told, and on standby what was heard before it.
        let level =
            |gauge: &Gauge| if ready && !standing_by { gauge.read().max(Dbfs::SILENCE.0) } else { Dbfs::SILENCE.0 };
        let millis = |span: Duration| span.as_secs_f64() * 1_000.0;
        DeskReport {
            state,
            opened: device.as_ref().map(|device| device.opened.clone()),
            remarks: device.as_ref().map(|device| device.remarks.clone()).unwrap_or_default(),
            device: device.map(|device| device.name),
            why,
            standing_by,
            talking: self.desk.state.is_talking(),
            muted: self.desk.state.is_muted(),
            taking_turns: ready && figures.taking_turns.read() > 0.5,
            levels: DeskLevels {
                microphone: level(&figures.capture_level),
                heard: level(&figures.heard_level),
                loudspeaker: level(&figures.playout_level),
                echo_reduction: if ready { figures.erle.read() } else { 0.0 },
            },
            sound: DeskSound {
                overruns: figures.overruns.read(),
                underruns: figures.underruns.read(),
                gaps: figures.gaps.read(),
                stalls: figures.stalls.read(),
                opened: figures.opened.read(),
                capture_dropped: figures.capture_dropped.read(),
                starved: figures.starved.read(),
                heard_dropped: figures.heard_dropped.read(),
                lateness_p99_ms: millis(figures.rt_lateness.quantile(0.99)),
                lateness_max_ms: millis(figures.rt_lateness.most()),
            },
        }
    }

    fn devices(&self) -> DeskDevices {
        DeskDevices { devices: desk::devices::look(&self.desk.spec) }
    }

    fn test(&self) -> Pin<Box<dyn Future<Output = Result<DeskTest, Refused>> + Send + '_>> {
        Box::pin(async { self.desk.tester.test().await.map_err(|error| refused(&error)) })
    }

    fn talk(
        &self,
        persona: Option<PersonaId>,
    ) -> Pin<Box<dyn Future<Output = Result<ConversationId, Refused>> + Send + '_>> {
        Box::pin(async { self.desk.inviter.begin(persona).await.map_err(|error| not_begun(&error)) })
    }
}

fn refused(error: &TestError) -> Refused {
    let (status, code) = match error {
        TestError::Talking => (StatusCode::CONFLICT, "talking"),
        TestError::Running => (StatusCode::CONFLICT, "testing"),
        TestError::Interrupted => (StatusCode::CONFLICT, "interrupted"),
        TestError::Off | TestError::NoDevice(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_device"),
        TestError::Gone(_) => (StatusCode::SERVICE_UNAVAILABLE, "device_gone"),
        TestError::StoodStill => (StatusCode::SERVICE_UNAVAILABLE, "no_sound"),
        TestError::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "test_failed"),
        TestError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    Refused::new(status, code, error.to_string())
}

fn not_begun(error: &InviteError) -> Refused {
    let (status, code) = match error {
        InviteError::Talking => (StatusCode::CONFLICT, "talking"),
        InviteError::NotNow => (StatusCode::CONFLICT, "not_now"),
        InviteError::NoPersona(_) => (StatusCode::NOT_FOUND, "no_such_persona"),
        InviteError::Off | InviteError::NoDevice(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_device"),
        InviteError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    Refused::new(status, code, error.to_string())
}

impl CallControl for Status {
    fn active(&self) -> Vec<ActiveCall> {
        let clock = (self.clock)();
        let describe = |running: Running| ActiveCall {
            call_sid: running.id,
            live_id: Some(running.live_id),
            caller: running.party.to_string(),
            since: clock.civil(running.since),
            turn: running.view.turn().to_owned(),
            connection: running.view.connection(),
        };
        self.conversations.running().into_iter().map(describe).collect()
    }

    fn end(&self, id: &ConversationId) -> bool {
        self.conversations.stop(id, EndReason::Staff)
    }

    fn drain(&self) {
        self.conversations.drain();
    }
}
