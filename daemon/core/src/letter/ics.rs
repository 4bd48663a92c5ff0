//! Calendar files (RFC 5545): the invitation in a letter, and the clinic's feed.
//!
//! Times are written in UTC, so that no `VTIMEZONE` is needed and every calendar shows its reader's own time. Whatever a
//! caller said is escaped and cannot begin a line.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Notice;
use super::address::MailAddress;
use super::clean::{is_invisible, line};
use super::facts::Facts;
use crate::booking::appointment::{Appointment, AppointmentId, Span, State};
use crate::clinic::Clinic;

/// Longest line, in octets, its end apart.
const LONGEST_LINE: usize = 75;
/// Longest name of a party, in characters.
const LONGEST_NAME: usize = 120;
/// The property of a stored entry that holds what we have noted in it: the appointment's revision, `/`, and [`note`].
/// Calendar programs keep what they do not know (RFC 5545, 3.8.8.2).
pub(crate) const WRITTEN: &str = "X-FRONTDESK-WRITTEN";
/// The patient's calendar reminds them by itself, if it is one that does: time enough to set out.
const ALARM: &str = "-PT2H";

/// The `UID` of an appointment: the same in mail, feed and outside calendars for its whole life.
///
/// It names no domain (RFC 7986, 5.3, advises so): a clinic that changes its mail address keeps its entries.
pub fn uid(id: AppointmentId) -> String {
    id.to_string()
}

/// Somebody in an invitation.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// As calendars show it.
    pub name: &'a str,
    /// Where they are written to.
    pub address: &'a MailAddress,
}

/// The file that goes with a letter: `METHOD:REQUEST`, or `CANCEL` for what will not take place. `stamp` is when the
/// letter is written.
///
/// The clinic invites; `clinic` must be who the letter comes from, or mail programs show no invitation.
pub fn invitation(
    appointment: &Appointment,
    facts: &Facts,
    notice: Notice,
    clinic: Party<'_>,
    patient: Party<'_>,
    stamp: Timestamp,
) -> String {
    let cancelled = notice == Notice::Cancellation;
    let mut file = File::begin(method(notice));
    file.line("BEGIN:VEVENT");
    file.identity(appointment, stamp);
    file.text("SUMMARY", &facts.clinic);
    file.text("LOCATION", &place(facts));
    let practitioner = if facts.practitioner.is_empty() { "" } else { "\n" };
    let zone = &facts.zone;
    let (when, who, reference) = (&facts.when, &facts.practitioner, &facts.reference);
    file.text("DESCRIPTION", &format!("{when} ({zone}){practitioner}{who}\n{reference}"));
    file.party("ORGANIZER", "", clinic);
    // Nobody reads a reply.
    file.party("ATTENDEE", ";ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE", patient);
    file.line(if cancelled { "STATUS:CANCELLED" } else { "STATUS:CONFIRMED" });
    file.line("TRANSP:OPAQUE");
    file.line("CLASS:PRIVATE");
    if !cancelled {
        file.alarm(&facts.clinic);
    }
    file.line("END:VEVENT");
    file.end()
}

/// The method of a letter's file; its MIME type must name the same.
pub const fn method(notice: Notice) -> &'static str {
    match notice {
        Notice::Cancellation => "CANCEL",
        Notice::Confirmation | Notice::Rescheduled | Notice::Reminder => "REQUEST",
    }
}

fn place(facts: &Facts) -> String {
    let comma = if facts.location.is_empty() || facts.address.is_empty() { "" } else { ", " };
    format!("{}{comma}{}", facts.location, facts.address)
}

/// Whether the feed tells who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// References only: whoever reads the feed looks the rest up.
    Hidden,
    /// Patients' names too, where the clinic chose so.
    Shown,
}

/// The clinic's appointments as a file to subscribe to (`METHOD:PUBLISH`): what is booked and not over at `now`. It says
/// when, where, with whom and the reference; never what for.
pub fn feed<'a>(
    appointments: impl IntoIterator<Item = &'a Appointment>,
    clinic: &Clinic,
    names: Names,
    now: Timestamp,
) -> String {
    let mut file = File::begin("PUBLISH");
    file.text("X-WR-CALNAME", &line(&clinic.name, LONGEST_NAME));
    file.text("X-WR-TIMEZONE", clinic.zone.iana_name().unwrap_or("UTC"));
    for appointment in appointments {
        if appointment.state == State::Booked && appointment.slot.time.to > now {
            file.entry(appointment, clinic, names, now);
        }
    }
    file.end()
}

/// An appointment as the entry that is kept in a calendar outside: what the feed says of it, and no `METHOD`, which stored
/// entries do not have (RFC 4791, 4.1). `stamp` is when it is written.
pub fn entry(appointment: &Appointment, clinic: &Clinic, names: Names, stamp: Timestamp) -> String {
    let mut file = File::stored();
    file.line("BEGIN:VEVENT");
    file.what(appointment, clinic, names, stamp);
    file.line(&format!("{WRITTEN}:{}/{}", appointment.revision, note(appointment.slot.time)));
    file.line("END:VEVENT");
    file.end()
}

/// A time as we note it in a stored entry, to see later whether somebody has moved it.
pub(crate) fn note(time: Span) -> String {
    format!("{}/{}", utc(time.from), utc(time.to))
}

/// The title of an appointment's entry in the clinic's calendars: with whom, and the reference.
pub(crate) fn summary(appointment: &Appointment, clinic: &Clinic, names: Names) -> String {
    let of = &appointment.slot.practitioner;
    let who = clinic.practitioner(of).map_or_else(|| of.as_str().to_owned(), |known| line(&known.name, LONGEST_NAME));
    let mut summary = format!("{who}: {}", appointment.reference);
    if let (Names::Shown, Some(patient)) = (names, &appointment.patient) {
        let _ = write!(summary, " {}", line(&patient.name, LONGEST_NAME));
    }
    summary
}

/// A calendar file while it is being written.
struct File(String);

impl File {
    fn begin(method: &str) -> Self {
        let mut file = Self::stored();
        file.line(&format!("METHOD:{method}"));
        file
    }

    fn stored() -> Self {
        let mut file = Self(String::with_capacity(2048));
        for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Frontdesk//Booking//EN", "CALSCALE:GREGORIAN"] {
            file.line(line);
        }
        file
    }

    fn end(mut self) -> String {
        self.line("END:VCALENDAR");
        self.0
    }

    fn identity(&mut self, appointment: &Appointment, stamp: Timestamp) {
        let Span { from, to } = appointment.slot.time;
        self.line(&format!("UID:{}", uid(appointment.id)));
        self.line(&format!("SEQUENCE:{}", appointment.revision));
        self.line(&format!("DTSTAMP:{}", utc(stamp)));
        self.line(&format!("DTSTART:{}", utc(from)));
        self.line(&format!("DTEND:{}", utc(to)));
    }

    fn entry(&mut self, appointment: &Appointment, clinic: &Clinic, names: Names, now: Timestamp) {
        self.line("BEGIN:VEVENT");
        self.what(appointment, clinic, names, now);
        self.line("END:VEVENT");
    }

    fn what(&mut self, appointment: &Appointment, clinic: &Clinic, names: Names, now: Timestamp) {
        let slot = &appointment.slot;
        self.identity(appointment, now);
        self.text("SUMMARY", &summary(appointment, clinic, names));
        if let Some(location) = clinic.location(&slot.location) {
            self.text("LOCATION", &line(&location.name, LONGEST_NAME));
        }
        self.line("STATUS:CONFIRMED");
        self.line("TRANSP:OPAQUE");
        self.line("CLASS:PRIVATE");
    }

    fn alarm(&mut self, says: &str) {
        self.line("BEGIN:VALARM");
        self.line("ACTION:DISPLAY");
        self.line(&format!("TRIGGER:{ALARM}"));
        self.text("DESCRIPTION", says);
        self.line("END:VALARM");
    }

    /// A property whose value is text.
    fn text(&mut self, name: &str, value: &str) {
        let mut content = format!("{name}:");
        for c in value.chars() {
            match c {
                '\\' | ';' | ',' => content.extend(['\\', c]),
                '\n' => content.push_str("\\n"),
                '\r' => {}
                // Some readers break lines at U+2028 and its like too.
                c if is_invisible(c) || c.is_whitespace() => content.push(' '),
                c => content.push(c),
            }
        }
        self.line(&content);
    }

    /// A property whose value is a person's address.
    fn party(&mut self, name: &str, parameters: &str, party: Party<'_>) {
        let mut shown = String::new();
        for c in line(party.name, LONGEST_NAME).chars() {
            match c {
                // A quoted value cannot hold the quote, and RFC 6868 reads ^n as a line break.
                '"' => shown.push('\''),
                '^' => shown.push_str("^^"),
                c => shown.push(c),
            }
        }
        self.line(&format!("{name};CN=\"{shown}\"{parameters}:mailto:{}", mailto(party.address)));
    }

    /// One content line, folded: no more than 75 octets each, never within a character. `content` has no line break.
    fn line(&mut self, content: &str) {
        let mut room = LONGEST_LINE;
        for c in content.chars() {
            if c.len_utf8() > room {
                self.0.push_str("\r\n ");
                room = LONGEST_LINE - 1;
            }
            self.0.push(c);
            room -= c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// `20261201T130000Z`.
fn utc(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The address as a URI has it (RFC 6068): what has a meaning there is written as its code.
fn mailto(address: &MailAddress) -> String {
    let mut uri = String::with_capacity(address.as_str().len());
    for c in address.as_str().chars() {
        if c.is_ascii_alphanumeric() || "@.-_~+!$'*".contains(c) {
            uri.push(c);
        } else {
            let _ = write!(uri, "%{:02X}", u32::from(c));
        }
    }
    uri
}

#[cfg(test)]
#[path = "ics_tests.rs"]
mod tests;
