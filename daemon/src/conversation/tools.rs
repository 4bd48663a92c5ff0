//! Carrying out what the model calls: one call after the other, each in one transaction of the appointment book.
//!
//! ```text
//!  driver ──start──► read ─► waiting ─┬► ask the outside calendar ─► transact(clerk.serve) ─┬─► Done ──► driver
//!                     │               └► search the clinic's texts, without the book ────────┤
//!                     └──────► emergency, transfer: decided at once, without the book ───────┘
//! ```
//!
//! The clerk decides; here its requests are queued and its transactions awaited. A clone of the clerk serves, and is kept
//! only if its transaction was committed, so that it remembers nothing that has not happened; what was answered beside it
//! is added then. What only looks something up
//! is dropped when nobody waits for it any more; what may change something and has begun is carried out to its end. A
//! person and an emergency wait for nobody and for no disk, and neither does the word to staff that a life is in danger.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use frontdesk_core::booking::book::{Book as _, BookError, Errand, Message};
use frontdesk_core::booking::offer::Offers;
use frontdesk_core::clerk::{Answer, Clerk, Deed, Outside, Place, Question};
use frontdesk_core::clinic::Clinic;
use frontdesk_core::gemini::calls::{CallKey, ToolCall};
use frontdesk_core::knowledge::Question as Search;
use frontdesk_core::redflag::{self, Phrases, Watch};
use frontdesk_core::session::bridge::Guard;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::tools::request::{self, Request};
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

use crate::clock::Clock;
use crate::knowledge::Knowledge;
use crate::store::Store;

type Job = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Alert = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Asks the outside calendar; answers in its own time, and never fails: a calendar that does not answer is
/// [`Outside::Unreachable`].
pub type AskOutside = Arc<dyn Fn(Question) -> Pin<Box<dyn Future<Output = Outside> + Send>> + Send + Sync>;

/// What the functions of all conversations share.
pub struct Office {
    clinic: Arc<Clinic>,
    offers: Arc<Offers>,
    phrases: Arc<[Phrases]>,
    store: Store,
    outside: Option<AskOutside>,
    knowledge: Option<Knowledge>,
}

impl Office {
    /// The office of a clinic. Offers are worth nothing after a restart; neither are the conversations that they were made
    /// in. `None` if there is no randomness to seal them with.
    pub fn open(
        clinic: Arc<Clinic>,
        store: Store,
        outside: Option<AskOutside>,
        knowledge: Option<Knowledge>,
    ) -> Option<Arc<Self>> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).ok()?;
        let phrases = redflag::lists_with(&clinic.languages, &clinic.emergency.phrases).into();
        Some(Arc::new(Self { clinic, offers: Arc::new(Offers::new(key)), phrases, store, outside, knowledge }))
    }

    /// What listens for danger to life in a conversation that begins at `now`. Behind the sentence a caller is handed over
    /// if there is anybody to be called; else the line stays open, for a voice is better than a tape.
    pub fn guard(&self, place: Place, now: Timestamp) -> Guard {
        let hand_over = match place {
            Place::Phone { dials } => dials || self.on_call(now).is_some(),
            Place::Desk => false,
        };
        let watch = Watch::new(Arc::clone(&self.phrases));
        Guard { watch, say: self.clinic.emergency.say.clone(), hand_over }
    }

    /// Who is called for danger to life at that time, in place of the fallback number.
    pub fn on_call(&self, now: Timestamp) -> Option<&PhoneNumber> {
        self.clinic.on_call(now.to_zoned(self.clinic.zone.clone()).datetime())
    }

    /// The same for a call that is handed over. If no number `dials` in place of them, that was promised because somebody
    /// was on call when it began: the first is rung though their hours are over by now, for that is better than a tape.
    pub fn rung(&self, dials: bool, now: Timestamp) -> Option<&PhoneNumber> {
        let first = || self.clinic.emergency.contacts.first().map(|contact| &contact.number);
        self.on_call(now).or_else(|| if dials { None } else { first() })
    }

    /// The functions of one conversation, whose times are told by `clock`.
    pub fn tools(
        self: &Arc<Self>,
        conversation: ConversationId,
        place: Place,
        caller: Option<PhoneNumber>,
        clock: Clock,
    ) -> Tools {
        let (clinic, offers) = (Arc::clone(&self.clinic), Arc::clone(&self.offers));
        let clerk = Clerk::new(clinic, offers, conversation, place, caller.clone(), &self.clinic.language);
        let office = Arc::clone(self);
        let (decided, waiting) = (VecDeque::new(), VecDeque::new());
        let beside = Beside::default();
        Tools { office, clerk, conversation, caller, clock, decided, waiting, running: None, beside, alert: None }
    }
}

/// The functions of one conversation. Calls wait for one another: what one has found the next may rely on.
pub struct Tools {
    office: Arc<Office>,
    clerk: Clerk,
    conversation: ConversationId,
    caller: Option<PhoneNumber>,
    clock: Clock,
    /// What is done and has not been told.
    decided: VecDeque<Done>,
    waiting: VecDeque<Waiting>,
    running: Option<Running>,
    beside: Beside,
    /// Staff are being told of danger to life, beside whatever runs.
    alert: Option<Alert>,
}

struct Waiting {
    key: CallKey,
    name: String,
    request: Request,
    /// In which the caller is spoken to by then, if the model has told.
    language: Option<String>,
}

struct Running {
    key: CallKey,
    name: String,
    /// It may change something: it is not dropped.
    changes: bool,
    job: Job,
}

/// What the clerk was told and has answered while a clone of it serves: the clone does not know of it.
#[derive(Default)]
struct Beside {
    language: Option<String>,
    answered: u32,
}

struct Outcome {
    /// As it now is; nothing if nothing was committed.
    clerk: Option<Box<Clerk>>,
    answer: Answer,
}

/// A call that was carried out.
#[derive(Debug)]
pub struct Done {
    /// Which.
    pub key: CallKey,
    /// Its function and what came of it, fit for a record: `book: booked`.
    pub told: String,
    /// For the model.
    pub response: Value,
    /// For the conversation.
    pub deed: Option<Deed>,
}

impl Tools {
    /// A function is to be carried out, behind those that wait already. What cannot be read is answered before them, and
    /// so is what hands the caller to a person or tells of danger to life: neither needs the book.
    pub fn start(&mut self, call: ToolCall) {
        let ToolCall { key, name, args } = call;
        let language = request::language(&args);
        match Request::read(&name, &args) {
            Ok(request @ (Request::Emergency | Request::Transfer { .. })) => {
                self.speaks(language);
                match self.decide(&request) {
                    Some(answer) => self.decided.push_back(done(key, &name, answer)),
                    None => self.waiting.push_back(Waiting { key, name, request, language: None }),
                }
            }
            Ok(request) => {
                let language = language.map(str::to_owned);
                self.waiting.push_back(Waiting { key, name, request, language });
            }
            Err(error) => {
                self.speaks(language);
                let answer = Answer::unread(&error, &name, self.clerk.clinic(), self.clerk.language());
                self.decided.push_back(done(key, &name, answer));
            }
        }
    }

    /// A caller has spoken of danger to life: staff are told, whatever else is under way.
    pub fn alert_staff(&mut self) {
        let (store, caller) = (self.office.store.clone(), self.caller.clone());
        let (conversation, clock) = (self.conversation, self.clock);
        self.alert.get_or_insert_with(|| Box::pin(alert(store, conversation, caller, clock)));
    }

    /// The model does not wait for that call any more, as the caller has gone on speaking or it took too long: it is
    /// dropped, unless it has begun and may change something.
    pub fn cancel(&mut self, key: CallKey) {
        self.waiting.retain(|waiting| waiting.key != key);
        self.drop_look_up(key);
    }

    /// Nobody waits for that call any more, because the conversation is over: it is dropped if it only looks something up.
    /// What the caller has asked for before they went is still done; nothing is held for whoever has gone.
    pub fn leave(&mut self, key: CallKey) {
        let lasts = |request: &Request| request.changes_something() && !matches!(request, Request::HoldSlot { .. });
        self.waiting.retain(|waiting| waiting.key != key || lasts(&waiting.request));
        self.drop_look_up(key);
    }

    fn drop_look_up(&mut self, key: CallKey) {
        if self.running.as_ref().is_some_and(|running| running.key == key && !running.changes) {
            self.running = None;
        }
    }

    /// Whether something is still to be done or to be told: [`poll`](Self::poll) until it is not.
    pub fn is_working(&self) -> bool {
        !self.decided.is_empty() || !self.waiting.is_empty() || self.running.is_some() || self.alert.is_some()
    }

    /// Goes on with what is to be done. `spoke` is when the caller was last heard. The next call that is done; pending and
    /// woken later while one is under way, pending for good while none is.
    pub fn poll(&mut self, cx: &mut Context<'_>, spoke: Option<Instant>) -> Poll<Done> {
        if self.alert.as_mut().is_some_and(|alert| alert.as_mut().poll(cx).is_ready()) {
            self.alert = None;
        }
        loop {
            if let Some(done) = self.decided.pop_front() {
                return Poll::Ready(done);
            }
            if let Some(running) = &mut self.running {
                let Outcome { clerk, answer } = ready!(running.job.as_mut().poll(cx));
                if let Some(clerk) = clerk {
                    self.take_back(*clerk);
                }
                let Some(Running { key, name, .. }) = self.running.take() else { continue };
                return Poll::Ready(done(key, &name, answer));
            }
            let Some(next) = self.waiting.pop_front() else { return Poll::Pending };
            if let Some(spoke) = spoke {
                self.clerk.caller_spoke(self.clock.civil(spoke));
            }
            self.begin(next);
        }
    }

    fn begin(&mut self, next: Waiting) {
        let Waiting { key, name, request, language } = next;
        self.beside = Beside::default();
        self.speaks(language.as_deref());
        if let Some(knowledge) = &self.office.knowledge
            && let Some(search) = self.clerk.searches_for(&request, self.clock.civil(Instant::now()))
        {
            let job = Box::pin(look_up(knowledge.clone(), self.clerk.clone(), request, search, self.clock));
            self.running = Some(Running { key, name, changes: false, job });
            return;
        }
        if let Some(answer) = self.decide(&request) {
            self.decided.push_back(done(key, &name, answer));
            return;
        }
        let changes = request.changes_something();
        let job = Box::pin(serve(Arc::clone(&self.office), self.clerk.clone(), request, self.clock));
        self.running = Some(Running { key, name, changes, job });
    }

    /// The clone that has served takes the clerk's place, and learns what went on beside it.
    fn take_back(&mut self, clerk: Clerk) {
        self.clerk = clerk;
        let Beside { language, answered } = std::mem::take(&mut self.beside);
        self.clerk.has_answered_beside(answered);
        self.speaks(language.as_deref());
    }

    fn speaks(&mut self, language: Option<&str>) {
        if let Some(language) = language {
            self.clerk.speaks(language);
            self.beside.language = Some(language.to_owned());
        }
    }

    /// The answer to what needs no book.
    fn decide(&mut self, request: &Request) -> Option<Answer> {
        let answer = self.clerk.decide_alone(request, self.clock.civil(Instant::now()))?;
        self.beside.answered += 1;
        Some(answer)
    }
}

fn done(key: CallKey, name: &str, answer: Answer) -> Done {
    let word = ["/output/status", "/error/code"].iter().find_map(|at| answer.json.pointer(at)?.as_str());
    // The model's own word, cut: it may be as long as it likes.
    let name: String = name.chars().take(64).collect();
    let told = format!("{name}: {}", word.unwrap_or("no such function"));
    Done { key, told, response: answer.json, deed: answer.deed }
}

/// Answers from the clinic's texts. The book has no part in it.
async fn look_up(knowledge: Knowledge, mut clerk: Clerk, request: Request, search: Search, clock: Clock) -> Outcome {
    let found = knowledge.find(search).await;
    match clerk.decide_with(&request, &found, clock.civil(Instant::now())) {
        Some(answer) => Outcome { clerk: Some(Box::new(clerk)), answer },
        None => unreachable!("only questions about the clinic search its texts, and those need no book"),
    }
}

async fn serve(office: Arc<Office>, clerk: Clerk, request: Request, clock: Clock) -> Outcome {
    let question = office.outside.as_ref().zip(clerk.question(&request, clock.civil(Instant::now())));
    let outside = match question {
        Some((ask, question)) => ask(question).await,
        None => Outside::NotUsed,
    };
    // Read now: the calendar may have taken its time.
    let now = clock.civil(Instant::now());
    let mut serving = clerk.clone();
    let served = office.store.transact(move |book| {
        let answer = serving.serve(request, now, &outside, book)?;
        Ok::<_, BookError>((serving, answer))
    });
    match served.await {
        Ok((clerk, answer)) => Outcome { clerk: Some(Box::new(clerk)), answer },
        Err(error) => {
            log::error!("the appointment book could not be used: {}", chain(&error));
            let answer = Answer::no_book(clerk.clinic(), clerk.language());
            Outcome { clerk: None, answer }
        }
    }
}

/// Leaves a message of the box's own: nobody said it.
async fn alert(store: Store, conversation: ConversationId, caller: Option<PhoneNumber>, clock: Clock) {
    let now = clock.civil(Instant::now());
    let message = Message {
        name: "Frontdesk".to_owned(),
        phone: caller,
        topic: "emergency".to_owned(),
        text: "In this conversation somebody spoke of danger to life. They were told to dial the emergency number. Please \
               look at the transcript and call back."
            .to_owned(),
        today: true,
    };
    let told = store.transact(move |book| {
        let number = book.take_message(&message, &conversation, now)?;
        book.send(&Errand::Message(number), &format!("message:{number}"), now)
    });
    if let Err(error) = told.await {
        log::error!("staff could not be told of danger to life: {}", chain(&error));
    }
}

/// An error with its causes. Those of the book name no people.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
