//! Letters in a folder, taken apart again.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::booking::appointment::{Appointment, State};
use frontdesk_core::booking::book::Message;
use frontdesk_core::letter::address::MailAddress;
use frontdesk_core::letter::{Moot, Sent};
use frontdesk_core::twilio::number::PhoneNumber;
use frontdeskd::config::{MailBackend, MailConfig};
use frontdeskd::mail::{Attempt, Folder, Mailer};
use jiff::Timestamp;

use super::booked::{appointment, at, clinic};

fn now() -> Timestamp {
    at("2026-11-20T09:00:00Z")
}

fn config(folder: &Path) -> MailConfig {
    MailConfig {
        backend: MailBackend::Folder { path: folder.to_owned(), keep_days: 30 },
        from: MailAddress::parse("frontdesk@clinic.example").unwrap(),
        reply_to: MailAddress::parse("office@clinic.example").ok(),
        staff: MailAddress::parse("staff@clinic.example").ok(),
        templates: None,
    }
}

/// A clinic that keeps its letters in a folder.
struct Desk {
    home: tempfile::TempDir,
    mailer: Mailer,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mailer = Mailer::new(Folder::at(home.path()), &config(home.path()), Arc::new(clinic())).unwrap();
        Self { home, mailer }
    }

    async fn letter(&self, appointment: &Appointment) -> Parsed {
        let sent = self.mailer.notify(appointment, Attempt::first("key"), now()).await;
        assert!(matches!(&sent, Sent::Done { receipt } if receipt == "key.eml"), "{sent:?}");
        Parsed(std::fs::read_to_string(self.home.path().join("new/key.eml")).unwrap())
    }
}

/// A letter as it lies in its file.
pub(crate) struct Parsed(pub(crate) String);

impl Parsed {
    pub(crate) fn headers(&self) -> String {
        self.0.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ")
    }

    pub(crate) fn has_header(&self, line: &str) -> bool {
        self.headers().split("\r\n").any(|header| header == line)
    }

    /// The types of its parts, in order, and what they hold.
    pub(crate) fn parts(&self) -> Vec<(String, String)> {
        let mut parts = Vec::new();
        for part in self.0.split("\r\nContent-Type: ").skip(1) {
            let kind = part.split(['\r', ';']).next().unwrap();
            let body = part.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let body = body.split("\r\n--").next().unwrap();
            let base64 = part.split("\r\n\r\n").next().unwrap().contains("base64");
            let body = if base64 {
                String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap()
            } else {
                body.replace("=\r\n", "")
            };
            parts.push((kind.to_owned(), body));
        }
        parts
    }
}

#[tokio::test]
async fn a_confirmation_has_text_page_and_calendar_entry() {
    let letter = Desk::new().letter(&appointment()).await;
    for header in [
        "From: \"Riverside Clinic\" <frontdesk@clinic.example>",
        "Reply-To: \"Riverside Clinic\" <office@clinic.example>",
        "Date: Fri, 20 Nov 2026 09:00:00 +0000",
        "Subject: Appointment K7Q-4MR confirmed: Tue 1 Dec, 14:00",
        "Message-ID: <0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example>",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "X-Frontdesk-Booking: K7Q-4MR",
        "X-Frontdesk-Letter: 0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example",
    ] {
        assert!(letter.has_header(header), "{header} is not in\n{}", letter.headers());
    }
    let parts = letter.parts();
    let kinds: Vec<&str> = parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar", "application/ics"]
    );
    assert!(parts[2].1.contains("Tuesday 1 December 2026, 14:00 (Europe/Berlin)"), "{}", parts[2].1);
    assert_eq!(parts[4].1, parts[5].1, "the card and the attachment are the same file");
    assert!(parts[4].1.contains("METHOD:REQUEST\r\n") && letter.0.contains("method=REQUEST"), "{}", parts[4].1);
    assert!(letter.0.contains("Content-Disposition: attachment; filename=\"appointment.ics\""));
}

#[tokio::test]
async fn nothing_in_a_letter_says_what_somebody_comes_for() {
    let letter = Desk::new().letter(&appointment()).await;
    let whole = letter.parts().into_iter().map(|(_, body)| body).collect::<String>() + &letter.headers();
    for private in ["olonoscopy", "wheelchair", "5550100200"] {
        assert!(!whole.contains(private), "{whole}");
    }
    assert!(!letter.headers().contains("Osei"), "{}", letter.headers());
}

#[tokio::test]
async fn a_letter_is_in_the_patients_language_and_its_dates_in_their_regions() {
    let desk = Desk::new();
    let mut reader = appointment();
    for (language, subject) in [
        ("en-US", "Subject: Appointment K7Q-4MR confirmed: Tue, Dec 1, 2:00 PM"),
        ("fr", "Subject: Appointment K7Q-4MR confirmed: Tue 1 Dec, 14:00"),
    ] {
        reader.language = language.to_owned();
        let letter = desk.letter(&reader).await;
        assert!(letter.has_header(subject), "{}", letter.headers());
    }
    reader.language = "de-AT".to_owned();
    let letter = desk.letter(&reader).await;
    assert!(letter.parts()[2].1.contains("Dienstag, 1. Dezember 2026, 14:00 Uhr"), "{}", letter.0);
}

#[tokio::test]
async fn a_change_and_a_cancellation_follow_the_first_letter() {
    let desk = Desk::new();
    let mut appointment = appointment();
    appointment.revision = 1;
    let moved = desk.letter(&appointment).await;
    let first = "<0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example>";
    assert!(moved.has_header(&format!("In-Reply-To: {first}")) && moved.has_header(&format!("References: {first}")));
    assert!(moved.has_header("Subject: Appointment K7Q-4MR moved: Tue 1 Dec, 14:00"));
    (appointment.revision, appointment.state) = (2, State::Cancelled);
    let cancelled = desk.letter(&appointment).await;
    assert!(cancelled.0.contains("method=CANCEL") && cancelled.parts()[4].1.contains("METHOD:CANCEL\r\n"));
}

/// lettre panics over some of these names when nobody has cleaned them.
#[tokio::test]
async fn no_name_breaks_a_letter_or_writes_a_header() {
    let desk = Desk::new();
    let names = [
        "Ana\r\nBcc: x@example.org",
        "Ana\0Pérez",
        "\r\n",
        "",
        "\"Ana\" <x@example.org>, Bob",
        "\u{202e}ana",
        "مريم 👩\u{200d}⚕️",
        &"Ä".repeat(300),
        &"a ".repeat(5000),
    ];
    for name in names {
        let mut appointment = appointment();
        let patient = appointment.patient.as_mut().unwrap();
        name.clone_into(&mut patient.name);
        let letter = desk.letter(&appointment).await;
        let headers = letter.headers();
        assert!(!headers.split("\r\n").any(|line| line.starts_with("Bcc")), "{headers}");
        let to = headers.split("\r\n").find(|line| line.starts_with("To: ")).unwrap();
        assert!(to.ends_with("ana@example.org>") || to == "To: ana@example.org", "{to}");
        assert!(letter.0.is_ascii() && letter.0.lines().all(|line| line.len() <= 998), "{name:?}");
        assert_eq!(letter.parts().len(), 6, "{name:?}");
    }
}

#[tokio::test]
async fn nobody_is_written_to_who_cannot_be_or_need_not_be() {
    let desk = Desk::new();
    let with = |email: Option<&str>| {
        let mut appointment = appointment();
        appointment.patient.as_mut().unwrap().email = email.map(str::to_owned);
        appointment
    };
    assert_eq!(desk.mailer.notify(&with(None), Attempt::first("key"), now()).await, Sent::Moot(Moot::NoMail));
    for wrong in ["ana@example.org\r\nBcc: x@example.org", "añá@example.org", "ana@localhost", "\"a b\"@example.org"]
    {
        let sent = desk.mailer.notify(&with(Some(wrong)), Attempt::first("key"), now()).await;
        assert!(matches!(&sent, Sent::Rejected(why) if !why.contains('@')), "{sent:?}");
    }
    let mut held = appointment();
    (held.patient, held.state) = (None, State::Held);
    assert_eq!(desk.mailer.notify(&held, Attempt::first("key"), now()).await, Sent::Moot(Moot::NotBooked));
    let over = at("2026-12-02T00:00:00Z");
    assert_eq!(desk.mailer.notify(&appointment(), Attempt::first("key"), over).await, Sent::Moot(Moot::Over));
    assert_eq!(desk.mailer.remind(&appointment(), Attempt::first("key"), now()).await, Sent::Moot(Moot::Moved));
    assert!(!desk.home.path().join("new").exists());
}

#[tokio::test]
async fn a_reminder_is_written_on_the_day_before() {
    let desk = Desk::new();
    let sent = desk.mailer.remind(&appointment(), Attempt::first("reminder"), at("2026-11-30T13:00:00Z")).await;
    assert!(matches!(sent, Sent::Done { .. }), "{sent:?}");
    let letter = Parsed(std::fs::read_to_string(desk.home.path().join("new/reminder.eml")).unwrap());
    assert!(letter.has_header("Subject: Reminder of appointment K7Q-4MR: Tue 1 Dec, 14:00"), "{}", letter.headers());
}

#[tokio::test]
async fn staff_are_told_of_a_message_if_they_read_mail() {
    let desk = Desk::new();
    let message = Message {
        name: "Ana\r\nPérez".to_owned(),
        phone: PhoneNumber::parse("+15550100200").ok(),
        topic: "prescription".to_owned(),
        text: "Please call me.\r\n.\r\nQUIT".to_owned(),
        today: true,
    };
    let taken = at("2026-11-20T08:59:00Z");
    let sent = desk.mailer.tell_staff(12, &message, taken, Attempt::first("message"), now()).await;
    assert!(matches!(sent, Sent::Done { .. }), "{sent:?}");
    let letter = Parsed(std::fs::read_to_string(desk.home.path().join("new/message.eml")).unwrap());
    assert!(
        letter.has_header("To: staff@clinic.example")
            && letter.has_header("Subject: Message 12 for Riverside Clinic (today)")
    );
    assert!(letter.has_header("Message-ID: <message.12.1795165140@clinic.example>"), "{}", letter.headers());
    assert!(letter.0.contains("+15550100200") && letter.0.contains("Please call me. . QUIT"), "{}", letter.0);
    let without = MailConfig { staff: None, ..config(desk.home.path()) };
    let without = Mailer::new(Folder::at(desk.home.path()), &without, Arc::new(clinic())).unwrap();
    assert_eq!(
        without.tell_staff(12, &message, taken, Attempt::first("message"), now()).await,
        Sent::Moot(Moot::NoStaff)
    );
}
