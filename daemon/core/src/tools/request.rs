//! What the model asks for: a call's arguments, checked one by one, as a [`Request`].
//!
//! Nothing in a request is believed here beyond its form: whether an id is known, a date lies ahead, or the caller may
//! know of an appointment, is decided by the clerk.

use jiff::civil::{Date, Weekday};
use serde_json::Value;

use super::args::{Args, Found, SHORT, WORDS, Wanted, wrong};
use super::decl;
use crate::booking::wish::DayPart;
use crate::clinic::hours::Minute;
use crate::twilio::number::PhoneNumber;

pub use super::args::{ArgumentError, Found as FoundArgument, Wanted as WantedArgument};

/// Characters of a message for staff, at most.
pub const LONGEST_MESSAGE: usize = 600;

/// Bytes of a language's tag, at most (RFC 5646, 4.4.1).
const LONGEST_TAG: usize = 35;

/// A call of a function, its arguments checked for their form.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// What the clinic tells everybody.
    ClinicInfo(Info),
    /// Free times.
    FindSlots(Wish),
    /// Keep an offered time.
    HoldSlot {
        /// The offer's id.
        slot: String,
        /// The appointment that is to be moved there, by its handle.
        instead_of: Option<String>,
    },
    /// Make a held time an appointment.
    Book(Box<Booking>),
    /// The caller's own appointments.
    FindAppointments(Identity),
    /// Move an appointment to a held time.
    Reschedule {
        /// The appointment's handle.
        appointment: String,
        /// The hold's handle.
        hold: String,
        /// The caller has said yes to it.
        confirmed: bool,
    },
    /// Take an appointment back.
    Cancel {
        /// The appointment's handle.
        appointment: String,
        /// One of [`REASONS`].
        reason: &'static str,
        /// The caller has said yes to it.
        confirmed: bool,
    },
    /// Write to the patient once more.
    SendConfirmation {
        /// The appointment's handle.
        appointment: String,
        /// How.
        channel: Channel,
        /// To another address than the one that is known.
        email: Option<String>,
    },
    /// Leave word for staff.
    TakeMessage(MessageForStaff),
    /// Hand the conversation to a person.
    Transfer {
        /// Why.
        reason: TransferReason,
    },
    /// A life may be in danger.
    Emergency,
}

/// What is asked about the clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// About what.
    pub topic: Topic,
    /// Which appointment type, practitioner or place: an id or a spoken name.
    pub about: Option<String>,
    /// On which day.
    pub date: Option<Date>,
    /// The question, in the caller's words.
    pub question: Option<String>,
    /// Words to search the clinic's texts for, in the language of the texts.
    pub keywords: Option<String>,
}

/// A subject on which the clinic has something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// When it is open.
    Hours,
    /// Where it is and how to get there.
    Location,
    /// Who works there.
    Practitioners,
    /// What can be booked.
    AppointmentTypes,
    /// What it costs.
    Prices,
    /// What to bring or to do before.
    Preparation,
    /// Which languages are spoken.
    Languages,
    /// Whatever else the clinic has written down.
    Other,
}

/// The time that a caller wishes for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// For what: an id, a name or another word for it.
    pub kind: String,
    /// With whom, if they asked for somebody: an id or a name as it was heard.
    pub practitioner: Option<String>,
    /// Whom the caller named, in their own words, if the model is not sure.
    pub practitioner_heard: Option<String>,
    /// The first day, if the model has worked one out.
    pub from: Option<Date>,
    /// Its weekday, as a check.
    pub weekday: Option<Weekday>,
    /// The last day.
    pub to: Option<Date>,
    /// A part of the day.
    pub part: DayPart,
    /// Not before.
    pub earliest: Option<Minute>,
    /// Not after.
    pub latest: Option<Minute>,
    /// The caller's own words about the time.
    pub heard: Option<String>,
    /// The appointment that is to be moved there, by its handle: its own time counts as free.
    pub instead_of: Option<String>,
}

/// An appointment to be made. It has no `Debug`: it is about a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Booking {
    /// The hold's handle.
    pub hold: String,
    /// For whom.
    pub name: String,
    /// Where they are called.
    pub phone: Phone,
    /// Where they get mail; checked for its form.
    pub email: Option<String>,
    /// They want mail.
    pub mail: bool,
    /// They want text messages.
    pub sms: bool,
    /// They were never here.
    pub new_patient: Option<bool>,
    /// Day of birth.
    pub born: Option<Date>,
    /// Somebody has sent them.
    pub referred: Option<bool>,
    /// Who books, if it is somebody else.
    pub booked_by: Option<String>,
    /// Needs of access or language.
    pub note: String,
    /// The caller has said yes to all of it.
    pub confirmed: bool,
}

/// A phone number as it was given.
#[derive(Clone, PartialEq, Eq)]
pub enum Phone {
    /// This one.
    Number(PhoneNumber),
    /// The one they call from.
    CallerId,
    /// They have none, or give none.
    None,
}

/// What a caller says about an appointment of theirs. It has no `Debug`: it is about a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// For whom it was made.
    pub name: Option<String>,
    /// Its reference, as it was said.
    pub reference: Option<String>,
    /// The day of the visit.
    pub date: Option<Date>,
    /// The patient's day of birth.
    pub born: Option<Date>,
    /// The number that was given for it.
    pub phone: Option<PhoneNumber>,
}

/// How somebody is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// By mail.
    Email,
    /// By text message.
    Sms,
}

/// A message for staff. It has no `Debug`: it is about a person.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageForStaff {
    /// Who leaves it.
    pub name: String,
    /// Where they are called back.
    pub phone: Phone,
    /// One of [`TOPICS`].
    pub topic: &'static str,
    /// The message.
    pub text: String,
    /// It cannot wait for tomorrow.
    pub today: bool,
}

/// Why somebody is to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferReason {
    /// They asked for it.
    Requested,
    /// A life may be in danger.
    Emergency,
    /// It is a question for somebody who treats patients.
    Clinical,
    /// They complain.
    Complaint,
    /// They are not understood.
    NotUnderstood,
    /// Anything else.
    Other,
}

/// Why an appointment is cancelled, as it is kept.
pub const REASONS: [&str; 5] = ["recovered", "conflict", "other_provider", "not_said", "other"];
/// What a message is about, as it is kept.
pub const TOPICS: [&str; 7] = ["appointment", "prescription", "results", "billing", "records", "complaint", "other"];

pub(super) const INFO_TOPICS: [(&str, Topic); 8] = [
    ("hours", Topic::Hours),
    ("location", Topic::Location),
    ("practitioners", Topic::Practitioners),
    ("appointment_types", Topic::AppointmentTypes),
    ("prices", Topic::Prices),
    ("preparation", Topic::Preparation),
    ("languages", Topic::Languages),
    ("other", Topic::Other),
];
pub(super) const PARTS: [(&str, DayPart); 4] = [
    ("any", DayPart::Any),
    ("morning", DayPart::Morning),
    ("afternoon", DayPart::Afternoon),
    ("evening", DayPart::Evening),
];
pub(super) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
pub(super) const CHANNELS: [(&str, Channel); 2] = [("email", Channel::Email), ("sms", Channel::Sms)];
pub(super) const TRANSFER_REASONS: [(&str, TransferReason); 6] = [
    ("requested", TransferReason::Requested),
    ("emergency", TransferReason::Emergency),
    ("clinical", TransferReason::Clinical),
    ("complaint", TransferReason::Complaint),
    ("not_understood", TransferReason::NotUnderstood),
    ("other", TransferReason::Other),
];

/// A call cannot be served as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such function.
    #[error("there is no such function")]
    UnknownFunction,
    /// One of its arguments cannot be used.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
}

impl Request {
    /// Reads a call. Never panics, whatever the model has sent; what it sent beyond the arguments that are known is not
    /// looked at.
    pub fn read(name: &str, args: &Value) -> Result<Self, ReadError> {
        let args = Args::of(args)?;
        Ok(match name {
            decl::CLINIC_INFO => Self::ClinicInfo(info(&args)?),
            decl::FIND_SLOTS => Self::FindSlots(wish(&args)?),
            decl::HOLD_SLOT => Self::HoldSlot {
                slot: args.needed("slot_id", SHORT, "a slot_id exactly as find_slots returned it")?,
                instead_of: args.line("appointment_id", SHORT)?,
            },
            decl::BOOK => Self::Book(Box::new(booking(&args)?)),
            decl::FIND_APPOINTMENTS => Self::FindAppointments(identity(&args)?),
            decl::RESCHEDULE => {
                Self::Reschedule { appointment: appointment(&args)?, hold: hold(&args)?, confirmed: confirmed(&args)? }
            }
            decl::CANCEL => {
                let reason = args.one_of("reason", &paired(REASONS), "one of the reasons that are declared")?;
                Self::Cancel {
                    appointment: appointment(&args)?,
                    reason: reason.unwrap_or("not_said"),
                    confirmed: confirmed(&args)?,
                }
            }
            decl::SEND_CONFIRMATION => Self::SendConfirmation {
                appointment: appointment(&args)?,
                channel: args.one_of("channel", &CHANNELS, "email or sms")?.ok_or(wrong(
                    "channel",
                    Found::Nothing,
                    Wanted::Other("email or sms"),
                ))?,
                email: args.email("email")?,
            },
            decl::TAKE_MESSAGE => Self::TakeMessage(message(&args)?),
            decl::TRANSFER => {
                let reason = args.one_of("reason", &TRANSFER_REASONS, "one of the reasons that are declared")?;
                Self::Transfer { reason: reason.unwrap_or(TransferReason::Other) }
            }
            decl::EMERGENCY => Self::Emergency,
            _ => return Err(ReadError::UnknownFunction),
        })
    }

    /// Whether it changes something: it is carried out to its end, whoever still waits for it.
    pub fn changes_something(&self) -> bool {
        !matches!(self, Self::ClinicInfo(_) | Self::FindSlots(_) | Self::FindAppointments(_))
    }
}

/// The language in which the model says it speaks with the caller, as it wrote it; `None` if it says nothing that can be
/// one. It is a hint beside the request: a slip in it is no reason to refuse anything.
pub fn language(args: &Value) -> Option<&str> {
    let tag = args[decl::LANGUAGE].as_str()?.trim();
    (1..=LONGEST_TAG).contains(&tag.len()).then_some(tag)
}

fn info(args: &Args<'_>) -> Result<Info, ArgumentError> {
    Ok(Info {
        topic: args.one_of("topic", &INFO_TOPICS, "one of the topics that are declared")?.unwrap_or(Topic::Other),
        about: args.line("about", SHORT)?,
        date: args.date("date")?,
        question: args.line("question", WORDS)?,
        keywords: args.line("keywords", WORDS)?,
    })
}

fn wish(args: &Args<'_>) -> Result<Wish, ArgumentError> {
    Ok(Wish {
        kind: args.needed("appointment_type", SHORT, "the id of an appointment type")?,
        practitioner: args.line("practitioner", SHORT)?,
        practitioner_heard: args.line("practitioner_heard", SHORT)?,
        from: args.date("date_from")?,
        weekday: args.one_of("weekday_from", &WEEKDAYS, "a weekday in English: monday")?,
        to: args.date("date_to")?,
        part: args.one_of("part_of_day", &PARTS, "any, morning, afternoon or evening")?.unwrap_or_default(),
        earliest: args.time("earliest_time")?,
        latest: args.time("latest_time")?,
        heard: args.line("heard", WORDS)?,
        instead_of: args.line("appointment_id", SHORT)?,
    })
}

fn booking(args: &Args<'_>) -> Result<Booking, ArgumentError> {
    Ok(Booking {
        hold: hold(args)?,
        name: args.name("patient_name")?.ok_or(wrong("patient_name", Found::Nothing, Wanted::Name))?,
        phone: phone(args)?,
        email: args.email("email")?,
        mail: args.flag("email_consent")?.unwrap_or(false),
        sms: args.flag("sms_consent")?.unwrap_or(false),
        new_patient: args.flag("new_patient")?,
        born: args.date("date_of_birth")?,
        referred: args.flag("has_referral")?,
        booked_by: args.name("booked_by")?,
        note: args.line("note", WORDS)?.unwrap_or_default(),
        confirmed: confirmed(args)?,
    })
}

fn identity(args: &Args<'_>) -> Result<Identity, ArgumentError> {
    let phone = match args.phone("phone")? {
        Some(Phone::Number(number)) => Some(number),
        // The call's own number is known without being told, and counts for what it is.
        Some(Phone::CallerId | Phone::None) | None => None,
    };
    Ok(Identity {
        name: args.name("patient_name")?,
        reference: args.line("reference", SHORT)?,
        date: args.date("date")?,
        born: args.date("date_of_birth")?,
        phone,
    })
}

fn message(args: &Args<'_>) -> Result<MessageForStaff, ArgumentError> {
    let topic = args.one_of("topic", &paired(TOPICS), "one of the topics that are declared")?;
    let urgency = args.one_of("urgency", &[("routine", false), ("today", true)], "routine or today")?;
    Ok(MessageForStaff {
        name: args.name("caller_name")?.ok_or(wrong("caller_name", Found::Nothing, Wanted::Name))?,
        phone: phone(args)?,
        topic: topic.unwrap_or("other"),
        text: args.needed("message", LONGEST_MESSAGE, "the message in at most 600 characters")?,
        today: urgency.unwrap_or(false),
    })
}

fn phone(args: &Args<'_>) -> Result<Phone, ArgumentError> {
    args.phone("phone")?.ok_or(wrong("phone", Found::Nothing, Wanted::Phone))
}

fn appointment(args: &Args<'_>) -> Result<String, ArgumentError> {
    args.needed("appointment_id", SHORT, "an appointment_id exactly as a function returned it")
}

fn hold(args: &Args<'_>) -> Result<String, ArgumentError> {
    args.needed("hold_id", SHORT, "the hold_id exactly as hold_slot returned it")
}

fn confirmed(args: &Args<'_>) -> Result<bool, ArgumentError> {
    Ok(args.flag("caller_confirmed")?.unwrap_or(false))
}

fn paired<const N: usize>(words: [&'static str; N]) -> [(&'static str, &'static str); N] {
    words.map(|word| (word, word))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
