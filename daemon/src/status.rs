//! How the daemon is, for whoever asks: the admin listener, the control socket, `systemctl status`.

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
use crate::desk;
use crate::desk::invite::{InviteError, Inviter};
use crate::desk::selftest::{TestError, Tester};
use crate::desk::state::{DeskState, DeviceState};
use crate::google::Google;
use crate::http::admin::{CallControl, DeskView, HealthSource};
use crate::http::outside::LATE;
use crate::http::reply::{
    ActiveCall, CalendarHealth, DeskDevices, DeskHealth, DeskLevels, DeskReport, DeskSound, DeskTest, DeskWord,
    GeminiHealth, GoogleHealth, Health, HealthStatus, OutboxHealth, Refused, StoreHealth, StoreState,
};
use crate::live::health::{LiveState, fault_word};
use crate::store::{Keeping, Store};
use crate::watchdog::Look;

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
        let (calendars, started) = (Arc::default(), Instant::now());
        Self { desk, conversations, google, store, calendars, clock, started, lost: Mutex::default() }
    }

    /// Looks at what is wrong with outside calendars, too.
    #[must_use]
    pub fn with_calendars(self, calendars: Arc<Troubles>) -> Self {
        Self { calendars, ..self }
    }

    /// One line for `systemctl status`.
    pub fn line(&self) -> String {
        let calls = match self.conversations.active_calls() {
            0 => "no calls".to_owned(),
            1 => "1 call".to_owned(),
            many => format!("{many} calls"),
        };
        let gemini = match self.conversations.health().state(Instant::now()).0 {
            LiveState::Unknown => "Gemini not known".to_owned(),
            LiveState::Up => "Gemini ok".to_owned(),
            LiveState::Suspect { .. } => "Gemini slow to answer".to_owned(),
            LiveState::Down { fault, .. } => format!("Gemini down ({})", fault_word(fault)),
        };
        let store = match self.store_health().state {
            StoreState::Ok => "",
            StoreState::Behind => " · disk takes no records",
            StoreState::Afresh => " · store was damaged, see frontdeskctl status",
            StoreState::Damaged => " · store is damaged: restart the daemon",
            StoreState::Memory => " · records in memory only",
        };
        let dead = match self.store.errands_dead() {
            0 => String::new(),
            many => format!(" · {many} given up in the outbox"),
        };
        let late = if self.outbox().oldest_age_s >= LATE.as_secs() { " · the outbox is late" } else { "" };
        let calendar = if self.calendar(Instant::now()).unusable > 0 { " · calendar not usable" } else { "" };
        let draining = if self.conversations.is_draining() { " · draining" } else { "" };
        let desk = self.desk.state.words().map(|words| format!(" · {words}")).unwrap_or_default();
        let google = match GoogleHealth::of(&self.google).state {
            state if state.needs_somebody() => " · Google needs somebody (frontdeskctl google)",
            _ => "",
        };
        format!("{calls}{desk} · {gemini}{google}{store}{dead}{late}{calendar}{draining}")
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
        DeskHealth { state, device, why }
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
        let well = reached && keeps_records && works_outside && !self.lacks_its_desk();
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
            max_calls: self.conversations.most(),
            gemini,
            store,
            desk: self.desk_health(),
            google,
            outbox,
            calendar,
        }
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
        GeminiHealth { state: state.to_owned(), since: (self.clock)().civil(since), why: why.map(str::to_owned) }
    }
}

impl HealthSource for Status {
    fn health(&self) -> Health {
        self.health_at(Instant::now())
    }
}

impl DeskView for Status {
    fn report(&self) -> DeskReport {
        let (state, device, why) = match self.desk.state.device() {
            DeviceState::Off => (DeskWord::Off, None, None),
            DeviceState::Absent(why) => (DeskWord::Absent, None, Some(why)),
            DeviceState::Ready(device) => (DeskWord::Ready, Some(device), None),
        };
        let figures = self.desk.figures;
        let ready = device.is_some();
        // Without a device the gauges show what the last one told.
        let level = |gauge: &Gauge| if ready { gauge.read().max(Dbfs::SILENCE.0) } else { Dbfs::SILENCE.0 };
        let millis = |span: Duration| span.as_secs_f64() * 1_000.0;
        DeskReport {
            state,
            opened: device.as_ref().map(|device| device.opened.clone()),
            remarks: device.as_ref().map(|device| device.remarks.clone()).unwrap_or_default(),
            device: device.map(|device| device.name),
            why,
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
