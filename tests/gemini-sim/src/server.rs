//! The listeners, and the handle that tests hold.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use frontdesk_voice::{Recogniser, speak};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tempfile::TempPath;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    certificate, connection,
    conversation::World,
    door::{self, Credentials, LiveRoute, Route},
    fault::{Fault, Injection, Target},
    hall::Hall,
    report::{Closed, Ledger, SessionReport},
    scenario::Scenario,
    settings::{OnAudio, OnSentAudio, Settings},
    speech::Library,
};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) world: Arc<World>,
    pub(crate) hall: Hall,
    pub(crate) recogniser: Option<Recogniser>,
    pub(crate) text_frames: bool,
    pub(crate) on_audio: Option<OnAudio>,
    pub(crate) on_sent_audio: Option<OnSentAudio>,
    pub(crate) stop: CancellationToken,
    api_key: Option<String>,
    tokens: Mutex<Vec<String>>,
    tasks: TaskTracker,
}

/// A running simulator. Dropping it stops it without waiting; [`stop`](Self::stop) waits.
pub struct GeminiSim {
    shared: Arc<Shared>,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    ca: Ca,
}

/// Where the authority's certificate is, and whether it goes away with us.
enum Ca {
    None,
    Kept(PathBuf),
    Temporary(TempPath),
}

/// What was waited for did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("not within {waited:?}; the sessions are {sessions:#?}")]
pub struct WaitError {
    /// How long it was waited for.
    pub waited: Duration,
    /// The sessions as they were then, without their audio.
    pub sessions: Vec<SessionReport>,
}

impl GeminiSim {
    /// Renders the scenario's lines, binds the listeners and serves until [`stop`](Self::stop). Takes a second or two the
    /// first time, for the rendering.
    ///
    /// # Errors
    /// When a listener cannot be bound, a line cannot be spoken (espeak-ng is missing), or the CA file not be written.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let scenario = settings.scenario.clone();
        let recognise = settings.recognise;
        let rendered = tokio::task::spawn_blocking(move || render(&scenario, recognise)).await;
        let (library, recogniser) = rendered.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let certificates = certificate::make().map_err(io::Error::other)?;
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let faults = [settings.faults, settings.scenario.faults.clone()].concat();
        let world = Arc::new(World {
            scenario: settings.scenario,
            library,
            ledger: Ledger::default(),
            timing: settings.timing,
            speech_threshold_dbfs: settings.speech_threshold_dbfs,
            recognise,
            keep_audio: settings.keep_audio,
            nonce: certificate::nonce(),
        });
        let shared = Arc::new(Shared {
            world,
            hall: Hall::new(&faults),
            recogniser,
            text_frames: settings.text_frames,
            on_audio: settings.on_audio,
            on_sent_audio: settings.on_sent_audio,
            stop: CancellationToken::new(),
            api_key: settings.api_key,
            tokens: Mutex::default(),
            tasks: TaskTracker::new(),
        });
        let mut sim = Self { shared, address, tls_address: None, ca: Ca::None };
        if let Some(tls_listen) = settings.tls_listen {
            let listener = TcpListener::bind(tls_listen).await?;
            sim.tls_address = Some(listener.local_addr()?);
            sim.ca = write_ca(settings.ca_out, &certificates.ca_pem)?;
            let acceptor = TlsAcceptor::from(certificates.server);
            sim.shared.tasks.spawn(accept(listener, Some(acceptor), Arc::clone(&sim.shared)));
        }
        sim.shared.tasks.spawn(accept(listener, None, Arc::clone(&sim.shared)));
        Ok(sim)
    }

    /// `ws://127.0.0.1:PORT`, to put where the service's `wss://…` belongs.
    pub fn ws_base(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// `http://127.0.0.1:PORT`, what SDKs call a base URL.
    pub fn http_base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `wss://localhost:PORT`; trust [`ca_path`](Self::ca_path).
    ///
    /// # Panics
    /// When it was started without TLS.
    pub fn wss_base(&self) -> String {
        let address = self.tls_address.expect("started with Settings::tls_listen");
        format!("wss://localhost:{}", address.port())
    }

    /// The certificate (PEM) that clients of [`wss_base`](Self::wss_base) have to trust.
    ///
    /// # Panics
    /// When it was started without TLS.
    pub fn ca_path(&self) -> &Path {
        match &self.ca {
            Ca::None => panic!("started without Settings::tls_listen"),
            Ca::Kept(path) => path,
            Ca::Temporary(path) => path,
        }
    }

    /// All sessions so far, as they are now. A copy, audio included.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.shared.world.ledger.snapshot()
    }

    /// How setups were refused, in order: wrong keys, unknown models, dead handles. They have no session.
    pub fn refusals(&self) -> Vec<Closed> {
        self.shared.world.ledger.refusals()
    }

    /// Waits until `condition` holds of the sessions. It is looked at after every change, and has to be quick.
    pub async fn wait_for(
        &self,
        condition: impl FnMut(&[SessionReport]) -> bool,
        within: Duration,
    ) -> Result<(), WaitError> {
        let ledger = &self.shared.world.ledger;
        tokio::time::timeout(within, ledger.until(condition)).await.map_err(|_| {
            let mut sessions = ledger.snapshot();
            for session in &mut sessions {
                session.audio = Vec::new();
                session.utterances.iter_mut().for_each(|utterance| utterance.pcm = None);
            }
            WaitError { waited: within, sessions }
        })
    }

    /// Brings a fault about, now. How many sessions it reached; a fault that happens once reaches only open connections.
    pub fn inject(&self, target: Target, injection: impl Into<Injection>) -> usize {
        self.shared.hall.inject(target, &injection.into())
    }

    /// Ends all faults that last, of every session there is and will be.
    pub fn clear_faults(&self) {
        self.shared.hall.clear_faults();
    }

    /// Closes every connection with 1001 and waits until all is over.
    pub async fn stop(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for GeminiSim {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn render(scenario: &Scenario, recognise: bool) -> Result<(Library, Option<Recogniser>), frontdesk_voice::SpeakError> {
    let library = Library::new(scenario.voice());
    for line in scenario.lines() {
        library.render(line)?;
    }
    if !recognise {
        return Ok((library, None));
    }
    let voice = scenario.caller_voice();
    let phrase = |text: &str| Ok((text.to_owned(), speak(text, &voice, 16_000)?));
    let phrases: Vec<_> =
        scenario.exchanges.iter().map(|exchange| phrase(&exchange.caller)).collect::<Result<_, _>>()?;
    Ok((library, Some(Recogniser::new(16_000, phrases))))
}

fn write_ca(path: Option<PathBuf>, pem: &str) -> io::Result<Ca> {
    if let Some(path) = path {
        std::fs::write(&path, pem)?;
        return Ok(Ca::Kept(path));
    }
    let file = tempfile::Builder::new().prefix("gemini-sim-ca-").suffix(".pem").tempfile()?.into_temp_path();
    std::fs::write(&file, pem)?;
    Ok(Ca::Temporary(file))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let tls = tls.clone();
                shared.tasks.spawn(greet(stream, tls, Arc::clone(&shared)));
            }
            Err(error) => log::warn!("cannot accept a connection: {error}"),
        }
    }
}

async fn greet(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Frames are small and each counts: waiting to fill a packet would add 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("no TCP_NODELAY: {error}");
    }
    let Some(tls) = tls else {
        return serve_http(stream, shared).await;
    };
    let handshake = tokio::select! {
        handshake = tls.accept(stream) => handshake,
        () = shared.stop.cancelled() => return,
    };
    match handshake {
        Ok(stream) => serve_http(stream, shared).await,
        Err(error) => log::info!("TLS handshake failed: {error}"),
    }
}

async fn serve_http<S>(stream: S, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let response = respond(request, &shared);
        async { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        served = served => if let Err(error) = served {
            log::debug!("HTTP connection ended: {error}");
        },
        () = shared.stop.cancelled() => {}
    }
}

fn respond(mut request: Request<Incoming>, shared: &Arc<Shared>) -> Response<Full<Bytes>> {
    let Some(route) = Route::of(request.uri().path()) else {
        return door::not_found();
    };
    let credentials = Credentials::of(request.uri(), request.headers());
    let Route::Live(live) = route else {
        return door::rest(&route, request.method(), &credentials, shared.api_key.as_deref(), || shared.new_token());
    };
    let refused = shared.hall.at_the_door(|fault| match fault {
        Fault::RefuseConnect(status) => Some(*status),
        _ => None,
    });
    if let Some(status) = refused {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return door::error(status, "UNAVAILABLE", "The service is currently unavailable.");
    }
    let Some(response) = door::upgrade(&request) else {
        let text = "This is a WebSocket endpoint.";
        return door::error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", text);
    };
    let tokens = shared.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let verdict = credentials.check(&live, shared.api_key.as_deref(), &tokens);
    let upgraded = hyper::upgrade::on(&mut request);
    shared.tasks.spawn(serve_upgraded(upgraded, live, verdict, Arc::clone(shared)));
    response
}

async fn serve_upgraded(
    upgraded: hyper::upgrade::OnUpgrade,
    route: LiveRoute,
    verdict: Result<(), crate::wire::Refusal>,
    shared: Arc<Shared>,
) {
    match upgraded.await {
        Ok(upgraded) => connection::serve(TokioIo::new(upgraded), route, verdict, shared).await,
        Err(error) => log::info!("upgrade failed: {error}"),
    }
}

impl Shared {
    fn new_token(&self) -> String {
        let token = format!("auth_tokens/{}", certificate::nonce());
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).push(token.clone());
        token
    }
}
