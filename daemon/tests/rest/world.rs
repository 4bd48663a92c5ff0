//! A daemon's REST around a store of its own and calls that only claim to run.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::session::id::{ConversationId, DeskId};
use frontdesk_core::twilio::number::CallerId;
use frontdesk_core::twilio::webhook::Direction;
use frontdeskd::config::{AdminConfig, GoogleConfig, Secret, StoreConfig};
use frontdeskd::google::Google;
use frontdeskd::http::admin::{self, AdminState, CallControl, DeskView, HealthSource};
use frontdeskd::http::auth::AdminAuth;
use frontdeskd::http::control;
use frontdeskd::http::reply::{
    ActiveCall, CalendarHealth, ConfigHealth, DeskDevice, DeskDevices, DeskFinding, DeskHealth, DeskLevels, DeskLosses,
    DeskRate, DeskReport, DeskSeverity, DeskSound, DeskTest, DeskWord, GeminiHealth, GoogleHealth, GoogleState, Health,
    HealthStatus, OutboxHealth, Refused, StoreHealth, StoreState,
};
use frontdeskd::http::serve::{Acceptor, Limits, serve};
use frontdeskd::metrics::Metrics;
use frontdeskd::reload::Reloads;
use frontdeskd::store::{Record, Store, Turn, Who};
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const RUNNING: &str = "CA00000000000000000000000000000001";
pub(crate) const OVER: &str = "CA00000000000000000000000000000002";
pub(crate) const UNKNOWN: &str = "CA00000000000000000000000000000003";
/// Announced, but never connected to the agent.
pub(crate) const WAITING: &str = "CA00000000000000000000000000000004";

/// What was asked of the calls.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) ended: Mutex<Vec<ConversationId>>,
    pub(crate) drained: Mutex<bool>,
}

impl CallControl for Calls {
    fn active(&self) -> Vec<ActiveCall> {
        vec![ActiveCall {
            call_sid: sid(RUNNING),
            live_id: Some("7f3a".to_owned()),
            caller: "+1555•••0200".to_owned(),
            since: at(0),
            turn: "replying".to_owned(),
            connection: 2,
        }]
    }

    fn end(&self, call: &ConversationId) -> bool {
        let runs = *call == sid(RUNNING);
        if runs {
            self.ended.lock().unwrap().push(*call);
        }
        runs
    }

    fn drain(&self) {
        *self.drained.lock().unwrap() = true;
    }
}

pub(crate) struct Condition(pub(crate) HealthStatus);

impl HealthSource for Condition {
    fn health(&self) -> Health {
        let state = if self.0 == HealthStatus::Degraded { StoreState::Memory } else { StoreState::Ok };
        Health {
            status: self.0,
            version: "1.2.3".to_owned(),
            uptime_s: 5,
            active_calls: 1,
            max_calls: 50,
            gemini: GeminiHealth { state: "up".to_owned(), since: at(0), why: None, connect_ms: None },
            store: StoreHealth { state, waiting: 0, dropped: 0, failed: 0, why: None },
            desk: DeskHealth {
                state: DeskWord::Ready,
                device: Some(DEVICE_NAME.to_owned()),
                why: None,
                standing_by: true,
            },
            google: GoogleHealth { state: GoogleState::Unused, why: None, ends_at: None },
            outbox: OutboxHealth::of(0, 0, 0),
            calendar: CalendarHealth::of(0),
            config: ConfigHealth::default(),
            shut: Vec::new(),
        }
    }
}

/// What a device calls itself, with what a terminal would obey in it.
pub(crate) const DEVICE_NAME: &str = "Jabra\u{1b}]0;x\u{7} SPEAK\r\n510";
/// And as people see it.
pub(crate) const SHOWN_NAME: &str = "Jabra ]0;x  SPEAK  510";

/// A desk with a speakerphone, and one card beside it that is none. It stands by until somebody looks at its meters.
pub(crate) struct Counter {
    standing_by: AtomicBool,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self { standing_by: AtomicBool::new(true) }
    }
}

impl DeskView for Counter {
    fn report(&self, meters: bool) -> DeskReport {
        let standing_by = if meters {
            self.standing_by.swap(false, Ordering::Relaxed)
        } else {
            self.standing_by.load(Ordering::Relaxed)
        };
        DeskReport {
            state: DeskWord::Ready,
            device: Some(DEVICE_NAME.to_owned()),
            opened: Some("capture 16000 Hz;\u{9b}2J playout 48000 Hz".to_owned()),
            why: None,
            standing_by,
            remarks: vec!["no real-time\u{1b}[2J priority".to_owned()],
            talking: true,
            muted: true,
            taking_turns: true,
            levels: DeskLevels { microphone: -30.0, heard: -60.0, loudspeaker: -120.0, echo_reduction: 31.5 },
            sound: DeskSound {
                overruns: 1,
                underruns: 2,
                gaps: 3,
                stalls: 4,
                opened: 5,
                capture_dropped: 6,
                starved: 8,
                heard_dropped: 9,
                lateness_p99_ms: 0.5,
                lateness_max_ms: 7.25,
            },
        }
    }

    fn devices(&self) -> DeskDevices {
        let device = |spec: &str, name: &str, capture, chosen| DeskDevice {
            spec: spec.to_owned(),
            name: name.to_owned(),
            capture,
            playout: true,
            opens: "as it is".to_owned(),
            chosen,
        };
        let jabra = device("usb:0b0e:0422:\u{1b}c1", DEVICE_NAME, true, true);
        DeskDevices { devices: vec![jabra, device("alsa:hw:CARD=HDMI", "HDMI", false, false)] }
    }

    fn test(&self) -> Pin<Box<dyn Future<Output = Result<DeskTest, Refused>> + Send + '_>> {
        let finding = |severity, code: &str, would_do: &str| DeskFinding {
            severity,
            code: code.to_owned(),
            what: format!("this is what {code} is"),
            would_do: would_do.to_owned(),
        };
        let rate = DeskRate { claimed: 16_000, measured: Some(16_400.0) };
        let tested = DeskTest {
            device: "Jabra Speak 510".to_owned(),
            well: false,
            findings: vec![
                finding(DeskSeverity::Fault, "rate_lies", "buy another"),
                finding(DeskSeverity::Fine, "canceller_works", ""),
            ],
            loop_delay_ms: Some(81.25),
            device_delay_ms: Some(61.25),
            certainty: 0.875,
            noise: -65.0,
            played: -20.0,
            microphone: -26.0,
            return_loss: 6.0,
            echo: "cancelled by us".to_owned(),
            echo_reduction: Some(31.5),
            residual: -57.5,
            clipped: 0.0,
            capture_rate: rate,
            playout_rate: DeskRate { claimed: 48_000, measured: None },
            sound: DeskLosses { overruns: 1, underruns: 2, gaps: 3, stalls: 4, late_blocks: 5, restarts: 6 },
            usb_mbps: Some(12),
            usb_hubs_mbps: vec![480],
        };
        Box::pin(std::future::ready(Ok(tested)))
    }

    fn talk(
        &self,
        persona: Option<PersonaId>,
    ) -> Pin<Box<dyn Future<Output = Result<ConversationId, Refused>> + Send + '_>> {
        let unknown = || Refused::new(StatusCode::NOT_FOUND, "no_such_persona", "choose one of guide, concierge");
        let known = persona.is_none_or(|persona| persona.as_str() == "guide");
        Box::pin(std::future::ready(if known { Ok(DeskId::of(0x51).into()) } else { Err(unknown()) }))
    }
}

/// Who is nobody at Google.
fn stranger() -> Google {
    let config = GoogleConfig { endpoint: None, login: None, token_file: "/nowhere/google-token.json".into() };
    Google::open(&config, Vec::new(), client()).unwrap().0
}

/// Speaks HTTP, and trusts no authority.
pub(crate) fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap().with_root_certificates(rustls::RootCertStore::empty());
    frontdeskd::app::http_client(&tls.with_no_client_auth()).unwrap()
}

pub(crate) struct World {
    pub(crate) calls: Arc<Calls>,
    pub(crate) state: AdminState,
    directory: tempfile::TempDir,
    listeners: JoinSet<()>,
}

impl World {
    pub(crate) fn new(status: HealthStatus) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig { path: directory.path().join("calls.db"), keep_days: 10_000 };
        let store = Store::open(&config).unwrap();
        record_calls(&store);
        let calls = Arc::new(Calls::default());
        let state = AdminState {
            metrics: Metrics::with_store(store.clone()),
            store,
            calls: Arc::clone(&calls) as Arc<dyn CallControl>,
            health: Arc::new(Condition(status)),
            desk: Arc::new(Counter::new()),
            google: Arc::new(stranger()),
            reloads: Reloads::new().0,
        };
        Self { calls, state, directory, listeners: JoinSet::new() }
    }

    /// Opens an admin listener on loopback.
    pub(crate) async fn admin(&mut self, token: Option<&str>) -> Admin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let config = AdminConfig { listen: local, token: token.map(Secret::new), tls: None };
        let router = admin::router(self.state.clone(), AdminAuth::of(&config, local));
        self.listeners.spawn(serve(Acceptor::Tcp(listener, None), router, Limits::PEOPLE, CancellationToken::new()));
        Admin(local.to_string())
    }

    /// Opens the control socket, for everybody to connect to: whom it answers is the daemon's decision.
    pub(crate) fn control(&mut self) -> PathBuf {
        std::fs::set_permissions(self.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = self.directory.path().join("control.sock");
        let (listener, file) = control::bind(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        let router = control::router(self.state.clone(), &file);
        self.listeners.spawn(async move {
            let _file = file;
            serve(Acceptor::Unix(listener), router, Limits::PEOPLE, CancellationToken::new()).await;
        });
        path
    }
}

pub(crate) struct Admin(pub(crate) String);

impl Admin {
    /// Asks with these header lines beside the host.
    pub(crate) async fn ask(&self, request: &str, headers: &[&str]) -> Answer {
        let host = format!("Host: {}", self.0);
        self.ask_as(request, &[&[host.as_str()], headers].concat()).await
    }

    /// Asks with exactly these header lines.
    pub(crate) async fn ask_as(&self, request: &str, headers: &[&str]) -> Answer {
        exchange(TcpStream::connect(&self.0).await.unwrap(), request, headers).await
    }
}

/// Asks over the control socket.
pub(crate) async fn ask_control(path: &std::path::Path, request: &str) -> Answer {
    exchange(UnixStream::connect(path).await.unwrap(), request, &["Host: control"]).await
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status, and the error's code; every failure has this shape.
    pub(crate) fn failure(&self) -> (u16, String) {
        let json = self.json();
        assert!(!json["error"]["message"].as_str().unwrap().is_empty());
        (self.status, json["error"]["code"].as_str().unwrap().to_owned())
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str, headers: &[&str]) -> Answer {
    let lines: String = headers.iter().flat_map(|line| [*line, "\r\n"]).collect();
    stream.write_all(format!("{request} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn record_calls(store: &Store) {
    for (call, minute) in [(OVER, 0), (WAITING, 5), (RUNNING, 10)] {
        let call = sid(call);
        assert!(store.record(Record::CallStarted {
            call,
            account: "AC00000000000000000000000000000001".parse().unwrap(),
            direction: Direction::Inbound,
            caller: CallerId::parse("+15550100200"),
            callee: None,
            at: at(minute),
        }));
    }
    let turn = Turn {
        seq: 0,
        who: Who::Caller,
        text: "I need an appointment.".to_owned(),
        started_at: at(1),
        ended_at: at(1),
        interrupted: false,
    };
    assert!(store.record(Record::Turn { call: sid(OVER), turn }));
    assert!(store.record(Record::CallEnded { call: sid(OVER), at: at(3), reason: "agent-ended".into() }));
}

pub(crate) fn sid(text: &str) -> ConversationId {
    ConversationId::parse(text).unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}
