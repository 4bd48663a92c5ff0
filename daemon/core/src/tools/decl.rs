//! Declarations of functions, in the wire's form.
//!
//! Only `type`, `description`, `enum`, `properties` and `required` are used: every model takes those. What an argument
//! must be beyond its type is checked when the call comes ([`request`](super::request)).

use serde_json::{Map, Value, json};

use super::request::{CHANNELS, INFO_TOPICS, PARTS, REASONS, TOPICS, TRANSFER_REASONS, WEEKDAYS};
use crate::clinic::Clinic;

/// What the clinic tells everybody.
pub const CLINIC_INFO: &str = "clinic_info";
/// Free times.
pub const FIND_SLOTS: &str = "find_slots";
/// Keeps an offered time.
pub const HOLD_SLOT: &str = "hold_slot";
/// Makes a held time an appointment.
pub const BOOK: &str = "book";
/// The caller's own appointments.
pub const FIND_APPOINTMENTS: &str = "find_appointments";
/// Moves one.
pub const RESCHEDULE: &str = "reschedule";
/// Takes one back.
pub const CANCEL: &str = "cancel";
/// Writes to the patient once more.
pub const SEND_CONFIRMATION: &str = "send_confirmation";
/// Leaves word for staff.
pub const TAKE_MESSAGE: &str = "take_message";
/// Hands the conversation to a person.
pub const TRANSFER: &str = "transfer_to_human";
/// A life may be in danger.
pub const EMERGENCY: &str = "emergency";
/// The function that ends a conversation. Built in: it is the Bridge that lets the farewell be heard.
pub const END_CALL: &str = "end_call";

/// The argument of functions whose answers are said, or written to the patient: the language that is spoken.
pub const LANGUAGE: &str = "language";

/// Every function, in the order in which a conversation meets them.
pub const ALL: [&str; 12] = [
    CLINIC_INFO,
    FIND_SLOTS,
    HOLD_SLOT,
    BOOK,
    FIND_APPOINTMENTS,
    RESCHEDULE,
    CANCEL,
    SEND_CONFIRMATION,
    TAKE_MESSAGE,
    TRANSFER,
    EMERGENCY,
    END_CALL,
];

const CONFIRMED: &str = "True only after you have read the details back and the caller has then clearly said yes. A caller who is still \
     thinking, asks something or corrects you has not.";

const INSTEAD_OF: &str = "Only to move an appointment: its id, exactly as find_appointments or book returned it.";

/// What there is to call where nothing can be booked.
const WITHOUT_BOOKING: [&str; 5] = [CLINIC_INFO, TAKE_MESSAGE, TRANSFER, EMERGENCY, END_CALL];

/// What is answered in the same words whoever asks: facts, which the model puts into words, and the end.
const WITHOUT_LANGUAGE: [&str; 3] = [CLINIC_INFO, EMERGENCY, END_CALL];

/// The declarations of all functions for a clinic, in the order of [`ALL`]; without those about appointments where nothing
/// can be booked. Where several languages are spoken, most of them ask in which one the caller is.
pub fn all(clinic: &Clinic) -> Vec<Value> {
    let mut all = vec![
        clinic_info(clinic),
        find_slots(clinic),
        hold_slot(),
        book(),
        find_appointments(),
        reschedule(),
        cancel(),
        send_confirmation(),
        take_message(),
        transfer(),
        emergency(),
        end_call(),
    ];
    if clinic.types.is_empty() {
        all.retain(|function| WITHOUT_BOOKING.iter().any(|name| function["name"] == *name));
    }
    if clinic.languages.len() > 1 {
        let asking = all.iter_mut().filter(|function| WITHOUT_LANGUAGE.iter().all(|name| function["name"] != *name));
        asking.for_each(|function| function["parameters"]["properties"][LANGUAGE] = language(clinic));
    }
    all
}

fn language(clinic: &Clinic) -> Value {
    choice(
        "The language that you speak with the caller now. What you are to say comes back in it, and so does what is \
         written to the patient.",
        clinic.languages.iter().map(String::as_str),
    )
}

fn clinic_info(clinic: &Clinic) -> Value {
    let keywords = format!(
        "Two to six words to search the clinic's own texts for, in the language of the texts ({}), whatever the caller \
         speaks: parking, car park, bicycle.",
        clinic.language
    );
    let arguments = [
        ("topic", choice("What the question is about.", INFO_TOPICS.map(|(word, _)| word))),
        (
            "about",
            text("The appointment type, practitioner or place that is meant: its id, or the caller's word for it."),
        ),
        ("date", text("The day that is meant, YYYY-MM-DD, if the caller asks about one: are you open on Friday?")),
        ("question", text("The caller's question in their own words.")),
        ("keywords", text(&keywords)),
    ];
    let what = "Looks up what the clinic tells everybody: opening hours and closed days, address and directions, who works \
                there, what can be booked, prices, what to bring, languages; with topic other anything else that the clinic \
                has written down: parking, access, insurance, children, house rules and so on. Call it before you answer \
                such a question, and say nothing that it does not return.";
    function(CLINIC_INFO, what, arguments, &["topic"])
}

fn find_slots(clinic: &Clinic) -> Value {
    let types = clinic.types.iter().map(|known| known.id.as_str());
    let people = clinic.practitioners.iter().map(|known| known.id.as_str());
    let arguments = [
        ("appointment_type", choice("What is to be booked.", types)),
        ("heard", text("The caller's own words about the time: next Tuesday afternoon, as soon as possible.")),
        (
            "date_from",
            text(
                "First acceptable local date, YYYY-MM-DD, from the calendar table. Leave it out if the caller \
                            named none, or if you are not sure which one they mean.",
            ),
        ),
        ("weekday_from", choice("Weekday of date_from, as a check.", WEEKDAYS.map(|(word, _)| word))),
        ("date_to", text("Last acceptable local date, YYYY-MM-DD. Leave it out for a single day.")),
        ("part_of_day", choice("The part of the day, if the caller named one.", PARTS.map(|(word, _)| word))),
        ("earliest_time", text("Local time HH:MM, only if the caller named one.")),
        ("latest_time", text("Local time HH:MM, only if the caller named one.")),
        ("practitioner", choice("Only if the caller asked for somebody.", people)),
        ("appointment_id", text(INSTEAD_OF)),
        ("practitioner_heard", text("The name as the caller said it, if you are not sure which practitioner it is.")),
    ];
    let what = "Looks up free appointment times. Call it before you name any time, and offer only times that it returns. If \
                the caller's words about the day have several meanings, it says so: then ask.";
    function(FIND_SLOTS, what, arguments, &["appointment_type"])
}

fn hold_slot() -> Value {
    let arguments = [("slot_id", text("Exactly as find_slots returned it.")), ("appointment_id", text(INSTEAD_OF))];
    let what = "Keeps one offered time for a few minutes while you collect and confirm the details. It books nothing. A \
                time that was kept before is given up.";
    function(HOLD_SLOT, what, arguments, &["slot_id"])
}

fn book() -> Value {
    let arguments = [
        ("hold_id", text("Exactly as hold_slot returned it.")),
        ("patient_name", text("First and last name of the patient, as confirmed.")),
        (
            "phone",
            text(
                "With country code (+49 30 1234567); 'caller_id' for the number of this call; 'none' if the caller gives none.",
            ),
        ),
        ("email", text("Only if confirmed letter by letter.")),
        ("email_consent", flag("The caller agreed to get the confirmation by e-mail.")),
        ("sms_consent", flag("The caller agreed to get text messages.")),
        ("new_patient", flag("The patient was never here before.")),
        ("date_of_birth", text("Of the patient, YYYY-MM-DD, where the appointment type asks for it.")),
        ("has_referral", flag("A doctor has sent the patient, where the appointment type asks for it.")),
        ("booked_by", text("Name of whoever books, if it is not the patient: a parent, a carer.")),
        ("note", text("Access needs or language only. Never symptoms or reasons.")),
        ("caller_confirmed", flag(CONFIRMED)),
    ];
    let what = "Makes the booking. Call it only after you have read back name, day, date, time, practitioner and phone number, \
                and the caller has said yes. Say that it is booked only when this returns status booked.";
    function(BOOK, what, arguments, &["hold_id", "patient_name", "phone", "email_consent", "caller_confirmed"])
}

fn find_appointments() -> Value {
    let arguments = [
        ("patient_name", text("Full name of the patient.")),
        ("reference", text("The booking reference: six letters and digits.")),
        ("date", text("Date of the visit as the caller remembers it, YYYY-MM-DD.")),
        ("date_of_birth", text("Of the patient, YYYY-MM-DD, only if the caller gives it.")),
        (
            "phone",
            text("The number that was given for the appointment, with country code, only if the caller gives it."),
        ),
    ];
    let what = "Finds the caller's own appointments before you change, cancel or speak of one. Two facts must match: reference, \
                phone number, full name with the date of the visit or of birth. Until it has found one, say nothing about \
                any appointment, not even whether there is one.";
    function(FIND_APPOINTMENTS, what, arguments, &[])
}

fn reschedule() -> Value {
    let arguments = [
        ("appointment_id", text("Exactly as find_appointments or book returned it.")),
        ("hold_id", text("Of the new time, exactly as hold_slot returned it.")),
        ("caller_confirmed", flag(CONFIRMED)),
    ];
    let what = "Moves an appointment to a new time that is held, after the caller said yes to the read-back. Never cancel an \
                appointment in order to move it.";
    function(RESCHEDULE, what, arguments, &["appointment_id", "hold_id", "caller_confirmed"])
}

fn cancel() -> Value {
    let arguments = [
        ("appointment_id", text("Exactly as find_appointments or book returned it.")),
        ("reason", choice("As the caller gave it; do not ask for one.", REASONS)),
        ("caller_confirmed", flag(CONFIRMED)),
    ];
    let what = "Cancels an appointment after the caller clearly confirmed which one.";
    function(CANCEL, what, arguments, &["appointment_id", "caller_confirmed"])
}

fn send_confirmation() -> Value {
    let arguments = [
        ("appointment_id", text("Exactly as find_appointments or book returned it.")),
        (
            "channel",
            choice("How it is sent; sms only if the caller asks for a text message.", CHANNELS.map(|(word, _)| word)),
        ),
        ("email", text("A corrected address, only if confirmed letter by letter.")),
    ];
    let what = "Sends the confirmation again, or to a corrected address, when the caller asks for it.";
    function(SEND_CONFIRMATION, what, arguments, &["appointment_id", "channel"])
}

fn take_message() -> Value {
    let arguments = [
        ("caller_name", text("Who leaves the message.")),
        (
            "phone",
            text(
                "Where they are called back, with country code; 'caller_id' for the number of this call; 'none' if they want no call.",
            ),
        ),
        ("topic", choice("What it is about.", TOPICS)),
        (
            "message",
            text(
                "At most 600 characters, in the caller's sense; no medical detail beyond what they ask you to pass on.",
            ),
        ),
        ("urgency", choice("Today only if it cannot wait.", ["routine", "today"])),
    ];
    let what = "Keeps a message for the staff when you cannot help or the caller prefers it. Read it back first.";
    function(TAKE_MESSAGE, what, arguments, &["caller_name", "phone", "topic", "message"])
}

fn transfer() -> Value {
    let arguments = [("reason", choice("Why.", TRANSFER_REASONS.map(|(word, _)| word)))];
    let what = "Hands the conversation to a person: whenever the caller asks for one, for clinical questions and complaints, \
                and after two failed attempts to understand. Do not try to talk the caller out of it. Then do what it returns.";
    function(TRANSFER, what, arguments, &["reason"])
}

fn emergency() -> Value {
    let what = "Call it at once, before anything else, when the caller speaks of danger to life: chest pain, trouble \
                breathing, signs of a stroke, heavy bleeding, unconsciousness, an overdose, thoughts of suicide, a severe \
                allergic reaction, an emergency in pregnancy, a child in danger. Ask nothing first. Then say exactly the \
                sentence that it returns.";
    function(EMERGENCY, what, [], &[])
}

/// The declaration of [`END_CALL`].
pub fn end_call() -> Value {
    let arguments = [("reason", text("Why the conversation is over, in a few words."))];
    let what = "Ends the conversation. Call it only after the caller has said that there is nothing else, or has said goodbye. \
                Say your farewell in the same turn, before or while calling it: the line stays open until the caller has \
                heard it.";
    function(END_CALL, what, arguments, &[])
}

/// What a function that does not exist answers.
pub fn unknown(name: &str, known: &[&str]) -> Value {
    // The model's own word, cut: it may be as long as it likes.
    let name: String = name.chars().take(64).collect();
    json!({ "error": format!("There is no function {name:?}. The functions are: {}.", known.join(", ")), "retry": false })
}

fn function<const N: usize>(name: &str, what: &str, arguments: [(&str, Value); N], required: &[&str]) -> Value {
    let mut function = json!({ "name": name, "description": what });
    if N > 0 {
        let properties: Map<String, Value> =
            arguments.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
        function["parameters"] = json!({ "type": "OBJECT", "properties": properties });
        if !required.is_empty() {
            function["parameters"]["required"] = json!(required);
        }
    }
    function
}

fn text(what: &str) -> Value {
    json!({ "type": "STRING", "description": what })
}

fn flag(what: &str) -> Value {
    json!({ "type": "BOOLEAN", "description": what })
}

/// One of some words; any text if there is none to choose from, for an empty `enum` is refused.
fn choice<'a>(what: &str, words: impl IntoIterator<Item = &'a str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    if words.is_empty() { text(what) } else { json!({ "type": "STRING", "description": what, "enum": words }) }
}

#[cfg(test)]
#[path = "decl_tests.rs"]
mod tests;
