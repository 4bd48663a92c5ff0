//! The figures beside their goals.

use serde::Serialize;

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    goal: Option<f64>,
    ours: Option<f64>,
    trivial: Option<f64>,
    ratio: Option<f64>,
    /// `met`, `missed`, or nothing to meet.
    verdict: &'static str,
}

impl Row {
    /// A figure of both bridges; the daemon's may be at most `goal`.
    pub(crate) fn new(
        name: impl Into<String>,
        unit: &'static str,
        goal: Option<f64>,
        ours: Option<f64>,
        trivial: Option<f64>,
    ) -> Self {
        let ratio = ours.zip(trivial).filter(|(_, trivial)| *trivial > 0.0).map(|(ours, trivial)| ours / trivial);
        let verdict = match (ours, goal) {
            (Some(value), Some(limit)) if value <= limit => "met",
            (_, Some(_)) => "missed",
            (_, None) => "",
        };
        Self { name: name.into(), unit, goal, ours, trivial, ratio, verdict }
    }

    /// A figure of the daemon alone, which may not be less than `goal`.
    pub(crate) fn at_least(name: impl Into<String>, unit: &'static str, goal: f64, ours: Option<f64>) -> Self {
        let verdict = if ours.is_some_and(|value| value >= goal) { "met" } else { "missed" };
        Self { name: name.into(), unit, goal: Some(goal), ours, trivial: None, ratio: None, verdict }
    }

    /// The figure, if there is one.
    pub(crate) fn ours(&self) -> Option<f64> {
        self.ours
    }
}

/// All lines as a table.
pub(crate) fn text(rows: &[Row]) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), digits);
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(46);
    let mut lines = vec![format!(
        "{:<width$} {:>8} {:>9} {:>9} {:>9} {:>7}  ",
        "figure", "unit", "goal", "ours", "trivial", "ratio"
    )];
    lines.extend(rows.iter().map(|row| {
        let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let (goal, ours, trivial) = (number(row.goal), number(row.ours), number(row.trivial));
        format!("{:<width$} {:>8} {goal:>9} {ours:>9} {trivial:>9} {ratio:>7}  {}", row.name, row.unit, row.verdict)
    }));
    lines.join("\n")
}

/// Three figures' worth of digits.
fn digits(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v.abs() >= 100.0 => format!("{v:.0}"),
        v if v.abs() >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_goal_and_a_missing_one_is_missed() {
        let row = |goal, ours, trivial| Row::new("x", "ms", goal, ours, trivial).verdict;
        assert_eq!(row(Some(5.0), Some(4.9), None), "met");
        assert_eq!(row(Some(5.0), None, Some(1.0)), "missed");
        assert_eq!(row(None, Some(1.0), None), "");
        let row = |ours| Row::at_least("x", "dB", 30.0, ours).verdict;
        assert_eq!([row(Some(30.0)), row(Some(29.9)), row(None)], ["met", "missed", "missed"]);
    }

    #[test]
    fn lines_are_aligned() {
        let rows = [Row::new("x", "ms", Some(5.0), Some(0.123), Some(123.4))];
        let table = text(&rows);
        let lengths: Vec<usize> = table.lines().map(|line| line.find("0.12").unwrap_or(0)).collect();
        assert_eq!(table.lines().count(), 2);
        assert!(lengths[1] > 60 && table.contains("123 "));
    }
}
