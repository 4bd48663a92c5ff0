//! The simulator itself: its settings, its calls, its REST listener.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::ClientConfig;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};

use crate::{
    call::Call,
    call_shared::{CallHandle, CallShared},
    caller::Script,
    faults::RestFault,
    hooks::Hooks,
    ids::{Rng, rfc2822_now},
    limbo::Limbo,
    plan::CallPlan,
    report::CallReport,
    rest::{self, RestRequest},
    rest_view::{CallFacts, CallState},
    sms::TextMessage,
    transport,
    webhook::Client,
};

/// What the simulated account looks like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account.
    pub account_sid: String,
    /// The primary auth token: it signs.
    pub auth_token: String,
    /// Further tokens that the REST interface accepts, as during a rotation.
    pub other_tokens: Vec<String>,
    /// API keys (`SK…`) and their secrets, accepted by the REST interface.
    pub api_keys: HashMap<String, String>,
    /// The account's phone number.
    pub number: String,
    /// Where the REST interface listens.
    pub listen: SocketAddr,
    /// A PEM file with the CA that the servers' certificates come from; none: those the machine trusts.
    pub ca: Option<PathBuf>,
    /// Seed of everything random: identifiers, order of parameters, noise.
    pub seed: u64,
    /// How much faster than real time everything outside of streams runs: `<Say>`, `<Pause>`, ringing, speaking after a `<Dial>`.
    pub verb_speed: f64,
    /// Callbacks for benches.
    pub hooks: Hooks,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account_sid: "AC00000000000000000000000000000001".into(),
            auth_token: "0123456789abcdef0123456789abcdef".into(),
            other_tokens: Vec::new(),
            api_keys: HashMap::new(),
            number: "+15550100100".into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ca: None,
            seed: 1,
            verb_speed: 1.0,
            hooks: Hooks::default(),
        }
    }
}

/// What calls and the REST interface share.
pub(crate) struct SimInner {
    pub(crate) settings: Settings,
    pub(crate) addr: SocketAddr,
    pub(crate) limbo: Limbo,
    tls: Arc<ClientConfig>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<CallHandle>,
    tasks: Vec<AbortHandle>,
    faults: Vec<RestFault>,
    requests: Vec<RestRequest>,
    messages: Vec<TextMessage>,
    opted_out: HashSet<String>,
}

impl SimInner {
    pub(crate) fn api_base(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> Vec<CallHandle> {
        self.state().calls.clone()
    }

    pub(crate) fn note_request(&self, request: RestRequest) {
        self.state().requests.push(request);
    }

    /// Keeps a text message that `make` makes from its number.
    pub(crate) fn note_message(&self, make: impl FnOnce(usize) -> TextMessage) -> TextMessage {
        let mut state = self.state();
        let message = make(state.messages.len());
        state.messages.push(message.clone());
        message
    }

    pub(crate) fn has_opted_out(&self, number: &str) -> bool {
        self.state().opted_out.contains(number)
    }

    /// The fault that the next request (or, with `connection`, the next connection) meets; it is used up by this.
    pub(crate) fn take_fault(&self, connection: bool) -> Option<RestFault> {
        let mut state = self.state();
        let faults = &mut state.faults;
        let at = faults.iter().position(|fault| matches!(fault, RestFault::Down { .. }) == connection)?;
        let left = faults[at].times();
        *left = left.saturating_sub(1);
        if *left == 0 { Some(faults.remove(at)) } else { Some(faults[at].clone()) }
    }
}

/// A running simulator. Dropping it ends its calls at once; [`stop`](Self::stop) says goodbye first.
pub struct TwilioSim {
    inner: Arc<SimInner>,
    server: JoinHandle<()>,
}

impl TwilioSim {
    /// Opens the REST listener. Errors: the address is taken, or the CA file cannot be read.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let inner = Arc::new(SimInner {
            addr: listener.local_addr()?,
            tls: transport::tls_config(settings.ca.as_deref())?,
            limbo: Limbo::default(),
            state: Mutex::default(),
            settings,
        });
        let server = tokio::spawn(rest::serve(listener, inner.clone()));
        Ok(Self { inner, server })
    }

    /// What to configure as the REST base URL: `http://127.0.0.1:PORT`.
    pub fn api_base(&self) -> String {
        self.inner.api_base()
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Somebody calls. Returns at once; the handle tells what happens.
    pub fn call(&self, plan: CallPlan) -> CallHandle {
        let settings = &self.inner.settings;
        let index = self.inner.state().calls.len();
        let mut rng = Rng::new(settings.seed, index as u64);
        let sid = rng.sid("CA");
        let to = plan.to.clone().unwrap_or_else(|| settings.number.clone());
        let report = CallReport {
            index,
            sid: sid.clone(),
            from: plan.from.clone(),
            to: to.clone(),
            state: CallState::Ringing,
            webhooks: Vec::new(),
            verbs: Vec::new(),
            dialled: Vec::new(),
            streams: Vec::new(),
            alerts: Vec::new(),
            recordings: Vec::new(),
            gave_up: Vec::new(),
            events: Vec::new(),
            ended: false,
        };
        let facts = CallFacts {
            account_sid: settings.account_sid.clone(),
            sid: sid.clone(),
            from: plan.from.clone(),
            to,
            direction: "inbound",
            created: rfc2822_now(),
            ended: None,
            duration_s: None,
            state: CallState::Ringing,
        };
        let shared = Arc::new(CallShared::new(report, facts));
        let (commands, receiver) = mpsc::unbounded_channel();
        let handle = CallHandle { shared: shared.clone(), commands, client: self.client(&plan) };
        let call = Call {
            sim: self.inner.clone(),
            index,
            sid,
            shared,
            commands: receiver,
            hang_up: handle.commands.clone(),
            client: handle.client.clone(),
            script: Script::new(&plan.caller, Rng::new(settings.seed, !(index as u64))),
            rng,
            dials: plan.dial_outcomes.iter().copied().collect(),
            digits: plan.gather_digits.iter().cloned().collect(),
            callbacks: tokio::task::JoinSet::new(),
            plan,
        };
        let mut state = self.inner.state();
        state.calls.push(handle.clone());
        state.tasks.push(tokio::spawn(call.run()).abort_handle());
        handle
    }

    fn client(&self, plan: &CallPlan) -> Client {
        Client {
            tls: self.inner.tls.clone(),
            connect_to: plan.connect_to.clone(),
            auth_token: self.inner.settings.auth_token.clone(),
            fault: plan.webhook_fault,
        }
    }

    /// Every call so far, in the order of their beginning.
    pub fn calls(&self) -> Vec<CallHandle> {
        self.inner.calls()
    }

    /// Lets the REST interface fail; faults are met in the order in which they were added.
    pub fn fail_rest(&self, fault: RestFault) {
        self.inner.state().faults.push(fault);
    }

    /// Every request that reached the REST interface, refused ones included.
    pub fn rest_requests(&self) -> Vec<RestRequest> {
        self.inner.state().requests.clone()
    }

    /// Every text message that was taken, in order.
    pub fn messages(&self) -> Vec<TextMessage> {
        self.inner.state().messages.clone()
    }

    /// Somebody answers STOP: from now on messages to that number are refused with 21610.
    pub fn opt_out(&self, number: &str) {
        self.inner.state().opted_out.insert(number.to_owned());
    }

    /// Hangs up every call, waits for their ends, closes the listener.
    pub async fn stop(self) {
        let calls = self.calls();
        for call in &calls {
            call.hang_up();
        }
        for call in &calls {
            // A call that does not end in time is cut by the drop that follows.
            let _ = call.wait_ended(std::time::Duration::from_secs(20)).await;
        }
    }
}

impl Drop for TwilioSim {
    fn drop(&mut self) {
        self.server.abort();
        for task in self.inner.state().tasks.drain(..) {
            task.abort();
        }
        self.inner.limbo.release();
    }
}
