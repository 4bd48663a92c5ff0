//! What a scrape shows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::config::StoreConfig;

/// The value of the sample that begins with `name`, labels included.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[test]
fn a_call_is_counted_from_start_to_end() {
    let metrics = Metrics::new();
    metrics.call_started();
    metrics.set_active_calls(3);
    metrics.call_ended("caller-left");
    let text = metrics.encode();
    assert_eq!(sample(&text, "frontdesk_calls_started_total"), Some(1.0));
    assert_eq!(sample(&text, "frontdesk_calls_active"), Some(3.0));
    assert_eq!(sample(&text, "frontdesk_calls_ended_total{reason=\"caller-left\"}"), Some(1.0));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn no_text_from_outside_becomes_a_label() {
    let metrics = Metrics::new();
    metrics.call_ended("failed: the model's own words");
    metrics.call_ended("a caller's words");
    metrics.leg_fault(1007);
    metrics.leg_fault(4711);
    let text = metrics.encode();
    assert_eq!(sample(&text, "frontdesk_calls_ended_total{reason=\"failed\"}"), Some(1.0));
    assert_eq!(sample(&text, "frontdesk_calls_ended_total{reason=\"other\"}"), Some(1.0));
    assert_eq!(sample(&text, "frontdesk_media_faults_total{code=\"1007\"}"), Some(1.0));
    assert_eq!(sample(&text, "frontdesk_media_faults_total{code=\"other\"}"), Some(1.0));
    assert!(!text.contains("words"));
}

#[test]
fn every_end_reason_of_the_core_has_its_word() {
    use frontdesk_core::session::effect::EndReason;
    let reasons = [
        EndReason::CallerLeft,
        EndReason::LineLost,
        EndReason::AgentEnded,
        EndReason::NoInput,
        EndReason::TooLong,
        EndReason::Staff,
        EndReason::Draining,
        EndReason::Failed("x"),
    ];
    let metrics = Metrics::new();
    for reason in &reasons {
        metrics.call_ended(&reason.to_string());
    }
    let text = metrics.encode();
    assert_eq!(text.lines().filter(|line| line.starts_with("frontdesk_calls_ended_total{")).count(), reasons.len());
    assert!(!text.contains("reason=\"other\""));
}

#[test]
fn durations_are_shown_in_seconds_and_buckets_add_up() {
    let metrics = Metrics::new();
    metrics.webhook("voice", "accepted", Duration::from_millis(3));
    metrics.webhook("voice", "accepted", Duration::from_millis(60));
    metrics.queue_depth("uplink", 3);
    let text = metrics.encode();
    let labels = "kind=\"voice\",outcome=\"accepted\"";
    let bucket = |bound: &str| {
        let either = [format!("le=\"{bound}\",{labels}"), format!("{labels},le=\"{bound}\"")];
        either.iter().find_map(|labels| sample(&text, &format!("frontdesk_webhook_seconds_bucket{{{labels}}}")))
    };
    assert_eq!(bucket("0.002"), Some(0.0));
    assert_eq!(bucket("0.005"), Some(1.0));
    assert_eq!(bucket("+Inf"), Some(2.0));
    assert_eq!(sample(&text, &format!("frontdesk_webhook_seconds_sum{{{labels}}}")), Some(0.063));
    assert_eq!(sample(&text, "frontdesk_queue_depth_sum{queue=\"uplink\"}"), Some(3.0));
}

#[test]
fn every_metric_says_what_it_is() {
    let (figures, plugged, metrics) = desk();
    plugged.store(true, Ordering::Relaxed);
    figures.capture_rate.set(16_000.0);
    let text = metrics.encode();
    let named = |comment: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(comment));
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(named("# HELP "), named("# TYPE "));
    assert!(named("# TYPE ").iter().all(|name| name.starts_with("frontdesk_")), "{text}");
    assert!(text.contains("frontdesk_build_info{version=\"") && text.contains("frontdesk_start_time_seconds "));
    assert!(sample(&text, "frontdesk_resident_memory_bytes").unwrap() > 100_000.0);
    assert!(sample(&text, "frontdesk_open_files").unwrap() >= 1.0);
}

#[tokio::test]
async fn what_the_store_drops_is_read_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreConfig { path: directory.path().join("calls.db"), keep_days: 1 }).unwrap();
    let metrics = Metrics::with_store(store.clone());
    assert_eq!(sample(&metrics.encode(), "frontdesk_store_records_dropped_total"), Some(0.0));
    store.close().await;
    assert!(!store.record(crate::store::Record::CallAnswered {
        call: "CA0123456789abcdef0123456789abcdef".parse().unwrap(),
        at: jiff::Timestamp::UNIX_EPOCH,
    }));
    assert_eq!(sample(&metrics.encode(), "frontdesk_store_records_dropped_total"), Some(1.0));
    assert_eq!(sample(&metrics.encode(), "frontdesk_store_records_failed_total"), Some(0.0));
}

/// Figures of a desk, whether it has a device, and the metrics of a daemon that has it.
fn desk() -> (&'static frontdesk_hw::figures::Figures, Arc<AtomicBool>, Metrics) {
    let figures: &'static frontdesk_hw::figures::Figures = Box::leak(Box::default());
    let plugged = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&plugged);
    let sound = Sound { figures, present: Arc::new(move || seen.load(Ordering::Relaxed)) };
    (figures, plugged, Metrics { shared: Arc::new(Shared::register(None, Some(sound))) })
}

#[test]
fn what_the_audio_threads_count_is_read_from_them() {
    let (figures, _, metrics) = desk();
    assert_eq!(sample(&metrics.encode(), "frontdesk_desk_xruns_total{direction=\"playout\"}"), Some(0.0));
    // Each counter another number, so that none is taken for another.
    let counts = [
        (&figures.overruns, "xruns_total{direction=\"capture\"}"),
        (&figures.underruns, "xruns_total{direction=\"playout\"}"),
        (&figures.gaps, "gaps_total"),
        (&figures.stalls, "stalls_total"),
        (&figures.starved, "starved_blocks_total"),
        (&figures.capture_dropped, "capture_dropped_blocks_total"),
        (&figures.heard_dropped, "heard_dropped_blocks_total"),
        (&figures.opened, "device_opened_total"),
        (&figures.standbys, "standbys_total"),
    ];
    for (n, (count, _)) in counts.iter().enumerate() {
        (0..=n).for_each(|_| count.raise());
    }
    let text = metrics.encode();
    for (n, (_, name)) in counts.iter().enumerate() {
        assert_eq!(sample(&text, &format!("frontdesk_desk_{name}")), Some((n + 1) as f64), "{name}");
    }
}

#[test]
fn spreads_are_shown_by_octave_with_their_sum() {
    let (figures, _, metrics) = desk();
    for micros in [3, 100, 120, 60_000_000] {
        figures.rt_lateness.count(Duration::from_micros(micros));
    }
    figures.dsp_work.count(Duration::from_micros(700));
    let text = metrics.encode();
    let value = |part: &str| sample(&text, &format!("frontdesk_desk_rt_lateness_seconds_{part}"));
    let bucket = |bound: &str| value(&format!("bucket{{le=\"{bound}\"}}"));
    assert_eq!((bucket("0.000002"), bucket("0.000004"), bucket("0.000064")), (Some(0.0), Some(1.0), Some(1.0)));
    assert_eq!((bucket("0.000128"), bucket("+Inf"), value("count")), (Some(3.0), Some(4.0), Some(4.0)));
    assert_eq!(value("sum"), Some(60.000_223), "also what is longer than every bucket");
    assert_eq!(sample(&text, "frontdesk_desk_dsp_work_seconds_count"), Some(1.0));
    assert_eq!(sample(&text, "frontdesk_desk_rt_work_seconds_count"), Some(0.0));
    assert_eq!(sample(&text, "frontdesk_desk_playout_fill_seconds_count"), Some(0.0));
}

#[test]
fn what_is_measured_at_a_device_is_shown_while_there_is_one() {
    let (figures, plugged, metrics) = desk();
    figures.erle.set(31.5);
    figures.capture_rate.set(15_999.5);
    let text = metrics.encode();
    assert_eq!(sample(&text, "frontdesk_desk_device_present"), Some(0.0));
    assert!(!text.contains("echo_reduction") && !text.contains("rate_hertz"), "of the last device: {text}");
    plugged.store(true, Ordering::Relaxed);
    let text = metrics.encode();
    assert_eq!(sample(&text, "frontdesk_desk_device_present"), Some(1.0));
    assert_eq!(sample(&text, "frontdesk_desk_echo_reduction_decibels"), Some(31.5));
    assert_eq!(sample(&text, "frontdesk_desk_rate_hertz{direction=\"capture\"}"), Some(15_999.5));
    assert_eq!(sample(&text, "frontdesk_desk_rate_hertz{direction=\"playout\"}"), None, "not known yet");
}

#[test]
fn a_daemon_without_a_desk_shows_no_sound() {
    assert!(!Metrics::new().encode().contains("frontdesk_desk_xruns"));
}
