//! Text messages: `POST /Messages.json`, what was sent, and who has answered STOP.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    ids::{Rng, rfc2822_now},
    rest::{failure, form, is_e164, not_found, value},
    sim::SimInner,
};

/// Longest body that is taken, in characters.
const LONGEST: usize = 1_600;
/// GSM 03.38's basic alphabet beyond ASCII letters and digits, and what its extension adds at the price of two.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
const GSM_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// A text message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMessage {
    /// `SM` and 32 hexadecimal digits.
    pub sid: String,
    /// The recipient.
    pub to: String,
    /// The sender.
    pub from: String,
    /// What it says.
    pub body: String,
    /// What is paid for: parts of 160 characters of the GSM alphabet or 70 others, a little less where there are several.
    pub segments: usize,
}

pub(crate) async fn create(State(sim): State<Arc<SimInner>>, Path(account): Path<String>, body: Bytes) -> Response {
    if account != sim.settings.account_sid {
        return not_found();
    }
    let params = form(&body);
    let given = |name| value(&params, name).filter(|value| !value.is_empty());
    let bad = |code, text: &str| failure(StatusCode::BAD_REQUEST, code, text);
    let Some(to) = given("To") else { return bad(21_604, "A 'To' phone number is required.") };
    let Some(from) = given("From").or(given("MessagingServiceSid")) else {
        return bad(21_603, "A 'From' phone number is required.");
    };
    let Some(text) = given("Body") else { return bad(21_602, "Message body is required.") };
    if !is_e164(to) {
        return bad(21_211, "Invalid 'To' Phone Number");
    }
    if given("From").is_some_and(|from| from != sim.settings.number) {
        return bad(21_606, "The 'From' phone number provided is not a valid message-capable Twilio phone number.");
    }
    if text.chars().count() > LONGEST {
        return bad(21_617, "The concatenated message body exceeds the 1600 character limit.");
    }
    if sim.has_opted_out(to) {
        return bad(21_610, "Attempt to send to unsubscribed recipient");
    }
    let message = sim.note_message(|number| TextMessage {
        sid: Rng::new(sim.settings.seed ^ 0x534D, number as u64).sid("SM"),
        to: to.to_owned(),
        from: from.to_owned(),
        body: text.to_owned(),
        segments: segments(text),
    });
    let TextMessage { sid, segments, .. } = &message;
    let shown = json!({
        "sid": sid, "account_sid": account, "to": to, "from": from, "body": text, "status": "queued",
        "direction": "outbound-api", "num_segments": segments.to_string(), "num_media": "0",
        "messaging_service_sid": null, "price": null, "price_unit": "USD", "date_sent": null,
        "error_code": null, "error_message": null, "api_version": "2010-04-01",
        "date_created": rfc2822_now(), "date_updated": rfc2822_now(),
        "uri": format!("/2010-04-01/Accounts/{account}/Messages/{sid}.json"),
    });
    (StatusCode::CREATED, axum::Json(shown)).into_response()
}

fn segments(text: &str) -> usize {
    let septets = |c: char| match c {
        c if c.is_ascii_alphanumeric() || GSM.contains(c) => Some(1),
        c if GSM_EXTENSION.contains(c) => Some(2),
        _ => None,
    };
    let (units, one, several) = match text.chars().map(septets).sum::<Option<usize>>() {
        Some(units) => (units, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if units <= one { 1 } else { units.div_ceil(several) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_they_are_paid_for() {
        for (text, count) in [
            ("See you on Monday.".to_owned(), 1),
            ("ä".repeat(160), 1),
            ("a".repeat(161), 2),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ł".repeat(70), 1),
            ("ł".repeat(71), 2),
            ("a".repeat(307), 3),
        ] {
            assert_eq!(segments(&text), count, "{text}");
        }
    }
}
