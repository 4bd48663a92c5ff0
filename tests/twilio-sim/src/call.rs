//! One call as Twilio runs it: fetches documents, performs their verbs, reports its end.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    task::JoinSet,
    time::sleep,
};

use crate::{
    call_shared::{CallShared, Command, Source},
    caller::Script,
    faults::CallbackDelivery,
    ids::{Rng, rfc2822_now},
    plan::{CallPlan, DialOutcome},
    report::{Alert, What},
    rest_view::CallState,
    sim::SimInner,
    twiml::{self, Document, Method},
    webhook::{Answer, Client, Outgoing, check_twiml_answer},
};

/// How the call goes on when a verb does not simply end.
pub(crate) enum Flow {
    Next(Source),
    End(CallState),
}

/// A verb that ran: on to the next one, or elsewhere.
pub(crate) type Ran = Result<(), Flow>;

/// The call's task.
pub(crate) struct Call {
    pub(crate) sim: Arc<SimInner>,
    pub(crate) plan: CallPlan,
    pub(crate) index: usize,
    pub(crate) sid: String,
    pub(crate) shared: Arc<CallShared>,
    pub(crate) commands: UnboundedReceiver<Command>,
    pub(crate) hang_up: UnboundedSender<Command>,
    pub(crate) client: Client,
    pub(crate) script: Script,
    pub(crate) rng: Rng,
    pub(crate) dials: VecDeque<DialOutcome>,
    pub(crate) digits: VecDeque<String>,
    pub(crate) callbacks: JoinSet<()>,
}

impl Call {
    /// Runs the call to its end, callbacks included.
    pub(crate) async fn run(mut self) {
        let state = self.until_end().await;
        self.shared.set_state(state);
        self.shared.note(What::Ended(state));
        self.final_callback(state).await;
        while self.callbacks.join_next().await.is_some() {}
        self.shared.update(|report| report.ended = true);
    }

    /// The documents, one after the other; when the caller's time is over, the caller hangs up.
    async fn until_end(&mut self) -> CallState {
        let (limit, hang_up) = (self.plan.time_limit, self.hang_up.clone());
        let documents = self.documents();
        tokio::pin!(documents);
        tokio::select! {
            state = &mut documents => return state,
            () = sleep(limit) => {}
        }
        // The call itself listens to this, so it is there to receive it.
        let _ = hang_up.send(Command::HangUp);
        documents.await
    }

    async fn documents(&mut self) -> CallState {
        let mut source =
            Source::Url { purpose: "voice", url: self.plan.voice_url.clone(), method: Method::Post, extra: Vec::new() };
        loop {
            let flow = match self.fetch(source).await {
                Ok((document, url)) => self.execute(document, &url).await,
                Err(flow) => flow,
            };
            match flow {
                Flow::Next(next) => source = next,
                Flow::End(state) => return state,
            }
        }
    }

    // --- documents ---

    async fn fetch(&mut self, source: Source) -> Result<(Document, String), Flow> {
        let (purpose, url, method, extra) = match source {
            Source::Inline(text) => return self.inline(&text).await,
            Source::Url { purpose, url, method, extra } => (purpose, url, method, extra),
        };
        match self.fetch_url(purpose, &url, method, extra).await? {
            Ok(found) => Ok(found),
            Err(alert) => self.fall_back(alert, &url).await,
        }
    }

    async fn inline(&mut self, text: &str) -> Result<(Document, String), Flow> {
        match self.read(text) {
            Ok(document) => Ok((document, String::new())),
            Err(alert) => self.fall_back(alert, "").await,
        }
    }

    async fn fall_back(&mut self, alert: Alert, url: &str) -> Result<(Document, String), Flow> {
        self.shared.alert(alert.code, alert.text);
        let Some(fallback) = self.plan.fallback_url.clone() else {
            // The caller hears "an application error has occurred" and is cut off.
            return Err(Flow::End(CallState::Failed));
        };
        let extra = vec![("ErrorCode".to_owned(), alert.code.to_string()), ("ErrorUrl".to_owned(), url.to_owned())];
        let found = self.fetch_url("fallback", &fallback, Method::Post, extra).await?;
        found.map_err(|alert| {
            self.shared.alert(alert.code, alert.text);
            Flow::End(CallState::Failed)
        })
    }

    async fn fetch_url(
        &mut self,
        purpose: &'static str,
        url: &str,
        method: Method,
        extra: Vec<(String, String)>,
    ) -> Result<Result<(Document, String), Alert>, Flow> {
        let answer = match self.request(purpose, url, method, extra).await? {
            Ok(answer) => answer,
            Err(alert) => return Ok(Err(alert)),
        };
        Ok(check_twiml_answer(&answer).and_then(|()| self.read(&answer.body)).map(|document| (document, answer.url)))
    }

    fn read(&mut self, text: &str) -> Result<Document, Alert> {
        let document = twiml::parse(text).map_err(|e| Alert { code: e.code, text: e.text })?;
        for warning in &document.warnings {
            self.shared.alert(warning.code, warning.text.clone());
        }
        Ok(document)
    }

    /// A request in the foreground: the call waits for it, commands still reach the call.
    pub(crate) async fn request(
        &mut self,
        purpose: &'static str,
        url: &str,
        method: Method,
        extra: Vec<(String, String)>,
    ) -> Result<Result<Answer, Alert>, Flow> {
        let outgoing = self.outgoing(purpose, url, method, extra);
        let (client, shared) = (self.client.clone(), self.shared.clone());
        self.unless_interrupted(async move { send(&client, &shared, outgoing).await }).await
    }

    /// A request in the background, of which only the record remains.
    pub(crate) fn notify(&mut self, purpose: &'static str, url: &str, extra: Vec<(String, String)>) {
        let outgoing = self.outgoing(purpose, url, Method::Post, extra);
        let (client, shared) = (self.client.clone(), self.shared.clone());
        self.callbacks.spawn(async move {
            deliver(&client, &shared, outgoing).await;
        });
    }

    pub(crate) fn outgoing(
        &mut self,
        purpose: &'static str,
        url: &str,
        method: Method,
        extra: Vec<(String, String)>,
    ) -> Outgoing {
        let mut params = self.parameters();
        params.retain(|(name, _)| extra.iter().all(|(added, _)| added != name));
        params.extend(extra);
        self.rng.shuffle(&mut params);
        Outgoing { purpose, url: url.to_owned(), method, params, token: self.rng.uuid() }
    }

    fn parameters(&mut self) -> Vec<(String, String)> {
        let (from, to, state) = self.shared.read(|report| (report.from.clone(), report.to.clone(), report.state));
        let direction = self.shared.facts().direction;
        let settings = &self.sim.settings;
        let mut params: Vec<(String, String)> = [
            ("CallSid", self.sid.as_str()),
            ("AccountSid", &settings.account_sid),
            ("From", &from),
            ("To", &to),
            ("Caller", &from),
            ("Called", &to),
            ("CallStatus", state.as_str()),
            ("Direction", direction),
            ("ApiVersion", "2010-04-01"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        params.extend(self.plan.extra_params.iter().cloned());
        if self.rng.below(2) == 0 {
            // Twilio adds parameters without notice.
            let name = format!("Future{}", self.rng.below(1_000));
            params.push((name, "1".to_owned()));
        }
        params
    }

    // --- time and commands ---

    /// Waits for `work` unless a command ends or redirects the call.
    async fn unless_interrupted<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Flow> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                command = self.commands.recv() => match command {
                    Some(Command::Perform { steps, done }) => self.script.append(steps, done),
                    // There is no stream to break.
                    Some(Command::Fault(_)) => {}
                    Some(Command::Replace(source)) => return Err(Flow::Next(source)),
                    Some(Command::Complete) => return Err(Flow::End(CallState::Completed)),
                    Some(Command::HangUp) | None => return Err(Flow::End(self.hung_up())),
                },
            }
        }
    }

    /// The state of a call whose caller hangs up now.
    fn hung_up(&self) -> CallState {
        match self.shared.read(|report| report.state) {
            CallState::InProgress => CallState::Completed,
            _ => CallState::NoAnswer,
        }
    }

    pub(crate) async fn pass(&mut self, seconds: f64) -> Ran {
        let lasts = Duration::from_secs_f64(seconds.max(0.0) / self.sim.settings.verb_speed);
        self.unless_interrupted(sleep(lasts)).await
    }

    // --- the end ---

    async fn final_callback(&mut self, state: CallState) {
        let Some(url) = self.plan.status_callback.clone() else {
            return;
        };
        let seconds = self.shared.began.elapsed().as_secs();
        let sip = match state {
            CallState::Busy => "486",
            CallState::NoAnswer => "487",
            _ => "200",
        };
        let extra = vec![
            ("CallStatus".to_owned(), state.to_string()),
            ("CallDuration".to_owned(), seconds.to_string()),
            ("Duration".to_owned(), seconds.div_ceil(60).to_string()),
            ("Timestamp".to_owned(), rfc2822_now()),
            ("SequenceNumber".to_owned(), "0".to_owned()),
            ("CallbackSource".to_owned(), "call-progress-events".to_owned()),
            ("SipResponseCode".to_owned(), sip.to_owned()),
        ];
        let times = match self.plan.callbacks {
            CallbackDelivery::Once => 1,
            CallbackDelivery::Twice => 2,
            CallbackDelivery::Lost => 0,
        };
        let outgoing = self.outgoing("status", &url, Method::Post, extra);
        for _ in 0..times {
            deliver(&self.client, &self.shared, outgoing.clone()).await;
        }
    }
}

async fn send(client: &Client, shared: &CallShared, outgoing: Outgoing) -> Result<Answer, Alert> {
    let (record, answer) = client.send(outgoing).await;
    let outcome = match &record.outcome {
        Ok(status) => status.to_string(),
        Err(alert) => alert.to_string(),
    };
    let text =
        format!("{} {} {} -> {outcome} in {} ms", record.purpose, record.method, record.url, record.took.as_millis());
    let failure = record.outcome.clone().err();
    shared.update(|report| report.webhooks.push(record));
    shared.note(What::Webhook(text));
    answer.ok_or_else(|| failure.unwrap_or(Alert { code: 11_200, text: "no answer".into() }))
}

/// A notification: only its refusal is of interest.
pub(crate) async fn deliver(client: &Client, shared: &CallShared, outgoing: Outgoing) {
    match send(client, shared, outgoing).await {
        Ok(answer) if answer.status < 400 => {}
        Ok(answer) => shared.alert(15_003, format!("{} answered {}", answer.url, answer.status)),
        Err(alert) => shared.alert(alert.code, alert.text),
    }
}
