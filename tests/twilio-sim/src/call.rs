//! One call as Twilio runs it: fetches documents, performs their verbs, reports its end.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use frontdesk_voice::mulaw;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    call_shared::{CallShared, Command, Source},
    caller::Script,
    faults::CallbackDelivery,
    ids::{Rng, iso8601_now, rfc2822_now},
    plan::{CallPlan, DialOutcome},
    report::{Alert, Dialled, RecordingReport, What},
    rest_view::CallState,
    sim::SimInner,
    stream::{self, Leave, StreamPlan},
    stream_report::StreamEnd,
    twiml::{self, Dial, Document, Gather, Method, Record, StreamNoun, Verb},
    webhook::{Answer, Client, Outgoing, check_twiml_answer, resolve},
};

/// How the call goes on when a verb does not simply end.
enum Flow {
    Next(Source),
    End(CallState),
}

type Step = Result<(), Flow>;

/// The call's task.
pub(crate) struct Call {
    pub(crate) sim: Arc<SimInner>,
    pub(crate) plan: CallPlan,
    pub(crate) index: usize,
    pub(crate) sid: String,
    pub(crate) shared: Arc<CallShared>,
    pub(crate) commands: UnboundedReceiver<Command>,
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
        let state = match timeout(self.plan.time_limit, self.documents()).await {
            Ok(state) => state,
            Err(_) => CallState::Completed,
        };
        self.shared.set_state(state);
        self.shared.note(What::Ended(state));
        self.final_callback(state).await;
        while self.callbacks.join_next().await.is_some() {}
        self.shared.update(|report| report.ended = true);
    }

    async fn documents(&mut self) -> CallState {
        let mut source = Source::Url {
            purpose: "voice",
            url: self.plan.voice_url.clone(),
            method: Method::Post,
            extra: Vec::new(),
        };
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
            Source::Url {
                purpose,
                url,
                method,
                extra,
            } => (purpose, url, method, extra),
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
        let extra = vec![
            ("ErrorCode".to_owned(), alert.code.to_string()),
            ("ErrorUrl".to_owned(), url.to_owned()),
        ];
        let found = self
            .fetch_url("fallback", &fallback, Method::Post, extra)
            .await?;
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
        Ok(check_twiml_answer(&answer)
            .and_then(|()| self.read(&answer.body))
            .map(|document| (document, answer.url)))
    }

    fn read(&mut self, text: &str) -> Result<Document, Alert> {
        let document = twiml::parse(text).map_err(|e| Alert {
            code: e.code,
            text: e.text,
        })?;
        for warning in &document.warnings {
            self.shared.alert(warning.code, warning.text.clone());
        }
        Ok(document)
    }

    /// A request in the foreground: the call waits for it, commands still reach the call.
    async fn request(
        &mut self,
        purpose: &'static str,
        url: &str,
        method: Method,
        extra: Vec<(String, String)>,
    ) -> Result<Result<Answer, Alert>, Flow> {
        let outgoing = self.outgoing(purpose, url, method, extra);
        let (client, shared) = (self.client.clone(), self.shared.clone());
        self.unless_interrupted(async move { send(&client, &shared, outgoing).await })
            .await
    }

    /// A request in the background, of which only the record remains.
    fn notify(&mut self, purpose: &'static str, url: &str, extra: Vec<(String, String)>) {
        let outgoing = self.outgoing(purpose, url, Method::Post, extra);
        let (client, shared) = (self.client.clone(), self.shared.clone());
        self.callbacks.spawn(async move {
            deliver(&client, &shared, outgoing).await;
        });
    }

    fn outgoing(
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
        Outgoing {
            purpose,
            url: url.to_owned(),
            method,
            params,
            token: self.rng.uuid(),
        }
    }

    fn parameters(&mut self) -> Vec<(String, String)> {
        let (from, to, state) = self
            .shared
            .read(|report| (report.from.clone(), report.to.clone(), report.state));
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

    async fn pass(&mut self, seconds: f64) -> Step {
        let lasts = Duration::from_secs_f64(seconds.max(0.0) / self.sim.settings.verb_speed);
        self.unless_interrupted(sleep(lasts)).await
    }

    // --- verbs ---

    async fn execute(&mut self, document: Document, url: &str) -> Flow {
        for verb in document.verbs {
            let shown = verb.to_string();
            self.shared
                .update(|report| report.verbs.push(shown.clone()));
            self.shared.note(What::Verb(shown));
            if !matches!(verb, Verb::Reject { .. } | Verb::Pause(_)) {
                self.shared.set_state(CallState::InProgress);
            }
            if let Err(flow) = self.verb(verb, url).await {
                return flow;
            }
        }
        Flow::End(CallState::Completed)
    }

    async fn verb(&mut self, verb: Verb, url: &str) -> Step {
        match verb {
            Verb::Say { text, times } => self.say(&text, times).await,
            Verb::Play { url: file, digits } => self.play(&resolve(url, &file), digits).await,
            Verb::Pause(length) => {
                self.pass(length).await?;
                // A leading pause delays the answer by its length.
                self.shared.set_state(CallState::InProgress);
                Ok(())
            }
            Verb::Gather(gather) => self.gather(gather, url).await,
            Verb::Record(record) => self.record(record, url).await,
            Verb::Dial(dial) => self.dial(dial, url).await,
            Verb::Redirect { url: next, method } => Err(Flow::Next(Source::Url {
                purpose: "redirect",
                url: resolve(url, &next),
                method,
                extra: Vec::new(),
            })),
            Verb::Reject { busy: true } => Err(Flow::End(CallState::Busy)),
            Verb::Reject { busy: false } => Err(Flow::End(CallState::NoAnswer)),
            Verb::Hangup => Err(Flow::End(CallState::Completed)),
            Verb::Connect {
                action,
                method,
                stream,
            } => {
                self.stream(&stream, url).await?;
                match action {
                    None => Ok(()),
                    Some(action) => Err(next_document(url, &action, method, Vec::new())),
                }
            }
            Verb::Skipped(_) => Ok(()),
        }
    }

    async fn say(&mut self, text: &str, times: u32) -> Step {
        let once = text.chars().count() as f64 / 15.0;
        match times {
            0 => self.pass(f64::from(u32::MAX)).await,
            n => self.pass(once * f64::from(n)).await,
        }
    }

    async fn play(&mut self, file: &str, digits: Option<String>) -> Step {
        if let Some(digits) = digits {
            return self.pass(digits.len() as f64 * 0.5).await;
        }
        match self.request("play", file, Method::Get, Vec::new()).await? {
            Ok(answer) if answer.status == 200 && answer.content_type.starts_with("audio/") => {
                self.pass(3.0).await
            }
            Ok(answer) => {
                let (status, kind) = (answer.status, answer.content_type);
                self.shared
                    .alert(12_300, format!("{file} answered {status} with {kind:?}"));
                Ok(())
            }
            Err(alert) => {
                self.shared.alert(alert.code, alert.text);
                Ok(())
            }
        }
    }

    async fn gather(&mut self, gather: Gather, url: &str) -> Step {
        let pressed = self.digits.pop_front().unwrap_or_default();
        if pressed.is_empty() {
            for prompt in gather.prompts {
                if let Verb::Say { text, times } = prompt {
                    self.say(&text, times.max(1)).await?;
                }
            }
            self.pass(gather.timeout).await?;
            if !gather.action_on_empty {
                return Ok(());
            }
        }
        let finish = gather.finish_on_key.chars().next();
        let ended_by = finish.filter(|&key| pressed.contains(key));
        let mut digits: String = pressed.chars().take_while(|&d| Some(d) != finish).collect();
        if let Some(most) = gather.num_digits {
            digits.truncate(most);
        }
        let extra = vec![
            ("Digits".to_owned(), digits),
            (
                "FinishedOnKey".to_owned(),
                ended_by.map(String::from).unwrap_or_default(),
            ),
            ("msg".to_owned(), "Gather End".to_owned()),
        ];
        let action = gather.action.unwrap_or_default();
        Err(next_document(url, &action, gather.method, extra))
    }

    async fn record(&mut self, record: Record, url: &str) -> Step {
        let Some(mut pcm) = self.plan.voicemail.take().filter(|pcm| !pcm.is_empty()) else {
            self.pass(5.0).await?;
            return Ok(());
        };
        pcm.truncate((record.max_length * 8_000.0) as usize);
        let seconds = pcm.len() as f64 / 8_000.0;
        self.pass(seconds).await?;
        let sid = self.rng.sid("RE");
        let account = &self.sim.settings.account_sid;
        let base = self.sim.api_base();
        let file = format!("{base}/2010-04-01/Accounts/{account}/Recordings/{sid}");
        let duration = (seconds.ceil() as u64).to_string();
        self.shared.update(|report| {
            report.recordings.push(RecordingReport {
                sid: sid.clone(),
                url: file.clone(),
                pcm: mulaw::decode_all(&mulaw::encode_all(&pcm)),
            });
        });
        let about = vec![
            ("RecordingUrl".to_owned(), file),
            ("RecordingSid".to_owned(), sid),
            ("RecordingDuration".to_owned(), duration),
        ];
        if let Some(callback) = &record.status_callback {
            let mut extra = about.clone();
            extra.extend(
                [
                    ("RecordingStatus", "completed"),
                    ("RecordingChannels", "1"),
                    ("RecordingSource", "RecordVerb"),
                    ("RecordingTrack", "inbound"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            extra.push(("RecordingStartTime".to_owned(), rfc2822_now()));
            self.notify("recording", &resolve(url, callback), extra);
        }
        let mut extra = about;
        extra.push(("Digits".to_owned(), "#".to_owned()));
        let action = record.action.unwrap_or_default();
        Err(next_document(url, &action, record.method, extra))
    }

    async fn dial(&mut self, dial: Dial, url: &str) -> Step {
        let outcome = match self.dials.len() {
            0 => DialOutcome::default(),
            1 => self.dials[0],
            _ => self.dials.pop_front().unwrap_or_default(),
        };
        let (ring, talk, status, bridged) = match outcome {
            DialOutcome::Answered {
                after,
                talk,
                bridged,
            } if after <= Duration::from_secs(dial.timeout) => (after, talk, "completed", bridged),
            DialOutcome::Answered { .. } | DialOutcome::NoAnswer => {
                let ring = Duration::from_secs(dial.timeout);
                (ring, Duration::ZERO, "no-answer", false)
            }
            DialOutcome::Busy => (Duration::from_secs(1), Duration::ZERO, "busy", false),
            DialOutcome::Failed => (Duration::ZERO, Duration::ZERO, "failed", false),
        };
        self.pass(ring.as_secs_f64()).await?;
        self.shared.update(|report| {
            report.dialled.push(Dialled {
                targets: dial.targets.clone(),
                caller_id: dial.caller_id.clone(),
                status,
                bridged,
            });
        });
        let targets = dial.targets.join(", ");
        self.shared
            .note(What::Dialled(format!("{targets}: {status}")));
        self.pass(talk.as_secs_f64()).await?;
        let Some(action) = dial.action else {
            return Ok(());
        };
        let extra = vec![
            ("DialCallStatus".to_owned(), status.to_owned()),
            ("DialCallSid".to_owned(), self.rng.sid("CA")),
            ("DialCallDuration".to_owned(), talk.as_secs().to_string()),
            ("DialBridged".to_owned(), bridged.to_string()),
        ];
        Err(next_document(url, &action, dial.method, extra))
    }

    // --- the stream ---

    async fn stream(&mut self, noun: &StreamNoun, url: &str) -> Step {
        let stream_sid = self.rng.sid("MZ");
        let callback = noun.status_callback.as_ref().map(|to| resolve(url, to));
        let about = |event: &str, error: Option<String>| {
            let mut extra = vec![
                ("StreamSid".to_owned(), stream_sid.clone()),
                (
                    "StreamName".to_owned(),
                    noun.name.clone().unwrap_or_else(|| stream_sid.clone()),
                ),
                ("StreamEvent".to_owned(), event.to_owned()),
                ("Timestamp".to_owned(), iso8601_now()),
            ];
            extra.extend(error.map(|text| ("StreamError".to_owned(), text)));
            extra
        };
        let first_timestamp = 60 + self.rng.below(140);
        let sim = self.sim.clone();
        let plan = StreamPlan {
            call: &self.shared.clone(),
            client: &self.client.clone(),
            hooks: &sim.settings.hooks,
            limbo: &sim.limbo,
            index: self.index,
            account_sid: &sim.settings.account_sid,
            call_sid: &self.sid.clone(),
            stream_sid: &stream_sid,
            noun,
            faults: &self.plan.stream.clone(),
            record_audio: self.plan.record_audio,
            first_timestamp,
        };
        let started = callback
            .as_ref()
            .map(|to| self.outgoing("stream", to, Method::Post, about("stream-started", None)));
        let (client, shared) = (self.client.clone(), self.shared.clone());
        let callbacks = &mut self.callbacks;
        let on_open = || {
            if let Some(outgoing) = started {
                callbacks.spawn(async move {
                    deliver(&client, &shared, outgoing).await;
                });
            }
        };
        let leave = stream::run(&plan, &mut self.script, &mut self.commands, on_open).await;
        if let Some(to) = callback {
            let refused = self.shared.read(|report| match report.stream()?.end {
                Some(StreamEnd::Refused { code, .. }) => Some(code.to_string()),
                _ => None,
            });
            let event = if refused.is_some() {
                "stream-error"
            } else {
                "stream-stopped"
            };
            self.notify("stream", &to, about(event, refused));
        }
        match leave {
            Leave::NextVerb => Ok(()),
            Leave::HungUp | Leave::Completed => Err(Flow::End(CallState::Completed)),
            Leave::Replace(source) => Err(Flow::Next(source)),
        }
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
            (
                "CallbackSource".to_owned(),
                "call-progress-events".to_owned(),
            ),
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

fn next_document(base: &str, action: &str, method: Method, extra: Vec<(String, String)>) -> Flow {
    Flow::Next(Source::Url {
        purpose: "action",
        url: resolve(base, action),
        method,
        extra,
    })
}

async fn send(client: &Client, shared: &CallShared, outgoing: Outgoing) -> Result<Answer, Alert> {
    let (record, answer) = client.send(outgoing).await;
    let outcome = match &record.outcome {
        Ok(status) => status.to_string(),
        Err(alert) => alert.to_string(),
    };
    let text = format!(
        "{} {} {} -> {outcome} in {} ms",
        record.purpose,
        record.method,
        record.url,
        record.took.as_millis()
    );
    let failure = record.outcome.clone().err();
    shared.update(|report| report.webhooks.push(record));
    shared.note(What::Webhook(text));
    answer.ok_or_else(|| {
        failure.unwrap_or(Alert {
            code: 11_200,
            text: "no answer".into(),
        })
    })
}

/// A notification: only its refusal is of interest.
async fn deliver(client: &Client, shared: &CallShared, outgoing: Outgoing) {
    match send(client, shared, outgoing).await {
        Ok(answer) if answer.status < 400 => {}
        Ok(answer) => shared.alert(15_003, format!("{} answered {}", answer.url, answer.status)),
        Err(alert) => shared.alert(alert.code, alert.text),
    }
}
