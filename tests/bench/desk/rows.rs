//! The desk's figures as lines of the table.

use super::Found;
use crate::table::Row;

/// All of them, those that are missing too.
pub(super) fn of(found: &Found) -> Vec<Row> {
    let mut rows = Vec::new();
    way(&mut rows, "microphone to model", [&found.up, &found.device_up, &found.loaded_up], 25.0);
    way(&mut rows, "model to loudspeaker", [&found.down, &found.device_down, &found.loaded_down], 40.0);
    let minutes = found.loaded_seconds / 60.0;
    let mut add = |name: &str, unit, goal, ours| rows.push(Row::new(format!("desk: {name}"), unit, goal, ours, None));
    add("real-time thread, agent speaks", "% core", Some(1.0), found.rt);
    add("DSP thread, agent speaks, echo on", "% core", Some(4.0), found.dsp);
    add("whole daemon and device plugin, agent speaks", "% core", None, found.daemon);
    let count = |lost: Option<u64>| lost.map(|count| count as f64);
    add(&format!("xruns in {minutes:.1} min, cores loaded"), "", Some(0.0), count(found.xruns));
    add("gaps, stalls, blocks lost meanwhile", "", Some(0.0), count(found.starved));
    for (mode, goal, idle) in [("idle", Some(0.3), found.idle), ("waiting for a voice", None, found.watching)] {
        add(&format!("whole daemon less device plugin, {mode}"), "% core", goal, idle.map(|it| it.share));
        add(&format!("times a thread woke, {mode}, the same"), "1/s", None, idle.map(|it| it.wakeups));
        add(&format!("virtual device's plugin thread, {mode}"), "% core", None, idle.map(|it| it.device_share));
        add(&format!("times it woke, {mode}"), "1/s", None, idle.map(|it| it.device_wakeups));
    }
    add("button to microphone, from standby, mean", "ms", Some(150.0), found.rousing);
    let held = quantile(&found.device_down, 0.5);
    let sound = quantile(&found.pressed, 1.0).zip(held).map(|(all, device)| all - device);
    add("button to first sound, from standby, longest", "ms", None, sound);
    let erle = |share| quantile(&found.erle, share);
    rows.push(Row::at_least("desk: echo reduction on speech, worker's own, p50", "dB", 30.0, erle(0.5)));
    rows.push(Row::new("desk: the same, the worst second", "dB", None, erle(0.0), None));
    rows.push(Row::new("desk: echo reduction, self-test's sound", "dB", None, found.tested, None));
    rows
}

/// One way, by what was measured through the daemon, at the device alone, and with all cores loaded.
fn way(rows: &mut Vec<Row>, name: &str, [all, device, loaded]: [&[f64]; 3], goal: f64) {
    let held = quantile(device, 0.5);
    let mut add = |what: &str, goal, ours| rows.push(Row::new(format!("desk: {name}, {what}"), "ms", goal, ours, None));
    let ours = |all, share| quantile(all, share).zip(held).map(|(all, device)| all - device);
    add("p50", None, ours(all, 0.5));
    add("p99", Some(goal), ours(all, 0.99));
    add("cores loaded, p99", None, ours(loaded, 0.99));
    for (word, share) in [("p50", 0.5), ("p99", 0.99)] {
        add(&format!("with device, {word}"), None, quantile(all, share));
        add(&format!("device alone, {word}"), None, quantile(device, share));
    }
}

/// The value that `share` of all do not exceed.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!([0.0, 0.5, 0.51, 1.0].map(|share| quantile(&values, share)), [1.0, 2.0, 3.0, 4.0].map(Some));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_devices_median_is_no_part_of_ours() {
        let mut rows = Vec::new();
        way(&mut rows, "there", [&[30.0, 40.0], &[10.0, 12.0, 11.0], &[]], 25.0);
        let ours: Vec<_> = rows.iter().map(Row::ours).collect();
        assert_eq!(ours, [Some(19.0), Some(29.0), None, Some(30.0), Some(11.0), Some(40.0), Some(12.0)]);
        way(&mut rows, "back", [&[30.0], &[], &[]], 25.0);
        assert_eq!(rows[7].ours(), None, "a device that was not measured is not taken for none");
    }
}
