//! Data of clinics for stories. A story runs at any hour of any day, so what matters about its clinic is written for that
//! moment: a holiday in four days, a doctor who is away from today on.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

/// Hours of a day on which the clinic is open.
const HOURS: &str = "08:00-18:00";

/// A day of the clinic, so many days from now, in the zone of every rehearsal.
pub fn in_days(days: i32) -> Date {
    let here = Timestamp::now().in_tz("Europe/Berlin").expect("every system knows the zones");
    here.date().saturating_add(days.days())
}

/// Its weekday, as functions and the clinic's data name it.
pub fn weekday(date: Date) -> String {
    date.strftime("%A").to_string().to_lowercase()
}

/// A clinic that is open every day.
pub fn open_daily() -> String {
    open(&["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
}

/// A clinic that is open on one day of the week only.
pub fn open_on(day: Date) -> String {
    open(&[&weekday(day)])
}

/// Appointments are made three days ahead: their reminders are still to come, and no change is at short notice.
fn open(days: &[&str]) -> String {
    let days: Vec<String> = days.iter().map(|day| format!("{day} = [\"{HOURS}\"]\n")).collect();
    format!(
        "[hours]\n{}\n\
         [[locations]]\nid = \"main\"\nname = \"Riverside Clinic\"\naddress = \"12 River Street, Springfield\"\n\
         [emergency]\nnumber = \"112\"\nsay = \"Please hang up and dial 1 1 2 now.\"\n\
         [booking]\nmost_per_number = 4\nlead_hours = 72\n",
        days.concat()
    )
}

/// Somebody who sees patients; `more` are further lines about them.
pub fn practitioner(id: &str, name: &str, say_as: &str, more: &str) -> String {
    format!("[[practitioners]]\nid = \"{id}\"\nname = \"{name}\"\nsay_as = \"{say_as}\"\n{more}\n")
}

/// Whom most stories are about.
pub fn osei() -> String {
    practitioner("osei", "Dr. Amara Osei", "Doctor Osei", "")
}

/// A check-up of half an hour with these practitioners; `more` are further lines about it.
pub fn check_up(practitioners: &[&str], more: &str) -> String {
    format!(
        "[[appointment_types]]\nid = \"check-up\"\nname = \"Check-up\"\nsay_as = \"a check-up\"\nminutes = 30\n\
         practitioners = {practitioners:?}\n{more}\n"
    )
}
