//! What people read: tables, times, spans.

use std::time::Duration;

use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Rows under a head, each column as wide as its widest entry; the last is not padded.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let lines: Vec<String> = std::iter::once(&head.map(str::to_owned)).chain(rows).map(line).collect();
    lines.join("\n")
}

/// Date and time on a clock in `zone`.
pub(super) fn date_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time alone.
pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// `0:07`, `1:02:03`, `3 d 4 h`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, hours) => format!("{hours}:{minutes:02}:{seconds:02}"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

/// From `from` to `to`, which lies after it.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span(to.duration_since(from).try_into().unwrap_or_default())
}

/// A number, masked; a dash for one that was withheld.
pub(super) fn number(number: Option<&PhoneNumber>) -> String {
    number.map_or_else(|| "withheld".to_owned(), PhoneNumber::to_string)
}

/// A text that came from outside, without the characters that a terminal obeys.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let rows = [["+1555•••0200".to_owned(), "1".to_owned()], ["x".to_owned(), "22".to_owned()]];
        assert_eq!(table(["CALLER", "N"], &rows), "CALLER        N\n+1555•••0200  1\nx             22");
        assert_eq!(table(["A", "B"], &[]), "A  B");
    }

    #[test]
    fn spans_are_as_long_as_needed() {
        let of = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([of(0), of(67), of(3_723), of(90_000)], ["0:00", "1:07", "1:02:03", "1 d 1 h"]);
    }

    #[test]
    fn times_are_local() {
        let at: Timestamp = "2026-11-21T23:30:00Z".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(date_time(at, &berlin), "2026-11-22 00:30:00");
        assert_eq!(time(at, &TimeZone::UTC), "23:30:00");
    }

    #[test]
    fn nobody_can_write_to_the_terminal_by_talking() {
        assert_eq!(plain("hello\u{1b}[2J\r\nyou"), "hello [2J  you");
    }
}
