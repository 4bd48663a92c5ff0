//! A clinic with its store, and callers whose model calls functions.

use std::future::poll_fn;
use std::time::Duration;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Span, State};
use frontdesk_core::clinic::hours::{DayException, Hours, Minute, Week};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::clinic::{AppointmentType, BookingRules, Contact, Emergency, Location, Practitioner};
use frontdesk_core::session::id::DeskId;
use jiff::Timestamp;
use jiff::civil::{Weekday, date};
use jiff::tz::TimeZone;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::config::StoreConfig;
use crate::store::ListedAppointment;

pub(super) const CALLER: &str = "+15550100200";
/// Friday, ten in the morning in Berlin.
const NOW: &str = "2026-11-27T09:00:00Z";

pub(super) fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

/// What was done.
pub(super) fn output(answer: &Value) -> &Value {
    assert!(answer["output"].is_object(), "{answer}");
    &answer["output"]
}

pub(super) fn status(answer: &Value) -> &str {
    output(answer)["status"].as_str().unwrap()
}

/// Why it was not.
pub(super) fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// The store and its clinic.
pub(super) struct World {
    office: Arc<Office>,
    store: Store,
    outside: Option<Outside>,
    _folder: TempDir,
}

impl World {
    pub(super) fn open() -> Self {
        Self::with(None)
    }

    /// With something else about the clinic.
    pub(super) fn where_the_clinic(differs: impl FnOnce(&mut Clinic)) -> Self {
        let mut clinic = clinic();
        differs(&mut clinic);
        Self::of(clinic, None, None)
    }

    /// With an outside calendar that says that.
    pub(super) fn with(outside: Option<Outside>) -> Self {
        Self::of(clinic(), outside, None)
    }

    /// With texts of the clinic's own.
    pub(super) fn knowing(knowledge: Knowledge) -> Self {
        Self::of(clinic(), None, Some(knowledge))
    }

    fn of(clinic: Clinic, outside: Option<Outside>, knowledge: Option<Knowledge>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig { path: folder.path().join("book.db"), keep_days: 30 };
        let store = Store::open(&config).unwrap();
        let asked = outside.clone().map(says);
        let office = Office::open(Arc::new(clinic), store.clone(), asked, knowledge).unwrap();
        Self { office, store, outside, _folder: folder }
    }

    pub(super) fn caller(&self, number: u128, phone: &str) -> Party {
        self.party(number, Place::Phone { dials: true }, PhoneNumber::parse(phone).ok())
    }

    pub(super) fn visitor(&self) -> Party {
        self.party(99, Place::Desk, None)
    }

    fn party(&self, number: u128, place: Place, phone: Option<PhoneNumber>) -> Party {
        let clock = Clock::at(Instant::now(), NOW.parse().unwrap());
        let mut tools = self.office.tools(DeskId::of(number).into(), place, phone, clock);
        if let Some(outside) = &self.outside {
            tools.office = with_outside(&tools.office, says(outside.clone()));
        }
        Party { tools, spoke: None, calls: 0 }
    }

    /// All appointments that are held, booked or cancelled.
    pub(super) async fn rows(&self) -> Vec<ListedAppointment> {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let span = Span { from: at("2026-11-01T00:00:00Z"), to: at("2027-03-01T00:00:00Z") };
        self.store.appointments(span, at(NOW)).await.unwrap()
    }

    /// The only appointment that is booked.
    pub(super) async fn booked(&self) -> Appointment {
        let booked: Vec<_> = self.rows().await.into_iter().filter(|row| row.state == State::Booked).collect();
        assert_eq!(booked.len(), 1);
        let id = AppointmentId(u128::from_str_radix(&booked[0].id, 16).unwrap());
        self.store.appointment(id).await.unwrap().unwrap()
    }

    /// What listens for danger to life in a conversation that begins there and then.
    pub(super) fn guard(&self, place: Place, at: &str) -> Guard {
        self.office.guard(place, at.parse().unwrap())
    }

    /// Who is rung for a call that is handed over then.
    pub(super) fn rung(&self, dials: bool, at: &str) -> Option<&PhoneNumber> {
        self.office.rung(dials, at.parse().unwrap())
    }

    pub(super) fn clinic(&self) -> &Clinic {
        &self.office.clinic
    }

    /// The kinds of errands that wait.
    pub(super) async fn errands(&self) -> Vec<String> {
        let errands = self.store.errands(NOW.parse().unwrap()).await.unwrap();
        let mut kinds: Vec<String> = errands.errands.iter().map(|errand| errand.kind.as_str().to_owned()).collect();
        kinds.sort_unstable();
        kinds
    }

    pub(super) async fn close(&self) {
        self.store.close().await;
    }
}

fn says(outside: Outside) -> AskOutside {
    Arc::new(move |_| Box::pin(std::future::ready(outside.clone())))
}

fn with_outside(office: &Office, outside: AskOutside) -> Arc<Office> {
    Arc::new(Office {
        clinic: Arc::clone(&office.clinic),
        offers: Arc::clone(&office.offers),
        phrases: Arc::clone(&office.phrases),
        store: office.store.clone(),
        outside: Some(outside),
        knowledge: office.knowledge.clone(),
    })
}

/// Somebody in a conversation, and the model that calls functions for them.
pub(super) struct Party {
    tools: Tools,
    spoke: Option<Instant>,
    calls: u64,
}

impl Party {
    pub(super) fn tools(&mut self) -> &mut Tools {
        &mut self.tools
    }

    /// The caller says something.
    pub(super) fn speaks(&mut self) {
        self.spoke = Some(Instant::now());
    }

    /// Time passes.
    pub(super) fn pass(&mut self, span: Duration) {
        let now = Instant::now();
        self.tools.clock = Clock::at(now, self.tools.clock.civil(now + span));
    }

    /// The outside calendar says that from now on.
    pub(super) fn outside(&mut self, outside: Outside) {
        self.tools.office = with_outside(&self.tools.office, says(outside));
    }

    /// The outside calendar never answers from now on.
    pub(super) fn outside_is_silent(&mut self) {
        self.tools.office = with_outside(&self.tools.office, Arc::new(|_| Box::pin(std::future::pending())));
    }

    /// The outside calendar says from now on that nothing keeps anybody, each time that it is let.
    pub(super) fn outside_waits(&mut self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        let waiting = Arc::clone(&gate);
        let says = move |_| -> Pin<Box<dyn Future<Output = Outside> + Send>> {
            let gate = Arc::clone(&waiting);
            Box::pin(async move {
                gate.notified().await;
                Outside::Busy(Vec::new())
            })
        };
        self.tools.office = with_outside(&self.tools.office, Arc::new(says));
        gate
    }

    pub(super) fn start(&mut self, key: u64, name: &str, args: Value) {
        self.tools.start(ToolCall { key: CallKey(key), name: name.to_owned(), args });
    }

    pub(super) async fn next(&mut self) -> Done {
        let (tools, spoke) = (&mut self.tools, self.spoke);
        poll_fn(|cx| tools.poll(cx, spoke)).await
    }

    /// Lets what is under way go on, and waits for nothing.
    pub(super) async fn go_on(&mut self) -> Option<Done> {
        let (tools, spoke) = (&mut self.tools, self.spoke);
        poll_fn(|cx| {
            Poll::Ready(match tools.poll(cx, spoke) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            })
        })
        .await
    }

    pub(super) async fn deed(&mut self, name: &str, args: Value) -> (Value, Option<Deed>) {
        self.calls += 1;
        self.start(self.calls, name, args);
        let done = self.next().await;
        assert_eq!(done.key, CallKey(self.calls));
        (done.response, done.deed)
    }

    pub(super) async fn call(&mut self, name: &str, args: Value) -> Value {
        self.deed(name, args).await.0
    }

    /// Looks for a check-up.
    pub(super) async fn find(&mut self, mut args: Value) -> Value {
        args["appointment_type"] = json!("check-up");
        self.call("find_slots", args).await
    }

    /// Holds the first check-up of a day with Doctor Osei.
    pub(super) async fn hold(&mut self, date: &str) -> Value {
        self.hold_kind("check-up", date).await
    }

    pub(super) async fn hold_kind(&mut self, kind: &str, date: &str) -> Value {
        let wish = json!({ "appointment_type": kind, "date_from": date, "practitioner": "osei" });
        let found = self.call("find_slots", wish).await;
        let held = self.call("hold_slot", json!({ "slot_id": output(&found)["slots"][0]["slot_id"] })).await;
        assert_eq!(status(&held), "held", "{held}");
        held
    }

    /// Books what is held for Ana, with some arguments in place of hers.
    pub(super) async fn book(&mut self, held: &Value, other: Value) -> Value {
        self.call("book", booking(held, &other)).await
    }

    pub(super) async fn yes_book(&mut self, held: &Value, other: Value) -> Value {
        self.speaks();
        self.book(held, other).await
    }
}

/// The arguments of a booking for Ana, with some in place of hers.
pub(super) fn booking(held: &Value, other: &Value) -> Value {
    let mut args = json!({
        "hold_id": held["output"]["hold_id"], "patient_name": "Ana Pérez", "phone": "caller_id",
        "email": "ana@example.com", "email_consent": true, "caller_confirmed": true,
    });
    for (name, value) in other.as_object().unwrap() {
        args[name] = value.clone();
    }
    args
}

fn week() -> Week {
    let hours = Hours::new(Minute::parse("08:00").unwrap(), Minute::parse("18:00").unwrap()).unwrap();
    let mut week = Week::default();
    for day in [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday] {
        week.set(day, vec![hours]).unwrap();
    }
    week
}

fn practitioner(id: &str, name: &str, say_as: &str) -> Practitioner {
    Practitioner {
        id: PractitionerId::parse(id).unwrap(),
        name: name.to_owned(),
        say_as: say_as.to_owned(),
        heard_as: Vec::new(),
        languages: vec!["en-US".to_owned()],
        location: LocationId::parse("main").unwrap(),
        hours: week(),
        exceptions: Vec::new(),
    }
}

fn kind(id: &str, name: &str) -> AppointmentType {
    AppointmentType {
        id: TypeId::parse(id).unwrap(),
        name: name.to_owned(),
        say_as: name.to_owned(),
        aliases: Vec::new(),
        length: minutes(30),
        buffer_before: Duration::ZERO,
        buffer_after: Duration::ZERO,
        step: minutes(15),
        lead: minutes(60),
        horizon_days: 60,
        most_per_day: None,
        practitioners: vec![PractitionerId::parse("osei").unwrap()],
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    }
}

fn clinic() -> Clinic {
    let leave = DayException {
        from: date(2026, 12, 7),
        to: date(2026, 12, 11),
        name: "a conference".to_owned(),
        hours: Vec::new(),
    };
    let christmas = DayException {
        from: date(2026, 12, 25),
        to: date(2026, 12, 26),
        name: "Christmas".to_owned(),
        hours: Vec::new(),
    };
    let osei = Practitioner { exceptions: vec![leave], ..practitioner("osei", "Dr. Amara Osei", "Doctor Osei") };
    let meyer = practitioner("meyer", "Dr. Anna Meyer", "Doctor Anna Meyer");
    let maier = practitioner("maier", "Dr. Otto Maier", "Doctor Otto Maier");
    let check_up = AppointmentType {
        practitioners: [&osei, &meyer, &maier].map(|one| one.id.clone()).to_vec(),
        price: "It costs forty euros.".to_owned(),
        preparation: "Bring your insurance card.".to_owned(),
        ..kind("check-up", "Check-up")
    };
    let child = AppointmentType { ages: Some(0..=17), ..kind("child-vaccination", "Vaccination for children") };
    let specialist = AppointmentType {
        needs_referral: true,
        for_new_patients: false,
        most_per_day: Some(1),
        ..kind("specialist", "Specialist visit")
    };
    Clinic {
        name: "Riverside Clinic".to_owned(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        language: "en-US".to_owned(),
        languages: ["en-US", "de-DE", "es"].map(str::to_owned).to_vec(),
        locations: vec![Location {
            id: LocationId::parse("main").unwrap(),
            name: "Riverside Clinic".to_owned(),
            address: "12 River Street, Springfield".to_owned(),
            directions: String::new(),
        }],
        hours: week(),
        exceptions: vec![christmas],
        practitioners: vec![osei, meyer, maier],
        types: vec![check_up, child, specialist],
        rules: BookingRules {
            hold: minutes(2),
            most_per_number: 2,
            change_notice: Duration::from_hours(24),
            adult_age: 18,
        },
        emergency: Emergency {
            number: "112".to_owned(),
            say: "Please hang up and dial 1 1 2 now.".to_owned(),
            ..Emergency::default()
        },
        contacts: vec![Contact { name: "the front office".to_owned(), hours: Some(week()) }],
    }
}
