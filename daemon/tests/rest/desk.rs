//! The front desk, as people and the technician's tool see it.

use frontdeskd::http::reply::{DeskDevices, DeskReport, HealthStatus};

use crate::ctl::by_socket;
use crate::world::{DEVICE_NAME, SHOWN_NAME, World, ask_control};

#[tokio::test]
async fn the_desk_is_told_over_both_listeners() {
    let mut world = World::new(HealthStatus::Ok);
    let (admin, socket) = (world.admin(Some("t0ken")).await, world.control());
    for path in ["/v1/desk", "/v1/desk/devices"] {
        let denied = admin.ask(&format!("GET {path}"), &[]).await;
        assert_eq!(denied.status, 401, "not for everybody");
        let told = admin.ask(&format!("GET {path}"), &["Authorization: Bearer t0ken"]).await;
        let here = ask_control(&socket, &format!("GET {path}")).await;
        assert_eq!((told.status, here.status), (200, 200));
        assert_eq!(told.json(), here.json());
        assert_eq!(admin.ask(&format!("DELETE {path}"), &["Authorization: Bearer t0ken"]).await.status, 405);
    }
    let json = ask_control(&socket, "GET /v1/desk").await.json();
    assert_eq!(
        (&json["state"], &json["device"], &json["talking"]),
        (&"ready".into(), &DEVICE_NAME.into(), &true.into())
    );
    assert_eq!((&json["levels"]["microphone"], &json["sound"]["underruns"]), (&(-30.0).into(), &2.into()));
    assert_eq!(json["standing_by"], true, "a look does not wake it");
    let bad = ask_control(&socket, "GET /v1/desk?levels=true").await;
    assert_eq!((bad.status, bad.json()["error"]["code"].as_str()), (400, Some("bad_query")));
    assert_eq!(ask_control(&socket, "GET /v1/desk?meters=true").await.json()["standing_by"], true);
    assert_eq!(ask_control(&socket, "GET /v1/desk").await.json()["standing_by"], false, "who watches meters does");
    let report: DeskReport = serde_json::from_value(json).unwrap();
    assert!(report.muted && report.sound.lateness_max_ms > report.sound.lateness_p99_ms);
    let devices = ask_control(&socket, "GET /v1/desk/devices").await.json();
    let DeskDevices { devices } = serde_json::from_value(devices).unwrap();
    assert_eq!(
        devices.iter().map(|device| (device.capture, device.chosen)).collect::<Vec<_>>(),
        [(true, true), (false, false)]
    );
}

/// What a device calls itself, and what is said of it, goes to a terminal as text and nothing else.
fn assert_harmless(out: &str) {
    let obeyed: Vec<char> = out.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert!(obeyed.is_empty(), "{obeyed:?} in {out:?}");
}

#[tokio::test]
async fn desk_shows_the_speakerphone_and_how_well_it_runs() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, err) = by_socket(&socket, "desk").await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("desk        {SHOWN_NAME}\nopened      capture 16000 Hz; 2J playout")), "{out}");
    assert!(out.contains("\nremark      no real-time [2J priority\n"), "{out}");
    assert!(out.contains("\nnow         in conversation, microphone off\n"), "{out}");
    assert!(out.contains("1 overruns, 2 underruns, 3 gaps, 4 stalls") && out.contains("0.50 ms (p99), 7.25"), "{out}");
    assert_harmless(&out);
    assert_eq!(by_socket(&socket, "desk status").await.1, out);

    let (code, out, _) = by_socket(&socket, "desk --json").await;
    let report: DeskReport = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report.device.as_deref()), (0, Some(DEVICE_NAME)), "programs get it as it is");
}

#[tokio::test]
async fn desk_list_shows_what_could_serve() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, err) = by_socket(&socket, "desk list").await;
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[1].starts_with("*  usb:0b0e:0422: c1 ") && lines[1].contains(SHOWN_NAME), "{out}");
    assert!(lines[2].trim_start().starts_with("alsa:hw:CARD=HDMI  HDMI ") && lines[2].ends_with("as it is"), "{out}");
    assert_harmless(&out);
    let (_, out, _) = by_socket(&socket, "desk list --json").await;
    let DeskDevices { devices } = serde_json::from_str(&out).unwrap();
    assert_eq!(devices.len(), 2);
}

/// Not for a terminal: one picture, and no characters that move a cursor.
#[tokio::test]
async fn desk_levels_shows_one_picture_to_whoever_is_no_terminal() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, err) = by_socket(&socket, "desk levels").await;
    assert_eq!((code, err.as_str(), out.lines().count()), (0, "", 4), "{out}");
    let half = format!("microphone   [{}{}]  -30.0 dBFS\n", "#".repeat(20), " ".repeat(20));
    assert!(out.starts_with(&half), "{out}");
    assert!(out.contains("loudspeaker  [                                        ] -120.0 dBFS"), "{out}");
    assert!(out.contains("in conversation") && out.contains("echo reduced by  31.5 dB"), "{out}");
    assert_harmless(&out);
    let (_, out, _) = by_socket(&socket, "desk levels --json").await;
    let levels: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&levels["heard"], &levels["echo_reduction"]), (&(-60.0).into(), &31.5.into()));
}

#[tokio::test]
async fn status_and_health_name_the_speakerphone() {
    let mut world = World::new(HealthStatus::Ok);
    let (admin, socket) = (world.admin(None).await, world.control());
    let (_, out, _) = by_socket(&socket, "status").await;
    assert!(out.contains(&format!("\ndesk        {SHOWN_NAME}, standing by\n")), "{out}");
    assert_harmless(&out);
    let json = admin.ask("GET /health", &[]).await.json();
    assert_eq!((&json["desk"]["state"], &json["desk"]["device"]), (&"ready".into(), &DEVICE_NAME.into()));
    assert_eq!(json["desk"]["standing_by"], true);
}

#[tokio::test]
async fn desk_talk_begins_a_conversation_in_a_personas_voice() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let begun = "DK00000000000000000000000000000051";
    let (code, out, err) = by_socket(&socket, "desk talk --persona guide").await;
    assert_eq!((code, out, err), (0, format!("a conversation begins at the desk: {begun}\n"), String::new()));
    let (_, out, _) = by_socket(&socket, "desk talk --json").await;
    assert_eq!(out, format!("{{\"call_sid\":\"{begun}\"}}\n"));
    let (code, _, err) = by_socket(&socket, "desk talk --persona gude").await;
    assert_eq!((code, err.as_str()), (1, "frontdeskctl: choose one of guide, concierge\n"));
    let (code, _, err) = by_socket(&socket, "desk talk --persona Guide!").await;
    assert!(code == 2 && err.contains("lower-case letters"), "{code} {err}");
    for (request, status) in [
        ("POST /v1/desk/talk?persona=guide", 201),
        ("POST /v1/desk/talk", 201),
        ("POST /v1/desk/talk?persona=Guide", 400),
        ("POST /v1/desk/talk?who=guide", 400),
        ("POST /v1/desk/talk?persona=other", 404),
        ("GET /v1/desk/talk", 405),
    ] {
        assert_eq!(ask_control(&socket, request).await.status, status, "{request}");
    }
}
