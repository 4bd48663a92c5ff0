//! A technician tests the speakerphone: a sound is played into a virtual room, and what is wrong is said.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use frontdesk_gemini_sim::Settings as GeminiSettings;
use frontdesk_room::{Air, EchoPath, Room};
use frontdesk_tests::daemon::program;
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World};
use serde_json::Value;
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(20);

/// A room with a speakerphone, and a daemon that uses it; a voice begins conversations.
struct Desk {
    world: World,
    room: Room,
}

impl Desk {
    async fn open(furnish: impl FnOnce(&Air)) -> Self {
        let room = block_in_place(Room::start).unwrap();
        furnish(room.air());
        let world = World::make(Making {
            gemini: GeminiSettings { scenario: clinic(), ..GeminiSettings::default() },
            lines: vec![("desk", r#"device = "alsa:speakerphone""#.into()), ("desk", r#"wake = "voice""#.into())],
            environment: vec![("ALSA_CONFIG_PATH", room.alsa_config().display().to_string())],
            ..Making::default()
        })
        .await
        .unwrap();
        world.daemon.wait_for_log("the desk has a speakerphone", SOON).await.unwrap();
        Self { world, room }
    }

    async fn test(&self) -> (u16, Value) {
        self.world.daemon.post("/v1/desk/test").await.unwrap()
    }

    /// Times that a busy machine made the streams start anew: each may move what the canceller is given.
    async fn starts(&self) -> u64 {
        let sound = &self.world.daemon.json("/v1/desk").await.unwrap()["sound"];
        ["overruns", "underruns", "stalls"].iter().map(|it| sound[it].as_u64().unwrap()).sum()
    }

    /// A test that must have a result.
    async fn tested(&self) -> Value {
        let (status, tested) = self.test().await;
        assert_eq!(status, 200, "{tested:#}");
        tested
    }
}

fn echo_after(millis: u64) -> EchoPath {
    EchoPath { delay: Duration::from_millis(millis), ..EchoPath::default() }
}

/// Whether this was found.
fn found(tested: &Value, code: &str) -> bool {
    tested["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == code)
}

fn number(tested: &Value, key: &str) -> f64 {
    tested[key].as_f64().unwrap_or_else(|| panic!("no {key} in {tested:#}"))
}

/// What the loudspeaker says comes back as on a counter: the test finds how late, and that our canceller copes.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_with_an_echo_is_measured_and_needs_our_canceller_which_works() {
    let desk = Desk::open(|air| {
        air.set_noise(Some(-65.0));
        air.set_echo(Some(&echo_after(60)));
    })
    .await;
    let mut near_starts = desk.starts().await;
    let near = desk.tested().await;
    assert!(found(&near, "canceller_works") && !found(&near, "not_heard"), "{near:#}");
    assert!(number(&near, "echo_reduction") >= 20.0, "{near:#}");
    assert!((number(&near, "return_loss") - 6.0).abs() < 1.5, "the room's own -6 dB: {near:#}");
    // A third of the noise's band is left at 16 kHz.
    assert!((number(&near, "noise") + 65.0 + 4.8).abs() < 2.0, "{near:#}");
    assert!(number(&near, "certainty") > 0.8, "{near:#}");

    let (mut near, mut rounds) = (near, 0);
    loop {
        let starts = desk.starts().await;
        desk.room.air().set_echo(Some(&echo_after(140)));
        let far = desk.tested().await;
        if near_starts == starts && starts == desk.starts().await {
            let later = number(&far, "loop_delay_ms") - number(&near, "loop_delay_ms");
            assert!((later - 80.0).abs() < 1.0, "the wall has moved by 80 ms, not {later:.1}: {far:#}");
            break;
        }
        rounds += 1;
        assert!(rounds < 4, "a machine as busy as this one loses sound in every test: {far:#}");
        near_starts = desk.starts().await;
        desk.room.air().set_echo(Some(&echo_after(60)));
        near = desk.tested().await;
    }
    assert!(desk.world.gemini.sessions().is_empty(), "the test's own sound is no visitor");
}

/// The loudspeaker is turned down, or a headset is plugged in; and the quartz of the device is its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_does_not_hear_the_loudspeaker_is_told_with_what_would_do() {
    let desk = Desk::open(|air| {
        air.set_noise(Some(-60.0));
        air.set_clock(1.005);
    })
    .await;
    let tested = desk.tested().await;
    assert!(found(&tested, "not_heard") && tested["well"] == false, "{tested:#}");
    assert!(tested["loop_delay_ms"].is_null(), "{tested:#}");
    let not_heard = tested["findings"].as_array().unwrap().iter().find(|it| it["code"] == "not_heard").unwrap();
    assert!(not_heard["what"].as_str().unwrap().contains("does not hear the loudspeaker"), "{not_heard:#}");
    assert!(!not_heard["would_do"].as_str().unwrap().is_empty());
    for rate in ["capture_rate", "playout_rate"] {
        let off = number(&tested[rate], "measured") / number(&tested[rate], "claimed");
        assert!((off - 1.005).abs() < 0.002, "{rate}: {off}");
    }

    // Nothing at all reaches the technician's next try: not even noise.
    desk.room.air().set_noise(None);
    let socket = desk.world.plan.home.join("control.sock");
    let tool = tokio::process::Command::new(program("frontdeskctl").unwrap())
        .arg("--socket")
        .arg(socket)
        .args(["desk", "test"])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(tool.stdout).unwrap();
    assert_eq!(tool.status.code(), Some(1), "{said}");
    assert!(said.contains("WRONG   the microphone gives no signal at all"), "{said}");
}

/// Visitors come first; and there is one loudspeaker for one test.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_refused_while_somebody_talks_or_tests() {
    let desk = Desk::open(|air| air.set_noise(Some(-65.0))).await;
    let (one, other) = tokio::join!(desk.test(), desk.test());
    let mut codes = [one.0, other.0];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409], "{one:?} {other:?}");
    let refused = if one.0 == 409 { one.1 } else { other.1 };
    assert_eq!(refused["error"]["code"], "testing");

    let scenario = clinic();
    block_in_place(|| {
        let air = desk.room.air();
        let said = air.say_as(&scenario.exchanges[line::HOURS].caller, &scenario.caller_voice()).unwrap();
        air.wait_until_said(&said, SOON).unwrap();
        air.wait_for_voice(Duration::from_millis(200), SOON).unwrap();
    });
    let (status, refused) = desk.test().await;
    assert_eq!((status, refused["error"]["code"].as_str()), (409, Some("talking")), "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("conversation"), "{refused:#}");
}

/// The plug comes out in the middle of the sound: whoever waits is told, and the next device can be tested.
#[tokio::test(flavor = "multi_thread")]
async fn a_speakerphone_that_is_pulled_out_ends_its_test_with_the_reason() {
    let Desk { world, mut room } = Desk::open(|air| air.set_noise(Some(-65.0))).await;
    let pulling = tokio::task::spawn_blocking(move || {
        room.air().wait_for_voice(Duration::from_millis(300), SOON).unwrap();
        room.unplug().unwrap();
        room
    });
    let (status, refused) = world.daemon.post("/v1/desk/test").await.unwrap();
    assert_eq!((status, refused["error"]["code"].as_str()), (503, Some("device_gone")), "{refused:#}");
    let mut desk = Desk { world, room: pulling.await.unwrap() };
    let (status, refused) = desk.test().await;
    assert_eq!((status, refused["error"]["code"].as_str()), (503, Some("no_device")), "{refused:#}");

    block_in_place(|| desk.room.plug()).unwrap();
    desk.world.daemon.wait_for_json("/v1/desk", SOON, |desk| desk["state"] == "ready").await.unwrap();
    desk.room.air().set_echo(Some(&echo_after(60)));
    assert!(found(&desk.tested().await, "canceller_works"));
}
