//! TwiML at work: every verb as the caller meets it, and the request that it ends with.

use std::time::Duration;

use frontdesk_voice::mulaw;

use crate::{
    call::{Call, Flow, Ran, deliver},
    call_shared::Source,
    ids::{iso8601_now, rfc2822_now},
    plan::DialOutcome,
    report::{Dialled, RecordingReport, What},
    rest_view::CallState,
    stream::{self, Leave, StreamPlan},
    stream_report::StreamEnd,
    twiml::{Dial, Document, Gather, Method, Record, StreamNoun, Verb},
    webhook::resolve,
};

impl Call {
    pub(crate) async fn execute(&mut self, document: Document, url: &str) -> Flow {
        for verb in document.verbs {
            let shown = verb.to_string();
            self.shared.update(|report| report.verbs.push(shown.clone()));
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

    async fn verb(&mut self, verb: Verb, url: &str) -> Ran {
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
            Verb::Connect { action, method, stream } => {
                self.stream(&stream, url).await?;
                match action {
                    None => Ok(()),
                    Some(action) => Err(next_document(url, &action, method, Vec::new())),
                }
            }
            Verb::Skipped(_) => Ok(()),
        }
    }

    async fn say(&mut self, text: &str, times: u32) -> Ran {
        let once = text.chars().count() as f64 / 15.0;
        match times {
            0 => self.pass(f64::from(u32::MAX)).await,
            n => self.pass(once * f64::from(n)).await,
        }
    }

    async fn play(&mut self, file: &str, digits: Option<String>) -> Ran {
        if let Some(digits) = digits {
            return self.pass(digits.len() as f64 * 0.5).await;
        }
        match self.request("play", file, Method::Get, Vec::new()).await? {
            Ok(answer) if answer.status == 200 && answer.content_type.starts_with("audio/") => self.pass(3.0).await,
            Ok(answer) => {
                let (status, kind) = (answer.status, answer.content_type);
                self.shared.alert(12_300, format!("{file} answered {status} with {kind:?}"));
                Ok(())
            }
            Err(alert) => {
                self.shared.alert(alert.code, alert.text);
                Ok(())
            }
        }
    }

    async fn gather(&mut self, gather: Gather, url: &str) -> Ran {
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
            ("FinishedOnKey".to_owned(), ended_by.map(String::from).unwrap_or_default()),
            ("msg".to_owned(), "Gather End".to_owned()),
        ];
        let action = gather.action.unwrap_or_default();
        Err(next_document(url, &action, gather.method, extra))
    }

    async fn record(&mut self, record: Record, url: &str) -> Ran {
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

    async fn dial(&mut self, dial: Dial, url: &str) -> Ran {
        let outcome = match self.dials.len() {
            0 => DialOutcome::default(),
            1 => self.dials[0],
            _ => self.dials.pop_front().unwrap_or_default(),
        };
        let (ring, talk, status, bridged) = match outcome {
            DialOutcome::Answered { after, talk, bridged } if after <= Duration::from_secs(dial.timeout) => {
                (after, talk, "completed", bridged)
            }
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
        self.shared.note(What::Dialled(format!("{targets}: {status}")));
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

    async fn stream(&mut self, noun: &StreamNoun, url: &str) -> Ran {
        let stream_sid = self.rng.sid("MZ");
        let callback = noun.status_callback.as_ref().map(|to| resolve(url, to));
        let about = |event: &str, error: Option<String>| {
            let mut extra = vec![
                ("StreamSid".to_owned(), stream_sid.clone()),
                ("StreamName".to_owned(), noun.name.clone().unwrap_or_else(|| stream_sid.clone())),
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
        let started =
            callback.as_ref().map(|to| self.outgoing("stream", to, Method::Post, about("stream-started", None)));
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
            let event = if refused.is_some() { "stream-error" } else { "stream-stopped" };
            self.notify("stream", &to, about(event, refused));
        }
        match leave {
            Leave::NextVerb => Ok(()),
            Leave::HungUp | Leave::Completed => Err(Flow::End(CallState::Completed)),
            Leave::Replace(source) => Err(Flow::Next(source)),
        }
    }
}

fn next_document(base: &str, action: &str, method: Method, extra: Vec<(String, String)>) -> Flow {
    Flow::Next(Source::Url { purpose: "action", url: resolve(base, action), method, extra })
}
