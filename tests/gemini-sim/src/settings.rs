//! How a simulator is set up.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{fault::PlannedFault, scenario::Scenario};

/// Called with each piece of audio received: session, samples, and when it was read from the socket.
pub type OnAudio = Arc<dyn Fn(usize, &[i16], Instant) + Send + Sync>;

/// Called with each piece of speech handed to the socket: session, where its samples begin among all that the session
/// sent, how many they are (at 24 kHz), and when.
pub type OnSentAudio = Arc<dyn Fn(usize, u64, usize, Instant) + Send + Sync>;

/// Everything about a simulator that can be chosen. The default suits a test: any free port, a clinic, no faults.
#[derive(Clone)]
pub struct Settings {
    /// Where `ws://` and `http://` are served.
    pub listen: SocketAddr,
    /// Where `wss://` and `https://` are served; `None` for nowhere.
    pub tls_listen: Option<SocketAddr>,
    /// Where the certificate authority's certificate is written, for clients to trust; by default a temporary file that
    /// goes away with the simulator.
    pub ca_out: Option<PathBuf>,
    /// The key to be presented; `None` takes any and none.
    pub api_key: Option<String>,
    /// What the receptionist says and does.
    pub scenario: Scenario,
    /// What goes wrong, for each session.
    pub faults: Vec<PlannedFault>,
    /// How fast things happen.
    pub timing: Timing,
    /// Recognise what callers say. Without it every utterance is taken for the next exchange's line: cheap, for benches.
    pub recognise: bool,
    /// Keep all received audio in the reports.
    pub keep_audio: bool,
    /// Send text frames instead of the service's binary ones.
    pub text_frames: bool,
    /// Audio above this level, over 10 ms, is speech.
    pub speech_threshold_dbfs: f32,
    /// See [`OnAudio`]; called from the session's task: be brief.
    pub on_audio: Option<OnAudio>,
    /// See [`OnSentAudio`]; called from the session's task: be brief.
    pub on_sent_audio: Option<OnSentAudio>,
}

/// How fast things happen. The defaults are at the quick end of what was seen at the service, so that tests lose little
/// time: it takes 0.8 to 1.6 s from the end of speech to the first audio (the silence that ends it included), and 0.4 to
/// 3 s to be interrupted.
#[derive(Debug, Clone)]
pub struct Timing {
    /// From the setup to `setupComplete`.
    pub setup_delay: Duration,
    /// From a prompt (the end of speech found, a tool's response) to the first audio.
    pub reply_delay: Duration,
    /// From the caller's first sound over a reply to `interrupted`.
    pub barge_in_latency: Duration,
    /// How many times faster than real time speech is sent.
    pub speed: f64,
    /// From speech over a pending tool call to the same call again.
    pub reissue_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            setup_delay: Duration::from_millis(30),
            reply_delay: Duration::from_millis(350),
            barge_in_latency: Duration::from_millis(400),
            speed: 3.3,
            reissue_after: Duration::from_secs(3),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: any_port,
            tls_listen: Some(any_port),
            ca_out: None,
            api_key: None,
            scenario: Scenario::default(),
            faults: Vec::new(),
            timing: Timing::default(),
            recognise: true,
            keep_audio: false,
            text_frames: false,
            speech_threshold_dbfs: -45.0,
            on_audio: None,
            on_sent_audio: None,
        }
    }
}
